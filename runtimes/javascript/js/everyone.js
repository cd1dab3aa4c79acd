/** The consumers of this instance. */

import { toFrame } from "./frame.js";
import { natives } from "./natives.js";
import { acceptedInConnect, allSessions, sessionOf } from "./session.js";

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
    const frame = toFrame(data);
    const count = natives.sendEveryone(frame, this.#without.map((consumer) => sessionOf(consumer).id));
    // The host does not know yet that this one is accepted.
    const session = acceptedInConnect();
    if (session === undefined || this.#without.includes(session.consumer)) return count;
    natives.send(session.id, frame);
    return count + 1;
  }
}

/** Returns the consumers of this instance. */
export function everyone() {
  return new Everyone();
}
