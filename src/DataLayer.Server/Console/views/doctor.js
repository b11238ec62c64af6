// What is wrong: whether the node is ready, whether its targets and its tree are sound, and, where the service finds
// causes by itself, those.

import { can, get, post } from "../lib/api.js";
import { announce, button, empty, failure, h, meter, patch } from "../lib/dom.js";
import { confirm } from "../lib/dialog.js";
import { poll } from "../lib/poll.js";
import { bytes, count, decimal, duration, percent } from "../lib/units.js";

export const id = "doctor";
export const title = "Doctor";
export const needs = ["doctor", "listTargets", "fsck"];

export function create({ main, signal }) {
  const ready = h("div");
  const targets = h("div");
  const check = h("div", { "aria-live": "polite" });

  const causes = h("div");
  const length = h("select", { "aria-label": "Look back at", class: "small", onchange: () => lookAgain() }, [[60, "the last minute"], [300, "the last 5 minutes"], [900, "the last 15 minutes"]].map(([value, text]) => h("option", { value }, text)));
  if (can("doctor")) {
    main.append(h("section", null, h("div", { class: "section-head" }, h("h2", null, "Why readers wait"), length), causes));
    patch(causes, h("p", { class: "dim" }, "Asking …"));
  }
  const lookAgain = can("doctor")
    ? poll(async () => patch(causes, diagnosis(await get("/api/v1/doctor", { seconds: length.value }, signal))), 10, signal, (error) => patch(causes, failure(error)))
    : () => {};

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

function diagnosis(report) {
  const waits = Object.entries(report.waitSeconds).filter(([, seconds]) => seconds > 0).sort((a, b) => b[1] - a[1]);
  const total = waits.reduce((sum, [, seconds]) => sum + seconds, 0);
  return [
    h("p", null, h("span", { class: `tag ${report.healthy ? "ok" : "warn"}` }, report.healthy ? "healthy" : "waiting"), " ", report.verdict),
    h("p", { class: "dim num" }, `In ${duration(report.windowSeconds)}: ${decimal(report.waitingReaders)} readers waited on average, ${duration(total)} of all readers together.`),
    report.causes.length > 0 ? h("ol", { class: "causes" }, report.causes.map((c) => h("li", { key: c.cause },
      h("div", { class: "section-head" }, h("h3", null, c.summary), h("span", { class: "num dim" }, `${c.cause}: ${percent(c.share)}, ${duration(c.lostSeconds)}`)),
      meter(`Share of ${c.cause}`, c.share, 1, percent(c.share), "warn"),
      h("ul", { class: "evidence num" }, c.evidence.map((e, i) => h("li", { key: i }, e))),
      h("dl", { class: "facts" },
        h("div", null, h("dt", null, "Change"), h("dd", null, h("code", null, c.setting), c.now ? h("span", { class: "dim" }, ` now ${c.now}`) : null)),
        h("div", null, h("dt", null, "To"), h("dd", null, c.change)),
        h("div", null, h("dt", null, "Expect"), h("dd", null, c.effect)))))) : null,
    waits.length > 0 ? h("details", null, h("summary", null, "Waits by what was waited for"), h("table", { class: "plain" }, h("tbody", null, waits.map(([name, seconds]) => h("tr", { key: name },
      h("th", { scope: "row" }, name), h("td", { class: "stretch" }, meter(`Waits for ${name}`, seconds, total, duration(seconds))), h("td", { class: "num" }, duration(seconds))))))) : null,
  ];
}

const reasons = (all) => (all.length > 0 ? h("ul", { class: "lines" }, all.map((r, i) => h("li", { key: i }, r))) : null);
