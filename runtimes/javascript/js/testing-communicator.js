/** A client of the plugin. */

import { toFrame } from "./frame.js";
import { show } from "./console.js";
import { AssertionError } from "./testing-assertion-error.js";
import { headerPairs, headerRecord, request, toText } from "./testing-host.js";

/** The options that a communicator knows. */
const OPTIONS = ["headers", "subprotocols", "user", "params", "client"];

/** A client of the plugin, as `WebsocketCommunicator` in Django Channels. */
export class Communicator {
  #path;
  #options;
  #id;
  #handshake;
  /** The frames that have arrived and were not received. */
  #frames = [];
  #closed = null;
  /** Whether nothing more can arrive. */
  #hasEnded = false;
  #isCloseReceived = false;

  constructor(path, options = {}) {
    if (typeof path !== "string" || !path.startsWith("/")) throw new TypeError('the path of a communicator begins with "/"');
    const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
    if (unknown !== undefined) throw new TypeError(`a communicator has no option ${unknown}: it has ${OPTIONS.join(", ")}`);
    this.#path = path;
    this.#options = options;
  }

  /** Sends the handshake, and returns what the plugin decides. */
  connect() {
    if (this.#id !== undefined) throw new Error(`${this} has connected already`);
    const { headers, subprotocols = [], user = null, params = null, client = null } = this.#options;
    const record = request("connect", {
      path: this.#path,
      headers: headerPairs(headers),
      subprotocols,
      user: user === null ? null : JSON.stringify(user),
      url_route: params,
      client,
    });
    this.#id = record.connection;
    return this.#take(record);
  }

  /** What the plugin has decided about the handshake until now. */
  get handshake() {
    const connection = this.#connected();
    if (this.#handshake.state === "undecided") this.#take(request("handshake", { connection }));
    return this.#handshake;
  }

  #take({ state, subprotocol = null, headers, status, body, channel }) {
    const accepted = state === "accepted";
    this.#handshake = {
      state,
      accepted,
      subprotocol,
      status: accepted ? 101 : (status ?? null),
      headers: headerRecord(headers),
      body: toText(body),
      channelName: channel ?? null,
    };
    return this.#handshake;
  }

  #connected() {
    if (this.#id === undefined) throw new Error(`${this} has not connected: call connect() first`);
    return this.#id;
  }

  /** The name of the channel of the connection. */
  get channelName() {
    return this.handshake.channelName;
  }

  /** Sends a string or bytes. Any other value is sent as JSON. */
  sendTo(data) {
    this.#send(toFrame(data));
  }

  /** Sends a value as JSON, also a string. */
  sendJsonTo(value) {
    this.#send(JSON.stringify(value));
  }

  #send(data) {
    if (data === undefined) throw new TypeError("undefined and functions have no form in JSON");
    request("send", { connection: this.#connected(), data });
  }

  /** Takes all that has arrived from the host. */
  #pull() {
    const connection = this.#connected();
    while (!this.#hasEnded) {
      const item = request("receive", { connection });
      if (item === null) return;
      if (item.close === undefined) this.#frames.push(item.data);
      else {
        this.#hasEnded = true;
        // After the client's own close, that of the host is the reply.
        this.#closed ??= { code: item.close[0], reason: item.close[1] };
      }
    }
  }

  /** Returns the next frame. */
  receiveFrom() {
    this.#pull();
    if (this.#frames.length > 0) return this.#frames.shift();
    const end = this.#closed === null ? "" : `: the connection has closed with ${this.#shownClose()}`;
    throw new AssertionError(`nothing has arrived for ${this}${end}`);
  }

  /** Returns the value of the next frame, which is JSON. */
  receiveJsonFrom() {
    const data = this.receiveFrom();
    const text = toText(data);
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new AssertionError(`the frame ${show(data, 1)} is not JSON: ${error.message}`);
    }
  }

  /** Returns the code and the reason with which the connection has closed, if all frames were received. */
  receiveClose() {
    this.#pull();
    if (this.#frames.length > 0) throw new AssertionError(`${this} has the frame ${show(this.#frames[0], 1)}, and no close before it`);
    if (this.#closed === null) throw new AssertionError(`the connection of ${this} is open`);
    this.#isCloseReceived = true;
    return this.#closed;
  }

  /** Whether nothing has arrived that was not received. */
  receiveNothing() {
    this.#pull();
    return this.#frames.length === 0 && (this.#closed === null || this.#isCloseReceived);
  }

  /** The code and the reason with which the connection has closed, or null. */
  get closed() {
    this.#pull();
    return this.#closed;
  }

  #shownClose() {
    const { code, reason } = this.#closed;
    return reason === "" ? String(code) : `${code} ${show(reason, 1)}`;
  }

  /** Closes the connection as a client does. The plugin has handled it when this returns. */
  disconnect(code = 1000, reason = "") {
    this.#pullOpen();
    request("disconnect", { connection: this.#connected(), code, reason });
    this.#end(code, reason);
  }

  /** Ends the connection without a Close frame. */
  abort() {
    this.#pullOpen();
    request("abort", { connection: this.#connected() });
    this.#hasEnded = true;
    this.#end(1006, "");
  }

  /** Takes what has arrived before the client ends its connection. A connection that is not accepted has nothing. */
  #pullOpen() {
    if (this.#handshake?.accepted) this.#pull();
  }

  /** Keeps how the client has ended its connection, unless it was closed before. Nobody has to receive that close. */
  #end(code, reason) {
    if (this.#closed !== null || !this.#handshake.accepted) return;
    this.#closed = { code, reason };
    this.#isCloseReceived = true;
  }

  toString() {
    return `the client of ${this.#path}`;
  }
}
