// A text area for source: line numbers, colours, indentation, and problems under their lines.

import { createElement } from "./dom.js";
import { highlight } from "./highlight.js";

/** A problem is shown at most this number of characters to the right, so that it can be read without scrolling. */
const MAX_OFFSET = 24;

export class CodeArea {
  #area;
  #numbers;
  #colours;
  #annotations;
  #path = "";
  #lineCount = 0;
  #problems = [];
  /** Whether the next Tab key leaves the text area. */
  #tabLeaves = false;
  #onEdit;

  /** `box` has the elements of the editor. `onEdit` is called after each change of the text by the user. */
  constructor(box, onEdit) {
    this.#onEdit = onEdit;
    this.#area = box.querySelector("textarea");
    this.#numbers = box.querySelector(".gutter .scrolled");
    this.#colours = box.querySelector("pre .scrolled");
    this.#annotations = box.querySelector(".annotations .scrolled");
    this.#area.addEventListener("scroll", () => this.#followScroll());
    this.#area.addEventListener("keydown", (event) => this.#onKey(event));
    this.#area.addEventListener("blur", () => (this.#tabLeaves = false));
    this.#area.addEventListener("input", () => {
      this.#render();
      this.#onEdit();
    });
  }

  get text() {
    return this.#area.value;
  }

  /** Shows a file. The history of undo begins anew. */
  show(path, text, label) {
    this.#path = path;
    this.#area.value = text;
    this.#area.disabled = false;
    this.#area.setAttribute("aria-label", label);
    this.#area.setSelectionRange(0, 0);
    this.#area.scrollTo(0, 0);
    this.#render();
  }

  /** Replaces the text as an edit that can be undone. */
  replace(text) {
    const { scrollTop, selectionStart } = this.#area;
    this.#area.focus();
    this.#area.select();
    this.#insert(text);
    this.#area.setSelectionRange(selectionStart, selectionStart);
    this.#area.scrollTop = scrollTop;
  }

  /** Shows no file. */
  clear() {
    this.#path = "";
    this.#area.value = "";
    this.#area.disabled = true;
    this.#render();
  }

  /** Moves the focus and the caret to a place. */
  goTo({ line, column }) {
    const lines = this.#area.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    const position = start + Math.min(Math.max(column - 1, 0), lines[line - 1]?.length ?? 0);
    this.#area.focus();
    this.#area.setSelectionRange(position, position);
    this.#area.scrollTop = Math.max(0, (line - 4) * this.#lineHeight);
  }

  /** Shows problems under their lines: { line, column, message, kind }, where the kind is "error" or "fault". */
  setProblems(problems) {
    if (problems.length === 0 && this.#problems.length === 0) return;
    this.#problems = problems.filter(({ line }) => line);
    const hasErrors = this.#problems.some(({ kind }) => kind === "error");
    this.#area.setAttribute("aria-invalid", String(hasErrors));
    this.#renderNumbers();
    this.#renderAnnotations();
    const [first] = this.#problems;
    if (first) this.#reveal(first.line);
  }

  get #lineHeight() {
    return parseFloat(getComputedStyle(this.#area).lineHeight);
  }

  /** Scrolls to a line, unless it can be seen with its problem. */
  #reveal(line) {
    const top = (line - 1) * this.#lineHeight;
    const { scrollTop, clientHeight } = this.#area;
    const isVisible = top >= scrollTop && top + 3 * this.#lineHeight <= scrollTop + clientHeight;
    if (!isVisible) this.#area.scrollTop = Math.max(0, top - clientHeight / 3);
  }

  #render() {
    const text = this.#area.value;
    // The last line of a <pre> is shown only if something follows its line break.
    this.#colours.replaceChildren(...highlight(this.#path, text), "\n");
    const lineCount = text.split("\n").length;
    if (lineCount !== this.#lineCount) {
      this.#lineCount = lineCount;
      this.#renderNumbers();
    }
    this.#followScroll();
  }

  #renderNumbers() {
    const kinds = new Map(this.#problems.map(({ line, kind }) => [line, kind]));
    const numbers = Array.from({ length: this.#area.disabled ? 0 : this.#lineCount }, (_, index) => {
      const kind = kinds.get(index + 1);
      return createElement("span", { class: kind ? `number ${kind}` : "number" }, String(index + 1));
    });
    this.#numbers.replaceChildren(...numbers);
  }

  #renderAnnotations() {
    const annotations = this.#problems.map((problem) => this.#createAnnotation(problem));
    this.#annotations.replaceChildren(...annotations);
  }

  #createAnnotation(problem) {
    const { line, column, message, kind } = problem;
    const hide = () => this.setProblems(this.#problems.filter((other) => other !== problem));
    const label = `Hide the problem in line ${line}`;
    const button = createElement("button", { type: "button", "aria-label": label, onclick: hide }, "×");
    const annotation = createElement("div", { class: `annotation ${kind}` }, createElement("span", {}, message), button);
    // Styles from scripts are allowed by the page's policy if they are not attributes.
    annotation.style.top = `${line * this.#lineHeight}px`;
    annotation.style.marginLeft = `${Math.min(Math.max(column - 1, 0), MAX_OFFSET)}ch`;
    return annotation;
  }

  #followScroll() {
    const { scrollTop, scrollLeft } = this.#area;
    this.#numbers.style.transform = `translateY(${-scrollTop}px)`;
    this.#annotations.style.transform = `translateY(${-scrollTop}px)`;
    this.#colours.style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
  }

  #onKey(event) {
    if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
    const { key, shiftKey } = event;
    if (key === "Escape") {
      this.#tabLeaves = true;
      return;
    }
    if (key === "Tab" && this.#tabLeaves) return;
    if (key !== "Shift") this.#tabLeaves = false;
    if (key === "Tab" && !shiftKey) this.#insert(this.#indentation);
    else if (key === "Tab") this.#outdent();
    else if (key === "Enter" && !shiftKey) this.#insert(`\n${this.#indentationOfNextLine()}`);
    else return;
    event.preventDefault();
  }

  get #indentation() {
    return this.#path.endsWith(".py") ? "    " : "  ";
  }

  get #lineStart() {
    return this.#area.value.lastIndexOf("\n", this.#area.selectionStart - 1) + 1;
  }

  /** The spaces of the current line, and one step more after a line that opens a block. */
  #indentationOfNextLine() {
    const line = this.#area.value.slice(this.#lineStart, this.#area.selectionStart);
    const spaces = /^\s*/.exec(line)[0];
    return /[:{[(]\s*$/.test(line) ? spaces + this.#indentation : spaces;
  }

  /** Removes one step of indentation from the current line. */
  #outdent() {
    const area = this.#area;
    const start = this.#lineStart;
    const spaces = new RegExp(`^ {1,${this.#indentation.length}}`).exec(area.value.slice(start))?.[0].length ?? 0;
    if (spaces === 0) return;
    const caret = Math.max(start, area.selectionStart - spaces);
    area.setSelectionRange(start, start + spaces);
    this.#insert("");
    area.setSelectionRange(caret, caret);
  }

  /** Replaces the selection. The command is the only way that keeps the history of undo. */
  #insert(text) {
    const isDone = document.execCommand(text === "" ? "delete" : "insertText", false, text);
    if (isDone) return;
    this.#area.setRangeText(text, this.#area.selectionStart, this.#area.selectionEnd, "end");
    this.#area.dispatchEvent(new Event("input"));
  }
}
