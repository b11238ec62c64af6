// Jobs that move files between the tiers: starting one within limits, taking it back, what came of each file.

import { can, ended, get, post } from "./api.js";
import { announce, button, h } from "./dom.js";
import { form } from "./dialog.js";
import { Grid } from "./grid.js";
import { onceKey } from "./jobs.js";
import { bytes, count, money, words } from "./units.js";

const tones = { done: "ok", skipped: "dim", failed: "bad", started: "go" };

/** Whether a job is one of these. */
export const isMove = (job) => job.kind === "apply" || job.kind === "undo";

const number = (text, scale = 1) => (text.trim() === "" ? null : Number(text) * scale);

function limitFields(currency) {
  const amount = (props) => h("input", { type: "number", min: 0, step: "any", ...props });
  return [
    { name: "bytesPerSecond", label: "At most, MiB/s", control: amount({ placeholder: "no limit" }) },
    { name: "window", label: "Only between", control: h("input", { placeholder: "22:00-06:00", pattern: "\\d\\d:\\d\\d-\\d\\d:\\d\\d", class: "code-small" }), hint: "Moves begin in this part of each day; empty for always." },
    { name: "zone", label: "Time zone", control: h("input", { value: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC" }) },
    { name: "maxCost", label: `Spend at most${currency ? `, ${currency}` : ""}`, control: amount({ placeholder: "no limit" }) },
    { name: "maxRequests", label: "Requests at most", control: amount({ step: 1, placeholder: "no limit" }) },
    { name: "verify", label: "Before a hot copy goes", control: h("select", null, h("option", { value: "checksum" }, "compare checksum and length"), h("option", { value: "content" }, "read the object and compare every byte")) },
  ];
}

const limitsOf = (values) => ({
  bytesPerSecond: values.bytesPerSecond.trim() === "" ? null : Math.round(number(values.bytesPerSecond, 1 << 20)),
  window: values.window.trim() || null, zone: values.zone.trim() || "UTC", maxRequests: number(values.maxRequests),
  maxCost: number(values.maxCost), verify: values.verify,
});

function ask(title, note, action, currency, path, onmade) {
  const key = onceKey();
  form(title, limitFields(currency), action, async (values) => {
    const job = await post(path, limitsOf(values), { headers: key });
    announce(`Job ${job.id} was made.`);
    onmade(job);
  }, note);
}

/** Asks for the limits and carries a plan out. */
export const applyPlan = (plan, onmade) => ask(`Apply plan ${plan.id}`,
  `${count(plan.totals.moves)} files, ${bytes(plan.totals.movedBytes)}: ${money(plan.totals.once, plan.currency)} once, then ${money(plan.totals.monthlyAfter, plan.currency)} a month instead of ${money(plan.totals.monthlyBefore, plan.currency)}. It can be undone.`,
  "Apply", plan.currency, `/api/v1/plans/${plan.id}/apply`, onmade);

/** The button that takes a job's moves back; null where there is nothing to take back. */
export function undoButton(job, onmade) {
  if (!can("undoJob") || job.kind !== "apply" || !ended(job) || !(job.result?.moved > 0)) {
    return null;
  }
  return button("Undo …", () => ask(`Undo job ${job.id}`,
    "What was released is read back, what was read back is released, classes change back. Uploads stay, and so does what was changed since.",
    "Undo", job.result.currency, `/api/v1/jobs/${job.id}/undo`, onmade), { key: "undo", class: "small", "aria-label": `Undo job ${job.id}` });
}

/** What came out so far, or in the end. */
export function outcome(job) {
  const o = job.result ?? job.detail;
  if (!o || typeof o !== "object") {
    return null;
  }
  const fact = (name, value, more) => h("div", { key: name }, h("dt", null, name), h("dd", { class: "num" }, value, more ? h("span", { class: "dim" }, `, ${more}`) : null));
  return [
    o.exhausted ? h("div", { class: "notice warn" }, h("strong", null, "A budget was used up: "), `${words(o.exhausted)}. ${count(o.remainingMoves)} files (${bytes(o.remainingBytes)}) remain: make a new plan and apply it.`) : null,
    h("dl", { class: "facts" },
      o.phase && !ended(job) ? fact("At", words(o.phase)) : null,
      fact("Moved", `${count(o.moved)} of ${count(o.moves)}`), fact("Already there", count(o.already)), fact("Skipped", count(o.skipped)), fact("Failed", count(o.failed)),
      fact("Released", count(o.releases), bytes(o.releasedBytes)), fact("Recalled", count(o.recalls)), fact("Uploaded", count(o.uploads)), fact("Class changed", count(o.reclasses)),
      o.restoring > 0 ? fact("Being restored", count(o.restoring)) : null,
      fact("Transferred", bytes(o.transferredBytes)), fact("Billed", money(o.cost, o.currency), `${count(o.requests)} requests`)),
    Object.keys(o.reasons ?? {}).length > 0 ? h("ul", { class: "lines" }, Object.entries(o.reasons).map(([reason, n]) => h("li", { key: reason }, h("span", { class: "grow" }, words(reason)), h("span", { class: "num" }, count(n))))) : null,
  ];
}

/** Each file of a job, read page by page. */
export function movesOfJob(job, signal) {
  const rows = [];
  let next = 0;
  let busy = false;
  const head = h("div", { class: "grid-head", "aria-hidden": "true" }, h("span", { class: "c-name" }, "File"), h("span", { class: "c-size" }, "Size"), h("span", { class: "c-state" }, "State"), h("span", { class: "c-time" }, "Did"));
  const grid = new Grid(`Moves of job ${job.id}`, head, {
    makeCells(i) {
      if (i >= rows.length) {
        load();
        return { cells: [h("span", { role: "gridcell", class: "c-name dim" }, "more …")] };
      }
      const m = rows[i];
      return {
        cells: [h("span", { role: "gridcell", class: "c-name", title: m.reason ? `${m.path}: ${m.reason}` : m.path }, m.path), h("span", { role: "gridcell", class: "c-size num" }, bytes(m.sizeBytes)),
          h("span", { role: "gridcell", class: "c-state" }, h("span", { class: `tag ${tones[m.state] ?? ""}` }, m.state)), h("span", { role: "gridcell", class: "c-time" }, m.done.map(words).join(", ") || m.reason || "–")],
      };
    },
  });
  grid.element.classList.add("short");
  grid.element.key = `moves of ${job.id}`;

  async function load() {
    if (busy || next === null) {
      return;
    }
    busy = true;
    try {
      const page = await get(`/api/v1/jobs/${job.id}/moves`, { from: next, limit: 500 }, signal);
      rows.push(...page.moves);
      next = page.next ?? null;
    } finally {
      busy = false;
    }
    grid.refresh(rows.length + (next === null ? 0 : 1));
  }

  load().catch(() => {});
  return grid.element;
}
