// The table of rooms that are awake.

import { api } from "./api.js";
import { createElement, setText } from "./dom.js";
import { formatBytes, formatCount, formatDuration } from "./format.js";
import { pluginLabel } from "./plugin_card.js";

/** The rooms that are awake, with buttons that end them. */
export class RoomTable {
  #body;
  #note;
  #refresh;

  constructor(body, note, refresh) {
    this.#body = body;
    this.#note = note;
    this.#refresh = refresh;
  }

  update({ total, rooms }) {
    // Rows are not replaced while one of their buttons has the focus.
    if (!this.#body.contains(document.activeElement)) {
      this.#body.replaceChildren(...rooms.map((room) => this.#createRow(room)));
    }
    const unlisted = total - rooms.length;
    const note = unlisted > 0 ? `${formatCount(unlisted, "room")} with fewer visitors not listed.` : "";
    setText(this.#note, total === 0 ? "No room is awake." : note);
  }

  #createRow({ tenant, plugin: name, room, visitors, memory_bytes: memory, state_bytes: state, age_seconds: age, alarm }) {
    const plugin = { tenant, name };
    const cells = [pluginLabel(plugin), visitors, formatBytes(memory), formatBytes(state), formatDuration(age), alarm ?? ""];
    return createElement(
      "tr",
      { "data-room": room },
      createElement("td", { class: "path" }, room),
      ...cells.map((cell) => createElement("td", { class: "nowrap" }, String(cell))),
      createElement("td", { class: "action" }, this.#createButton("Close", "close", plugin, room), " ", this.#createButton("Reset", "reset", plugin, room)),
    );
  }

  #createButton(text, end, plugin, room) {
    const label = `${text} the room ${room}`;
    return createElement(
      "button",
      { type: "button", class: "secondary", "aria-label": label, onclick: ({ currentTarget }) => this.#end(currentTarget, end, plugin, room) },
      text,
    );
  }

  async #end(button, end, plugin, room) {
    if (end === "reset" && !confirm(`Delete the state of the room ${room}, and close its connections?`)) return;
    button.disabled = true;
    await api.endRoom(plugin, room, end).catch((error) => setText(this.#note, error.message));
    this.#refresh();
  }
}
