/** Errors whose cause is another server or a limit of the operator, and neither the plugin nor the client. */

/** The most errors of a chain that are looked at. */
const MAX_CAUSES = 16;

/** The codes of the errors of `keyvalue` and `fetch`, by their names. */
const CODES = new Map([["KeyValueError", "unavailable"], ["TypeError", "other"]]);

/** The names of the errors of the channel layer, and of requests that take too long. */
const NAMES = new Set(["ChannelFull", "TimeoutError", "Unavailable"]);

/** Says whether such a cause is that of an error, or of its `cause`. */
export function isExternalFailure(error) {
  for (let count = 0; count < MAX_CAUSES && error instanceof Error; count++) {
    if (NAMES.has(error.name) || (error.code !== undefined && CODES.get(error.name) === error.code)) return true;
    error = error.cause;
  }
  return false;
}
