// The admin page: signs in, and refreshes the dashboard every second while the tab is visible.

import { ApiError, api, token } from "./api.js";
import { byId, createElement, setText } from "./dom.js";
import { formatBytes, formatCount, formatDuration } from "./format.js";
import { PluginCard, pluginLabel } from "./plugin_card.js";
import { RoomTable } from "./room_table.js";

/** Milliseconds between two refreshes. */
const REFRESH_INTERVAL = 1000;

/** Plugin cards by the plugin's label. */
const cards = new Map();

const rooms = new RoomTable(byId("rooms"), byId("rooms-note"), refresh);

let isRefreshing = false;

function showPlugins(plugins) {
  const now = performance.now();
  for (const plugin of plugins) {
    const label = pluginLabel(plugin);
    if (!cards.has(label)) {
      const card = new PluginCard({ tenant: plugin.tenant, name: plugin.name }, refresh);
      cards.set(label, card);
      byId("plugins").append(card.node);
    }
    cards.get(label).update(plugin, now);
  }
  removeOtherCards(new Set(plugins.map(pluginLabel)));
}

function removeOtherCards(labels) {
  for (const [label, card] of cards) {
    if (labels.has(label)) continue;
    card.node.remove();
    cards.delete(label);
  }
}

function showSummary({ uptime_seconds: uptime, ready, not_ready_reasons: reasons, draining, connections, max_connections: limit }) {
  const facts = [
    `Up ${formatDuration(uptime)}`,
    ready ? "ready" : `not ready: ${reasons.join(", ")}`,
    `${connections} of ${formatCount(limit, "connection")}`,
  ];
  if (draining) facts.push(`draining: ${draining.remaining} of ${formatCount(draining.total, "connection")} left`);
  setText(byId("summary"), facts.join(" · "));
}

function showLayers(layers) {
  const rows = layers.map(({ tenant, name, connected, queued, dropped, lost }) => {
    const cells = [pluginLabel({ tenant, name }), connected ? "yes" : "no", queued, dropped, lost];
    return createElement("tr", {}, ...cells.map((cell) => createElement("td", {}, String(cell))));
  });
  byId("layers").replaceChildren(...rows);
}

function showWorkers(workers) {
  const rows = workers.map(({ tenant, channel: name, plugin, schedule, every }) => {
    const { cron, timezone, next_run: next, last_run: last, missed } = schedule ?? {};
    const times = schedule ? `${cron} ${timezone}` : every ? `every ${every}` : "";
    const lastRun = last ? `${last.time} ${last.state}` : "";
    const cells = [pluginLabel({ tenant, name }), plugin, times, next ?? "", lastRun, missed ?? ""];
    return createElement("tr", {}, ...cells.map((cell) => createElement("td", {}, String(cell))));
  });
  byId("workers").replaceChildren(...rows);
}

function showConnections({ total, connections }) {
  // Rows are not replaced while one of their buttons has the focus.
  if (!byId("connections").contains(document.activeElement)) {
    byId("connections").replaceChildren(...connections.map(createConnectionRow));
  }
  const unlisted = total - connections.length;
  const verb = unlisted === 1 ? "is" : "are";
  const note = unlisted > 0 ? `${formatCount(unlisted, "older connection")} ${verb} not listed.` : "";
  setText(byId("connections-note"), total === 0 ? "No open connections." : note);
}

function createConnectionRow({ channel, tenant, plugin, client, path, age_seconds: age, buffered_bytes: buffered }) {
  const label = `Close ${channel}`;
  const close = createElement("button", { type: "button", class: "secondary", "aria-label": label }, "Close");
  close.addEventListener("click", () => closeConnection(channel, close));
  return createElement(
    "tr",
    { "data-channel": channel },
    createElement("td", { class: "nowrap" }, pluginLabel({ tenant, name: plugin })),
    createElement("td", { class: "nowrap" }, client),
    createElement("td", { class: "path" }, path),
    createElement("td", { class: "nowrap" }, formatDuration(age)),
    createElement("td", { class: "nowrap" }, formatBytes(buffered)),
    createElement("td", { class: "action" }, close),
  );
}

/** The section is there if a plugin has rooms. */
function showRooms(list, plugins) {
  byId("rooms-section").hidden = !plugins.some(({ isolation }) => isolation === "room");
  rooms.update(list);
}

async function closeConnection(channel, button) {
  button.disabled = true;
  await api.closeConnection(channel).catch((error) => setText(byId("connections-note"), error.message));
  refresh();
}

function showSignIn(error = "") {
  setSignedIn(false);
  setText(byId("sign-in-error"), error);
  setText(byId("summary"), "Not signed in");
  byId("token").focus();
}

function setSignedIn(isSignedIn) {
  byId("sign-in").hidden = isSignedIn;
  byId("dashboard").hidden = !isSignedIn;
  byId("sign-out").hidden = !isSignedIn;
}

async function refresh() {
  if (isRefreshing || !token.get()) return;
  isRefreshing = true;
  try {
    const lists = [api.getStatus(), api.listConnections(), api.listRooms()];
    const [status, connections, roomList] = await Promise.all(lists);
    setSignedIn(true);
    showSummary(status);
    showPlugins(status.plugins);
    showLayers(status.layers);
    showWorkers(status.workers);
    showConnections(connections);
    showRooms(roomList, status.plugins);
  } catch (error) {
    if (error instanceof ApiError && error.isUnauthorized) {
      token.clear();
      showSignIn("The host does not accept this token.");
    } else {
      setText(byId("summary"), `Status not available: ${error.message}`);
    }
  } finally {
    isRefreshing = false;
  }
}

const refreshIfVisible = () => {
  if (!document.hidden) refresh();
};

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(byId("token").value.trim());
  byId("token").value = "";
  refresh();
});

byId("sign-out").addEventListener("click", () => {
  token.clear();
  location.reload();
});

if (token.get()) refresh();
else showSignIn();

setInterval(refreshIfVisible, REFRESH_INTERVAL);
document.addEventListener("visibilitychange", refreshIfVisible);
