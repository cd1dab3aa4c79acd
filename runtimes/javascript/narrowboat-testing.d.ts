/** The module `narrowboat/testing`, which tests import. It has a host only under `narrowboat test`. */
declare module "narrowboat/testing" {
  import type { Duration, Frame, Message, Sendable, keyvalue as store } from "narrowboat";

  export type { Duration };

  type Body = () => unknown;
  type Headers = Record<string, string> | Iterable<readonly [string, string]>;

  /** Declares a test. Each test runs in modules and against a host of its own. */
  export const test: {
    (name: string, body: Body): void;
    /** Declares a test that does not run. */
    skip(name: string, body?: Body): void;
  };
  export { test as it };

  /** Declares a group of tests. */
  export const describe: {
    (name: string, body: () => void): void;
    /** Declares a group of tests that do not run. */
    skip(name: string, body: () => void): void;
  };

  /** Runs a function before each test of the file or of the group. */
  export function beforeEach(step: Body): void;
  /** Runs a function after each test of the file or of the group, also after one that fails. */
  export function afterEach(step: Body): void;

  /** The checks of a value. They return a promise after `resolves` and `rejects`, for which the test has to wait. */
  export interface Assertions<R = void> {
    /** The same checks, which hold if the value does not have the property. */
    readonly not: Assertions<R>;
    /** The checks of the value of a promise. */
    readonly resolves: Assertions<Promise<void>>;
    /** The checks of the error of a promise. */
    readonly rejects: Assertions<Promise<void>>;
    /** The same value, by `Object.is`. */
    toBe(expected: unknown): R;
    /** The same content. A property that is undefined counts as missing. */
    toEqual(expected: unknown): R;
    /** The same content, classes and properties. */
    toStrictEqual(expected: unknown): R;
    /** An object with at least these properties. */
    toMatchObject(expected: object): R;
    toBeNull(): R;
    toBeUndefined(): R;
    toBeDefined(): R;
    toBeTruthy(): R;
    toBeFalsy(): R;
    toBeNaN(): R;
    toBeGreaterThan(limit: number | bigint): R;
    toBeGreaterThanOrEqual(limit: number | bigint): R;
    toBeLessThan(limit: number | bigint): R;
    toBeLessThanOrEqual(limit: number | bigint): R;
    toBeCloseTo(expected: number, digits?: number): R;
    toBeInstanceOf(expected: Function): R;
    /** A string with a part, or a collection with an item, by `===`. */
    toContain(item: unknown): R;
    /** A collection with an item of the same content. */
    toContainEqual(item: unknown): R;
    toMatch(pattern: string | RegExp): R;
    toHaveLength(length: number): R;
    toHaveProperty(path: string | readonly string[], value?: unknown): R;
    /** A function that throws an error: one of a class, or one whose message has a part or matches a pattern. */
    toThrow(expected?: string | RegExp | Function | Error): R;
  }

  /** Returns the checks of a value. */
  export const expect: {
    (received: unknown): Assertions;
    /** Values that equal many values. */
    any(type: Function): any;
    anything(): any;
    stringContaining(part: string): any;
    stringMatching(pattern: string | RegExp): any;
    objectContaining(part: object): any;
    arrayContaining(items: readonly unknown[]): any;
  };

  export interface CommunicatorOptions {
    headers?: Headers;
    /** The subprotocols that the client offers. */
    subprotocols?: readonly string[];
    /** The claims of the authenticated user. */
    user?: Readonly<Record<string, unknown>> | null;
    /** The captures of the route, in place of those of the path. */
    params?: Readonly<Record<string, string>>;
    client?: readonly [host: string, port: number];
  }

  /** What the plugin has decided about a handshake. */
  export interface Handshake {
    readonly state: "accepted" | "rejected" | "undecided";
    readonly accepted: boolean;
    readonly subprotocol: string | null;
    /** 101, the status of the rejection, or null without a decision. */
    readonly status: number | null;
    readonly headers: Readonly<Record<string, string>>;
    /** The body of the rejection. */
    readonly body: string;
    readonly channelName: string | null;
  }

  export interface Closed {
    readonly code: number;
    readonly reason: string;
  }

  /**
   * A client of the plugin. Its methods return values and not promises: when one returns, the host and the plugin have
   * nothing left to do.
   */
  export class Communicator {
    /** The path may have a query string. */
    constructor(path: string, options?: CommunicatorOptions);
    /** Sends the handshake, and returns what the plugin decides. */
    connect(): Handshake;
    /** What the plugin has decided until now. */
    readonly handshake: Handshake;
    /** The name of the connection's own channel. */
    readonly channelName: string | null;
    /** Sends a string or bytes. Any other value is sent as JSON. */
    sendTo(data: Sendable): void;
    /** Sends a value as JSON, also a string. */
    sendJsonTo(value: unknown): void;
    /** Returns the next frame. Throws if none has arrived. */
    receiveFrom(): Frame;
    /** Returns the value of the next frame, which is JSON. */
    receiveJsonFrom(): any;
    /** Returns how the connection has closed. Throws if it is open, or if a frame has arrived before. */
    receiveClose(): Closed;
    /** Whether nothing has arrived that was not received. */
    receiveNothing(): boolean;
    /** How the plugin or the client has closed the connection, or null. The code after `abort` is 1006. */
    readonly closed: Closed | null;
    /** Closes the connection as a client does. */
    disconnect(code?: number, reason?: string): void;
    /** Ends the connection without a Close frame. */
    abort(): void;
  }

  /** A group of channels. */
  export interface TestGroup {
    readonly name: string;
    join(channel?: string): void;
    leave(channel?: string): void;
    /** Calls the handler of `message.type` of each member. */
    send(message: Message): void;
    /** Sends a frame to the socket of each member, without calling a handler. */
    sendFrame(data: Sendable): void;
  }

  /** Returns a group. */
  export function group(name: string): TestGroup;
  /** Sends a message to a channel. */
  export function sendTo(channel: string, message: Message): void;

  /** A channel of the test: another member of a group, or a reader of messages. */
  export class Channel {
    constructor();
    readonly name: string;
    /** Returns a group that the channel can join. */
    group(name: string): TestGroup;
    /** Returns the next message, or the next frame that a group got. Throws if nothing has arrived. */
    receive(): any;
    /** Whether nothing has arrived that was not received. */
    receiveNothing(): boolean;
  }

  /** Lets time pass: milliseconds, or a duration. Timers fire in order. */
  export function advance(duration: number | Duration): void;

  /** Sets the wall clock without letting time pass: a date, a text with a time zone such as "2026-03-28T12:00:00+01:00", or milliseconds since 1970. Schedules begin anew. */
  export function setTime(time: Date | string | number): void;

  export interface ResponseOptions {
    method?: string;
    status?: number;
    headers?: Headers;
    /** A string or bytes. Any other value is sent as JSON. */
    body?: Sendable;
    /** The number of requests to answer. */
    times?: number;
  }

  /** Answers the requests to a URL. A URL that ends with `*` is the beginning of one. The newest answer counts. */
  export function respond(url: string, options?: ResponseOptions): void;
  /** Lets the requests to a URL fail. */
  export function failRequest(
    url: string,
    options?: { method?: string; error?: "refused" | "timeout" | "dns" | "closed"; times?: number },
  ): void;

  export interface SentRequest {
    readonly method: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Uint8Array;
    /** The body as a text. */
    readonly text: string;
  }

  /** Returns the requests of the plugin. One that could not connect has no body. */
  export function requests(): SentRequest[];

  /**
   * Makes another version live, to which the connections move. `files` has the new texts of files by path, and null for a
   * file that it has no more. Without files, the same code is deployed again. Throws if the host refuses the version.
   */
  export function swap(files?: Record<string, string | Uint8Array | null>): { version: string; moved: number };
  /** Keys of a configuration, with objects as the tables of TOML. */
  export interface ConfigValues {
    readonly [key: string]: ConfigValue | null;
  }

  /** A value of a configuration: a `Date` is a time of TOML, an array is a list, and an object is a table. */
  export type ConfigValue = string | number | bigint | boolean | Date | readonly ConfigValue[] | ConfigValues;

  /**
   * Sets keys of the plugin's configuration, which the plugin reads at its next call. Values become texts as those of
   * `[plugins.NAME.config]` do. Null removes a key. The other keys stay as they are: at first as in `narrowboat.toml`. Throws
   * for a key or a value that the table could not have.
   */
  export function setConfig(values: ConfigValues): void;
  /** Returns the text of a file of the plugin. */
  export function readFile(path: string): string;

  export interface LogLine {
    readonly level: "trace" | "debug" | "info" | "warn" | "error" | "critical";
    readonly message: string;
    readonly context: string;
  }

  /** Returns what the plugin has logged since the test began. */
  export function logs(): LogLine[];
  /** Returns the faults of the plugin since the test began. */
  export function faults(): string[];

  /** The buckets of the plugin. */
  export namespace keyvalue {
    class Bucket {
      constructor(name: string);
      readonly name: string;
      get(key: string): Uint8Array | null;
      getText(key: string): string | null;
      /** Sets a value. With `ttl` it expires as time passes. */
      set(key: string, value: store.Value, options?: { ttl?: number | Duration }): void;
      delete(key: string): void;
      exists(key: string): boolean;
      increment(key: string, delta?: number | bigint): number;
      compareAndSet(key: string, expected: store.Value | null, value: store.Value): boolean;
      update<V extends store.Value>(key: string, change: (old: Uint8Array | null) => V): V;
      getMany(keys: Iterable<string>): Map<string, Uint8Array>;
      setMany(entries: Record<string, store.Value> | Iterable<readonly [string, store.Value]>): void;
      deleteMany(keys: Iterable<string>): void;
      /** Returns the milliseconds that a key has left, Infinity if it has no end, or null if there is no such key. */
      ttl(key: string): number | null;
      setTtl(key: string, ttl: number | Duration | null): boolean;
      listKeys(prefix?: string): string[];
    }

    /** Returns the bucket with this name, which need not exist before. */
    function open(name: string): Bucket;
  }
}
