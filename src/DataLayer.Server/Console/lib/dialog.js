// Questions that stop what else one does. The browser's own dialog keeps the focus inside and gives it back.

import { button, failure, field, h, patch } from "./dom.js";

function show(element) {
  document.body.append(element);
  element.addEventListener("close", () => element.remove(), { once: true });
  element.showModal();
}

/** Asks before something that matters. Resolves to whether it was confirmed. */
export const confirm = (title, text, action, tone = "danger") => new Promise((resolve) => {
  const dialog = h("dialog", { class: "dialog", "aria-label": title },
    h("h2", null, title), h("p", null, text),
    h("div", { class: "actions" },
      button("Keep as it is", () => dialog.close(), { autofocus: true }),
      button(action, () => dialog.close("yes"), { class: tone })));
  dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  show(dialog);
});

/**
 * A small form. `fields`: {name, label, control, hint}. `submit(values)` does it; what it throws is shown and the form
 * stays. `introduction` stands above the fields.
 */
export function form(title, fields, action, submit, introduction = null) {
  const note = h("div", { class: "form-note" });
  const ok = h("button", { type: "submit", class: "primary" }, action);
  const body = h("form", {
    method: "dialog",
    onsubmit: async (event) => {
      event.preventDefault();
      ok.disabled = true;
      patch(note);
      try {
        await submit(Object.fromEntries(fields.map(({ name, control }) =>
          [name, control.type === "checkbox" ? control.checked : control.value])), (text) => patch(note, text));
        dialog.close();
      } catch (error) {
        patch(note, failure(error));
      } finally {
        ok.disabled = false;
      }
    },
  }, h("h2", null, title), introduction ? h("p", null, introduction) : null, fields.map(({ label, control, hint }) => field(label, control, hint)), note,
  h("div", { class: "actions" }, button("Cancel", () => dialog.close()), ok));
  const dialog = h("dialog", { class: "dialog", "aria-label": title }, body);
  show(dialog);
}
