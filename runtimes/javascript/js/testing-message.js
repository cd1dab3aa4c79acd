/** The messages of assertions that do not hold. */

import { show } from "./console.js";

/** The most characters of a value in a message. */
const MAX_CHARACTERS = 1000;

/** Returns a value as a message shows it: a string is in quotes. */
export function quote(value) {
  const text = show(value, 1);
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
}

/**
 * Returns the message. `expected` describes the values for which the assertion holds. `got` may come before the value, or
 * stand for it if `hidesValue` is true. `note` is a further line.
 */
export function describeMismatch(received, { expected, got = "", hidesValue = false, note }, isNegated) {
  const shown = [got, hidesValue ? "" : quote(received)].filter(Boolean).join(" ");
  const line = `expected ${isNegated ? "anything but " : ""}${expected}, got ${shown}`;
  return note !== undefined && !isNegated ? `${line}\n${note}` : line;
}
