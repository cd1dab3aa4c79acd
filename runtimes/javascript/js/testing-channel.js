/** Channels and groups of a test. */

import { toFrame } from "./frame.js";
import { AssertionError } from "./testing-assertion-error.js";
import { checkText, request } from "./testing-host.js";

/** A group of channels. */
class Group {
  #channel;

  constructor(name, channel) {
    this.name = checkText(name, "the name of a group");
    this.#channel = channel;
  }

  #own(channel) {
    return checkText(channel ?? this.#channel, "the channel that joins or leaves a group");
  }

  join(channel) {
    request("group_add", { group: this.name, channel: this.#own(channel) });
  }

  leave(channel) {
    request("group_discard", { group: this.name, channel: this.#own(channel) });
  }

  /** Calls the handler of `message.type` of each member. */
  send(message) {
    request("group_send", { group: this.name, message });
  }

  /** Sends a frame to the socket of each member, without calling a handler. */
  sendFrame(data) {
    request("group_send_frame", { group: this.name, data: toFrame(data) });
  }
}

/** Returns a group. */
export function group(name) {
  return new Group(name);
}

/** Sends a message to a channel. */
export function sendTo(channel, message) {
  request("layer_send", { channel: checkText(channel, "the name of a channel"), message });
}

/** A channel of the test: another member of a group, or a reader of messages. */
export class Channel {
  #arrived = [];

  constructor() {
    this.name = request("open_channel").channel;
  }

  group(name) {
    return new Group(name, this.name);
  }

  #pull() {
    const take = () => request("channel_receive", { channel: this.name });
    for (let item = take(); item !== null; item = take()) this.#arrived.push(item.message ?? item.data);
  }

  /** Returns the next message, or the next frame that a group got. */
  receive() {
    this.#pull();
    if (this.#arrived.length === 0) throw new AssertionError(`nothing has arrived for the channel ${this.name}`);
    return this.#arrived.shift();
  }

  /** Whether nothing has arrived that was not received. */
  receiveNothing() {
    this.#pull();
    return this.#arrived.length === 0;
  }
}
