// The messages that were sent, for the arrow keys.

/** The history keeps this number of messages. */
const MAX_MESSAGES = 100;

export class MessageHistory {
  /** The messages, the oldest first. */
  #messages = [];
  /** The index of the recalled message; the number of messages if none is. */
  #index = 0;
  /** The text that was being written when the first message was recalled. */
  #draft = "";

  add(message) {
    if (this.#messages.at(-1) !== message) this.#messages.push(message);
    if (this.#messages.length > MAX_MESSAGES) this.#messages.shift();
    this.#index = this.#messages.length;
  }

  /** The message before the recalled one; undefined if there is none. `current` is the text of the input. */
  previous(current) {
    if (this.#index === 0) return undefined;
    if (this.#index === this.#messages.length) this.#draft = current;
    this.#index -= 1;
    return this.#messages[this.#index];
  }

  /** The message after the recalled one, or the draft after the last one; undefined if none is recalled. */
  next() {
    if (this.#index === this.#messages.length) return undefined;
    this.#index += 1;
    return this.#messages[this.#index] ?? this.#draft;
  }
}
