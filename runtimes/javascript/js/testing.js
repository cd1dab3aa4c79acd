/** The module that tests import as `narrowboat/testing`. `narrowboat.d.ts` describes it. */

export { afterEach, beforeEach, describe, test, test as it } from "./testing-registry.js";
export { expect } from "./testing-expect.js";
export { Communicator } from "./testing-communicator.js";
export { Channel, group, sendTo } from "./testing-channel.js";
export { failRequest, requests, respond } from "./testing-http.js";
export { advance, faults, logs, readFile, setConfig, setTime, swap } from "./testing-plugin.js";
export * as keyvalue from "./testing-keyvalue.js";
