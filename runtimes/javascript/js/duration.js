/** Lengths of time. */

const MILLISECONDS = { milliseconds: 1, seconds: 1000, minutes: 60_000, hours: 3_600_000, days: 86_400_000 };

/** The milliseconds of a number, or of an object such as `{ seconds: 30 }`. NaN for anything else. */
export function toMilliseconds(duration) {
  if (typeof duration !== "object" || duration === null) return typeof duration === "number" ? duration : NaN;
  return Object.entries(duration).reduce((sum, [unit, count]) => sum + count * (MILLISECONDS[unit] ?? NaN), 0);
}

/** The longest time to live of a key: 100 years. */
const LONGEST_TTL = 100 * 365 * MILLISECONDS.days;

/** The milliseconds of a time to live, a whole number. */
export function toTimeToLive(duration) {
  const milliseconds = toMilliseconds(duration);
  if (milliseconds > 0 && milliseconds <= LONGEST_TTL) return Math.ceil(milliseconds);
  throw new RangeError("a time to live is a number of milliseconds above 0, or an object such as { minutes: 5 }, of at most 100 years");
}
