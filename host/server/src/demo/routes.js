// Paths of routes with placeholders.

const PLACEHOLDER = /\{(\w+)\}/g;

/** The name of the only field of a route by a regular expression. */
const PATH_FIELD = "path";

/** A route's pattern, as the configuration has it. */
export const patternOf = (route) => route.path ?? route.regex;

/** The names of the fields that a route needs. */
export function fieldNames(route) {
  if (route.regex !== undefined) return [PATH_FIELD];
  return [...route.path.matchAll(PLACEHOLDER)].map(([, name]) => name);
}

/** The initial value of a field. */
export const defaultValue = (route) => (route.regex !== undefined ? "/" : "red");

/** The path of a route with the values of its fields, escaped. The path of a regular expression may have a query. */
export function buildPath(route, valueOf) {
  if (route.regex !== undefined) {
    const { pathname, search } = new URL(valueOf(PATH_FIELD) || "/", location.origin);
    return pathname + search;
  }
  // A split by a pattern with a group returns the placeholders' names at the odd indexes.
  const parts = route.path.split(PLACEHOLDER);
  return parts.map((part, index) => (index % 2 ? encodeURIComponent(valueOf(part)) : encodeURI(part))).join("");
}

/** The values of a route's fields in a path, by name; null if the path does not match. */
export function matchPath(route, path) {
  // A browser cannot evaluate the host's regular expressions, so such a route matches every path.
  if (route.regex !== undefined) return { [PATH_FIELD]: path };
  const names = [];
  const pattern = route.path.split(PLACEHOLDER).map((part, index) => {
    if (index % 2 === 0) return encodeURI(part).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    names.push(part);
    return "([^/]+)";
  });
  const match = new RegExp(`^${pattern.join("")}$`).exec(path);
  return match && Object.fromEntries(names.map((name, index) => [name, decode(match[index + 1])]));
}

/** Undoes percent-encoding; a text that is not valid percent-encoding stays as it is. */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
