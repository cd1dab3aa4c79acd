// The log of messages and events, with the newest at the bottom.

import { createElement } from "./dom.js";
import { formatJson } from "./json_text.js";
import { formatTime } from "./labels.js";

/** The log keeps this number of lines and drops older ones. */
const MAX_LINES = 500;

/** The log shows at most this number of characters of a message. */
const MAX_MESSAGE_LENGTH = 4000;

/** The log follows new lines while the reader is at most this number of pixels above the bottom. */
const FOLLOW_DISTANCE = 40;

export class Log {
  #box;
  #onRecall;
  #pendingLines = [];
  #flushScheduled = false;
  /** Whether the end is shown, and stays shown. */
  #followsEnd = true;
  /** The height of the box that the ResizeObserver saw last. */
  #height;

  /** `onRecall` is called with the text of a sent message that the user wants to send again. */
  constructor(box, onRecall) {
    this.#box = box;
    this.#onRecall = onRecall;
    this.#height = box.clientHeight;
    box.addEventListener("scroll", () => {
      // A scroll event of new lines can arrive after the box has shrunk and before the observer knows.
      if (box.clientHeight !== this.#height) return;
      this.#followsEnd = box.scrollHeight - box.scrollTop - box.clientHeight < FOLLOW_DISTANCE;
    });
    // A box that shrinks keeps what is at its top.
    new ResizeObserver(() => this.#keepEnd()).observe(box);
  }

  /** Adds a message. The kind is "sent" or "received". JSON is shown on several lines. */
  addMessage(kind, sender, text) {
    const meta = createElement("span", { class: "meta" }, createElement("span", { class: "sender" }, sender), " ");
    meta.append(createTimestamp());
    if (kind === "sent") {
      meta.append(" ", this.#createRecallButton(text));
      this.#followsEnd = true;
    }
    const json = formatJson(text);
    const kindOfContent = json === null ? "content" : "content json";
    this.#addLine(kind, meta, createElement("span", { class: kindOfContent }, truncate(json ?? text)));
  }

  /**
   * Adds an event. The kind is "event", "error", "version-change", "fault" or "printed"; the parts are texts and
   * elements.
   */
  addEvent(kind, ...parts) {
    this.#addLine(kind, createTimestamp(), createElement("span", { class: "content" }, ...parts));
  }

  // Not in the order of the Tab key, because the arrow keys recall messages too.
  #createRecallButton(text) {
    const attributes = { type: "button", class: "recall", tabindex: "-1", onclick: () => this.#onRecall(text) };
    return createElement("button", attributes, "again");
  }

  #addLine(kind, meta, content) {
    this.#pendingLines.push(createElement("div", { class: `line ${kind}` }, meta, " ", content));
    if (this.#pendingLines.length > MAX_LINES) this.#pendingLines.shift();
    // A burst of messages needs one layout, not one per message.
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      setTimeout(() => this.#flush(), 0);
    }
  }

  #flush() {
    const box = this.#box;
    box.append(...this.#pendingLines);
    this.#pendingLines = [];
    this.#flushScheduled = false;
    while (box.childElementCount > MAX_LINES) box.firstElementChild.remove();
    this.#showEnd();
  }

  #keepEnd() {
    this.#height = this.#box.clientHeight;
    this.#showEnd();
  }

  #showEnd() {
    if (this.#followsEnd) this.#box.scrollTop = this.#box.scrollHeight;
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
