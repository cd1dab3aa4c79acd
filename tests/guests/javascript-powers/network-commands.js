/** The commands of HTTP. */

/** The names of the errors in all languages. */
const KINDS = { "invalid-request": "invalid request", denied: "denied", "too-large": "too large" };

/** Sends a request and describes its response. Errors are replies. */
async function ask(url, options) {
  try {
    const response = await globalThis.fetch(url, options);
    return `${response.status} ${response.headers.get("content-length") ?? ""} ${await response.text()}`;
  } catch (error) {
    return `error: ${error.name === "TimeoutError" ? "timed out" : (KINDS[error.code] ?? "other")}`;
  }
}

export function fetch(_, url, milliseconds) {
  const signal = milliseconds === "" ? undefined : AbortSignal.timeout(Number(milliseconds));
  return ask(url, { headers: { "x-test": "powers" }, signal });
}

export const post = (_, url, body) => ask(url, { method: "POST", body });
