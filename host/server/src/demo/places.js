// Places in source files, as faults and refusals name them.

/** `consumers.py:9`, `rooms/chat.js:12:5`, and Python's `File "consumers.py", line 9`. */
const PLACES = [
  // Without the character before the path, the time would grow with the square of the length of a path.
  /(?:^|[^\w./-])(?<path>[\w./-]+\.\w+):(?<line>\d+)(?::(?<column>\d+))?/,
  /File "(?<path>[^"]+)", line (?<line>\d+)/,
];

/**
 * The first place that a text names, as { path, line, column, message }; null if it names none. The message is what
 * follows the place, or the whole text if the place is at its end.
 */
export function findPlace(text) {
  for (const pattern of PLACES) {
    const match = pattern.exec(text);
    if (!match) continue;
    const { path, line, column = 0 } = match.groups;
    const rest = text.slice(match.index + match[0].length);
    const message = rest.startsWith(": ") ? rest.slice(2) : text;
    return { path, line: Number(line), column: Number(column), message };
  }
  return null;
}

/** A place as text, such as "consumers.py, line 9"; the path alone if the line is unknown. */
export const describePlace = ({ path, line }) => (line ? `${path}, line ${line}` : path);
