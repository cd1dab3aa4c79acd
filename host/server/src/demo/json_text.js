// JSON on several lines.

/** Longer texts stay as they are. */
const MAX_LENGTH = 64 * 1024;

/** Texts with more levels stay as they are, because their indentation would be larger than the text. */
const MAX_DEPTH = 32;

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * An object or array in JSON with a line for each member; null for any other text. The tokens stay as they are, so large
 * numbers and repeated names are shown as they were sent.
 */
export function formatJson(text) {
  if (text.length > MAX_LENGTH || !/^\s*[[{]/.test(text) || !isJson(text)) return null;
  const tokens = text.match(TOKENS);
  let depth = 0;
  let formatted = "";
  const newLine = () => "\n" + "  ".repeat(depth);
  for (const [index, token] of tokens.entries()) {
    const isEmpty = "]}".includes(tokens[index + 1]);
    if (token === "{" || token === "[") {
      depth += 1;
      if (depth > MAX_DEPTH) return null;
      formatted += isEmpty ? token : token + newLine();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      formatted += "{[".includes(tokens[index - 1]) ? token : newLine() + token;
    } else if (token === ",") {
      formatted += token + newLine();
    } else {
      formatted += token === ":" ? ": " : token;
    }
  }
  return formatted;
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
