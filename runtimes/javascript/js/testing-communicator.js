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
  /** What has arrived and was not taken: objects with `data` or with `close`. */
  #arrived = [];
  #closed = null;

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
    request("send", { connection: this.#connected(), data: toFrame(data) });
  }

  /** Sends a value as JSON, also a string. */
  sendJsonTo(value) {
    request("send", { connection: this.#connected(), data: JSON.stringify(value) });
  }

  /** Takes all that has arrived from the host. */
  #pull() {
    const connection = this.#connected();
    for (let item = request("receive", { connection }); item !== null; item = request("receive", { connection })) {
      this.#arrived.push(item);
      if (item.close === undefined) continue;
      const [code, reason] = item.close;
      this.#closed = { code, reason };
      break;
    }
  }

  /** Returns the next frame. */
  receiveFrom() {
    this.#pull();
    const [next] = this.#arrived;
    if (next === undefined) throw new AssertionError(`nothing has arrived for ${this}`);
    if (next.close !== undefined) {
      throw new AssertionError(`no frame has arrived for ${this}: the connection has closed with ${this.#shownClose()}`);
    }
    this.#arrived.shift();
    return next.data;
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

  /** Returns the code and the reason with which the connection has closed, if no frame has arrived before. */
  receiveClose() {
    this.#pull();
    const [next] = this.#arrived;
    if (next === undefined) throw new AssertionError(`the connection of ${this} is open`);
    if (next.close === undefined) throw new AssertionError(`the frame ${show(next.data, 1)} has arrived for ${this}, and no close`);
    this.#arrived.shift();
    return this.#closed;
  }

  /** Whether nothing has arrived that was not received. */
  receiveNothing() {
    if (this.#closed === null) this.#pull();
    return this.#arrived.length === 0;
  }

  /** The code and the reason with which the connection has closed, or null. */
  get closed() {
    if (this.#closed === null) this.#pull();
    return this.#closed;
  }

  #shownClose() {
    const { code, reason } = this.#closed;
    return reason === "" ? String(code) : `${code} ${show(reason, 1)}`;
  }

  /** Closes the connection as a client does. The plugin has handled it when this returns. */
  disconnect(code = 1000, reason = "") {
    request("disconnect", { connection: this.#connected(), code, reason });
  }

  /** Ends the connection without a Close frame. */
  abort() {
    request("abort", { connection: this.#connected() });
  }

  toString() {
    return `the client of ${this.#path}`;
  }
}
