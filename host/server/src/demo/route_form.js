// The settings of a connection: a route, its fields, the query string, subprotocols and cookies.

import { createElement, setText } from "./dom.js";
import { buildPath, defaultValue, fieldNames, matchPath, patternOf } from "./routes.js";

const ISOLATION_LABELS = {
  connection: "an instance for each connection",
  shared: "one shared instance",
  room: "an instance for each room",
};

const EMPTY_LABEL = "No plugin is served yet";

const VERSION_TITLE = "Live version: the first 12 digits of the SHA-256";

export class RouteForm {
  /** The element with all settings. */
  element;
  #routes = createElement("select", { class: "route", name: "route" });
  #fields = createElement("div", { class: "fields" });
  #description = createElement("span", { class: "description" });
  #version = createElement("code", { class: "version", title: VERSION_TITLE });
  #isolation = createElement("span", { class: "isolation" });
  #query = createInput("query", "nick=ann");
  #subprotocols = createInput("subprotocols", "chat.v2, chat.v1");
  #cookie = createInput("cookie", "session=abc");
  /** A plugin and one of its routes each, in the order of the list. */
  #options = [];
  #renderedRoutes = "";
  #onChange;

  /** `onChange` is called when the user changes a setting, and when the list of routes has changed. */
  constructor(onChange) {
    this.#onChange = onChange;
    const facts = createElement("p", { class: "plugin-facts" });
    facts.append(this.#description, " Version ", this.#version, ", ", this.#isolation);
    this.element = createElement(
      "fieldset",
      { class: "settings" },
      createField("Route", this.#routes),
      facts,
      this.#fields,
      createElement(
        "details",
        {},
        createElement("summary", {}, "Query, subprotocols, cookie"),
        createField("Query string", this.#query),
        createField("Subprotocols, with commas between them", this.#subprotocols),
        createField("Cookie, only for this connection", this.#cookie),
      ),
    );
    this.#routes.addEventListener("change", () => this.#renderFields({}));
    this.element.addEventListener("input", ({ target }) => target !== this.#routes && this.#onChange());
  }

  get isEmpty() {
    return this.#options.length === 0;
  }

  /** The name of the selected plugin; undefined if there is none. */
  get plugin() {
    return this.#selected?.plugin.name;
  }

  /** The path with its fields filled in and escaped, and the query string. */
  get path() {
    if (this.isEmpty) return "";
    const value = (name) => this.#fields.querySelector(`[name="${name}"]`)?.value ?? "";
    const path = buildPath(this.#selected.route, value);
    const query = this.#query.value.trim().replace(/^\?/, "");
    if (query === "") return path;
    const { pathname, search } = new URL(path + (path.includes("?") ? "&" : "?") + query, location.origin);
    return pathname + search;
  }

  /** The names of the offered subprotocols. */
  get subprotocols() {
    return splitList(this.#subprotocols.value, ",");
  }

  /** The cookies, each as name=value. */
  get cookies() {
    return splitList(this.#cookie.value, ";");
  }

  /** Shows the content of /demo/plugins.json. The list is rendered again only if a route has changed. */
  update(plugins, path) {
    const routes = JSON.stringify(plugins.map(({ name, routes }) => [name, routes]));
    const selected = this.path;
    this.#options = plugins.flatMap((plugin) => plugin.routes.map((route) => ({ plugin, route })));
    if (routes !== this.#renderedRoutes) {
      this.#renderedRoutes = routes;
      this.#renderOptions();
      this.selectPath(selected || path);
    }
    this.#renderFacts();
  }

  /** Selects the route that matches a path with a query; if there is none, the first route. */
  selectPath(target) {
    const [path, query = ""] = target.split(/\?(.*)/s);
    const found = this.#findOption(path);
    if (found && found.route.regex === undefined) this.#query.value = query;
    if (query !== "") this.element.querySelector("details").open = true;
    this.#routes.value = String(Math.max(this.#options.indexOf(found), 0));
    this.#renderFields(found ? matchPath(found.route, found.route.regex === undefined ? path : target) : {});
  }

  /** Selects the first route of a plugin. */
  selectPlugin(name) {
    const index = this.#options.findIndex(({ plugin }) => plugin.name === name);
    if (index < 0) return;
    this.#routes.value = String(index);
    this.#renderFields({});
  }

  get #selected() {
    return this.#options[Number(this.#routes.value)] ?? this.#options[0];
  }

  /** The first option whose route matches a path; routes by regular expressions come last. */
  #findOption(path) {
    const isRegex = ({ route }) => route.regex !== undefined;
    const exact = this.#options.find((option) => !isRegex(option) && matchPath(option.route, path));
    return exact ?? (path ? this.#options.find(isRegex) : undefined);
  }

  #renderOptions() {
    const options = this.#options.map(({ plugin, route }, index) =>
      createElement("option", { value: index }, `${plugin.name} – ${patternOf(route)}`),
    );
    this.#routes.replaceChildren(...(this.isEmpty ? [createElement("option", {}, EMPTY_LABEL)] : options));
  }

  #renderFields(values) {
    const route = this.#selected?.route;
    const fields = (route ? fieldNames(route) : []).map((name) => {
      const input = createInput(name);
      input.value = values[name] ?? defaultValue(route);
      input.required = true;
      return createField(name[0].toUpperCase() + name.slice(1), input);
    });
    this.#fields.replaceChildren(...fields);
    this.#renderFacts();
    this.#onChange();
  }

  #renderFacts() {
    const plugin = this.#selected?.plugin;
    this.#version.parentElement.hidden = !plugin;
    if (!plugin) return;
    setText(this.#description, plugin.description);
    setText(this.#version, plugin.version);
    setText(this.#isolation, ISOLATION_LABELS[plugin.isolation] ?? plugin.isolation);
  }
}

function createInput(name, placeholder) {
  const attributes = { name, placeholder, autocomplete: "off", autocapitalize: "off", spellcheck: "false" };
  return createElement("input", attributes);
}

function createField(label, control) {
  return createElement("label", { class: "field" }, createElement("span", {}, label), control);
}

function splitList(text, separator) {
  return text.split(separator).map((part) => part.trim()).filter((part) => part !== "");
}
