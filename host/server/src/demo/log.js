// What was said and what happened, the newest below.

import { clock } from "./words.js";

/** Lines kept; the oldest go. */
const MOST_LINES = 500;

/** Characters shown of one text. */
const MOST_TEXT = 4000;

/** How far from the end, in pixels, someone still reads the newest line. */
const AT_END = 40;

export class Log {
  #box;
  #waiting = [];
  #scheduled = false;

  constructor(box) {
    this.#box = box;
  }

  /** A message: `kind` is "sent" or "received". */
  message(kind, from, text) {
    const shown =
      text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}… (${text.length} characters in all)` : text;
    const head = element("span", "head");
    head.append(element("span", "from", from), " ", time());
    this.#add(kind, head, element("span", "words", shown));
  }

  /** An event; `kind` is "event", "trouble" or "swap". Parts are texts or elements. */
  event(kind, ...parts) {
    const words = element("span", "words");
    words.append(...parts);
    this.#add(kind, time(), words);
  }

  #add(kind, head, words) {
    const line = element("p", `line ${kind}`);
    line.append(head, " ", words);
    this.#waiting.push(line);
    if (this.#waiting.length > MOST_LINES) this.#waiting.shift();
    // A flood of messages is laid out once, not once a message.
    if (!this.#scheduled) {
      this.#scheduled = true;
      setTimeout(() => this.#show(), 0);
    }
  }

  #show() {
    const box = this.#box;
    const reading = box.scrollHeight - box.scrollTop - box.clientHeight < AT_END;
    box.append(...this.#waiting);
    this.#waiting = [];
    this.#scheduled = false;
    while (box.childElementCount > MOST_LINES) box.firstElementChild.remove();
    if (reading) box.scrollTop = box.scrollHeight;
  }
}

function time() {
  const now = new Date();
  const made = element("time", "", clock(now));
  made.dateTime = now.toISOString();
  return made;
}

/** An element with a class and a text. */
export function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
