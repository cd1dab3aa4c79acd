/** `Event` and `EventTarget`. */

import { provide } from "./web.js";

export class Event {
  #type;
  #cancelable;
  #isCanceled = false;
  isStopped = false;
  target = null;
  currentTarget = null;

  constructor(type, { cancelable = false } = {}) {
    this.#type = String(type);
    this.#cancelable = Boolean(cancelable);
    Object.defineProperty(this, "isStopped", { enumerable: false });
  }

  get type() {
    return this.#type;
  }

  get cancelable() {
    return this.#cancelable;
  }

  get defaultPrevented() {
    return this.#isCanceled;
  }

  preventDefault() {
    if (this.#cancelable) this.#isCanceled = true;
  }

  stopPropagation() {}

  stopImmediatePropagation() {
    this.isStopped = true;
  }
}

export class CustomEvent extends Event {
  #detail;

  constructor(type, options = {}) {
    super(type, options);
    this.#detail = options.detail ?? null;
  }

  get detail() {
    return this.#detail;
  }
}

export class EventTarget {
  #listeners = new Map();

  addEventListener(type, callback, options) {
    if (callback === null || callback === undefined) return;
    const { once = false, signal } = typeof options === "object" && options !== null ? options : {};
    if (signal?.aborted) return;
    const listeners = this.#listeners.get(type) ?? [];
    if (listeners.some((listener) => listener.callback === callback)) return;
    this.#listeners.set(type, [...listeners, { callback, once }]);
    signal?.addEventListener("abort", () => this.removeEventListener(type, callback), { once: true });
  }

  removeEventListener(type, callback) {
    const listeners = this.#listeners.get(type);
    if (listeners === undefined) return;
    const left = listeners.filter((listener) => listener.callback !== callback);
    if (left.length > 0) this.#listeners.set(type, left);
    else this.#listeners.delete(type);
  }

  /** Calls the listeners. An exception of one is thrown after all of them have run. */
  dispatchEvent(event) {
    event.target = event.currentTarget = this;
    let failure;
    for (const { callback, once } of this.#listeners.get(event.type) ?? []) {
      if (once) this.removeEventListener(event.type, callback);
      try {
        if (typeof callback === "function") callback.call(this, event);
        else callback.handleEvent(event);
      } catch (error) {
        failure ??= { error };
      }
      if (event.isStopped) break;
    }
    event.currentTarget = null;
    if (failure !== undefined) throw failure.error;
    return !event.defaultPrevented;
  }
}

provide({ CustomEvent, Event, EventTarget });
