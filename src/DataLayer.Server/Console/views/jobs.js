// Long work: what runs, how far it is, and pausing, resuming, cancelling it. The one that is open is followed live.

import { can, ended, get, post, remove, watchJob } from "../lib/api.js";
import { announce, button, empty, failure, h, patch } from "../lib/dom.js";
import { confirm, form } from "../lib/dialog.js";
import { amounts, onceKey, progress, stateMark, steps, subject, timeLeft } from "../lib/jobs.js";
import { isMove, movesOfJob, outcome, undoButton } from "../lib/moves.js";
import { poll } from "../lib/poll.js";
import { ago, bytes, count, duration, moment, words } from "../lib/units.js";

export const id = "jobs";
export const title = "Jobs";
export const needs = ["listJobs"];

export function create({ main, signal }) {
  const note = h("div");
  const list = h("div", { class: "table-wrap" });
  const detail = h("div", { class: "panel" });
  const schedules = h("div");
  let jobs = [];
  let next = null;
  let pages = 1;
  let open = null;
  let watching = null;
  let moves = null;

  main.append(
    h("div", { class: "section-head" }, h("h2", null, "All jobs"), can("warmJob") ? button("New warm-up …", newWarmUp, { class: "primary" }) : null),
    note, h("div", { class: "split" }, list, detail),
    can("listSchedules") ? h("section", null, h("div", { class: "section-head" }, h("h2", null, "Schedules"),
      can("addSchedule") ? button("New schedule …", newSchedule) : null), schedules) : "");

  const onerror = (error) => patch(note, failure(error));
  const again = poll(async () => {
    const all = [];
    let cursor = null;
    for (let i = 0; i < pages; i++) {
      const page = await get("/api/v1/jobs", { limit: 100, cursor }, signal);
      all.push(...page.jobs);
      next = page.next ?? null;
      cursor = next;
      if (next === null) {
        break;
      }
    }
    jobs = all;
    drawList();
    if (can("listSchedules")) {
      patch(schedules, schedulesOf(await get("/api/v1/schedules", null, signal)));
    }
  }, 2, signal, onerror);

  function drawList() {
    if (jobs.length === 0) {
      patch(list, empty("No job yet.", can("warmJob")
        ? "A warm-up brings a folder into the hot tier before it is read: New warm-up."
        : "Jobs that you may see are listed here."));
      return;
    }
    patch(list, h("table", { class: "rows" }, h("caption", { class: "unseen" }, "Jobs, newest first"),
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Job"), h("th", { scope: "col" }, "State"), h("th", { scope: "col", class: "wide" }, "What"),
        h("th", { scope: "col" }, "Progress"), h("th", { scope: "col", class: "num wide" }, "Left"), h("th", { scope: "col", class: "num wide" }, "Made"))),
      h("tbody", null, jobs.map((job) => h("tr", { key: job.id, class: job.id === open?.id ? "on" : "" },
        h("th", { scope: "row" }, h("a", { href: `#/jobs/${job.id}`, "aria-current": job.id === open?.id ? "true" : null }, `${job.kind} ${job.id}`)),
        h("td", null, stateMark(job.state)), h("td", { class: "wide path" }, subject(job)), h("td", null, progress(job)),
        h("td", { class: "num wide dim" }, ended(job) ? "" : timeLeft(job)), h("td", { class: "num wide dim" }, ago(job.createdTimeNanoseconds)))))),
    next ? button("More", () => {
      pages++;
      again();
    }) : null);
  }

  function drawDetail() {
    patch(detail, open === null
      ? empty("No job is open.", "Choose one in the list to follow it.")
      : detailOf(open, show, onerror, moves));
  }

  function show(job) {
    open = job;
    const at = jobs.findIndex((j) => j.id === job.id);
    if (at >= 0) {
      jobs[at] = job;
    }
    drawList();
    drawDetail();
  }

  async function follow(number) {
    watching?.abort();
    open = null;
    drawDetail();
    if (!number) {
      drawList();
      return;
    }
    watching = new AbortController();
    const mine = AbortSignal.any([signal, watching.signal]);
    try {
      const job = await get(`/api/v1/jobs/${number}`, null, mine);
      moves = isMove(job) && can("listJobMoves") ? movesOfJob(job, mine) : null;
      show(job);
      let state = open.state;
      await watchJob(number, (job) => {
        if (job.state !== state) {
          announce(`Job ${job.id} is ${job.state}.`);
          state = job.state;
        }
        if (ended(job) && moves !== null) {
          // The list grew meanwhile.
          moves = movesOfJob(job, mine);
        }
        show(job);
      }, mine);
    } catch (error) {
      if (!mine.aborted) {
        patch(detail, failure(error));
      }
    }
  }

  function warmFields() {
    return [
      { name: "paths", label: "Paths, one a line", control: h("textarea", { rows: 4, required: true, class: "code-small", spellcheck: "false" }), hint: "Folders or files of the tree, as /images." },
      { name: "mode", label: "What to do", control: h("select", null, h("option", { value: "warm" }, "warm: bring into the hot tier"), h("option", { value: "check" }, "check: only look"), h("option", { value: "evict" }, "evict: drop the hot copies")) },
      { name: "learned", label: "Only what the last uses read", control: h("input", { type: "checkbox" }), hint: "Of each path, the files that its last three uses read or that were written since." },
      { name: "intoMemory", label: "Fill memory as well", control: h("input", { type: "checkbox" }) },
    ];
  }

  const warmOf = (values) => ({
    paths: values.paths.split("\n").map((p) => p.trim()).filter((p) => p.length > 0), mode: values.mode, learned: values.learned, intoMemory: values.intoMemory,
  });

  function newWarmUp() {
    const key = onceKey();
    form("New warm-up", warmFields(), "Start", async (values) => {
      const job = await post("/api/v1/jobs/warm", warmOf(values), { headers: key });
      announce(`Job ${job.id} was made.`);
      location.hash = `#/jobs/${job.id}`;
      again();
    });
  }

  function newSchedule() {
    const key = onceKey();
    form("New schedule", [
      { name: "cron", label: "When", control: h("input", { required: true, value: "30 6 * * mon-fri", class: "code-small" }), hint: "minute hour day month weekday" },
      { name: "zone", label: "Time zone", control: h("input", { required: true, value: Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC" }) },
      ...warmFields(),
    ], "Add", async (values) => {
      await post("/api/v1/schedules", { cron: values.cron, zone: values.zone, warm: warmOf(values) }, { headers: key });
      announce("The schedule was added.");
      again();
    });
  }

  function schedulesOf(all) {
    const rows = all;
    if (rows.length === 0) {
      return empty("No schedule.", "A schedule makes a warm-up at fixed times, so that the data is there when training starts.");
    }
    return h("table", null, h("thead", null, h("tr", null, h("th", { scope: "col" }, "When"), h("th", { scope: "col", class: "wide" }, "Zone"),
      h("th", { scope: "col" }, "What"), h("th", { scope: "col", class: "num" }, "Next"), h("th", { scope: "col", class: "num wide" }, "Last job"), h("th", { scope: "col" }, h("span", { class: "unseen" }, "Actions")))),
    h("tbody", null, rows.map((s) => h("tr", { key: s.id }, h("th", { scope: "row" }, h("code", null, s.cron)), h("td", { class: "wide" }, s.zone),
      h("td", { class: "path" }, subject(s)), h("td", { class: "num", title: moment(s.nextTimeNanoseconds) }, ago(s.nextTimeNanoseconds)),
      h("td", { class: "num wide" }, s.lastJob ? h("a", { href: `#/jobs/${s.lastJob}` }, s.lastJob) : "–"),
      h("td", { class: "end" }, can("removeSchedule") ? button("Remove", async () => {
        if (await confirm("Remove the schedule?", `${s.cron} (${s.zone}) makes no more jobs. Those it made stay.`, "Remove")) {
          await remove(`/api/v1/schedules/${s.id}`).catch(onerror);
          again();
        }
      }, { class: "small danger", "aria-label": `Remove schedule ${s.cron}` }) : null)))));
  }

  drawDetail();
  patch(list, h("p", { class: "dim" }, "Asking …"));
  return { navigate: (rest) => follow(rest.replace(/\D/g, "")) };
}

function detailOf(job, onchange, onerror, moves) {
  const result = job.result && typeof job.result === "object" && !isMove(job) ? Object.entries(job.result).filter(([name]) => name !== "gaps") : [];
  const value = (name, v) => (typeof v === "number" ? (/bytes$/i.test(name) ? bytes(v) : count(v)) : typeof v === "object" ? JSON.stringify(v) : String(v));
  const took = job.startedTimeNanoseconds > 0 ? ((job.endedTimeNanoseconds || Date.now() * 1e6) - job.startedTimeNanoseconds) / 1e9 : null;
  return [
    h("div", { class: "section-head" }, h("h2", null, `${job.kind} ${job.id} `, stateMark(job.state)), h("span", { class: "actions" }, steps(job, onchange, onerror), undoButton(job, (made) => {
      location.hash = `#/jobs/${made.id}`;
    }))),
    h("div", { class: "big-progress" }, progress(job), h("span", { class: "num" }, timeLeft(job))),
    h("dl", { class: "facts" },
      fact("Done", amounts(job)), fact("What", subject(job)), fact("By", job.owner), fact("Made", moment(job.createdTimeNanoseconds)),
      fact("Started", moment(job.startedTimeNanoseconds)), fact("Ended", moment(job.endedTimeNanoseconds)),
      fact("Took", took === null ? "–" : duration(took))),
    job.failure ? h("div", { class: "failure", role: "alert" }, h("strong", null, job.failure)) : null,
    isMove(job) ? [h("h3", null, "Outcome"), outcome(job), moves ? [h("h3", null, "Files"), moves] : null] : null,
    result.length > 0 ? [h("h3", null, "Result"), h("dl", { class: "facts" }, result.map(([name, v]) => fact(words(name), value(name, v))))] : null,
    job.result?.gaps?.length > 0 ? [h("h3", null, "Missing"), h("ul", { class: "lines" }, job.result.gaps.map((gap) =>
      h("li", { key: gap.path }, h("span", { class: "path grow" }, gap.path), h("span", { class: "dim" }, gap.reason))))] : null,
  ];
}

const fact = (name, value) => h("div", { key: name }, h("dt", null, name), h("dd", { class: "num" }, value));
