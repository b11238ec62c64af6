// What is wrong: whether the node is ready, whether its targets and its tree are sound, and, where the service finds
// causes by itself, those.

import { can, get, post } from "../lib/api.js";
import { announce, button, empty, failure, h, patch } from "../lib/dom.js";
import { confirm } from "../lib/dialog.js";
import { poll } from "../lib/poll.js";
import { bytes, count } from "../lib/units.js";

export const id = "doctor";
export const title = "Doctor";
export const needs = ["listTargets", "fsck"];

export function create({ main, signal }) {
  const ready = h("div");
  const targets = h("div");
  const check = h("div", { "aria-live": "polite" });

  main.append(h("section", null, h("h2", null, "Ready"), ready),
    can("listTargets") ? h("section", null, h("h2", null, "Targets"), targets) : "",
    can("fsck") ? h("section", null, h("div", { class: "section-head" }, h("h2", null, "Tree and tiers agree"), h("span", { class: "actions" },
      button("Check", () => runCheck(false)), button("Check and repair …", async () => {
        if (await confirm("Repair what can be repaired?", "Entries that lead nowhere and leftovers are removed; contents that have a good copy are kept.", "Repair")) {
          await runCheck(true);
        }
      }))), check) : "");

  async function runCheck(repair) {
    patch(check, h("p", { class: "dim" }, "Checking …"));
    try {
      const report = await post("/api/v1/ops/fsck", { repair }, { signal });
      patch(check, h("p", { class: "num" }, h("span", { class: `tag ${report.clean ? "ok" : "bad"}` }, report.clean ? "clean" : "faults"),
        ` ${count(report.inodes)} inodes, ${count(report.contents)} contents${report.repaired > 0 ? `, ${count(report.repaired)} repaired` : ""}`),
      report.problems.length > 0 ? h("ul", { class: "lines" }, report.problems.slice(0, 200).map((p, i) => h("li", { key: i }, h("span", { class: "tag bad" }, p.kind), h("span", { class: "grow" }, p.message)))) : null);
      announce(report.clean ? "The check found nothing." : `The check found ${report.problems.length} problems.`);
    } catch (error) {
      if (error.name !== "AbortError") {
        patch(check, failure(error));
      }
    }
  }

  poll(async () => {
    try {
      const report = await get("/readyz", null, signal);
      patch(ready, h("p", null, h("span", { class: `tag ${report.reasons.length > 0 ? "warn" : "ok"}` }, report.reasons.length > 0 ? "impaired" : "ready"),
        report.reasons.length === 0 ? " Requests are served." : null), reasons(report.reasons));
    } catch (error) {
      if (error.status !== 503) {
        throw error;
      }
      patch(ready, failure(error));
    }
    if (can("listTargets")) {
      const all = await get("/api/v1/targets", null, signal);
      patch(targets, all.length === 0 ? empty("There is no target.", "Add one with ", h("code", null, "datalayer target add"), ".") : h("table", null,
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "Target"), h("th", { scope: "col" }, "State"), h("th", { scope: "col" }, "What"), h("th", { scope: "col", class: "num wide" }, "Free"))),
        h("tbody", null, all.map((t) => h("tr", { key: t.target }, h("th", { scope: "row", class: "num left" }, t.target), h("td", null, h("span", { class: `tag ${t.fault ? "bad" : "ok"}` }, t.state)),
          h("td", null, h("span", { class: "path" }, t.location), t.fault ? h("div", { class: "bad-text" }, t.fault) : null), h("td", { class: "num wide" }, bytes(t.freeBytes)))))));
    }
  }, 5, signal, (error) => patch(ready, failure(error)));
  patch(ready, h("p", { class: "dim" }, "Asking …"));
  patch(check, h("p", { class: "dim" }, "Not checked since this page was opened."));
  return {};
}

const reasons = (all) => (all.length > 0 ? h("ul", { class: "lines" }, all.map((r, i) => h("li", { key: i }, r))) : null);
