// The log of messages and events, with the newest at the bottom.

import { createElement } from "./dom.js";
import { formatTime } from "./labels.js";

/** The log keeps this number of lines and drops older ones. */
const MAX_LINES = 500;

/** The log shows at most this number of characters of a message. */
const MAX_MESSAGE_LENGTH = 4000;

/** The log follows new lines while the reader is at most this number of pixels above the bottom. */
const FOLLOW_DISTANCE = 40;

export class Log {
  #box;
  #pendingLines = [];
  #flushScheduled = false;

  constructor(box) {
    this.#box = box;
  }

  /** Adds a message. The kind is "sent" or "received". */
  addMessage(kind, sender, text) {
    const meta = createElement("span", { class: "meta" }, createElement("span", { class: "sender" }, sender), " ");
    meta.append(createTimestamp());
    this.#addLine(kind, meta, createElement("span", { class: "content" }, truncate(text)));
  }

  /** Adds an event. The kind is "event", "error" or "version-change"; the parts are texts and elements. */
  addEvent(kind, ...parts) {
    this.#addLine(kind, createTimestamp(), createElement("span", { class: "content" }, ...parts));
  }

  #addLine(kind, meta, content) {
    this.#pendingLines.push(createElement("p", { class: `line ${kind}` }, meta, " ", content));
    if (this.#pendingLines.length > MAX_LINES) this.#pendingLines.shift();
    // A burst of messages needs one layout, not one per message.
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      setTimeout(() => this.#flush(), 0);
    }
  }

  #flush() {
    const box = this.#box;
    const isAtBottom = box.scrollHeight - box.scrollTop - box.clientHeight < FOLLOW_DISTANCE;
    box.append(...this.#pendingLines);
    this.#pendingLines = [];
    this.#flushScheduled = false;
    while (box.childElementCount > MAX_LINES) box.firstElementChild.remove();
    if (isAtBottom) box.scrollTop = box.scrollHeight;
  }
}

function createTimestamp() {
  const now = new Date();
  return createElement("time", { datetime: now.toISOString() }, formatTime(now));
}

function truncate(text) {
  if (text.length <= MAX_MESSAGE_LENGTH) return text;
  return `${text.slice(0, MAX_MESSAGE_LENGTH)}… (${text.length} characters in total)`;
}
