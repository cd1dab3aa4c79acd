// One socket, which is never opened again by itself, and a look at what is live twice a second.

import { Choices } from "./choices.js";
import { Log, element } from "./log.js";
import { closure, hex, span } from "./words.js";

/** Milliseconds between two looks; and while the host does not answer. */
const PAUSE = 500;
const LONG_PAUSE = 2000;

/** Milliseconds after which a look is given up. */
const PATIENCE = 5000;

const STATES = { closed: "Not connected", connecting: "Connecting", open: "Open", closing: "Closing" };

const part = (id) => document.getElementById(id);
const log = new Log(part("log"));
const choices = new Choices(part("routes"), part("fields"));

/** The socket there is, with its plugin's name, when it opened, and the swaps it has seen. */
let talk = null;

/** Versions by plugin, as last seen. */
let live = new Map();

let answering = true;
let wasHidden = false;

function connect() {
  const { name, path } = choices.chosen;
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + path);
  socket.binaryType = "arraybuffer";
  const mine = { socket, name, path, opened: null, swaps: 0, left: false };
  talk = mine;
  socket.onopen = () => open(mine);
  socket.onmessage = ({ data }) => {
    log.message("received", name, typeof data === "string" ? data : hex(new Uint8Array(data)));
  };
  socket.onclose = (event) => ended(mine, event);
  log.event("event", "Connecting to ", element("code", "", path));
  show();
}

function open(mine) {
  mine.opened = performance.now();
  const version = live.get(mine.name);
  const words = version ? [" as ", element("code", "", version)] : [];
  log.event("event", `Connected; ${mine.name} answers`, ...words);
  const wasChoosing = part("choice").contains(document.activeElement) || document.activeElement === document.body;
  show();
  // Whoever has gone elsewhere meanwhile is left there.
  if (wasChoosing) part("text").focus();
}

function ended(mine, event) {
  const wasWriting = part("message").contains(document.activeElement);
  talk = null;
  log.event(mine.left || event.code === 1000 ? "event" : "trouble", farewell(mine, event));
  show();
  if (wasWriting) part("connect").focus();
}

function farewell({ opened, left }, event) {
  if (opened === null) {
    if (left) return "Given up before it was open";
    // Scripts are not told what a handshake was answered.
    return "Not connected: the host refused the handshake, or could not be reached";
  }
  const lasted = span(performance.now() - opened);
  return left
    ? `Closed by you after ${lasted} (${closure(event)})`
    : `Closed by the host after ${lasted} (${closure(event)})`;
}

function disconnect() {
  talk.left = true;
  talk.socket.close(1000);
  show();
}

function send() {
  const field = part("text");
  if (field.value === "" || state() !== "open") return;
  talk.socket.send(field.value);
  log.message("sent", "you", field.value);
  field.value = "";
}

function state() {
  if (!talk) return "closed";
  return ["connecting", "open", "closing", "closed"][talk.socket.readyState];
}

/** Brings the controls in line with the socket. */
function show() {
  const now = state();
  const label = part("state");
  if (label.dataset.state !== now) label.textContent = STATES[now];
  label.dataset.state = now;
  part("settings").disabled = talk !== null;
  part("connect").textContent = talk ? "Disconnect" : "Connect";
  part("connect").disabled = now === "closing" || choices.isEmpty;
  part("text").disabled = part("send").disabled = now !== "open";
  part("text").placeholder = now === "open" ? `Message to ${talk.path}` : "Connect to send messages";
  tick();
}

/** What changes by itself, kept out of the live regions. */
function tick() {
  const facts = [];
  if (talk) facts.push(talk.path);
  if (talk?.opened) facts.push(span(performance.now() - talk.opened));
  if (talk?.swaps) facts.push(talk.swaps === 1 ? "stayed through 1 swap" : `stayed through ${talk.swaps} swaps`);
  if (!answering) facts.push("the host does not answer");
  part("facts").textContent = facts.join(" · ");
}

/** Asks the host what is live. */
async function look() {
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    const answer = await fetch("/demo/plugins.json", { cache: "no-store", signal });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const plugins = await answer.json();
    told(true);
    choices.show(plugins);
    compare(plugins);
    wasHidden = false;
  } catch {
    told(false);
  }
  show();
}

function told(now) {
  if (now !== answering) log.event(now ? "event" : "trouble", now ? "The host answers again" : "The host does not answer");
  answering = now;
}

function compare(plugins) {
  for (const { name, version } of plugins) {
    if (live.has(name) && live.get(name) !== version) swapped(name, version);
  }
  live = new Map(plugins.map(({ name, version }) => [name, version]));
}

function swapped(name, version) {
  const when = wasHidden ? ", swapped while this tab was hidden" : "";
  const words = [`${name} is now `, element("code", "", version), when];
  if (talk?.name === name && state() === "open") {
    talk.swaps += 1;
    words.push(`; this socket has been open ${span(performance.now() - talk.opened)} and stayed`);
  }
  log.event("swap", ...words);
}

async function watch() {
  for (;;) {
    if (document.hidden) {
      wasHidden = true;
      await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
    } else {
      await look();
      await new Promise((done) => setTimeout(done, answering ? PAUSE : LONG_PAUSE));
    }
  }
}

part("choice").addEventListener("submit", (event) => {
  event.preventDefault();
  if (talk) disconnect();
  else connect();
});
part("message").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
setInterval(tick, 1000);
watch();
