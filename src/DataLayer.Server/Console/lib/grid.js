// A long list of which only what is in view exists. Rows have one height; the caller says how many there are and makes
// each; arrow keys move, Enter opens. It is one tab stop.

import { freshId, h, patch } from "./dom.js";

export class Grid {
  #rowHeight;
  #makeCells;
  #on;
  #space;
  #rows;
  #count = 0;
  #frame = 0;
  #prefix = freshId("row");

  /**
   * @param label What the list is, for screen readers.
   * @param header An element shown above the rows.
   * @param options {rowHeight, makeCells(i) → {cells, props}, onselect(i), onopen(i), onkey(event, i), role}
   */
  constructor(label, header, { rowHeight = 26, makeCells, role = "grid", ...on }) {
    this.#rowHeight = rowHeight;
    this.#makeCells = makeCells;
    this.#on = on;
    this.selected = -1;
    this.#rows = h("div", { class: "grid-rows", role: "presentation" });
    this.#space = h("div", { class: "grid-space", role: "presentation" }, this.#rows);
    this.body = h("div", {
      class: "grid-body", role, tabindex: 0, "aria-label": label, "aria-rowcount": 0,
      onscroll: () => this.#later(), onkeydown: (event) => this.#press(event),
      onclick: (event) => this.#click(event), ondblclick: (event) => this.#click(event, true),
    }, this.#space);
    this.element = h("div", { class: "grid", own: true }, header, this.body);
  }

  get count() {
    return this.#count;
  }

  /** Says how many rows there are now, and draws what is in view. */
  refresh(count = this.#count) {
    this.#count = count;
    this.#space.style.height = `${count * this.#rowHeight}px`;
    this.body.setAttribute("aria-rowcount", count);
    this.selected = Math.min(this.selected, count - 1);
    this.#draw();
  }

  /** Selects a row and brings it into view. */
  select(index, { quietly = false } = {}) {
    this.selected = Math.max(-1, Math.min(this.#count - 1, index));
    const top = this.selected * this.#rowHeight;
    const { scrollTop, clientHeight } = this.body;
    if (this.selected >= 0 && top < scrollTop) {
      this.body.scrollTop = top;
    } else if (top + this.#rowHeight > scrollTop + clientHeight) {
      this.body.scrollTop = top + this.#rowHeight - clientHeight;
    }
    this.#draw();
    if (!quietly && this.selected >= 0) {
      this.#on.onselect?.(this.selected);
    }
  }

  #later() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.body.scrollTop / this.#rowHeight) - 4);
    const last = Math.min(this.#count, first + Math.ceil((this.body.clientHeight || 600) / this.#rowHeight) + 9);
    const rows = [];
    for (let i = first; i < last; i++) {
      const { cells, props } = this.#makeCells(i);
      rows.push(h("div", {
        key: i, id: `${this.#prefix}-${i}`, role: "row", "data-index": i, "aria-rowindex": i + 1,
        "aria-selected": i === this.selected, ...props, class: `grid-row ${props?.class ?? ""}`,
      }, cells));
    }
    this.#rows.style.transform = `translateY(${first * this.#rowHeight}px)`;
    patch(this.#rows, rows);
    if (this.selected >= first && this.selected < last) {
      this.body.setAttribute("aria-activedescendant", `${this.#prefix}-${this.selected}`);
    } else {
      this.body.removeAttribute("aria-activedescendant");
    }
  }

  #click(event, twice = false) {
    const row = event.target.closest("[data-index]");
    if (row === null) {
      return;
    }
    const index = Number(row.dataset.index);
    if (!twice) {
      this.select(index);
      this.#on.onclickrow?.(event, index);
    } else {
      this.#on.onopen?.(index);
    }
  }

  #press(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || this.#on.onkey?.(event, this.selected) === true) {
      return;
    }
    const page = Math.max(1, Math.floor(this.body.clientHeight / this.#rowHeight) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps && this.#count > 0) {
      event.preventDefault();
      this.select(Math.max(0, Math.min(this.#count - 1, this.selected + steps[event.key])));
    } else if (event.key === "Enter" && this.selected >= 0) {
      event.preventDefault();
      this.#on.onopen?.(this.selected);
    }
  }
}
