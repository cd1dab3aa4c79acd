// Colours for source text: strings, comments, numbers and words of the language.

import { createElement } from "./dom.js";

/** Longer texts have no colours, because every change colours the whole text. */
const MAX_LENGTH = 64 * 1024;

const PYTHON_WORDS =
  "False None True and as assert async await break case class continue def del elif else except finally for from global " +
  "if import in is lambda match nonlocal not or pass raise return try while with yield self";

const SCRIPT_WORDS =
  "async await break case catch class const continue default delete do else export extends false finally for from " +
  "function if import in instanceof interface let new null of return static super switch this throw true try type " +
  "typeof undefined var void while yield";

const PYTHON = createLanguage(
  /#[^\n]*/,
  /(?:[rbfu]|rb|br|fr|rf)?(?:"""(?:[^\\]|\\.)*?(?:"""|$)|'''(?:[^\\]|\\.)*?(?:'''|$))/,
  /(?:[rbfu]|rb|br|fr|rf)?(?:"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?)/,
  PYTHON_WORDS,
);
const SCRIPT = createLanguage(
  /\/\/[^\n]*|\/\*(?:[^*]|\*(?!\/))*(?:\*\/)?/,
  /`(?:[^`\\]|\\.)*`?/,
  /"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?/,
  SCRIPT_WORDS,
);
const TOML = createLanguage(/#[^\n]*/, /"""(?:[^\\]|\\.)*?(?:"""|$)/, /"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?/, "true false");

const LANGUAGES = { py: PYTHON, js: SCRIPT, mjs: SCRIPT, cjs: SCRIPT, ts: SCRIPT, mts: SCRIPT, toml: TOML, json: SCRIPT };

function createLanguage(comment, longString, string, words) {
  const keyword = words.split(" ").join("|");
  const parts = [
    `(?<comment>${comment.source})`,
    `(?<string>${longString.source}|${string.source})`,
    `\\b(?<keyword>${keyword})\\b`,
    `\\b(?<number>\\d[\\w.]*)`,
    // A word is one match, so that no keyword is found in it.
    "[\\p{L}_$][\\p{L}\\p{N}_$]*",
  ];
  return new RegExp(parts.join("|"), "gsu");
}

/** The nodes of a text with its colours. The language follows from the ending of the path. */
export function highlight(path, text) {
  const language = LANGUAGES[path.split(".").at(-1)];
  if (!language || text.length > MAX_LENGTH) return [text];
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(language)) {
    const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    if (!kind) continue;
    nodes.push(text.slice(end, match.index), createElement("span", { class: kind }, match[0]));
    end = match.index + match[0].length;
  }
  nodes.push(text.slice(end));
  return nodes;
}
