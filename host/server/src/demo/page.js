// The demo page: opens one WebSocket, which it never reopens by itself, and polls the live versions.

import { byId, createElement, setText } from "./dom.js";
import { formatCount, formatDuration } from "./format.js";
import { describeClose, formatHex } from "./labels.js";
import { Log } from "./log.js";
import { RoutePicker } from "./route_picker.js";

/** Milliseconds between two polls, and between two polls while the host is unreachable. */
const POLL_INTERVAL = 500;
const RETRY_INTERVAL = 2000;

/** Milliseconds until a poll fails. */
const POLL_TIMEOUT = 5000;

const STATE_LABELS = { closed: "Not connected", connecting: "Connecting", open: "Open", closing: "Closing" };

const log = new Log(byId("log"));
const routePicker = new RoutePicker(byId("routes"), byId("fields"));

/** The current connection: its socket, plugin and path, when it opened, and the version changes since then. */
let connection = null;

/** The live version of each plugin, as of the last poll. */
let liveVersions = new Map();

let isHostReachable = true;
let wasTabHidden = false;

const secondsSince = (start) => (performance.now() - start) / 1000;

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function connect() {
  const { name: plugin, path } = routePicker.selection;
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + path);
  socket.binaryType = "arraybuffer";
  const opened = { socket, plugin, path, openedAt: null, versionChanges: 0, closedByUser: false };
  connection = opened;
  socket.onopen = () => onOpen(opened);
  socket.onmessage = ({ data }) => {
    log.addMessage("received", plugin, typeof data === "string" ? data : formatHex(new Uint8Array(data)));
  };
  socket.onclose = (event) => onClose(opened, event);
  log.addEvent("event", "Connecting to ", createElement("code", {}, path));
  updateControls();
}

function onOpen(opened) {
  opened.openedAt = performance.now();
  const version = liveVersions.get(opened.plugin);
  const versionParts = version ? [", version ", createElement("code", {}, version)] : [];
  log.addEvent("event", `Connected to ${opened.plugin}`, ...versionParts);
  // Focus the message input, unless the user has moved the focus elsewhere meanwhile.
  const { activeElement } = document;
  const moveFocus = activeElement === document.body || byId("connection-form").contains(activeElement);
  updateControls();
  if (moveFocus) byId("text").focus();
}

function onClose(closed, event) {
  const hadFocus = byId("message").contains(document.activeElement);
  connection = null;
  log.addEvent(closed.closedByUser || event.code === 1000 ? "event" : "error", describeEnd(closed, event));
  updateControls();
  if (hadFocus) byId("connect").focus();
}

function describeEnd({ openedAt, closedByUser }, event) {
  if (openedAt === null) {
    if (closedByUser) return "Cancelled before the connection opened";
    // The WebSocket API does not expose the HTTP response of a failed handshake.
    return "Connection failed: the host rejected the handshake or is unreachable";
  }
  const closedBy = closedByUser ? "you" : "the host";
  return `Closed by ${closedBy} after ${formatDuration(secondsSince(openedAt))} (${describeClose(event)})`;
}

function disconnect() {
  connection.closedByUser = true;
  connection.socket.close(1000);
  updateControls();
}

function sendMessage() {
  const input = byId("text");
  if (input.value === "" || connectionState() !== "open") return;
  connection.socket.send(input.value);
  log.addMessage("sent", "you", input.value);
  input.value = "";
}

function connectionState() {
  if (!connection) return "closed";
  return ["connecting", "open", "closing", "closed"][connection.socket.readyState];
}

function updateControls() {
  const state = connectionState();
  const isOpen = state === "open";
  byId("state").dataset.state = state;
  setText(byId("state"), STATE_LABELS[state]);
  byId("settings").disabled = connection !== null;
  byId("connect").textContent = connection ? "Disconnect" : "Connect";
  byId("connect").disabled = state === "closing" || routePicker.isEmpty;
  byId("text").disabled = byId("send").disabled = !isOpen;
  byId("text").placeholder = isOpen ? `Message to ${connection.path}` : "Connect to send messages";
  updateFacts();
}

/** Updates the facts that change every second. Their element is not a live region of the page. */
function updateFacts() {
  const facts = [];
  if (connection) facts.push(connection.path);
  if (connection?.openedAt) facts.push(formatDuration(secondsSince(connection.openedAt)));
  if (connection?.versionChanges) {
    facts.push(`kept open through ${formatCount(connection.versionChanges, "version change")}`);
  }
  if (!isHostReachable) facts.push("host unreachable");
  setText(byId("facts"), facts.join(" · "));
}

async function pollPlugins() {
  try {
    const signal = AbortSignal.timeout(POLL_TIMEOUT);
    const response = await fetch("/demo/plugins.json", { cache: "no-store", signal });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const plugins = await response.json();
    setHostReachable(true);
    routePicker.update(plugins);
    updateVersions(plugins);
    wasTabHidden = false;
  } catch {
    setHostReachable(false);
  }
  updateControls();
}

function setHostReachable(isReachable) {
  if (isReachable && !isHostReachable) log.addEvent("event", "The host is reachable again");
  if (!isReachable && isHostReachable) log.addEvent("error", "The host is unreachable");
  isHostReachable = isReachable;
}

function updateVersions(plugins) {
  for (const { name, version } of plugins) {
    const isChanged = liveVersions.has(name) && liveVersions.get(name) !== version;
    if (isChanged) reportVersionChange(name, version);
  }
  liveVersions = new Map(plugins.map(({ name, version }) => [name, version]));
}

function reportVersionChange(plugin, version) {
  const parts = [`${plugin} is now at version `, createElement("code", {}, version)];
  if (wasTabHidden) parts.push(" (changed while this tab was hidden)");
  if (connection?.plugin === plugin && connectionState() === "open") {
    connection.versionChanges += 1;
    parts.push(`; this connection stayed open (${formatDuration(secondsSince(connection.openedAt))})`);
  }
  log.addEvent("version-change", ...parts);
}

async function pollForever() {
  for (;;) {
    if (document.hidden) {
      wasTabHidden = true;
      await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
    } else {
      await pollPlugins();
      await sleep(isHostReachable ? POLL_INTERVAL : RETRY_INTERVAL);
    }
  }
}

byId("connection-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (connection) disconnect();
  else connect();
});
byId("message").addEventListener("submit", (event) => {
  event.preventDefault();
  sendMessage();
});
setInterval(updateFacts, 1000);
pollForever();
