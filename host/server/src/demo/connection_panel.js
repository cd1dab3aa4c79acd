// One connection of the page: its settings, its messages and events, and the input for messages.

import { setCookies, waitForOtherCookies } from "./cookies.js";
import { createElement, setText } from "./dom.js";
import { formatCount, formatDuration } from "./format.js";
import { describeClose, formatHex } from "./labels.js";
import { Log } from "./log.js";
import { MessageHistory } from "./message_history.js";
import { RouteForm } from "./route_form.js";

const STATE_LABELS = { closed: "Not connected", connecting: "Connecting", open: "Open", closing: "Closing" };

const READY_STATES = ["connecting", "open", "closing", "closed"];

/** The input grows with its text up to this number of lines. */
const MAX_INPUT_LINES = 6;

export class ConnectionPanel {
  element;
  routeForm = new RouteForm(() => this.#onSettings());
  #parts;
  #log;
  #history = new MessageHistory();
  /** The current connection: its socket, plugin and path, when it opened, and the version changes since then. */
  #connection = null;
  #onChange;

  /**
   * A panel with this number. `onChange` is called when its settings change, and `onRemove` when the user removes the
   * panel.
   */
  constructor(number, { onChange, onRemove }) {
    this.#onChange = onChange;
    this.#parts = createParts(number, this.routeForm.element);
    const { panel, log, settings, message, text, remove } = this.#parts;
    this.element = panel;
    this.#log = new Log(log, (sent) => this.#recall(sent));
    settings.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#connection) this.#disconnect();
      else this.#connect();
    });
    message.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    text.addEventListener("keydown", (event) => this.#onKey(event));
    text.addEventListener("input", () => fitToText(text));
    remove.addEventListener("click", () => {
      this.#connection?.socket?.close(1000);
      onRemove();
    });
    this.#updateControls();
  }

  /** The plugin of the connection, or else the selected one. */
  get plugin() {
    return this.#connection?.plugin ?? this.routeForm.plugin;
  }

  get isConnected() {
    return this.#connection !== null;
  }

  /** Hides the button that removes the panel, unless there are others. */
  setRemovable(isRemovable) {
    this.#parts.remove.hidden = !isRemovable;
  }

  /** Shows the content of /demo/plugins.json. */
  update(plugins, path) {
    this.routeForm.update(plugins, path);
    this.#updateControls();
  }

  /** Updates the facts that change every second. */
  tick(isHostReachable) {
    this.#updateFacts(isHostReachable);
  }

  /** Adds an event to the log; see `Log`. */
  addEvent(kind, ...parts) {
    this.#log.addEvent(kind, ...parts);
  }

  /** Shows that the plugin has another live version. */
  reportVersionChange(version, suffix) {
    const parts = [`${this.plugin} is now at version `, createElement("code", {}, version), suffix];
    if (this.#state === "open") {
      this.#connection.versionChanges += 1;
      const duration = formatDuration(secondsSince(this.#connection.openedAt));
      parts.push(`; this connection stayed open (${duration})`);
    }
    this.#log.addEvent("version-change", ...parts);
  }

  get #state() {
    if (!this.#connection) return "closed";
    return READY_STATES[this.#connection.socket?.readyState ?? 0];
  }

  #onSettings() {
    this.#updateControls();
    this.#onChange();
  }

  async #connect() {
    const { plugin, path, subprotocols, cookies } = this.routeForm;
    const connection = { plugin, path, socket: null, openedAt: null, versionChanges: 0, closedByUser: false };
    this.#connection = connection;
    this.#log.addEvent("event", "Connecting to ", createElement("code", {}, path));
    this.#updateControls();
    await waitForOtherCookies();
    if (this.#connection !== connection) return;
    const removeCookies = setCookies(cookies, path);
    try {
      connection.socket = new WebSocket(location.origin.replace(/^http/, "ws") + path, subprotocols);
    } catch (error) {
      // A subprotocol that is not a token, or is there twice.
      removeCookies();
      this.#onError(error.message);
      return;
    }
    this.#listen(connection, removeCookies);
    this.#updateControls();
  }

  #listen(connection, removeCookies) {
    const { socket, plugin } = connection;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      removeCookies();
      this.#onOpen(connection);
    };
    socket.onmessage = ({ data }) => {
      const text = typeof data === "string" ? data : formatHex(new Uint8Array(data));
      this.#log.addMessage("received", plugin, text);
    };
    socket.onclose = (event) => {
      removeCookies();
      this.#onClose(connection, event);
    };
  }

  #onOpen(connection) {
    connection.openedAt = performance.now();
    const { protocol } = connection.socket;
    const parts = protocol ? [", subprotocol ", createElement("code", {}, protocol)] : [];
    this.#log.addEvent("event", `Connected to ${connection.plugin}`, ...parts);
    // Focus the message input, unless the user has moved the focus elsewhere meanwhile.
    const { activeElement } = document;
    const moveFocus = activeElement === document.body || this.#parts.settings.contains(activeElement);
    this.#updateControls();
    if (moveFocus) this.#parts.text.focus();
  }

  #onClose(closed, event) {
    const hadFocus = this.#parts.message.contains(document.activeElement);
    this.#connection = null;
    this.#log.addEvent(closed.closedByUser || event.code === 1000 ? "event" : "error", describeEnd(closed, event));
    this.#updateControls();
    if (hadFocus) this.#parts.connect.focus();
  }

  #onError(message) {
    this.#connection = null;
    this.#log.addEvent("error", message);
    this.#updateControls();
  }

  #disconnect() {
    this.#connection.closedByUser = true;
    if (this.#connection.socket) this.#connection.socket.close(1000);
    else this.#onError("Cancelled before the connection opened");
    this.#updateControls();
  }

  #send() {
    const { text } = this.#parts;
    if (text.value === "" || this.#state !== "open") return;
    this.#connection.socket.send(text.value);
    this.#log.addMessage("sent", "you", text.value);
    this.#history.add(text.value);
    this.#setText("");
  }

  #recall(sent) {
    this.#setText(sent);
    this.#parts.text.focus();
  }

  #onKey(event) {
    const { text } = this.#parts;
    if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
    const before = text.value.slice(0, text.selectionStart);
    const after = text.value.slice(text.selectionEnd);
    let recalled;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === "ArrowUp" && !before.includes("\n")) {
      recalled = this.#history.previous(text.value);
    } else if (event.key === "ArrowDown" && !after.includes("\n")) {
      recalled = this.#history.next();
    }
    if (recalled === undefined) return;
    event.preventDefault();
    this.#setText(recalled);
  }

  #setText(value) {
    const { text } = this.#parts;
    text.value = value;
    text.setSelectionRange(value.length, value.length);
    fitToText(text);
  }

  #updateControls() {
    const { panel, state, connect, target, text, send } = this.#parts;
    const current = this.#state;
    panel.dataset.state = current;
    state.dataset.state = current;
    setText(state, STATE_LABELS[current]);
    this.routeForm.element.disabled = this.isConnected;
    connect.textContent = this.isConnected ? "Disconnect" : "Connect";
    connect.disabled = current === "closing" || this.routeForm.isEmpty;
    setText(target, this.#connection?.path ?? this.routeForm.path);
    text.disabled = send.disabled = current !== "open";
    text.placeholder = current === "open" ? "Message" : "Connect first";
    this.#updateFacts(true);
  }

  /** Updates the facts. Their element is not a live region of the page. */
  #updateFacts(isHostReachable) {
    const facts = [];
    const { openedAt, versionChanges } = this.#connection ?? {};
    if (openedAt) facts.push(formatDuration(secondsSince(openedAt)));
    if (versionChanges) facts.push(`kept open through ${formatCount(versionChanges, "version change")}`);
    if (!isHostReachable) facts.push("host unreachable");
    setText(this.#parts.facts, facts.join(" · "));
  }
}

const secondsSince = (start) => (performance.now() - start) / 1000;

function describeEnd({ openedAt, closedByUser }, event) {
  if (openedAt === null) {
    if (closedByUser) return "Cancelled before the connection opened";
    // The WebSocket API does not expose the HTTP response of a failed handshake.
    return "Connection failed: the host rejected the handshake or is unreachable";
  }
  const closedBy = closedByUser ? "you" : "the host";
  return `Closed by ${closedBy} after ${formatDuration(secondsSince(openedAt))} (${describeClose(event)})`;
}

/** Gives a text area as many rows as its text has lines. */
function fitToText(area) {
  area.rows = Math.min(area.value.split("\n").length, MAX_INPUT_LINES);
}

function createParts(number, routeForm) {
  const name = `Connection ${number}`;
  const state = createElement("span", { class: "state", role: "status" });
  const facts = createElement("span", { class: "facts" });
  const removeLabel = `Remove connection ${number}`;
  const remove = createElement("button", { type: "button", class: "remove quiet", "aria-label": removeLabel }, "Remove");
  const bar = createElement("div", { class: "bar" }, state, facts, remove);
  const target = createElement("code", { class: "target" });
  const connect = createElement("button", { type: "submit", class: "connect", disabled: true });
  const settings = createElement("form", { class: "connection-form", "aria-label": `Settings of connection ${number}` });
  settings.append(routeForm, createElement("div", { class: "go" }, target, connect));
  const logLabel = `Messages and events of connection ${number}`;
  const logAttributes = { class: "log", role: "log", "aria-live": "polite", "aria-label": logLabel, tabindex: "0" };
  const log = createElement("div", logAttributes);
  const textAttributes = { class: "text", rows: "1", maxlength: "65536", autocomplete: "off", "aria-label": "Message" };
  const text = createElement("textarea", textAttributes);
  const send = createElement("button", { type: "submit", class: "send" }, "Send");
  const message = createElement("form", { class: "message", "aria-label": `Message of connection ${number}` }, text, send);
  const panel = createElement("section", { class: "panel", "aria-label": name }, bar, settings, log, message);
  return { panel, state, facts, remove, target, connect, settings, log, text, send, message };
}
