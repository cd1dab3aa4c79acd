/** The consumer of `tests/guests/powers` in JavaScript: the commands, the replies and the query strings are the same. */

import { ClientError, Consumer, Rejected } from "narrowboat";

import * as layerCommands from "./layer-commands.js";
import * as networkCommands from "./network-commands.js";
import * as recipeCommands from "./recipe-commands.js";
import * as settingsCommands from "./settings-commands.js";
import * as storeCommands from "./store-commands.js";

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Runs the command in each text. */
export class Powers extends Consumer {
  timers = [];
  configChanges = 0;

  async connect({ query }) {
    if ("later" in query) await wait(Number(query.later));
    if ("reject" in query) {
      throw new Rejected(Number(query.reject), { headers: { "x-powers": "rejected" }, body: "rejected" });
    }
    this.accept({ subprotocol: query.subprotocol, headers: { "x-powers": "accepted" } });
    if ("farewell" in query) {
      this.send("farewell");
      this.close(Number(query.farewell), "goodbye");
    }
  }

  async receive(data) {
    if (typeof data !== "string") return this.send(data.toReversed());
    const [name, rest] = split(data);
    const command = COMMANDS[name];
    if (command === undefined) throw new Error(`no command ${name}`);
    const reply = await command(this, ...split(rest));
    if (reply !== undefined) this.send(reply);
  }

  onPowersText({ text }) {
    this.send(`message: ${text}`);
  }

  onConfigChanged() {
    this.configChanges += 1;
  }

  disconnect(code) {
    console.info(`disconnected with ${code}`);
  }
}

/** Splits a text at its first space. */
function split(text) {
  const at = text.indexOf(" ");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function scope({ scope }) {
  return JSON.stringify({
    path: scope.path,
    query: scope.queryString,
    room: scope.params.room ?? null,
    header: scope.headers["x-test"] ?? null,
    client: scope.client[0],
    subprotocols: scope.subprotocols,
    user: scope.user,
  });
}

function setTimer(consumer, milliseconds, text) {
  consumer.timers.push(setTimeout(() => consumer.send(`fired: ${text}`), Number(milliseconds)));
  return "ok";
}

function clearTimer(consumer) {
  clearTimeout(consumer.timers.pop());
  return "ok";
}

const LEVELS = { debug: "debug", info: "info", warning: "warn", error: "error", critical: "error" };

function writeLog(_, level, text) {
  console[LEVELS[level]](text);
  return "ok";
}

function blame(_, code, reason) {
  throw new ClientError(reason, Number(code));
}

function fail(_, ...words) {
  throw new Error(words.join(" "));
}

const COMMANDS = {
  scope,
  random: () => crypto.randomUUID(),
  time: () => String(Date.now()),
  timer: setTimer,
  clear: clearTimer,
  told: (consumer) => String(consumer.configChanges),
  log: writeLog,
  close: (consumer, code, reason) => consumer.close(Number(code), reason),
  blame,
  fail,
  ...layerCommands,
  ...networkCommands,
  ...recipeCommands,
  ...settingsCommands,
  ...storeCommands,
};
