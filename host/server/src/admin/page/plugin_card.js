// A plugin's card: its live version, metrics, versions and log lines, and the operations on its versions.

import { api } from "./api.js";
import { Chart } from "./chart.js";
import { createElement, setText } from "./dom.js";
import { formatBytes, formatCount, shortVersion } from "./format.js";

const UPLOAD_TITLE = "A component (.wasm) or source bundle (.narrowboat), together with its signature (.sig) if there is one";

/** A plugin's name with its tenant, as in the log. */
export const pluginLabel = ({ tenant, name }) => (tenant === "default" ? name : `${tenant}/${name}`);

/** The text for the state of a version. */
const describeState = (state, inRollbackWindow) =>
  state === "live" && inRollbackWindow ? "live, in rollback window" : state.replace("-", " ");

/** A time of RFC 3339 in UTC, without its fraction of a second. */
const formatTimestamp = (time) => time.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC");

export class PluginCard {
  #plugin;
  #onChange;
  #lastSample;
  #isBusy = false;
  #renderedVersions;
  #versionRows = createElement("tbody");
  #liveVersion = createElement("span", { class: "version" });
  #state = createElement("span", { class: "pill" });
  #facts = createElement("ul", { class: "facts" });
  #message = createElement("p", { class: "message", role: "status" });
  #settingRows = createElement("tbody");
  #settings = this.#createSettingTable();
  #renderedSettings;
  #logLines = createElement("ul", { class: "log-lines" });
  #logTitle = createElement("summary");
  #frameRate = new Chart("Frames per second", (rate) => rate.toFixed(rate < 10 ? 1 : 0));
  #callTime = new Chart("Time per guest call", (micros) => `${micros.toFixed(1)} µs`);
  #fileInput = createElement("input", { type: "file", multiple: true, accept: ".wasm,.narrowboat,.sig,application/wasm" });

  /** `plugin` has a tenant and a name. The card calls `onChange` after an operation on the plugin's versions. */
  constructor(plugin, onChange) {
    this.#plugin = plugin;
    this.#onChange = onChange;
    this.#fileInput.addEventListener("change", () => this.#deploySelectedFiles());
    const label = pluginLabel(plugin);
    const upload = createElement("label", { class: "button", title: UPLOAD_TITLE }, "Upload version…");
    upload.append(this.#fileInput);
    this.node = createElement(
      "article",
      { class: "plugin", "data-plugin": label, "aria-label": `Plugin ${label}` },
      createElement("div", { class: "title" }, createElement("h3", {}, label), this.#liveVersion, this.#state),
      this.#facts,
      createElement("div", { class: "charts" }, this.#frameRate.node, this.#callTime.node),
      createElement("div", {}, upload),
      this.#message,
      this.#createVersionTable(),
      this.#settings,
      createElement("details", {}, this.#logTitle, this.#logLines),
    );
  }

  /** Shows the plugin's part of a status response, which arrived at `now` (milliseconds). */
  update(status, now) {
    const last = this.#lastSample;
    if (last && (last.version !== status.version || last.pending !== status.pending)) this.#refreshVersions();
    setText(this.#liveVersion, shortVersion(status.version));
    setText(this.#state, describeState("live", status.in_rollback_window));
    this.#state.dataset.kind = status.in_rollback_window ? "rollback-window" : "live";
    this.#updateFacts(status);
    if (last) this.#updateCharts(status, last, (now - last.now) / 1000);
    this.#updateSettings(status.settings);
    this.#updateLogLines(status.recent_warnings);
    this.#lastSample = { ...status, now };
  }

  #createVersionTable() {
    const action = createElement("span", { class: "visually-hidden" }, "Action");
    const titles = ["Version", "State", action];
    const head = createElement("tr", {}, ...titles.map((title) => createElement("th", {}, title)));
    const table = createElement("table", {}, createElement("thead", {}, head), this.#versionRows);
    const details = createElement("details", {}, createElement("summary", {}, "Versions"));
    details.append(createElement("div", { class: "scroll" }, table));
    details.addEventListener("toggle", () => details.open && this.#refreshVersions());
    return details;
  }

  #createSettingTable() {
    const titles = ["Setting", "Value"].map((title) => createElement("th", {}, title));
    const table = createElement("table", {}, createElement("thead", {}, createElement("tr", {}, ...titles)), this.#settingRows);
    const details = createElement("details", { class: "settings" }, createElement("summary", {}, "Settings"));
    details.append(createElement("div", { class: "scroll" }, table));
    return details;
  }

  /** Shows the settings; the host has put a placeholder in place of each secret. */
  #updateSettings(settings) {
    const content = JSON.stringify(settings);
    if (content === this.#renderedSettings) return;
    this.#renderedSettings = content;
    const rows = Object.entries(settings).map(([key, value]) =>
      createElement("tr", {}, createElement("td", { class: "nowrap" }, key), createElement("td", {}, value)),
    );
    this.#settings.hidden = rows.length === 0;
    this.#settingRows.replaceChildren(...rows);
  }

  #updateFacts({ connections, isolation, events, faults, deploys, rolled_back: rollbacks }) {
    const facts = [
      `${formatCount(connections, "connection")}, isolation “${isolation}”`,
      `${formatCount(events, "event")}, ${formatCount(faults, "fault")}`,
      `${formatCount(deploys, "deploy")}, ${formatCount(rollbacks, "rollback")}`,
    ];
    const items = this.#facts.children;
    facts.forEach((fact, index) => setText(items[index] ?? this.#facts.appendChild(createElement("li")), fact));
  }

  #updateCharts(status, last, seconds) {
    const frames = status.frames_received + status.frames_sent - last.frames_received - last.frames_sent;
    this.#frameRate.addValue(Math.max(frames, 0) / seconds);
    // The counters of events and guest time start at 0 with each version.
    const base = last.version === status.version ? last : { events: 0, guest_call_seconds: 0 };
    const events = status.events - base.events;
    const guestSeconds = status.guest_call_seconds - base.guest_call_seconds;
    this.#callTime.addValue(events > 0 && guestSeconds > 0 ? (guestSeconds / events) * 1e6 : 0);
  }

  #updateLogLines(lines) {
    setText(this.#logTitle, `Recent warnings and errors (${lines.length})`);
    const items = lines.map(({ timestamp, message }) =>
      createElement("li", {}, createElement("span", { class: "muted" }, `${formatTimestamp(timestamp)} `), message),
    );
    this.#logLines.replaceChildren(...items);
  }

  async #refreshVersions() {
    const list = await api.listVersions(this.#plugin).catch(() => undefined);
    // Rows are replaced only if a version has changed, so that buttons stay in place under the pointer.
    const content = JSON.stringify(list);
    if (!list || content === this.#renderedVersions) return;
    this.#renderedVersions = content;
    const rows = list.versions.map((version) => this.#createVersionRow(version, list.in_rollback_window));
    this.#versionRows.replaceChildren(...rows);
  }

  #createVersionRow({ version, state, deployed_at: at, deployed_by: by, size, reason }, inRollbackWindow) {
    const stateText = describeState(state, inRollbackWindow);
    const origin = `${formatTimestamp(at)} by ${by}, ${formatBytes(size)}`;
    return createElement(
      "tr",
      { "data-version": shortVersion(version), "data-state": state },
      createElement("td", { class: "nowrap version" }, shortVersion(version)),
      createElement(
        "td",
        { class: "state" },
        createElement("div", {}, reason ? `${stateText}: ${reason}` : stateText),
        createElement("div", { class: "muted" }, origin),
      ),
      createElement("td", { class: "nowrap action" }, this.#createVersionButton(version, state)),
    );
  }

  /** The button for the operation that a version allows in its state; an empty text if there is none. */
  #createVersionButton(version, state) {
    const createButton = (text, onclick) =>
      createElement("button", { type: "button", class: "secondary", onclick }, text);
    if (state === "live" || state === "refused") return "";
    if (state === "pending" || state === "superseded") return createButton("Approve", () => this.#approve(version));
    return createButton("Make live", () => this.#rollBack(version));
  }

  async #deploySelectedFiles() {
    const files = [...this.#fileInput.files];
    // Cleared, so that a second selection of the same file fires "change" again.
    this.#fileInput.value = "";
    const pluginFile = files.find((file) => !file.name.endsWith(".sig"));
    const signature = files.find((file) => file.name.endsWith(".sig"));
    if (!pluginFile) return;
    await this.#changeVersion(`Deploying ${pluginFile.name}…`, () => api.deploy(this.#plugin, pluginFile, signature));
  }

  async #rollBack(version) {
    await this.#changeVersion(`Making ${shortVersion(version)} live…`, () => api.rollBack(this.#plugin, version));
  }

  async #approve(version) {
    await this.#changeVersion(`Approving ${shortVersion(version)}…`, () => api.approve(this.#plugin, version));
  }

  /** Runs an operation that ends with a deploy, unless one is running, and shows its progress and result. */
  async #changeVersion(progress, operation) {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#fileInput.disabled = true;
    this.#showMessage(progress);
    try {
      this.#showMessage(describeDeploy(await operation()));
    } catch (error) {
      this.#showMessage(error.message, "error");
    } finally {
      this.#isBusy = false;
      this.#fileInput.disabled = false;
      await this.#refreshVersions();
      this.#onChange();
    }
  }

  #showMessage(text, kind = "info") {
    this.#message.dataset.kind = kind;
    setText(this.#message, text);
  }
}

function describeDeploy({ version, previous, migrated, migrate_ms: milliseconds }) {
  if (!previous) return `Version ${shortVersion(version)} is already live`;
  const replaced = `Version ${shortVersion(version)} is live and replaces ${shortVersion(previous)}`;
  return `${replaced}; ${formatCount(migrated, "consumer")} migrated in ${milliseconds} ms`;
}
