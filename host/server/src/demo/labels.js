// Times, close codes and binary messages as text.

/** The names of the close codes in the IANA registry "WebSocket Close Code Number". */
const CLOSE_CODES = {
  1000: "normal closure",
  1001: "going away",
  1002: "protocol error",
  1003: "unsupported data",
  1005: "no status code received",
  1006: "abnormal closure",
  1007: "invalid frame payload data",
  1008: "policy violation",
  1009: "message too big",
  1010: "mandatory extension missing",
  1011: "internal error",
  1012: "service restart",
  1013: "try again later",
  1014: "bad gateway",
};

/** The time of day, such as "14:03:22". */
export function formatTime(date) {
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}

/** The code and reason of a CloseEvent, such as "1001 going away: “server shutting down”". */
export function describeClose({ code, reason }) {
  const name = CLOSE_CODES[code] ?? (code >= 3000 ? "application-defined" : "unknown code");
  return reason ? `${code} ${name}: “${reason}”` : `${code} ${name}`;
}

/** The number of bytes, and the first `limit` of them in hexadecimal. */
export function formatHex(bytes, limit = 32) {
  const digits = Array.from(bytes.subarray(0, limit), (byte) => byte.toString(16).padStart(2, "0"));
  const ellipsis = bytes.length > limit ? " …" : "";
  return `${bytes.length} ${bytes.length === 1 ? "byte" : "bytes"}: ${digits.join(" ")}${ellipsis}`;
}
