// The editor of source plugins: files, saving, and the outcome of a save.

import { CodeArea } from "./code_area.js";
import { byId, createElement, setText } from "./dom.js";
import { formatCount } from "./format.js";
import { describePlace } from "./places.js";

/** Files with the code of a plugin. A plugin is shown with its first one. */
const CODE_FILE = /\.(py|js|mjs|ts|mts)$/;

const NO_SOURCE = (plugin) =>
  `${plugin} is not a source plugin: change it with your own editor. narrowboat dev builds it, and this page shows the ` +
  "new version.";

export class SourceEditor {
  #client;
  #onSaved;
  #code = new CodeArea(byId("code"), () => this.#onEdit());
  /** The plugins with a source folder: { plugin, folder, files, problem }. */
  #plugins = [];
  /**
   * The shown file: { plugin, path, text, digest, original, usesCrlf, conflict }; null if none is shown. The conflict is
   * the digest of another program's text, which the user has neither loaded nor refused; null if there is none.
   */
  #file = null;
  /** Texts that are not saved, with their file, by `keyOf`. */
  #drafts = new Map();
  /** The number of the last line of the log; null before the first poll. */
  #lastLine = null;
  #isSaving = false;
  /** Whether the problems are those of the last save. */
  #hasErrors = false;
  /** The number of the last request for a file, because answers may come late. */
  #openCount = 0;
  /** Counts what changes the digest of the shown file: an answer that was asked for before it may be out of date. */
  #digestCount = 0;

  /** `onSaved` is called after a save. */
  constructor(client, onSaved) {
    this.#client = client;
    this.#onSaved = onSaved;
    byId("file").addEventListener("change", ({ target }) => this.#openKey(target.value));
    byId("save").addEventListener("click", () => this.save());
    byId("reset").addEventListener("click", () => this.#reset());
    byId("load-theirs").addEventListener("click", () => this.#reload({ isWanted: true }));
    byId("keep-mine").addEventListener("click", () => this.#keepMine());
    byId("editor").addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "s") {
        event.preventDefault();
        this.save();
      }
    });
    addEventListener("beforeunload", (event) => {
      this.#keepDraft();
      if (this.#drafts.size > 0) event.preventDefault();
    });
  }

  /** Whether the source of a plugin can be edited here. */
  edits(plugin) {
    return this.#plugins.some((listed) => listed.plugin === plugin && listed.files.length > 0);
  }

  hasFile(plugin, path) {
    return this.#plugins.some((listed) => listed.plugin === plugin && listed.files.includes(path));
  }

  /** Reads the list of plugins and files. */
  async loadFiles() {
    this.#plugins = await this.#client.files();
    const groups = this.#plugins.map(({ plugin, folder, files }) => {
      const createOption = (path) => createElement("option", { value: keyOf({ plugin, path }) }, `${path} (${folder})`);
      return createElement("optgroup", { label: plugin }, ...files.map(createOption));
    });
    byId("file").replaceChildren(...groups);
    if (this.#file) byId("file").value = keyOf(this.#file);
    else this.showPlugin(this.#plugins.find(({ files }) => files.length > 0)?.plugin);
  }

  /** Shows the source of a plugin, unless one of its files is shown already. */
  showPlugin(plugin) {
    if (plugin === undefined) return;
    const listed = this.#plugins.find((other) => other.plugin === plugin);
    byId("note").hidden = Boolean(listed) && !listed.problem;
    setText(byId("note"), listed ? (listed.problem ?? "") : NO_SOURCE(plugin));
    if (!listed || this.#file?.plugin === plugin || listed.files.length === 0) return;
    this.#open({ plugin, path: listed.files.find((path) => CODE_FILE.test(path)) ?? listed.files[0] });
  }

  /** Opens a file at a place: { path, line, column }. */
  async openPlace(plugin, place) {
    if (keyOf(this.#file ?? {}) !== keyOf({ plugin, path: place.path })) await this.#open({ plugin, path: place.path });
    this.#code.goTo(place);
  }

  /**
   * Shows a fault of a plugin, or why it was refused, under its line: { path, line, column, message }. Does nothing if
   * another file or another text is shown, or if a save has shown its own problems.
   */
  showFault(plugin, place) {
    const isShown = this.#file?.plugin === plugin && this.#file.path === place.path;
    const isCurrent = isShown && !this.#isChanged && !this.#isSaving;
    if (isCurrent && !this.#hasErrors) this.#showProblems([{ ...place, kind: "fault" }]);
  }

  /** Returns the new lines of the log that concern authors, and notices that another program has changed the file. */
  async pollChanges() {
    const file = this.#file;
    const count = this.#digestCount;
    const named = file && { plugin: file.plugin, path: file.path };
    const { lines, last, digest } = await this.#client.changes(this.#lastLine, named);
    this.#lastLine = last;
    // A save changes the digest too.
    const isCurrent = file && file === this.#file && !this.#isSaving && count === this.#digestCount;
    // Before the lines, which may be about the new text.
    if (isCurrent && digest) await this.#onDigest(digest);
    return lines;
  }

  /** Saves the shown file, and shows the outcome and the time until it was live. */
  async save() {
    const file = this.#file;
    if (!file || this.#isSaving) return;
    const text = this.#code.text;
    const start = performance.now();
    this.#setSaving(true);
    this.#showProblems([]);
    this.#showStatus("Saving …");
    try {
      const sent = file.usesCrlf ? text.replaceAll("\n", "\r\n") : text;
      const { digest, result } = await this.#client.save({ plugin: file.plugin, path: file.path }, sent, file.digest);
      const elapsed = Math.round(performance.now() - start);
      Object.assign(file, { text, digest, conflict: null });
      // The user may have typed since then, and then chosen another file.
      if (this.#drafts.get(keyOf(file))?.text === text) this.#drafts.delete(keyOf(file));
      if (file === this.#file) this.#showOutcome(file, result, elapsed);
    } catch (error) {
      this.#showFailure(file, error);
    }
    this.#setSaving(false);
    this.#onSaved();
  }

  #showOutcome({ plugin, path }, result, elapsed) {
    this.#showConflict();
    this.#showStatus(describeOutcome(result, elapsed), result.outcome);
    if (result.outcome !== "refused") return;
    const problems = result.problems.length > 0 ? result.problems : [{ path: null, message: result.message }];
    this.#showProblems(problems.map((problem) => ({ plugin, kind: "error", ...problem, path: problem.path ?? path })));
  }

  #showFailure(file, error) {
    if (error.status === 409) file.conflict = error.digest;
    if (file !== this.#file) {
      this.#showStatus(`Not saved: ${file.path} of ${file.plugin}: ${error.message}`, "failed");
      return;
    }
    this.#showConflict();
    this.#showStatus(error.status === 409 ? "Not saved" : `Not saved: ${error.message}`, "failed");
  }

  /** Shows the result of the last action, and the outcome of a save. */
  #showStatus(text, outcome = "") {
    byId("save-status").dataset.outcome = outcome;
    setText(byId("save-status"), text);
  }

  #openKey(key) {
    const [plugin, path] = key.split("\n");
    return this.#open({ plugin, path });
  }

  async #open(file) {
    this.#keepDraft();
    this.#openCount += 1;
    const count = this.#openCount;
    try {
      const read = this.#drafts.has(keyOf(file)) ? null : await this.#read(file);
      if (count !== this.#openCount) return;
      // The user may have typed meanwhile.
      this.#keepDraft();
      const draft = this.#drafts.get(keyOf(file));
      this.#show(draft?.file ?? read, draft?.text ?? read.text);
    } catch (error) {
      if (count !== this.#openCount) return;
      byId("file").value = this.#file ? keyOf(this.#file) : "";
      this.#showStatus(`Cannot open ${file.path}: ${error.message}`, "failed");
    }
  }

  async #read({ plugin, path }) {
    return { plugin, path, conflict: null, ...withLineFeeds(await this.#client.read({ plugin, path })) };
  }

  #show(file, text) {
    this.#file = file;
    byId("file").value = keyOf(file);
    this.#showConflict();
    this.#showStatus("");
    this.#code.show(file.path, text, `${file.path} of ${file.plugin}`);
    this.#showProblems([]);
    this.#updateControls();
  }

  #onEdit() {
    this.#showProblems([]);
    this.#updateControls();
  }

  get #isChanged() {
    return this.#file !== null && this.#code.text !== this.#file.text;
  }

  #keepDraft() {
    if (this.#isChanged) this.#drafts.set(keyOf(this.#file), { file: this.#file, text: this.#code.text });
    else if (this.#file) this.#drafts.delete(keyOf(this.#file));
  }

  /** Restores the text that the file had when the host first read it, and saves it. */
  #reset() {
    this.#code.replace(this.#file.original);
    this.save();
  }

  /** Compares the shown file with its digest on the disk. */
  async #onDigest(digest) {
    const file = this.#file;
    if (digest === file.digest) {
      file.conflict = null;
      this.#showConflict();
    } else if (this.#isChanged) {
      this.#onConflict(digest);
    } else {
      await this.#reload({ isWanted: false });
    }
  }

  /** Another program has changed the shown file, whose text here is not saved. */
  #onConflict(digest) {
    if (this.#file.conflict === digest) return;
    this.#file.conflict = digest;
    this.#showConflict();
    this.#showStatus("");
  }

  /** Shows the conflict of the shown file, if it has one. */
  #showConflict() {
    const { path, conflict } = this.#file;
    if (conflict) setText(byId("conflict").querySelector("span"), `Another program has changed ${path}.`);
    byId("conflict").hidden = !conflict;
  }

  /** Shows the text on the disk. Unless the user wants it, it does not replace what the user types meanwhile. */
  async #reload({ isWanted }) {
    const file = this.#file;
    const count = this.#openCount;
    const { text } = this.#code;
    try {
      const read = await this.#read(file);
      if (file !== this.#file || count !== this.#openCount) return;
      if (!isWanted && this.#code.text !== text) {
        this.#onConflict(read.digest);
        return;
      }
      this.#drafts.delete(keyOf(file));
      this.#show(read, read.text);
      this.#showStatus(isWanted ? "" : "Another program has changed the file; this is its new text.");
    } catch (error) {
      if (file === this.#file) this.#showStatus(`Cannot load ${file.path}: ${error.message}`, "failed");
    }
  }

  /** The next save replaces the text of the other program. */
  async #keepMine() {
    const file = this.#file;
    const count = this.#digestCount;
    try {
      const read = await this.#read(file);
      if (count !== this.#digestCount) return;
      this.#digestCount += 1;
      // Whether the text here is saved depends on the text on the disk.
      Object.assign(file, read);
    } catch (error) {
      if (file === this.#file) this.#showStatus(`Cannot load ${file.path}: ${error.message}`, "failed");
      return;
    }
    if (file !== this.#file) return;
    this.#showConflict();
    this.#updateControls();
    byId("save").focus();
  }

  #setSaving(isSaving) {
    this.#isSaving = isSaving;
    this.#digestCount += 1;
    this.#updateControls();
  }

  #showProblems(problems) {
    const { plugin, path } = this.#file ?? {};
    this.#hasErrors = problems.some(({ kind }) => kind === "error");
    this.#code.setProblems(problems.filter((problem) => problem.path === path));
    const items = problems.map((problem) => {
      const onclick = () => this.openPlace(plugin, { column: 0, line: 1, ...problem });
      const button = createElement("button", { type: "button", class: "place", onclick }, describePlace(problem));
      return createElement("li", {}, button, ` ${problem.message}`);
    });
    byId("problems").replaceChildren(...items);
  }

  #updateControls() {
    const file = this.#file;
    byId("save").disabled = !file || this.#isSaving;
    const isOriginal = !file || file.original === null || this.#code.text === file.original;
    byId("reset").disabled = isOriginal || this.#isSaving;
    setText(byId("file-state"), this.#isChanged ? "Not saved" : "");
  }
}

const keyOf = ({ plugin, path }) => `${plugin}\n${path}`;

/** A text area has line feeds only. A file with CRLF is written with CRLF again. */
function withLineFeeds({ text, digest, original }) {
  const usesCrlf = text.includes("\r\n");
  const convert = (source) => source?.replaceAll("\r\n", "\n") ?? null;
  return { text: convert(text), digest, original: convert(original), usesCrlf };
}

function describeOutcome(result, elapsed) {
  switch (result.outcome) {
    case "live":
      return `Live in ${elapsed} ms: version ${result.version}.${describeMove(result)}`;
    case "unchanged":
      return `Saved in ${elapsed} ms. Version ${result.version} was live already.`;
    case "refused":
      return "Saved, but not live: the old version goes on.";
    case "superseded":
      return "Saved. A later change is deployed instead.";
    case "reloading":
      return "Saved. The host loads the plugin again and closes its connections.";
    default:
      return "Saved. The host works on this version; the conversation shows what becomes of it.";
  }
}

function describeMove({ moved, not_moved: notMoved, reasons }) {
  const parts = [];
  if (moved > 0) parts.push(` ${formatCount(moved, "connection")} kept ${moved === 1 ? "its" : "their"} state.`);
  if (notMoved > 0) parts.push(` ${formatCount(notMoved, "connection")} did not move${reasons ? `: ${reasons}` : ""}.`);
  return parts.join("");
}
