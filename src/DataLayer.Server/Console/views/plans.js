// Plans: what a policy would do, what that costs and saves, each move; carried out, watched and taken back from here
// where the service can.

import { can, get, remove, run, watchJob } from "../lib/api.js";
import { announce, button, empty, failure, h, patch } from "../lib/dom.js";
import { confirm } from "../lib/dialog.js";
import { Grid } from "../lib/grid.js";
import { amounts, progress, stateMark, steps, timeLeft } from "../lib/jobs.js";
import { applyPlan, outcome, undoButton } from "../lib/moves.js";
import { poll } from "../lib/poll.js";
import { ago, bytes, count, money, moment, percent, plural, words } from "../lib/units.js";

export const id = "plans";
export const title = "Plans";
export const needs = ["listPlans"];

/** Makes a plan; `text` null for the active policy. */
export const makePlan = (text, path, onprogress, signal) =>
  run("/api/v1/plans", text === null ? { path } : { path, policy: text }, { onprogress, signal });

export function create({ main, signal }) {
  const note = h("div");
  const list = h("div", { class: "table-wrap" });
  const detail = h("div", { class: "panel" });
  const path = h("input", { class: "path-input", value: "/", "aria-label": "Plan for the path", spellcheck: "false" });
  let plans = null;
  let before = null;
  let pages = 1;
  let open = null;
  let opened = null;

  main.append(h("div", { class: "section-head" }, h("h2", null, "Plans kept"), can("makePlan") ? h("form", {
    class: "inline",
    onsubmit: async (event) => {
      event.preventDefault();
      const ok = event.currentTarget.querySelector("button");
      ok.disabled = true;
      try {
        const made = await makePlan(null, path.value.trim() || "/", (p) => patch(note, h("p", { class: "dim num" }, `${count(p.files)} files looked at, ${count(p.moves)} would move …`)), signal);
        patch(note);
        announce(`Plan ${made.id} was made.`);
        location.hash = `#/plans/${made.id}`;
        again();
      } catch (error) {
        patch(note, failure(error));
      } finally {
        ok.disabled = false;
      }
    },
  }, path, h("button", { type: "submit", class: "primary" }, "Plan by the active policy")) : null), note, h("div", { class: "split wide-right" }, list, detail));

  const again = poll(async () => {
    const all = [];
    before = null;
    for (let i = 0; i < pages; i++) {
      const page = await get("/api/v1/plans", { limit: 50, before }, signal);
      all.push(...page.plans);
      before = page.next ?? null;
      if (before === null) {
        break;
      }
    }
    plans = all;
    drawList();
  }, 6, signal, (error) => patch(note, failure(error)));

  function drawList() {
    if (plans === null) {
      return;
    }
    if (plans.length === 0) {
      patch(list, empty("No plan yet.", can("makePlan")
        ? ["A plan says what the ", h("a", { href: "#/policy" }, "policy"), " would move, and the bill, before anything moves."]
        : "Somebody with the role admin makes plans."));
      return;
    }
    patch(list, h("table", { class: "rows" }, h("caption", { class: "unseen" }, "Plans, newest first"), h("thead", null, h("tr", null, h("th", { scope: "col" }, "Plan"),
      h("th", { scope: "col", class: "num" }, "Moves"), h("th", { scope: "col", class: "num" }, "Per month"), h("th", { scope: "col", class: "num wide" }, "Made"))),
    h("tbody", null, plans.map((p) => h("tr", { key: p.id, class: p.id === open ? "on" : "" },
      h("th", { scope: "row" }, h("a", { href: `#/plans/${p.id}`, "aria-current": p.id === open ? "true" : null }, p.id), p.stale.length > 0 ? h("span", { class: "tag dim" }, "stale") : null),
      h("td", { class: "num" }, count(p.totals.moves)), h("td", { class: "num" }, change(p)), h("td", { class: "num wide dim" }, ago(p.createdAt)))))),
    before ? button("More", () => {
      pages++;
      again();
    }) : null);
  }

  async function navigate(rest) {
    opened?.abort();
    opened = new AbortController();
    open = Number(rest.replace(/\D/g, "")) || null;
    drawList();
    if (open === null) {
      patch(detail, empty("No plan is open.", "Choose one in the list."));
      return;
    }
    const mine = AbortSignal.any([signal, opened.signal]);
    try {
      const plan = await get(`/api/v1/plans/${open}`, null, mine);
      patch(detail, planDetail(plan, mine, () => {
        location.hash = "#/plans";
        again();
      }));
    } catch (error) {
      if (error.name !== "AbortError") {
        patch(detail, failure(error));
      }
    }
  }

  patch(list, h("p", { class: "dim" }, "Asking …"));
  return { navigate };
}

function change(plan) {
  const value = plan.totals.monthlyAfter - plan.totals.monthlyBefore;
  return h("span", { class: value < 0 ? "ok-text" : value > 0 ? "warn-text" : "" }, `${value >= 0.00005 ? "+" : ""}${money(value, plan.currency)}`);
}

/** What a plan comes to, in a few lines. */
export function planSummary(plan) {
  const t = plan.totals;
  const amount = (value) => money(value, plan.currency);
  const fact = (name, value, more) => h("div", { key: name }, h("dt", null, name), h("dd", { class: "num" }, value, more ? h("span", { class: "dim" }, `, ${more}`) : null));
  return [
    plan.stale.length > 0 ? h("div", { class: "notice warn" }, h("strong", null, "It would be refused now: "), plan.stale.join(" ")) : null,
    h("dl", { class: "facts" },
      fact("Moves", `${count(t.moves)} of ${plural(t.files, "file")}`, `${bytes(t.movedBytes)} of ${bytes(t.bytes)}`),
      fact("Per month", h("span", null, amount(t.monthlyBefore), " → ", amount(t.monthlyAfter), " (", change(plan), ")")),
      fact("Once", amount(t.once), plural(t.requests, "request")),
      fact("Recalls, likely", amount(t.expectedRecallCost), `${amount(t.recallCost)} if all is needed again`),
      fact("Hit ratio, likely", `${percent(plan.hitRatioBefore)} → ${percent(plan.hitRatioAfter)}`),
      fact("Uploads", count(t.uploads), bytes(t.uploadBytes)), fact("Releases", count(t.releases), bytes(t.releaseBytes)), fact("Recalls", count(t.recalls), bytes(t.recallBytes)),
      t.onceEarlyDeletion > 0 ? fact("Early deletion", amount(t.onceEarlyDeletion), "part of once") : null),
    plan.warnings.length > 0 ? h("ul", { class: "lines" }, plan.warnings.map((w, i) => h("li", { key: i, class: "stacked" },
      h("span", null, h("span", { class: "tag warn" }, words(w.obstacle)), ` ${w.message}`), h("span", { class: "dim" }, `${plural(w.files, "file")}, ${bytes(w.bytes)}, as ${w.example}`)))) : null,
  ];
}

function planDetail(plan, signal, onremoved) {
  const note = h("div", { own: true, key: `note ${plan.id}` });
  const moves = movesOf(plan, signal);
  return [
    h("div", { class: "section-head" }, h("h2", null, `Plan ${plan.id} `, h("span", { class: "dim path" }, plan.path)), h("span", { class: "actions" },
      carryOut(plan, note, signal),
      can("removePlan") ? button("Forget", async () => {
        if (await confirm("Forget the plan?", `Plan ${plan.id} and its list of moves are removed. Nothing that it moved is changed.`, "Forget")) {
          await remove(`/api/v1/plans/${plan.id}`).then(onremoved, (error) => patch(note, failure(error)));
        }
      }, { class: "danger" }) : null)),
    note,
    h("p", { class: "dim num" }, `Policy ${plan.policyVersion ? `version ${plan.policyVersion}` : "not saved"}, prices ${plan.priceTable}, made ${moment(plan.createdAt)}, good until ${moment(plan.validUntil)}.`),
    planSummary(plan),
    h("h3", null, "By rule"),
    h("table", null, h("thead", null, h("tr", null, h("th", { scope: "col" }, "Rule"), h("th", { scope: "col", class: "num" }, "Files"), h("th", { scope: "col", class: "num" }, "Moves"),
      h("th", { scope: "col", class: "num wide" }, "Bytes"), h("th", { scope: "col", class: "num wide" }, "Once"), h("th", { scope: "col", class: "num" }, "Per month"))),
    h("tbody", null, plan.rules.map((r) => h("tr", { key: r.index }, h("th", { scope: "row" }, r.index < 0 || !r.name ? h("span", { class: "dim" }, "no rule matches") : r.name), h("td", { class: "num" }, count(r.matchedFiles)), h("td", { class: "num" }, count(r.moved.moves)),
      h("td", { class: "num wide" }, bytes(r.moved.movedBytes)), h("td", { class: "num wide" }, money(r.moved.once, plan.currency)),
      h("td", { class: "num" }, money(r.moved.monthlyAfter - r.moved.monthlyBefore, plan.currency)))))),
    h("h3", null, "Moves, heaviest first"),
    plan.totals.moves > 0 ? moves : empty("Nothing moves.", "Each file is where the policy wants it, or no rule matches it."),
  ];
}

function movesOf(plan, signal) {
  const rows = [];
  let next = 0;
  let busy = false;
  const rules = new Map(plan.rules.map((r) => [r.index, r.name]));
  const head = h("div", { class: "grid-head", "aria-hidden": "true" }, h("span", { class: "c-name" }, "File"), h("span", { class: "c-size" }, "Size"), h("span", { class: "c-state" }, "Move"), h("span", { class: "c-time" }, "Per month"));
  const grid = new Grid("Moves of the plan", head, {
    makeCells(i) {
      if (i >= rows.length) {
        load();
        return { cells: [h("span", { role: "gridcell", class: "c-name dim" }, "more …")] };
      }
      const m = rows[i];
      return {
        cells: [h("span", { role: "gridcell", class: "c-name", title: `${m.path} (${rules.get(m.rule) ?? ""})` }, m.path), h("span", { role: "gridcell", class: "c-size num" }, bytes(m.sizeBytes)),
          h("span", { role: "gridcell", class: "c-state" }, m.kinds.map(words).join(", "), m.toClass && m.toClass !== m.fromClass ? ` to ${m.toClass}` : ""),
          h("span", { role: "gridcell", class: "c-time num" }, money(m.monthlyChange, plan.currency))],
      };
    },
  });
  grid.element.classList.add("short");
  grid.element.key = `moves ${plan.id}`;

  async function load() {
    if (busy || next === null) {
      return;
    }
    busy = true;
    try {
      const page = await get(`/api/v1/plans/${plan.id}/moves`, { after: next, limit: 500 }, signal);
      rows.push(...page.moves);
      next = page.next ?? null;
      busy = false;
      grid.refresh(rows.length + (next === null ? 0 : 1));
    } catch {
      busy = false;
    }
  }

  load();
  return grid.element;
}

/** The button that carries the plan out, and the job that did or does, live, with the way back. */
function carryOut(plan, note, signal) {
  let following = null;
  const show = (job) => patch(note, h("div", { class: "notice" },
    h("div", { class: "section-head" }, h("strong", null, h("a", { href: `#/jobs/${job.id}` }, `${job.kind} ${job.id}`), " ", stateMark(job.state)),
      h("span", { class: "actions" }, steps(job, show, (error) => patch(note, failure(error))), undoButton(job, follow))),
    h("div", { class: "big-progress" }, progress(job), h("span", { class: "num" }, timeLeft(job))), h("p", { class: "num dim" }, amounts(job)),
    job.failure ? h("p", { class: "bad-text" }, job.failure) : null, outcome(job)));
  const follow = async (job) => {
    following?.abort();
    following = new AbortController();
    show(job);
    try {
      await watchJob(job.id, show, AbortSignal.any([signal, following.signal]));
    } catch (error) {
      patch(note, failure(error));
    }
  };
  (async () => {
    if (can("listJobs")) {
      const { jobs } = await get("/api/v1/jobs", { limit: 200 }, signal);
      const made = jobs.find((job) => job.kind === "apply" && job.spec.plan === plan.id);
      const back = made && jobs.find((job) => job.kind === "undo" && job.spec.job === made.id);
      if (made && following === null) {
        await follow(back ?? made);
      }
    }
  })().catch(() => {});
  return can("applyPlan") ? button("Apply …", () => applyPlan(plan, follow), {
    class: "primary", disabled: plan.stale.length > 0 || plan.totals.moves === 0,
    title: plan.stale.length > 0 ? "Stale plans are refused: make a new one." : "",
  }) : null;
}
