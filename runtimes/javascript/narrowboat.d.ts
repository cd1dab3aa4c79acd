/** The module `narrowboat`, which the runtime of JavaScript and TypeScript offers to plugins. */
declare module "narrowboat" {
  /** A frame: a text, or bytes. */
  export type Frame = string | Uint8Array;

  /** A value that is sent: a frame, or anything else, which is sent as JSON. */
  export type Sendable = Frame | ArrayBuffer | ArrayBufferView | object | number | boolean | null;

  /** A message of the channel layer. Its values are those of MessagePack. */
  export interface Message {
    /** The method that handles the message: `onChatMessage` for `chat.message`. */
    type: string;
    [key: string]: unknown;
  }

  /** The data of a connection's handshake. */
  export interface Scope {
    readonly scheme: "ws" | "wss";
    /** The path, percent-decoded. */
    readonly path: string;
    readonly rawPath: string;
    readonly queryString: string;
    /** The first value of each parameter of the query string. */
    readonly query: Readonly<Record<string, string>>;
    /** The headers by name in lower case. Several values of a name are joined with a comma. */
    readonly headers: Readonly<Record<string, string>>;
    /** The subprotocols that the client offers, in its order of preference. */
    readonly subprotocols: readonly string[];
    readonly client?: readonly [host: string, port: number];
    readonly server?: readonly [host: string, port: number];
    /** The named captures of the route. */
    readonly params: Readonly<Record<string, string>>;
    /** The claims of the authenticated user. */
    readonly user: Readonly<Record<string, unknown>> | null;
    readonly attributes: Readonly<Record<string, string>>;
  }

  /** How a handshake is accepted. */
  export interface Acceptance {
    /** One of the subprotocols that the client offers. */
    subprotocol?: string;
    headers?: Record<string, string> | Iterable<readonly [string, string]>;
  }

  /** The HTTP response that rejects a handshake. */
  export interface RejectionOptions {
    headers?: Record<string, string> | Iterable<readonly [string, string]>;
    body?: Frame;
  }

  /** Thrown by `connect`: rejects the handshake. The status is 400 to 599, and 403 if none is given. */
  export class Rejected extends Error {
    constructor(status?: number, options?: RejectionOptions);
    readonly status: number;
  }

  /** Thrown by a handler: the client broke a rule of the plugin. It gets the close code, 4000 to 4999, and the reason. */
  export class ClientError extends Error {
    constructor(reason?: string, code?: number);
    readonly code: number;
    readonly reason: string;
  }

  /** A group of channels. */
  export class Group {
    readonly name: string;
    /** Adds the connection of the consumer that made the group, or the named channel. */
    join(channel?: string): void;
    /** Removes the connection of the consumer that made the group, or the named channel. */
    leave(channel?: string): void;
    /** Calls the handler of `message.type` of each member. */
    send(message: Message): void;
    /** Sends a frame to the socket of each member, without calling a handler. */
    sendFrame(data: Sendable): void;
  }

  /** Returns a group. */
  export function group(name: string): Group;

  /** Sends a message to a channel. */
  export function sendTo(channel: string, message: Message): void;

  /** Sends one frame to consumers of this instance. Returns how many took it. */
  export function broadcast(consumers: Iterable<Consumer>, data: Sendable): number;

  /** The consumers of this instance whose connections are accepted. */
  export interface Everyone extends Iterable<Consumer> {
    readonly size: number;
    /** Returns all but these consumers. */
    without(...consumers: Consumer[]): Everyone;
    /** Sends a frame to each of them. Returns how many took it. */
    send(data: Sendable): number;
  }

  /** Returns the consumers of this instance: in a room its visitors, with `isolation = "shared"` those of all connections. */
  export function everyone(): Everyone;

  /** The room of this instance, in a plugin with `isolation = "room"`. */
  export const room: {
    /** The name; null without `isolation = "room"`. */
    readonly name: string | null;
    /** The time of the alarm. It is null while `alarm` runs, unless that has set one. */
    readonly alarm: Date | null;
    /**
     * Sets the alarm, in place of an earlier one: in milliseconds from now, or at a time. It outlives the instance and the
     * host. When it is due, the host wakes the room and calls the static method `alarm` of the consumer, until that succeeds.
     */
    setAlarm(when: number | Date): void;
    cancelAlarm(): void;
  };

  /** Why the host restores state. After a failure, events since the last checkpoint are lost. */
  export type RestoreReason = "version" | "wake" | "failure" | "hibernation";

  /** Returns why the host restores state, in `migrate` and `restored` before they wait. Undefined elsewhere. */
  export function restoreReason(): RestoreReason | undefined;

  /** The handler of one connection. A plugin exports a class that extends it. Its fields move to the next version. */
  export abstract class Consumer {
    /** The name of the connection's own channel. */
    readonly channelName: string;
    /** The scope of the handshake. */
    readonly scope: Scope;
    /** The bytes that are queued and not yet written to the socket. */
    readonly bufferedAmount: number;

    /**
     * Decides about the handshake. `false` and a thrown `Rejected` reject it. Anything else accepts it when the method
     * ends.
     */
    connect(scope: Scope): void | boolean | Acceptance | Promise<void | boolean | Acceptance>;
    /** Handles a frame of the client. */
    receive(data: string | Uint8Array): void | Promise<void>;
    /** Handles the end of the connection. */
    disconnect(code: number, reason: string): void | Promise<void>;
    /** Takes what an earlier version of the class has saved, and returns the fields that this version has. */
    migrate?(old: Record<string, unknown>): Record<string, unknown> | void;
    /** Runs after the consumer has moved to this version. Timers do not move: start them again here. */
    restored?(): void | Promise<void>;

    /** Handles the alarm of the room. It cannot wait. If it throws, the host calls it again later. */
    static alarm?(): void | Promise<void>;

    /** Accepts the handshake before `connect` ends, for example to send a frame. */
    accept(options?: Acceptance): void;
    /** Sends a frame to the client. */
    send(data: Sendable): void;
    /** Closes the connection. The code is 1000 or 3000 to 4999. */
    close(code?: number, reason?: string): void;
    /** Returns a group that the connection can join. */
    group(name: string): Group;
    /** Sends a message to a channel. */
    sendTo(channel: string, message: Message): void;
  }

  /**
   * The handler of the messages of named channels, without a connection. A method such as `onChatMessage(message, channel)`
   * handles a type. It cannot wait for time.
   */
  export abstract class Worker {}

  /** A length of time. */
  export interface Duration {
    milliseconds?: number;
    seconds?: number;
    minutes?: number;
    hours?: number;
    days?: number;
  }

  /**
   * The configuration of the plugin: the keys and values below `[plugins.NAME.config]`. A key of a nested table has the
   * names with a full stop between them, such as `smtp.host`. All values are texts. The operator may change them while the
   * plugin runs, so read a value where you use it. With `config_changed = true` in `plugin.toml`, the method
   * `onConfigChanged` of each consumer runs after a change.
   */
  export namespace config {
    /** Returns the value of a key as it is now. */
    function get(key: string): string | undefined;
    function get<T>(key: string, fallback: T): string | T;
    /** Returns the value of a key as it is now. Throws if there is none. */
    function require(key: string): string;
    function has(key: string): boolean;
    /** Returns all keys with their values, as they are now. */
    function all(): Record<string, string>;
    /**
     * Returns `convert(value)`, with a function such as `Number` or `JSON.parse`, or the fallback if there is no such key.
     * `Boolean` stands for the texts true and false. Throws a `TypeError` without the value, which may be a secret.
     */
    function parse<T>(key: string, convert: (value: string) => T): T | undefined;
    function parse<T, F>(key: string, convert: (value: string) => T, fallback: F): T | F;
  }

  /** The key-value store. A plugin needs `keyvalue = true` under `[capabilities]`. A write takes effect at once. */
  export namespace keyvalue {
    /** The host refuses an operation. */
    class KeyValueError extends Error {
      readonly code: "access-denied" | "invalid-name" | "unavailable" | "other";
    }

    /** A value to store. */
    type Value = string | Uint8Array | ArrayBuffer;

    /** A named collection of keys and values. It can be a field of a consumer. */
    class Bucket {
      constructor(name: string);
      readonly name: string;
      /** Returns the bytes of a key, or null. */
      get(key: string): Uint8Array | null;
      /** Returns the text of a key, or null. Bytes that are not UTF-8 become U+FFFD. */
      getText(key: string): string | null;
      /**
       * Sets the value of a key. A string is stored as UTF-8. With `ttl`, milliseconds or a duration, the key is deleted
       * after this time. Without it the key stays, also if it had a time to live before.
       */
      set(key: string, value: Value, options?: { ttl?: number | Duration }): void;
      /** Deletes a key, if it is there. */
      delete(key: string): void;
      exists(key: string): boolean;
      /**
       * Adds to a whole number of 64 bits and returns the sum: a BigInt if a number cannot have it exactly. A time to live
       * stays.
       */
      increment(key: string, delta?: number | bigint): number | bigint;
      /**
       * Sets the value if the key has the expected one now; null stands for no such key. Returns whether it did. A time to
       * live stays.
       */
      compareAndSet(key: string, expected: Value | null, value: Value): boolean;
      /**
       * Sets the value to what `change` makes of the bytes that the key has, or of null, and returns it. If another writer
       * changes the value meanwhile, `change` is called again with the newer bytes, so that no update is lost. If it throws,
       * the key keeps its value. A time to live stays.
       */
      update<V extends Value>(key: string, change: (old: Uint8Array | null) => V): V;
      /** Returns the bytes of those keys that are there. A batch has at most 1,000 keys, and at most 4 MiB of values. */
      getMany(keys: Iterable<string>): Map<string, Uint8Array>;
      /** Sets several values: all of them, or none. */
      setMany(entries: Record<string, Value> | Iterable<readonly [string, Value]>): void;
      /** Deletes several keys. */
      deleteMany(keys: Iterable<string>): void;
      /** Returns the milliseconds that a key has left, Infinity if it has no end, or null if there is no such key. */
      ttl(key: string): number | null;
      /** Changes the time to live of a key, or removes it with null. Returns whether there is such a key. */
      setTtl(key: string, ttl: number | Duration | null): boolean;
      /** Returns all keys that begin with the prefix, in no order. */
      listKeys(prefix?: string): string[];
      /** Yields the same keys, and asks for one page at a time. */
      keys(prefix?: string): Generator<string, void>;
      /** Returns about `limit` of these keys, and the cursor of the next page. A page may be empty. */
      listPage(prefix?: string, options?: { cursor?: string | null; limit?: number }): { keys: string[]; cursor: string | null };
    }

    /** Returns the bucket with this name, which need not exist before. */
    function open(name: string): Bucket;
  }
}

/** Options of `fetch` that only Narrowboat has. */
interface RequestInit {
  /** The time-out of connecting, the first byte and each pause, in milliseconds. It can only shorten those of the host. */
  timeout?: number;
}
