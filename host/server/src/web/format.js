// Numbers and versions as text, for both pages.

/** Seconds in their two largest units, such as "9 s", "2 min 10 s", "1 h 4 min" or "3 d 2 h". */
export function formatDuration(seconds) {
  const wholeSeconds = Math.floor(seconds);
  const minutes = Math.floor(wholeSeconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  if (minutes > 0) return `${minutes} min ${wholeSeconds % 60} s`;
  return `${wholeSeconds} s`;
}

/** A count and its noun, such as "1 fault" or "2 faults". */
export const formatCount = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

export function formatBytes(count) {
  if (count < 1024) return `${count} B`;
  if (count < 1024 * 1024) return `${(count / 1024).toFixed(1)} KiB`;
  return `${(count / 1024 / 1024).toFixed(1)} MiB`;
}

/** The first 12 digits of a version, which is a SHA-256 in hexadecimal. */
export const shortVersion = (version) => version.slice(0, 12);
