// A plain text area that shows line numbers and, in place, what is wrong in which line and column. Tab leaves it, as
// everywhere else on the page.

import { freshId, h, patch } from "./dom.js";

const lineHeight = 19;

export class Editor {
  #area;
  #gutter;
  #marks;
  #faults = [];
  #lengths = [0];
  #character = 7.8;

  constructor(label, oninput) {
    this.#gutter = h("div", { class: "gutter", "aria-hidden": "true" });
    this.#marks = h("div", { class: "marks", "aria-hidden": "true" });
    this.#area = h("textarea", {
      class: "code", id: freshId("editor"), "aria-label": label, wrap: "off", spellcheck: "false",
      autocapitalize: "off", autocomplete: "off",
      oninput: () => {
        this.#measure();
        oninput();
      },
      onscroll: () => this.#draw(),
      onkeydown: (event) => this.#indent(event),
    });
    this.element = h("div", { class: "editor", own: true }, this.#gutter, h("div", { class: "sheet" }, this.#area, this.#marks));
    new ResizeObserver(() => this.#draw()).observe(this.#area);
  }

  get text() {
    return this.#area.value;
  }

  set text(value) {
    this.#area.value = value;
    this.#area.scrollTop = 0;
    this.#faults = [];
    this.#measure();
  }

  /** Ties the list of faults to the text for screen readers. */
  describeBy(id) {
    this.#area.setAttribute("aria-describedby", id);
  }

  /** Shows faults: {line, column, message, isWarning}; lines and columns begin at 1. */
  show(faults) {
    this.#faults = faults;
    this.#area.setAttribute("aria-invalid", faults.some((f) => !f.isWarning));
    this.#draw();
  }

  /** Puts the caret at a place, in view. */
  goTo(line, column) {
    let start = 0;
    for (let i = 0; i < line - 1 && i < this.#lengths.length; i++) {
      start += this.#lengths[i] + 1;
    }
    const at = start + Math.min(Math.max(0, column - 1), this.#lengths[line - 1] ?? 0);
    this.#area.focus();
    this.#area.setSelectionRange(at, at);
    this.#area.scrollTop = Math.max(0, (line - 1) * lineHeight - this.#area.clientHeight / 2);
    this.#area.scrollLeft = Math.max(0, (column - 20) * this.#character);
    this.#draw();
  }

  /** The line the caret is in, from 1. */
  get line() {
    return this.#area.value.slice(0, this.#area.selectionStart).split("\n").length;
  }

  #measure() {
    this.#lengths = this.#area.value.split("\n").map((line) => line.length);
    this.#draw();
  }

  #indent(event) {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    // A new line starts below the one before it, as YAML wants it.
    const { value, selectionStart: start } = this.#area;
    const line = value.slice(value.lastIndexOf("\n", start - 1) + 1, start);
    const indent = /^ */.exec(line)[0];
    if (indent) {
      event.preventDefault();
      this.#area.setRangeText(`\n${indent}`, start, this.#area.selectionEnd, "end");
      this.#area.dispatchEvent(new Event("input"));
    }
  }

  #draw() {
    const { scrollTop, scrollLeft, clientHeight } = this.#area;
    const context = document.createElement("canvas").getContext("2d");
    context.font = getComputedStyle(this.#area).font;
    this.#character = context.measureText("0".repeat(100)).width / 100;
    const first = Math.max(1, Math.floor(scrollTop / lineHeight));
    const last = Math.min(this.#lengths.length, first + Math.ceil((clientHeight || 400) / lineHeight) + 1);
    const top = (line) => (line - 1) * lineHeight - scrollTop + 8;
    const worst = new Map();
    for (const fault of this.#faults) {
      worst.set(fault.line, worst.get(fault.line) === "bad" || !fault.isWarning ? "bad" : "warn");
    }
    const numbers = [];
    for (let line = first; line <= last; line++) {
      const number = h("span", { key: line, class: worst.get(line) ?? "" }, line);
      number.style.top = `${top(line)}px`;
      numbers.push(number);
    }
    patch(this.#gutter, numbers);
    const seen = new Set();
    patch(this.#marks, this.#faults.filter((f) => f.line >= first && f.line <= last).map((fault, i) => {
      const tone = fault.isWarning ? "warn" : "bad";
      const band = h("div", { key: `${fault.line}:${fault.column}:${i}`, class: `mark ${tone}` });
      band.style.top = `${top(fault.line)}px`;
      const under = h("i");
      under.style.left = `${8 + (fault.column - 1) * this.#character - scrollLeft}px`;
      under.style.width = `${this.#character}px`;
      band.append(under);
      if (!seen.has(fault.line)) {
        const note = h("span", null, `${fault.column}: ${fault.message}`);
        note.style.left = `${8 + ((this.#lengths[fault.line - 1] ?? 0) + 3) * this.#character - scrollLeft}px`;
        band.append(note);
        seen.add(fault.line);
      }
      return band;
    }));
  }
}
