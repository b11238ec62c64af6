// The frame around the views: who calls, where to go, whether the service answers.

import { can, identify, token, trouble, who, ApiError, Unreachable } from "./lib/api.js";
import { loadCharts } from "./lib/chart.js";
import { button, empty, failure, field, h, patch } from "./lib/dom.js";
import { connection } from "./lib/poll.js";
import * as overview from "./views/overview.js";
import * as tree from "./views/tree.js";
import * as datasets from "./views/datasets.js";
import * as policy from "./views/policy.js";
import * as plans from "./views/plans.js";
import * as jobs from "./views/jobs.js";
import * as doctor from "./views/doctor.js";
import { startSampling, stopSampling } from "./views/samples.js";

const views = [overview, tree, datasets, policy, plans, jobs, doctor];
const main = document.getElementById("main");
const bar = document.getElementById("bar");
const banner = document.getElementById("banner");

let current = null;

/** "#/tree/a%20b" → ["tree", "/a b"]. */
function route() {
  const [, id = "", rest = ""] = /^#\/([a-z]*)(.*)$/.exec(location.hash) ?? [];
  try {
    return [id, decodeURIComponent(rest)];
  } catch {
    return [id, ""];
  }
}

const offered = () => views.filter((view) => view.needs.some(can));

function frame(id) {
  const caller = who();
  patch(bar,
    h("a", { class: "brand", href: "#/overview" }, h("span", { class: "logo", "aria-hidden": "true" }, h("i"), h("i"), h("i")), "DataLayer"),
    h("nav", { "aria-label": "Views" }, caller.role
      ? offered().map((view) => h("a", { key: view.id, href: `#/${view.id}`, "aria-current": view.id === id ? "page" : null }, view.title))
      : null),
    h("div", { class: "tools" },
      caller.role ? h("span", { class: "who", title: `${caller.name}${caller.scopes.length > 0 ? `, ${caller.scopes.join(", ")}` : ""}` },
        `${caller.role}${caller.scopes.length > 0 ? ` of ${caller.scopes[0]}${caller.scopes.length > 1 ? " …" : ""}` : ""}`) : null,
      themeChoice(),
      token.get() && caller.role ? button("Sign out", signOut, { class: "small" }) : null));
}

function themeChoice() {
  const choice = h("select", {
    "aria-label": "Theme", class: "small", own: true,
    onchange: (event) => globalThis.datalayerTheme.set(event.currentTarget.value),
  }, [["auto", "Auto"], ["light", "Light"], ["dark", "Dark"]].map(([value, text]) => h("option", { value }, text)));
  choice.value = globalThis.datalayerTheme.get();
  return choice;
}

function navigate() {
  const [id, rest] = route();
  const view = offered().find((v) => v.id === id);
  if (!view) {
    const first = offered()[0];
    if (!first) {
      frame("");
      leave();
      patch(main, empty("This token may do nothing here.", "Ask for one of the role reader, tenant or admin."));
      return;
    }
    location.replace(`#/${first.id}`);
    return;
  }
  document.title = `${view.title} – DataLayer`;
  frame(id);
  if (current?.view === view) {
    current.page.navigate?.(rest);
    return;
  }
  const isFirst = current === null;
  leave();
  const stop = new AbortController();
  const heading = h("h1", { tabindex: -1 }, view.title);
  const body = h("div", { class: `view view-${id}` });
  main.replaceChildren(heading, body);
  const page = view.create({ main: body, heading, signal: stop.signal, rest });
  current = { view, page, stop };
  page.navigate?.(rest);
  if (!isFirst) {
    heading.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
}

function leave() {
  current?.stop.abort();
  current = null;
  main.replaceChildren();
}

function showConnection() {
  patch(banner, connection.isUp ? null : h("div", { class: "banner", role: "alert" },
    h("span", null, h("strong", null, "The service does not answer."), " What you see is from before. ",
      h("span", { class: "num", "aria-hidden": "true" }, `Next try in ${connection.secondsLeft} s.`)),
    button("Try now", () => connection.retryNow(), { class: "small" })));
  document.body.classList.toggle("stale", !connection.isUp);
}

function signIn(problem) {
  leave();
  stopSampling();
  patch(bar, h("span", { class: "brand" }, h("span", { class: "logo", "aria-hidden": "true" }, h("i"), h("i"), h("i")), "DataLayer"), h("nav"),
    h("div", { class: "tools" }, themeChoice()));
  const input = h("input", { type: "password", autocomplete: "off", spellcheck: "false", required: true, class: "wide-input" });
  const note = h("div", { class: "form-note" }, problem ? failure(problem) : null);
  main.replaceChildren(h("form", {
    class: "sign-in",
    onsubmit: async (event) => {
      event.preventDefault();
      token.set(input.value.trim());
      patch(note, "Asking the service …");
      await start();
    },
  }, h("h1", { tabindex: -1 }, "Sign in"),
  h("p", null, "This service wants a token. One is made on its machine by ", h("code", null, "datalayer token create --role reader"), "."),
  field("Token", input, "Kept in this tab only, until it is closed."), note,
  h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, "Sign in"))));
  document.title = "Sign in – DataLayer";
  input.focus();
}

function signOut() {
  token.set("");
  // Nothing that was seen or written with the token stays.
  location.reload();
}

let starting = false;

async function start() {
  if (starting) {
    return;
  }
  starting = true;
  try {
    await identify();
    startSampling();
    navigate();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      const given = token.get() !== "";
      token.set("");
      signIn(given ? error : null);
    } else if (error instanceof Unreachable) {
      patch(main, empty("Waiting for the service …", "The console goes on by itself when it answers."));
      const again = () => {
        if (connection.isUp) {
          connection.removeEventListener("change", again);
          start();
        }
      };
      connection.addEventListener("change", again);
    } else {
      patch(main, failure(error));
    }
  } finally {
    starting = false;
  }
}

document.getElementById("skip").onclick = (event) => {
  event.preventDefault();
  main.focus();
};
connection.addEventListener("change", showConnection);
trouble.addEventListener("refused", () => {
  if (!starting && current !== null) {
    // The token ran out or was revoked while the page was open.
    start();
  }
});
addEventListener("hashchange", () => who().role && navigate());
await loadCharts();
await start();
