/** The commands of the configuration. */

import { config as settings } from "narrowboat";

export function config(_, key) {
  return settings.has(key) ? `= ${settings.get(key)}` : "none";
}

export const configs = () => Object.keys(settings.all()).join(" ");

export function number(_, key) {
  try {
    const number = settings.parse(key, Number);
    return number === undefined ? "none" : String(number + 1);
  } catch (error) {
    return `error: ${error.message}`;
  }
}
