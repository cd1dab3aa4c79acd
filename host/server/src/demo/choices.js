// What one may connect to: the host's routes, and a field for each `{name}` in one.

import { element } from "./log.js";

const PLACEHOLDER = /\{(\w+)\}/g;

/** What stands in a field before anyone has typed. */
const FIRST_VALUE = "red";

const ISOLATIONS = { connection: "own instance", shared: "shared instance" };

export class Choices {
  #routes;
  #fields;
  #choices = [];
  #versions = new Map();
  #shape = "";

  constructor(routes, fields) {
    this.#routes = routes;
    this.#fields = fields;
    routes.addEventListener("change", () => this.#showFields({}));
    fields.addEventListener("input", () => this.#remember());
    addEventListener("hashchange", () => this.#recall());
  }

  get isEmpty() {
    return this.#choices.length === 0;
  }

  /** Shows what the host serves now. Cards are made anew only where routes have changed. */
  show(plugins) {
    const shape = JSON.stringify(plugins.map(({ name, isolation, routes }) => [name, isolation, routes]));
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#choices = plugins.flatMap((plugin) => plugin.routes.map((route) => ({ plugin, route })));
      this.#showCards();
      this.#recall();
    }
    for (const { name, version } of plugins) {
      for (const code of this.#versions.get(name) ?? []) {
        if (code.textContent !== version) code.textContent = version;
      }
    }
  }

  /** The plugin's name and the path as it is typed into a URL. */
  get chosen() {
    const { plugin, route } = this.#choice();
    return { name: plugin.name, path: this.#path(route) };
  }

  #choice() {
    const checked = this.#routes.querySelector("input:checked");
    return this.#choices[Number(checked?.value ?? 0)];
  }

  #path(route) {
    const value = (name) => this.#fields.querySelector(`[name="${name}"]`)?.value ?? "";
    if (route.regex !== undefined) {
      const { pathname, search } = new URL(value("path") || "/", location.origin);
      return pathname + search;
    }
    const parts = route.path.split(PLACEHOLDER);
    // Between the names, which stand at the odd places, is what a browser escapes by itself.
    return parts.map((part, at) => (at % 2 ? encodeURIComponent(value(part)) : encodeURI(part))).join("");
  }

  #showCards() {
    this.#versions.clear();
    const cards = this.#choices.map(({ plugin, route }, at) => {
      const card = element("label", "card");
      const radio = element("input", "");
      Object.assign(radio, { type: "radio", name: "route", value: String(at), checked: at === 0 });
      const version = element("code", "version", plugin.version);
      version.title = "the version that is live: the beginning of its SHA-256";
      this.#versions.set(plugin.name, [...(this.#versions.get(plugin.name) ?? []), version]);
      card.append(
        radio,
        element("span", "name", plugin.name),
        version,
        element("code", "path", route.path ?? route.regex),
        element("span", "isolation", ISOLATIONS[plugin.isolation] ?? plugin.isolation),
      );
      return card;
    });
    this.#routes.replaceChildren(...cards);
  }

  #showFields(values) {
    const choice = this.#choice();
    if (!choice) return this.#fields.replaceChildren();
    const { route } = choice;
    const names = route.path === undefined ? ["path"] : [...route.path.matchAll(PLACEHOLDER)].map(([, name]) => name);
    const fields = names.map((name) => {
      const label = element("label", "field");
      const input = element("input", "");
      Object.assign(input, { name, required: true, autocomplete: "off", spellcheck: false });
      input.value = values[name] ?? (route.path === undefined ? "/" : FIRST_VALUE);
      label.append(element("span", "", name[0].toUpperCase() + name.slice(1)), input);
      return label;
    });
    this.#fields.replaceChildren(...fields);
    this.#remember();
  }

  /** The fragment is the path, so that a second tab opens the same. */
  #remember() {
    history.replaceState(null, "", `#${this.#path(this.#choice().route)}`);
  }

  /** The choice that a path is of, or -1. What a regular expression matches is only for the host to say. */
  #leadingTo(path) {
    const found = this.#choices.findIndex(({ route }) => route.path !== undefined && caught(route, path));
    return found < 0 && path ? this.#choices.findIndex(({ route }) => route.regex !== undefined) : found;
  }

  #recall() {
    const path = location.hash.slice(1);
    const found = this.#leadingTo(path);
    const radio = this.#routes.querySelectorAll("input")[Math.max(found, 0)];
    // Nobody is moved elsewhere while connected.
    if (radio && !radio.matches(":disabled")) {
      radio.checked = true;
      this.#showFields(found < 0 ? {} : caught(this.#choices[found].route, path));
    }
  }
}

/** The values that a path has at a route's names, or null where it is another route's. */
function caught(route, path) {
  if (route.path === undefined) return { path };
  const names = [];
  const source = route.path
    .split(PLACEHOLDER)
    .map((part, at) => (at % 2 ? (names.push(part), "([^/]+)") : encodeURI(part).replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
  const match = new RegExp(`^${source.join("")}$`).exec(path);
  return match && Object.fromEntries(names.map((name, at) => [name, decoded(match[at + 1])]));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
