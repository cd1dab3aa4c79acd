// What numbers mean, for people.

const CLOSE_CODES = {
  1000: "all went well",
  1001: "the other side is going away",
  1002: "the protocol was broken",
  1003: "this kind of data is not accepted",
  1005: "no code was given",
  1006: "the connection broke off without a closing frame",
  1007: "a text was not UTF-8",
  1008: "a rule of the host was broken",
  1009: "a message was too large",
  1011: "the plugin failed",
  1012: "the service restarts",
  1013: "the host or this client’s queue is full",
};

/** The time of day, such as 14:03:22. */
export function clock(date) {
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}

/** Milliseconds as 9 s, 2 min 10 s or 1 h 4 min. */
export function span(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  if (minutes > 0) return `${minutes} min ${seconds % 60} s`;
  return `${seconds} s`;
}

/** A close code and its reason. */
export function closure({ code, reason }) {
  const meaning = CLOSE_CODES[code] ?? (code >= 3000 ? "a code of the plugin’s own" : "an unusual code");
  return reason ? `${code}, ${meaning}: “${reason}”` : `${code}, ${meaning}`;
}

/** The first bytes in hexadecimal. */
export function hex(bytes, most = 32) {
  const shown = Array.from(bytes.subarray(0, most), (byte) => byte.toString(16).padStart(2, "0"));
  const rest = bytes.length > most ? " …" : "";
  return `${bytes.length} ${bytes.length === 1 ? "byte" : "bytes"}: ${shown.join(" ")}${rest}`;
}
