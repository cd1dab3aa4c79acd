// The demo page: connections, the editor of source plugins, and a poll of the live versions.

import { ConnectionPanel } from "./connection_panel.js";
import { byId, createElement } from "./dom.js";
import { EditorClient } from "./editor_client.js";
import { describePlace, findPlace } from "./places.js";
import { SourceEditor } from "./source_editor.js";

/** Milliseconds between two polls, and between two polls while the host is unreachable. */
const POLL_INTERVAL = 500;
const RETRY_INTERVAL = 2000;

/** Milliseconds until a poll fails. */
const POLL_TIMEOUT = 5000;

const MAX_PANELS = 6;

/** The end of a line of a plugin, which says how the plugin wrote it. */
const LOG_CONTEXT = / context=\w+$/;

/** The beginning of the host's line about a failed event. The fault follows. */
const FAULT_EVENT = /^event failed fault=/;

/** The panels of the connections, in their order. */
const panels = [];
let panelCount = 0;

/** The content of /demo/plugins.json as of the last poll. */
let plugins = [];

/** The names of the plugins when the editor last read its list of files; null before that. */
let editedNames = null;

/** The last poll. Polls follow one another, because two at a time would report the same lines. */
let lastPoll = Promise.resolve();

let isHostReachable = true;
let wasTabHidden = false;

/** The editor; null if this host has none for this page. */
const client = EditorClient.ofPage();
const editor = client && new SourceEditor(client, () => poll());

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function addPanel() {
  panelCount += 1;
  const panel = new ConnectionPanel(panelCount, {
    onChange: () => onSettings(panel),
    onRemove: () => removePanel(panel),
  });
  panels.push(panel);
  byId("panels").append(panel.element);
  panel.update(plugins, panels[0].routeForm.path);
  updatePanels();
  return panel;
}

function removePanel(panel) {
  panels.splice(panels.indexOf(panel), 1);
  panel.element.remove();
  updatePanels();
  byId("add-connection").focus();
}

function updatePanels() {
  byId("panels").dataset.count = panels.length;
  byId("add-connection").disabled = panels.length >= MAX_PANELS;
  for (const panel of panels) panel.setRemovable(panels.length > 1);
}

/** The first connection is in the URL's fragment, so that a copied URL selects the same path. */
function onSettings(panel) {
  if (panels.length > 0 && panel !== panels[0]) return;
  if (panel.routeForm.path) history.replaceState(null, "", `#${panel.routeForm.path}`);
  editor?.showPlugin(panel.plugin);
}

/** The path that the first connection begins with: that in the fragment, or that of a plugin that can be edited. */
function initialPath(listed) {
  if (location.hash.length > 1) return location.hash.slice(1);
  const edited = listed.find(({ name }) => editor?.edits(name));
  const route = edited?.routes.find(({ path }) => path !== undefined);
  return route?.path.replace(/\{\w+\}/g, "red") ?? "";
}

function poll() {
  lastPoll = lastPoll.then(pollOnce);
  return lastPoll;
}

async function pollOnce() {
  try {
    const signal = AbortSignal.timeout(POLL_TIMEOUT);
    const response = await fetch("/demo/plugins.json", { cache: "no-store", signal });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const listed = await response.json();
    setHostReachable(true);
    await pollEditor(listed);
    reportVersionChanges(listed);
    plugins = listed;
    byId("drawing").hidden = !plugins.some(({ name }) => name === "drawing");
    const path = initialPath(listed);
    for (const panel of panels) panel.update(listed, path);
    wasTabHidden = false;
  } catch (error) {
    if (!isAborted(error)) setHostReachable(false);
  }
}

/** Whether the browser ended a request because its user leaves the page or stops loading. A time-out has another name. */
function isAborted(error) {
  return error.name === "AbortError";
}

/** Shows what the plugins have written and how they have failed. */
async function pollEditor(listed) {
  if (!editor) return;
  const names = listed.map(({ name }) => name).join("\n");
  try {
    if (names !== editedNames) await editor.loadFiles();
    editedNames = names;
    for (const line of await editor.pollChanges()) reportLine(line);
  } catch (error) {
    // The host is reachable, and the next poll asks again.
    if (!isAborted(error)) console.warn("The editor cannot read what has changed:", error.message);
  }
}

function reportLine(line) {
  const text = line.message.replace(LOG_CONTEXT, "").replace(FAULT_EVENT, "");
  const place = findPlace(text);
  const isFault = !line.from_guest || line.level === "ERROR" || line.level === "WARN";
  if (place && !line.from_guest) editor.showFault(line.plugin, place);
  for (const panel of panels.filter(({ plugin }) => plugin === line.plugin)) {
    const parts = [text];
    if (place && editor.hasFile(line.plugin, place.path)) parts.push(" ", createPlaceButton(line.plugin, place));
    panel.addEvent(isFault ? "fault" : "printed", ...parts);
  }
}

function createPlaceButton(plugin, place) {
  const onclick = () => {
    showView("source");
    editor.openPlace(plugin, place);
  };
  return createElement("button", { type: "button", class: "place", onclick }, describePlace(place));
}

function setHostReachable(isReachable) {
  if (isReachable === isHostReachable) return;
  isHostReachable = isReachable;
  const [kind, text] = isReachable ? ["event", "reachable again"] : ["error", "unreachable"];
  for (const panel of panels) {
    panel.addEvent(kind, `The host is ${text}`);
    panel.tick(isReachable);
  }
}

function reportVersionChanges(listed) {
  const known = new Map(plugins.map(({ name, version }) => [name, version]));
  const suffix = wasTabHidden ? " (changed while this tab was hidden)" : "";
  for (const { name, version } of listed) {
    if (!known.has(name) || known.get(name) === version) continue;
    for (const panel of panels.filter(({ plugin }) => plugin === name)) panel.reportVersionChange(version, suffix);
  }
}

async function pollForever() {
  for (;;) {
    if (document.hidden) {
      wasTabHidden = true;
      await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
    } else {
      await poll();
      await sleep(isHostReachable ? POLL_INTERVAL : RETRY_INTERVAL);
    }
  }
}

/** On a narrow screen the page shows either the source or the conversations. */
function showView(name) {
  document.querySelector("main").dataset.view = name;
  for (const button of byId("views").children) {
    button.setAttribute("aria-pressed", String(button.dataset.view === name));
  }
}

for (const button of byId("views").children) button.addEventListener("click", () => showView(button.dataset.view));
byId("add-connection").addEventListener("click", () => addPanel().element.querySelector("select").focus());
addEventListener("hashchange", () => {
  const [first] = panels;
  if (first && !first.isConnected && !first.routeForm.isEmpty) first.routeForm.selectPath(location.hash.slice(1));
});
setInterval(() => panels.forEach((panel) => panel.tick(isHostReachable)), 1000);
byId("editor").hidden = byId("views").hidden = !editor;
document.body.classList.toggle("with-editor", editor !== null);
addPanel();
pollForever();
