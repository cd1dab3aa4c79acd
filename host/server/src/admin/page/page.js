// The dashboard: looks every second while it is seen.

import { Refusal, api, token } from "./api.js";
import { Chart } from "./chart.js";
import { bytes, counted, element, short, span, write } from "./element.js";

const LOOK = 1000;

// As the log calls what is a tenant's.
const label = ({ tenant, name }) => (tenant === "default" ? name : `${tenant}/${name}`);

const by = (id) => document.getElementById(id);
const cards = new Map();

class Card {
  #which;
  #last;
  #busy = false;
  #listed;
  #versions = element("tbody");
  #version = element("span", { class: "version" });
  #state = element("span", { class: "pill" });
  #facts = element("p", { class: "facts" });
  #news = element("p", { class: "news", role: "status" });
  #faults = element("ul", { class: "faults" });
  #faultsTitle = element("summary");
  #traffic = new Chart("Frames a second", (value) => value.toFixed(value < 10 ? 1 : 0));
  #latency = new Chart("A guest call", (value) => `${value.toFixed(1)} µs`);
  #upload = element("input", { type: "file", multiple: true, accept: ".wasm,.sig,application/wasm" });

  constructor(which) {
    const name = label(which);
    this.#which = which;
    this.#upload.addEventListener("change", () => this.#deploy());
    const head = ["Version", "State", "", "Offered", "By", "Size"].map((title) => element("th", {}, title));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...head)), this.#versions);
    const versions = element("details", {}, element("summary", {}, "Versions"), element("div", { class: "scroll" }, table));
    versions.addEventListener("toggle", () => versions.open && this.#list());
    this.node = element(
      "article",
      { class: "plugin", "data-plugin": name, "aria-label": `Plugin ${name}` },
      element("div", { class: "title" }, element("h3", {}, name), this.#version, this.#state),
      this.#facts,
      element("div", { class: "charts" }, this.#traffic.node, this.#latency.node),
      element("div", {}, element("label", { class: "button" }, "Upload a version…", this.#upload)),
      this.#news,
      versions,
      element("details", {}, this.#faultsTitle, this.#faults),
    );
  }

  show(plugin, now) {
    const { version, pending, on_trial: trial, isolation, connections, events, faults } = plugin;
    if (this.#last && (this.#last.version !== version || this.#last.pending !== pending)) this.#list();
    write(this.#version, short(version));
    write(this.#state, trial ? "live, on trial" : "live");
    this.#state.dataset.kind = trial ? "trial" : "live";
    write(
      this.#facts,
      `${counted(connections, "connection")}, isolation ${isolation}; ${counted(events, "event")}, ` +
        `${counted(faults, "fault")}; ${counted(plugin.swaps, "swap")}, ${plugin.rolled_back} taken back`,
    );
    this.#chart(plugin, now);
    write(this.#faultsTitle, `Faults and warnings (${plugin.last_faults.length})`);
    this.#faults.replaceChildren(
      ...plugin.last_faults.map((line) =>
        element("li", {}, element("span", { class: "soft" }, `${line.at} `), line.message),
      ),
    );
    this.#last = { ...plugin, now };
  }

  #chart(plugin, now) {
    const last = this.#last;
    if (!last) return;
    const seconds = (now - last.now) / 1000;
    const frames = plugin.frames_in + plugin.frames_out - last.frames_in - last.frames_out;
    this.#traffic.add(Math.max(frames, 0) / seconds);
    // A version counts from 0.
    const fresh = last.version === plugin.version ? last : { events: 0, guest_seconds: 0 };
    const events = plugin.events - fresh.events;
    const time = plugin.guest_seconds - fresh.guest_seconds;
    this.#latency.add(events > 0 && time > 0 ? (time / events) * 1e6 : 0);
  }

  async #list() {
    const answer = await api.versions(this.#which).catch(() => ({ versions: [] }));
    // A row that somebody is about to press stays where it is.
    const listed = JSON.stringify(answer);
    if (listed === this.#listed) return;
    this.#listed = listed;
    const { versions, on_trial: trial } = answer;
    this.#versions.replaceChildren(...versions.map((version) => this.#row(version, trial)));
  }

  #row({ version, state, at, by, size, reason }, trial) {
    const waits = state === "pending" || state === "superseded";
    const kept = state !== "refused" && state !== "live" && !waits;
    const button = (words, onclick) => element("button", { type: "button", class: "quiet", onclick }, words);
    const back = button("Make live", () => this.#rollback(version));
    const approve = button("Approve", () => this.#approve(version));
    const words = state === "live" && trial ? "live, on trial" : state;
    return element(
      "tr",
      { "data-version": short(version), "data-state": state },
      element("td", { class: "short version" }, short(version)),
      element("td", { title: reason ?? undefined }, reason ? `${words}: ${reason}` : words),
      element("td", { class: "short" }, waits ? approve : kept ? back : ""),
      element("td", { class: "short" }, at.replace("T", " ").replace("Z", "")),
      element("td", {}, by),
      element("td", { class: "short" }, bytes(size)),
    );
  }

  async #deploy() {
    // A component, and with it the signature that belongs to it.
    const files = [...this.#upload.files];
    this.#upload.value = "";
    const file = files.find((file) => !file.name.endsWith(".sig"));
    const signature = files.find((file) => file.name.endsWith(".sig"));
    if (file) await this.#change(`Uploading ${file.name}…`, () => api.deploy(this.#which, file, signature));
  }

  async #rollback(version) {
    await this.#change(`Making ${short(version)} live…`, () => api.rollback(this.#which, version));
  }

  async #approve(version) {
    await this.#change(`Approving ${short(version)}…`, () => api.approve(this.#which, version));
  }

  async #change(words, work) {
    if (this.#busy) return;
    this.#busy = true;
    this.#upload.disabled = true;
    this.#tell(words);
    try {
      const { version, previous, moved, moved_ms: took } = await work();
      const told = previous
        ? `${short(version)} is live after ${short(previous)}; ${moved} consumers moved in ${took} ms`
        : `${short(version)} is live already`;
      this.#tell(told);
    } catch (error) {
      this.#tell(error.message, "bad");
    } finally {
      this.#busy = false;
      this.#upload.disabled = false;
      await this.#list();
      look();
    }
  }

  #tell(words, kind = "good") {
    this.#news.dataset.kind = kind;
    write(this.#news, words);
  }
}

function showPlugins(plugins) {
  const now = performance.now();
  for (const plugin of plugins) {
    const name = label(plugin);
    if (!cards.has(name)) {
      const card = new Card({ tenant: plugin.tenant, name: plugin.name });
      cards.set(name, card);
      by("plugins").append(card.node);
    }
    cards.get(name).show(plugin, now);
  }
  // Of a tenant that is gone nothing is left.
  const names = new Set(plugins.map(label));
  for (const [name, card] of cards) {
    if (names.has(name)) continue;
    card.node.remove();
    cards.delete(name);
  }
}

function showSummary({ uptime, ready, missing, draining, connections, max_connections: most }) {
  const state = ready ? "ready" : missing.join(", ");
  const left = draining ? `; ${draining.left} of ${draining.of} connections are left` : "";
  write(by("summary"), `Up for ${span(uptime)}, ${state}, ${connections} of ${most} connections${left}`);
}

function showLayers(layers) {
  const row = ({ tenant, name, connected, waiting, dropped, lost }) =>
    element("tr", {}, ...[label({ tenant, name }), connected ? "yes" : "no", waiting, dropped, lost].map((cell) => element("td", {}, String(cell))));
  by("layers").replaceChildren(...layers.map(row));
}

function showConnections({ total, connections }) {
  const rows = connections.map(({ channel, tenant, plugin, client, path, age, buffered }) => {
    const close = element("button", { type: "button", class: "quiet", "aria-label": `Close ${channel}` }, "Close");
    close.addEventListener("click", async () => {
      close.disabled = true;
      await api.close(channel).catch((error) => write(by("more"), error.message));
      look();
    });
    const cells = [label({ tenant, name: plugin }), client, path, span(age), bytes(buffered)];
    return element(
      "tr",
      { "data-channel": channel },
      ...cells.map((cell, index) => element("td", { class: index === 2 ? undefined : "short" }, cell)),
      element("td", {}, close),
    );
  });
  // A button that has the focus stays where it is.
  if (!by("connections").contains(document.activeElement)) by("connections").replaceChildren(...rows);
  const more = total - connections.length;
  write(by("more"), total === 0 ? "There is none." : more > 0 ? `And ${more} more.` : "");
}

function enter(refusal = "") {
  by("entry").hidden = false;
  by("board").hidden = true;
  by("leave").hidden = true;
  write(by("refusal"), refusal);
  write(by("summary"), "Not signed in");
  by("token").focus();
}

let looking = false;

async function look() {
  if (looking || !token.get()) return;
  looking = true;
  try {
    const [status, connections] = await Promise.all([api.status(), api.connections()]);
    by("entry").hidden = true;
    by("board").hidden = false;
    by("leave").hidden = false;
    showSummary(status);
    showPlugins(status.plugins);
    showLayers(status.layers);
    showConnections(connections);
  } catch (error) {
    if (error instanceof Refusal && error.isAboutTheToken) {
      token.forget();
      enter("The host does not know this token.");
    } else {
      write(by("summary"), `No figures: ${error.message}`);
    }
  } finally {
    looking = false;
  }
}

by("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(by("token").value.trim());
  by("token").value = "";
  look();
});

by("leave").addEventListener("click", () => {
  token.forget();
  location.reload();
});

if (token.get()) look();
else enter();

setInterval(() => document.hidden || look(), LOOK);
document.addEventListener("visibilitychange", () => document.hidden || look());
