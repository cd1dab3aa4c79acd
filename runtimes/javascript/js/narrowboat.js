/** The module that plugins import. `narrowboat.d.ts` describes it. */

import { toFrame } from "./frame.js";
import { natives } from "./natives.js";
import { sessionOf, closeFrame } from "./session.js";

export * as config from "./config.js";
export { everyone } from "./everyone.js";
export * as keyvalue from "./keyvalue.js";
export { restoreReason, room } from "./room.js";

/** Thrown by `connect`: rejects the handshake with an HTTP response. */
export class Rejected extends Error {
  constructor(status = 403, { headers = {}, body = "" } = {}) {
    super(`the handshake is rejected with status ${status}`);
    this.name = "Rejected";
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

/** Thrown by a handler: the client broke a rule of the plugin. The connection closes with the code and the reason. */
export class ClientError extends Error {
  constructor(reason = "", code = 4000) {
    super(reason);
    this.name = "ClientError";
    this.code = code;
    this.reason = reason;
  }
}

/** The channel for which a group was made, or undefined. */
export let channelOf;

/** A group of channels. */
export class Group {
  #channel;

  static {
    channelOf = (group) => group.#channel;
  }

  constructor(name, channel) {
    this.name = name;
    this.#channel = channel;
  }

  #own(channel) {
    channel ??= this.#channel;
    if (channel === undefined) throw new TypeError("outside a consumer, name the channel that joins or leaves the group");
    return channel;
  }

  join(channel) {
    natives.groupAdd(this.name, this.#own(channel));
  }

  leave(channel) {
    natives.groupDiscard(this.name, this.#own(channel));
  }

  /** Calls the handler of `message.type` of each member. */
  send(message) {
    natives.groupSend(this.name, message);
  }

  /** Sends a frame to the socket of each member, without calling a handler. */
  sendFrame(data) {
    natives.groupSendFrame(this.name, toFrame(data));
  }
}

/** Returns a group. */
export function group(name) {
  return new Group(name);
}

/** Sends a message to a channel. */
export function sendTo(channel, message) {
  natives.layerSend(channel, message);
}

/** Sends one frame to many consumers of this instance. Returns how many took it. */
export function broadcast(consumers, data) {
  const ids = [];
  for (const consumer of consumers) {
    const session = sessionOf(consumer);
    if (session?.isOpen) ids.push(session.id);
  }
  return natives.sendMany(ids, toFrame(data));
}

/** The handler of one connection. */
export class Consumer {
  /** The name of the connection's own channel. */
  get channelName() {
    return sessionOf(this).channelName;
  }

  /** The scope of the handshake. */
  get scope() {
    return sessionOf(this).scope;
  }

  /** The bytes that are queued and not yet written to the socket. */
  get bufferedAmount() {
    return natives.bufferedAmount(sessionOf(this).id);
  }

  connect(_scope) {}

  receive(_data) {}

  disconnect(_code, _reason) {}

  /** Accepts the handshake before `connect` has ended. */
  accept(options) {
    sessionOf(this).accept(options);
  }

  /** Sends a string or bytes. Any other value is sent as JSON. */
  send(data) {
    sessionOf(this).send(toFrame(data));
  }

  close(code = 1000, reason = "") {
    sessionOf(this).close(code, reason);
  }

  group(name) {
    return new Group(name, this.channelName);
  }

  sendTo(channel, message) {
    natives.layerSend(channel, message);
  }
}

/** The handler of the messages of named channels, without a connection. */
export class Worker {}

closeFrame.of = (error) => (error instanceof ClientError ? error : undefined);
