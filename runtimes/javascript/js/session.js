/** The session of a connection: calls its consumer, one event at a time. */

import { isExternalFailure } from "./external-failure.js";
import { natives } from "./natives.js";

/** The most events of a connection that wait until a handler has ended. */
const MAX_WAITING_EVENTS = 1000;

const FORBIDDEN = 403;

/** The response to a handshake that another server or a limit of the operator has ended. */
const UNAVAILABLE = { status: 503, headers: { "content-type": "text/plain; charset=utf-8" }, body: "not available now\n" };

/** The most bytes of the reason of a Close frame, as in RFC 6455, section 5.5. */
const MAX_REASON_BYTES = 123;

const sessions = new Map();
const sessionsByConsumer = new WeakMap();

/** Returns the close frame of an error that blames the client. `narrowboat.js` sets it. */
export const closeFrame = { of: () => undefined };

let current;

/** The session whose code runs, or whose event has made it continue. */
export const currentSession = () => current;

/**
 * Begins an event. The session that first runs code in it stays the current one until the next event, because code
 * behind an `await` runs when the handler has returned.
 */
export function beginEvent() {
  current = undefined;
}

let connecting;

/** The session whose handshake the host's call of `connect` decides, if it has accepted. */
export const acceptedInConnect = () => (connecting?.isOpen ? connecting : undefined);

export const allSessions = () => sessions.values();

export const sessionById = (id) => sessions.get(id);

export function sessionOf(consumer) {
  const session = sessionsByConsumer.get(consumer);
  if (session === undefined) throw new TypeError("the consumer has no connection: the host creates consumers");
  return session;
}

/** The session of a consumer, or undefined. */
export const sessionFor = (consumer) => sessionsByConsumer.get(consumer);

/** The number of a session without a connection, for which the host does nothing. */
const DETACHED = 0;

export class Session {
  constructor(id = DETACHED) {
    this.id = id;
    this.consumer = undefined;
    this.phase = "connecting";
    this.decision = undefined;
    this.isBusy = false;
    /** The handler that was called last. */
    this.handler = "connect";
    /** The events that wait: the names of methods and their arguments, because they move to another version. */
    this.waiting = [];
    /** The timer that handles events which waited before a move. */
    this.eventsTimer = undefined;
    /** The functions that the constructor of the consumer has set, by their fields. */
    this.code = undefined;
    this.timers = new Map();
    this.record = undefined;
    this.name = undefined;
    if (id !== DETACHED) sessions.set(id, this);
  }

  /** Gives a restored session its connection. */
  attach(id) {
    this.id = id;
    this.isDecidedLater = true;
    sessions.set(id, this);
  }

  get channelName() {
    return (this.name ??= natives.channelName(this.id));
  }

  get isOpen() {
    return this.phase === "open";
  }

  get scope() {
    return (this.record ??= makeScope(natives.scope(this.id)));
  }

  /** Creates the consumer. */
  create(Class) {
    this.adopt(new Class());
    this.code = functionsOf(this.consumer);
  }

  adopt(consumer) {
    this.consumer = consumer;
    sessionsByConsumer.set(consumer, this);
  }

  connect(Class, record) {
    connecting = this;
    this.record = makeScope(record);
    this.run(() => {
      this.create(Class);
      return this.consumer.connect(this.record);
    }, (result) => this.decide(result));
  }

  /** Takes what `connect` returned. */
  decide(result) {
    if (this.phase !== "connecting") return;
    if (result === false) this.reject({ status: FORBIDDEN });
    else this.accept(result === true ? undefined : result);
  }

  accept(options) {
    if (this.phase !== "connecting") return;
    const { subprotocol, headers } = options ?? {};
    this.phase = "open";
    this.settle({ subprotocol: subprotocol ?? undefined, headers: headerPairs(headers) });
  }

  reject({ status = FORBIDDEN, headers, body = "" }) {
    if (this.phase !== "connecting") return;
    this.phase = "closed";
    this.settle({ status, headers: headerPairs(headers), body: typeof body === "string" ? natives.encodeUtf8(body) : body });
  }

  settle(decision) {
    if (!this.isDecidedLater) {
      this.decision = decision;
    } else if (decision.status === undefined) {
      natives.accept(this.id, decision.subprotocol, decision.headers);
    } else {
      natives.reject(this.id, decision.status, decision.headers, decision.body);
      sessions.delete(this.id);
    }
  }

  /** Returns the decision when the call of `connect` ends: null if the consumer decides later. */
  takeDecision() {
    connecting = undefined;
    const decision = this.decision ?? null;
    this.decision = undefined;
    this.isDecidedLater = true;
    if (decision?.status !== undefined) sessions.delete(this.id);
    return decision;
  }

  send(data) {
    if (this.phase === "connecting") throw new Error("the connection is not accepted yet: connect has not ended");
    if (this.phase === "open") natives.send(this.id, data);
  }

  close(code, reason) {
    checkClose(code, reason);
    if (this.phase === "connecting") return this.reject({ status: FORBIDDEN });
    if (this.phase === "open") natives.close(this.id, code, reason);
  }

  /** Handles an event by a method of the consumer, or lets it wait for the handler that runs. */
  dispatch(method, value) {
    if (this.phase === "closed") return;
    if (!this.isBusy && this.waiting.length === 0) return this.handle(method, value);
    if (this.waiting.length >= MAX_WAITING_EVENTS) {
      throw new Error(`${MAX_WAITING_EVENTS} events wait for a handler that waits`);
    }
    this.waiting.push([method, value]);
    this.handleWaiting();
  }

  handle(method, value) {
    this.handler = method;
    this.run(() => this.consumer[method](value));
  }

  handleWaiting() {
    while (!this.isBusy && this.waiting.length > 0 && this.phase !== "closed") this.handle(...this.waiting.shift());
  }

  /** Calls the method `restored` of a consumer that has moved to this version. */
  callRestored() {
    this.handler = "restored";
    this.run(() => this.consumer.restored());
  }

  /** Calls a handler. An `async` handler keeps the events of the connection waiting until it ends. */
  run(call, done = () => {}) {
    const before = current;
    current = this;
    try {
      const result = call();
      if (typeof result?.then !== "function") return done(result);
      this.isBusy = true;
      result.then(
        (value) => this.end(() => done(value)),
        (error) => this.end(() => this.fail(error)),
      );
    } catch (error) {
      this.fail(error);
    } finally {
      current = before ?? this;
    }
  }

  /** Calls the callback of a timer. It does not keep events waiting. */
  runTimer(call) {
    const before = current;
    current = this;
    try {
      const result = call();
      if (typeof result?.then === "function") result.then(undefined, (error) => this.fail(error));
    } catch (error) {
      this.fail(error);
    } finally {
      current = before ?? this;
    }
  }

  end(finish) {
    this.isBusy = false;
    finish();
    this.handleWaiting();
  }

  /** Handles what a handler throws. */
  fail(error) {
    if (this.phase === "connecting" && error?.name === "Rejected" && typeof error.status === "number") {
      return this.reject(error);
    }
    const blamed = closeFrame.of(error);
    if (blamed !== undefined) return natives.failClient(this.id, blamed.code, blamed.reason);
    if (this.phase === "connecting" && isExternalFailure(error)) {
      natives.logFailure("a handshake was answered 503", error);
      return this.reject(UNAVAILABLE);
    }
    if (this.phase === "connecting" && this.isDecidedLater) this.reject({ status: 500 });
    // The host drops a consumer whose `connect` has failed.
    else if (this.phase === "connecting") this.drop();
    natives.fail(this.id, error);
  }

  drop() {
    this.phase = "closed";
    sessions.delete(this.id);
  }

  disconnect(code, reason) {
    this.phase = "closed";
    this.isBusy = false;
    this.waiting.length = 0;
    this.run(() => this.consumer.disconnect(code, reason));
    sessions.delete(this.id);
  }
}

/** Checks what a Close frame of a plugin may have. */
function checkClose(code, reason) {
  if (code !== 1000 && !(Number.isInteger(code) && code >= 3000 && code <= 4999)) {
    throw new RangeError(`a connection closes with the code 1000 or 3000 to 4999, and not with ${String(code)}`);
  }
  if (natives.encodeUtf8(reason).length > MAX_REASON_BYTES) {
    throw new RangeError(`the reason of a Close frame has at most ${MAX_REASON_BYTES} bytes`);
  }
}

function functionsOf(consumer) {
  const keys = Object.keys(consumer).filter((key) => typeof consumer[key] === "function");
  return keys.length > 0 ? new Map(keys.map((key) => [key, consumer[key]])) : undefined;
}

function headerPairs(headers) {
  if (headers === undefined || headers === null) return [];
  const pairs = typeof headers[Symbol.iterator] === "function" ? [...headers] : Object.entries(headers);
  return pairs.map(([name, value]) => [String(name), String(value)]);
}

/** The scope as plugins see it. */
function makeScope(record) {
  if (!record) throw new Error("the connection has ended: read the scope before that");
  const { headers, user, queryString, ...rest } = record;
  const byName = Object.create(null);
  for (const [name, value] of headers) byName[name] = name in byName ? `${byName[name]}, ${value}` : value;
  return Object.freeze({
    ...rest,
    queryString,
    query: Object.freeze(parseQuery(queryString)),
    headers: Object.freeze(byName),
    user: user == null ? null : JSON.parse(user),
  });
}

function parseQuery(text) {
  const query = Object.create(null);
  for (const part of text.split("&")) {
    if (part === "") continue;
    const [name, value = ""] = part.split(/=(.*)/s).map(decode);
    query[name] ??= value;
  }
  return query;
}

function decode(text) {
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
