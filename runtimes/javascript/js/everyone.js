/** The consumers of this instance. */

import { toFrame } from "./frame.js";
import { natives } from "./natives.js";
import { allSessions, sessionOf } from "./session.js";

/** The consumers of this instance whose connections are accepted: in a room, those of its visitors. */
export class Everyone {
  #without;

  constructor(without = []) {
    this.#without = without;
  }

  *[Symbol.iterator]() {
    for (const session of [...allSessions()]) {
      if (session.isOpen && !this.#without.includes(session.consumer)) yield session.consumer;
    }
  }

  get size() {
    return [...this].length;
  }

  /** Returns all but these consumers. */
  without(...consumers) {
    return new Everyone([...this.#without, ...consumers]);
  }

  /** Sends a frame to each of them. Returns how many took it. */
  send(data) {
    return natives.sendEveryone(toFrame(data), this.#without.map((consumer) => sessionOf(consumer).id));
  }
}

/** Returns the consumers of this instance. */
export function everyone() {
  return new Everyone();
}
