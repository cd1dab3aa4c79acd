// The list of the host's routes, and an input for each `{name}` in the selected route.

import { createElement, setText } from "./dom.js";

const PLACEHOLDER = /\{(\w+)\}/g;

/** The initial value of the input for a placeholder. */
const DEFAULT_VALUE = "red";

const ISOLATION_LABELS = { connection: "own instance", shared: "shared instance" };

const EMPTY_LABEL = "No plugin is served yet";

const VERSION_TITLE = "Live version: the first 12 digits of the component’s SHA-256";

export class RoutePicker {
  #list;
  #fields;
  /** A plugin and one of its routes each, in the order of the list. */
  #options = [];
  /** The elements that show the version of a plugin, by the plugin's name. */
  #versionNodes = new Map();
  #renderedRoutes = "";

  constructor(list, fields) {
    this.#list = list;
    this.#fields = fields;
    list.addEventListener("change", () => this.#renderFields({}));
    fields.addEventListener("input", () => this.#updateFragment());
    // The selection does not change while the controls are disabled, which is during a connection.
    addEventListener("hashchange", () => list.querySelector("input:enabled") && this.#selectFromFragment());
  }

  get isEmpty() {
    return this.#options.length === 0;
  }

  /** The selected plugin's name, and the path with its placeholders filled in and escaped. */
  get selection() {
    const { plugin, route } = this.#selectedOption();
    return { name: plugin.name, path: this.#buildPath(route) };
  }

  /** Shows the content of /demo/plugins.json. The list is rendered again only if a route has changed. */
  update(plugins) {
    const routes = JSON.stringify(plugins.map(({ name, isolation, routes }) => [name, isolation, routes]));
    if (routes !== this.#renderedRoutes) {
      this.#renderedRoutes = routes;
      this.#options = plugins.flatMap((plugin) => plugin.routes.map((route) => ({ plugin, route })));
      this.#renderOptions();
      this.#selectFromFragment();
    }
    for (const { name, version } of plugins) {
      for (const node of this.#versionNodes.get(name) ?? []) setText(node, version);
    }
  }

  #selectedOption() {
    const checked = this.#list.querySelector("input:checked");
    return this.#options[Number(checked?.value ?? 0)];
  }

  #buildPath(route) {
    const value = (name) => this.#fields.querySelector(`[name="${name}"]`)?.value ?? "";
    if (route.regex !== undefined) {
      const { pathname, search } = new URL(value("path") || "/", location.origin);
      return pathname + search;
    }
    // A split by a pattern with a group returns the placeholders' names at the odd indexes.
    const parts = route.path.split(PLACEHOLDER);
    return parts.map((part, index) => (index % 2 ? encodeURIComponent(value(part)) : encodeURI(part))).join("");
  }

  #renderOptions() {
    this.#versionNodes.clear();
    const cards = this.#options.map((option, index) => this.#createCard(option, index));
    this.#list.replaceChildren(...(this.isEmpty ? [createElement("p", {}, EMPTY_LABEL)] : cards));
  }

  #createCard({ plugin, route }, index) {
    const version = createElement("code", { class: "version", title: VERSION_TITLE }, plugin.version);
    this.#versionNodes.set(plugin.name, [...(this.#versionNodes.get(plugin.name) ?? []), version]);
    return createElement(
      "label",
      { class: "card" },
      createElement("input", { type: "radio", name: "route", value: index, checked: index === 0 }),
      createElement("span", { class: "name" }, plugin.name),
      version,
      createElement("code", { class: "path" }, route.path ?? route.regex),
      createElement("span", { class: "isolation" }, ISOLATION_LABELS[plugin.isolation] ?? plugin.isolation),
    );
  }

  #renderFields(values) {
    const { route } = this.#selectedOption();
    const isRegex = route.regex !== undefined;
    const names = isRegex ? ["path"] : [...route.path.matchAll(PLACEHOLDER)].map(([, name]) => name);
    const fields = names.map((name) => {
      const value = values[name] ?? (isRegex ? "/" : DEFAULT_VALUE);
      const input = createElement("input", { name, value, required: true, autocomplete: "off", spellcheck: "false" });
      const label = name[0].toUpperCase() + name.slice(1);
      return createElement("label", { class: "field" }, createElement("span", {}, label), input);
    });
    this.#fields.replaceChildren(...fields);
    this.#updateFragment();
  }

  /** Writes the selected path into the URL's fragment, so that a copied URL selects the same path. */
  #updateFragment() {
    history.replaceState(null, "", `#${this.selection.path}`);
  }

  /** Selects the route that matches the path in the URL's fragment, or else the first route. */
  #selectFromFragment() {
    if (this.isEmpty) return this.#fields.replaceChildren();
    const path = location.hash.slice(1);
    const index = this.#findOption(path);
    this.#list.querySelectorAll("input")[Math.max(index, 0)].checked = true;
    this.#renderFields(index < 0 ? {} : matchRoute(this.#options[index].route, path));
  }

  /** The index of the option that matches a path, or -1. */
  #findOption(path) {
    const index = this.#options.findIndex(({ route }) => route.path !== undefined && matchRoute(route, path));
    if (index >= 0 || !path) return index;
    // A browser cannot evaluate the host's regular expressions, so the first such route gets every other path.
    return this.#options.findIndex(({ route }) => route.regex !== undefined);
  }
}

/** The values of a route's placeholders in a path, by name; null if the path does not match. */
function matchRoute(route, path) {
  if (route.path === undefined) return { path };
  const names = [];
  const pattern = route.path.split(PLACEHOLDER).map((part, index) => {
    if (index % 2 === 0) return encodeURI(part).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    names.push(part);
    return "([^/]+)";
  });
  const match = new RegExp(`^${pattern.join("")}$`).exec(path);
  return match && Object.fromEntries(names.map((name, index) => [name, decode(match[index + 1])]));
}

/** Undoes percent-encoding; a text that is not valid percent-encoding stays as it is. */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
