// Elements, and a way to bring what is on the page to what should be there without replacing what stays the same:
// focus, text being typed, scroll positions and layout survive each refresh.

const boxed = (child) => (child instanceof Node ? child : document.createTextNode(String(child)));
const present = (child) => child !== null && child !== undefined && child !== false && child !== "";

/**
 * Makes an element. Properties that begin with "on" are handlers; `key` tells it among its siblings; `own: true` keeps
 * patch() away from its children; `value` is set once, when it is made; true and false stand for an attribute that is
 * there or not; the rest are attributes.
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  element.handlers = {};
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name.startsWith("on")) {
      element[name] = value;
      element.handlers[name] = value;
    } else if (name === "key") {
      element.key = value;
    } else if (name === "own") {
      element.own = value;
    } else if (name === "value") {
      element.value = value;
    } else if (name.startsWith("aria-") && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.flat(Infinity).filter(present).map(boxed));
  return element;
}

/** Makes the children of an element be these. */
export function patch(parent, ...children) {
  patchChildren(parent, children.flat(Infinity).filter(present).map(boxed));
  return parent;
}

const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && a.key === b.key && a.type === b.type;

function patchChildren(parent, wanted) {
  const keyed = new Map();
  for (const node of parent.childNodes) {
    if (node.key !== undefined) {
      keyed.set(node.key, node);
    }
  }
  let at = parent.firstChild;
  for (const next of wanted) {
    const candidate = next.key === undefined ? at : keyed.get(next.key);
    const old = candidate && alike(candidate, next) ? candidate : null;
    if (old === null) {
      parent.insertBefore(next, at);
    } else {
      if (old === at) {
        at = at.nextSibling;
      } else {
        parent.insertBefore(old, at);
      }
      patchNode(old, next);
    }
  }
  while (at !== null) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function patchNode(old, next) {
  if (old === next) {
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== next.data) {
      old.data = next.data;
    }
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && name !== "aria-busy" && !(name === "open" && old.nodeName === "DETAILS") && name !== "style") {
      old.removeAttribute(name);
    }
  }
  for (const { name, value } of next.attributes) {
    if (name !== "style" && old.getAttribute(name) !== value) {
      old.setAttribute(name, value);
    }
  }
  for (const name of new Set([...Object.keys(old.handlers ?? {}), ...Object.keys(next.handlers ?? {})])) {
    old[name] = next.handlers[name] ?? null;
  }
  old.handlers = next.handlers;
  if (next.style?.length > 0) {
    // Set by script, as widths of bars are: the security policy allows no style attributes.
    for (const name of next.style) {
      old.style.setProperty(name, next.style.getPropertyValue(name));
    }
  }
  if (!old.own) {
    patchChildren(old, [...next.childNodes]);
  }
}

/** Tells a screen reader, and nobody else. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

let ids = 0;

/** An id that nothing else on the page has. */
export const freshId = (prefix) => `${prefix}-${++ids}`;

/** A labelled control. */
export function field(label, control, hint) {
  control.id ||= freshId("field");
  const note = hint ? h("span", { class: "hint", id: `${control.id}-hint` }, hint) : null;
  if (note) {
    control.setAttribute("aria-describedby", note.id);
  }
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, note);
}

/** A button. While what it started goes on, pressing it again does nothing; it keeps the focus. */
export function button(text, task, props = {}) {
  const press = async (event) => {
    const pressed = event.currentTarget;
    if (pressed.ariaBusy === "true") {
      return;
    }
    pressed.ariaBusy = "true";
    try {
      await task(event);
    } finally {
      pressed.ariaBusy = null;
    }
  };
  return h("button", { type: "button", onclick: press, ...props }, text);
}

/** A share of something, as a bar with its figures in words. */
export function meter(label, value, limit, text, tone = "") {
  const share = limit > 0 ? Math.min(1, Math.max(0, value / limit)) : 0;
  const fill = h("span", { class: `fill ${tone}` });
  fill.style.width = `${(share * 100).toFixed(2)}%`;
  return h("span", {
    class: "meter", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100,
    "aria-valuenow": (share * 100).toFixed(1), "aria-valuetext": text,
  }, fill);
}

/** What a place shows that has nothing in it, with what to do about that. */
export const empty = (what, ...next) => h("div", { class: "empty" }, h("p", null, h("strong", null, what)), h("p", null, next));

/** A failure, with what to do about it. */
export function failure(error) {
  return h("div", { class: "failure", role: "alert" },
    h("strong", null, error.message), error.remedy ? h("span", null, " ", error.remedy) : null);
}
