/** `AbortController` and `AbortSignal`. */

import { currentSession } from "./session.js";
import { Event, EventTarget } from "./web-events.js";
import { provide } from "./web.js";

const KEY = Symbol("internal");

let abort;

/** The time at which a signal aborts by itself, in milliseconds since 1970. */
export let deadlineOf;

export class AbortSignal extends EventTarget {
  #isAborted = false;
  #reason;
  #deadline = Infinity;
  #sources = [];
  #isWatched = false;
  #onabort = null;

  static {
    abort = (signal, reason) => signal.#abort(reason);
    deadlineOf = (signal) => Math.min(signal.#deadline, ...signal.#sources.map(deadlineOf));
  }

  constructor(key) {
    if (key !== KEY) throw new TypeError("create a signal with new AbortController(), AbortSignal.timeout() or AbortSignal.any()");
    super();
  }

  static abort(reason) {
    const signal = new AbortSignal(KEY);
    signal.#abort(reason);
    return signal;
  }

  static timeout(milliseconds) {
    const delay = Number(milliseconds);
    if (!(delay >= 0)) throw new TypeError("the time-out of a signal is a number of milliseconds from 0 on");
    const signal = new AbortSignal(KEY);
    signal.#deadline = Date.now() + delay;
    return signal;
  }

  static any(signals) {
    const signal = new AbortSignal(KEY);
    signal.#sources = [...signals];
    return signal;
  }

  get aborted() {
    if (!this.#isAborted) this.#check();
    return this.#isAborted;
  }

  get reason() {
    return this.aborted ? this.#reason : undefined;
  }

  get onabort() {
    return this.#onabort;
  }

  set onabort(callback) {
    this.#onabort = callback;
    this.#watch();
  }

  throwIfAborted() {
    if (this.aborted) throw this.#reason;
  }

  addEventListener(type, callback, options) {
    super.addEventListener(type, callback, options);
    if (type === "abort") this.#watch();
  }

  #check() {
    const source = this.#sources.find((source) => source.aborted);
    if (source !== undefined) this.#abort(source.reason);
    else if (Date.now() >= this.#deadline) this.#abort(new DOMException("the operation timed out", "TimeoutError"));
  }

  /** Sets a timer and listens to the sources, for a signal that has listeners. */
  #watch() {
    if (this.#isWatched || this.aborted) return;
    this.#isWatched = true;
    for (const source of this.#sources) source.addEventListener("abort", () => this.#check(), { once: true });
    // Without a connection there are no timers, and `aborted` compares the time.
    if (this.#deadline !== Infinity && currentSession() !== undefined) {
      setTimeout(() => this.#check(), this.#deadline - Date.now() + 1);
    }
  }

  #abort(reason) {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#reason = reason !== undefined ? reason : new DOMException("the operation was aborted", "AbortError");
    this.#sources = [];
    const event = new Event("abort");
    this.#onabort?.(event);
    this.dispatchEvent(event);
  }
}

export class AbortController {
  #signal = new AbortSignal(KEY);

  get signal() {
    return this.#signal;
  }

  abort(reason) {
    abort(this.#signal, reason);
  }
}

provide({ AbortController, AbortSignal });
