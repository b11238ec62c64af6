// What the node does now: where reads are answered from, how long they wait, how full the tiers are, what it costs.

import { can, ended, get } from "../lib/api.js";
import { Chart } from "../lib/chart.js";
import { empty, failure, h, meter, patch } from "../lib/dom.js";
import { progress, stateMark, subject, timeLeft } from "../lib/jobs.js";
import { poll } from "../lib/poll.js";
import { bytes, count, decimal, duration, money, percent, rate } from "../lib/units.js";
import { classesOf, costsOf, forecastOf, loadMoney } from "./costs.js";
import { samples } from "./samples.js";

export const id = "overview";
export const title = "Overview";
export const needs = ["stats", "history"];

const ranges = [
  ["live", "Live", null, null], ["hour", "1 h", "minute", 3600], ["day", "24 h", "hour", 86400], ["month", "30 d", "day", 30 * 86400],
];
const steps = { minute: 60, hour: 3600, day: 86400 };

export function create({ main, signal }) {
  const tiles = h("dl", { class: "tiles" });
  const tiers = h("div");
  const targets = h("div");
  const origin = h("div");
  const running = h("div");
  const costs = h("div");
  const note = h("div");
  const choice = h("div", { class: "segments", role: "group", "aria-label": "Time shown" });
  const throughput = new Chart("Read throughput by tier", [
    { name: "memory", colour: "--memory", format: rate }, { name: "hot", colour: "--hot", format: rate },
    { name: "cold", colour: "--cold", format: rate },
  ], { bytes: true }, signal);
  const hits = new Chart("Hit ratio by bytes",
    [{ name: "hits", colour: "--memory", format: percent }], { max: 1, axis: (v) => `${Math.round(v * 100)} %` }, signal);
  const wait = new Chart("Reader wait", [{ name: "per read", colour: "--warn", format: duration }], {}, signal);
  let range = can("stats") ? "live" : "hour";
  let history = null;
  let attachments = null;
  let paid = { costs: null, budgets: null, tiers: null };

  main.append(note, tiles,
    h("section", { "aria-label": "Charts" }, h("div", { class: "section-head" }, h("h2", null, "Reads"), choice),
      h("div", { class: "charts" }, throughput.element, hits.element, wait.element)),
    h("div", { class: "columns" },
      h("section", null, h("h2", null, "Tiers"), tiers), h("section", null, h("h2", null, "Running jobs"), running)),
    can("getCosts") ? h("section", null, h("h2", null, "Cost today"), costs) : "",
    h("section", null, h("h2", null, "Targets of the hot tier"), targets),
    h("section", null, h("h2", null, "Requests to object stores"), origin));

  const drawRanges = () => patch(choice, ranges
    .filter(([name]) => (name === "live" ? can("stats") : can("history")))
    .map(([name, text]) => h("button", {
      type: "button", key: name, "aria-pressed": name === range,
      onclick: () => {
        range = name;
        history = null;
        drawRanges();
        draw();
        again();
      },
    }, text)));

  const draw = () => {
    const s = samples.latest;
    patch(note, samples.error ? failure(samples.error) : null);
    if (s) {
      patch(tiles, tilesOf(s, samples.points.at(-1), paid.costs));
      patch(tiers, tiersOf(s, attachments, paid.tiers));
      patch(targets, targetsOf(s.targets));
      patch(origin, originOf(s.origin));
    }
    drawCharts();
  };

  const drawCharts = () => {
    if (range === "live") {
      const now = Date.now() / 1000;
      // The axis is there before the values: nothing moves when they come.
      const early = samples.points.length === 0 || samples.points[0].time > now - 300;
      const points = [...(early ? [{ time: now - 300 }] : []), ...samples.points, ...(samples.points.length === 0 ? [{ time: now }] : [])];
      const column = (name) => points.map((p) => p[name] ?? null);
      const times = points.map((p) => p.time);
      throughput.set(times, [column("memory"), column("hot"), column("cold")]);
      hits.set(times, [column("hitRatio")]);
      wait.set(times, [column("waitPerRead")]);
    } else if (history) {
      throughput.set(history.times, history.rates);
      hits.set(history.times, [history.ratio]);
      wait.set(history.times, [history.wait]);
    }
  };

  samples.addEventListener("sample", draw, { signal });
  const again = poll(async () => {
    const [, , level, length] = ranges.find(([name]) => name === range);
    if (level) {
      history = await loadHistory(level, length, signal);
      drawCharts();
    }
  }, 20, signal, (error) => patch(note, failure(error)));
  poll(async () => {
    if (can("listAttachments")) {
      attachments = await get("/api/v1/attachments", { limit: 1000 }, signal);
    }
    if (can("listJobs")) {
      const page = await get("/api/v1/jobs", { limit: 50 }, signal);
      patch(running, jobsOf(page.jobs.filter((job) => !ended(job))));
    }
    draw();
  }, 4, signal, (error) => patch(running, failure(error)));
  if (can("getCosts") || can("getTiers")) {
    poll(async () => {
      paid = await loadMoney(signal);
      if (paid.costs) {
        patch(costs, costsOf(paid));
      }
      draw();
    }, 15, signal, (error) => patch(costs, failure(error)));
    patch(costs, h("p", { class: "dim" }, "Asking …"));
  }
  patch(running, h("p", { class: "dim" }, "Asking …"));
  drawRanges();
  draw();
  return {};
}

async function loadHistory(level, length, signal) {
  const step = steps[level];
  const until = Math.floor(Date.now() / 1000 / step) * step + step;
  const rows = new Map();
  let from = new Date((until - length) * 1000).toISOString();
  do {
    const page = await get("/api/v1/history", { path: "/", level, from, until: new Date(until * 1000).toISOString(), limit: 1000 }, signal);
    for (const row of page.rows) {
      rows.set(Math.round(new Date(row.start).getTime() / 1000), row);
    }
    from = page.next;
  } while (from);
  const times = [];
  for (let t = until - length; t < until; t += step) {
    times.push(t);
  }
  const per = (name) => times.map((t) => (rows.get(t)?.[name] ?? 0) / step);
  const sum = (row) => row.memoryBytes + row.hotBytes + row.coldBytes;
  return {
    times,
    rates: [per("memoryBytes"), per("hotBytes"), per("coldBytes")],
    ratio: times.map((t) => {
      const row = rows.get(t);
      return row && sum(row) > 0 ? (row.memoryBytes + row.hotBytes) / sum(row) : null;
    }),
    wait: times.map((t) => {
      const row = rows.get(t);
      return row && row.reads > 0 ? (row.hotWaitNanoseconds + row.coldWaitNanoseconds) / row.reads / 1e9 : null;
    }),
  };
}

const tile = (key, name, value, more) => h("div", { class: "tile", key }, h("dt", null, name), h("dd", { class: "num" }, value), h("dd", { class: "more num", title: more }, more));

function tilesOf(s, point, costs) {
  const e = s.engine;
  const now = point ? point.memory + point.hot + point.cold : null;
  const all = e.memoryHitBytes + e.hotReadBytes + e.coldReadBytes;
  return [
    tile("reads", "Reads", now === null ? "–" : rate(now), now === null ? "measuring …" : `${decimal(point.reads)} reads/s`),
    tile("hits", "Hit ratio", all > 0 ? percent((e.memoryHitBytes + e.hotReadBytes) / all) : "–",
      all > 0 ? `of ${bytes(all)} since start` : "nothing read yet"),
    tile("wait", "Reader wait", point?.waitPerRead === null || !point ? (e.reads > 0 ? duration(e.readWaitNanoseconds / 1e9 / e.reads) : "–") : duration(point.waitPerRead),
      point ? `${decimal(point.waiting)} readers waiting` : "per read, since start"),
    tile("origin", "Object stores", point ? `${decimal(point.originRequests)} req/s` : "–",
      `${point ? rate(point.originBytes) : "–"}, ${count(s.origin.reduce((n, o) => n + o.failures, 0))} failed`),
    can("getCosts") ? tile("cost", "Cost today", costs ? money(costs.total.cost, costs.currency) : "–",
      costs ? `storage ${money(costs.total.storageCost)}` : "asking …") : null,
    tile("writes", "Writes", point ? rate(point.written) : "–",
      e.pendingUploads > 0 ? `${count(e.pendingUploads)} uploads due` : "no upload is due"),
    tile("up", "Service up", duration(s.uptimeSeconds), `${bytes(s.process.residentBytes)} of ${bytes(s.process.memoryBudgetBytes)}`),
  ];
}

function tiersOf(s, attachments, tiers) {
  const pools = new Map();
  for (const target of s.targets) {
    const pool = pools.get(target.pool) ?? { used: 0, free: 0, capacity: 0 };
    pool.used += target.usedBytes;
    pool.free += target.freeBytes;
    pool.capacity += target.capacityBytes;
    pools.set(target.pool, pool);
  }
  for (const pool of tiers?.pools ?? []) {
    pools.set(pool.pool, {
      used: pool.capacityBytes - pool.freeBytes, free: pool.freeBytes, capacity: pool.capacityBytes,
      more: [`${bytes(pool.hotBytes)} ours`, forecastOf(pool.forecast)].filter(Boolean).join(", "),
    });
  }
  const row = (key, name, tone, used, limit, more) => h("tr", { key }, h("th", { scope: "row" }, name),
    h("td", { class: "stretch" }, limit === null ? h("span", { class: "dim" }, "no limit") : meter(`Fill of ${name}`, used, limit, `${bytes(used)} of ${bytes(limit)}`, tone)),
    h("td", { class: "num" }, bytes(used)), h("td", { class: "num dim wide" }, more),
    h("td", { class: "num" }, limit === null ? "" : percent(limit > 0 ? used / limit : 0)));
  const cold = attachments?.reduce((sum, a) => sum + a.objectBytes, 0);
  return h("table", { class: "plain" },
    h("caption", { class: "unseen" }, "How full each tier is"),
    h("tbody", null,
      row("memory", "memory", "memory", s.cache.usedBytes, s.cache.capacityBytes, `of ${bytes(s.cache.capacityBytes)}`),
      [...pools].map(([name, pool]) => row(`hot ${name}`, pools.size > 1 ? `hot: ${name}` : "hot", "hot", pool.used, pool.used + pool.free,
        pool.more ?? `of ${bytes(pool.used + pool.free)}`)),
      tiers ? classesOf(tiers, row) : attachments ? row("cold", "cold", "cold", cold, null, `${count(attachments.reduce((n, a) => n + a.objectCount, 0))} objects`) : null));
}

function targetsOf(targets) {
  if (targets.length === 0) {
    return empty("There is no target.", "Name folders under ", h("code", null, "pools"), " in the configuration, or add one with ",
      h("code", null, "datalayer target add"), ".");
  }
  return h("table", null, h("thead", null, h("tr", null, h("th", { scope: "col" }, "Target"), h("th", { scope: "col", class: "wide" }, "Pool"),
    h("th", { scope: "col" }, "State"), h("th", { scope: "col", class: "wide" }, "Folder"), h("th", { scope: "col", class: "num" }, "Used"),
    h("th", { scope: "col", class: "num" }, "Free"))),
  h("tbody", null, targets.map((t) => h("tr", { key: t.target }, h("th", { scope: "row", class: "num left" }, t.target), h("td", { class: "wide" }, t.pool),
    h("td", null, h("span", { class: `tag ${t.fault ? "bad" : "ok"}` }, t.state), t.fault ? h("span", { class: "bad-text" }, " ", t.fault) : null),
    h("td", { class: "wide path" }, t.location), h("td", { class: "num" }, bytes(t.usedBytes)), h("td", { class: "num" }, bytes(t.freeBytes))))));
}

function originOf(rows) {
  if (rows.length === 0) {
    return empty("No request yet.", "Attach a bucket under ", h("a", { href: "#/datasets" }, "Datasets"), "; its requests are counted here.");
  }
  return h("table", null, h("thead", null, h("tr", null, h("th", { scope: "col" }, "Dataset"), h("th", { scope: "col" }, "Verb"),
    h("th", { scope: "col", class: "num" }, "Requests"), h("th", { scope: "col", class: "num" }, "Failed"), h("th", { scope: "col", class: "num" }, "Bytes"))),
  h("tbody", null, rows.map((r) => h("tr", { key: `${r.dataset} ${r.verb}` }, h("th", { scope: "row", class: "path" }, r.dataset), h("td", null, r.verb),
    h("td", { class: "num" }, count(r.requests)), h("td", { class: `num ${r.failures > 0 ? "bad-text" : "dim"}` }, count(r.failures)),
    h("td", { class: "num" }, bytes(r.bytes))))));
}

function jobsOf(jobs) {
  if (jobs.length === 0) {
    return empty("No job runs.", can("warmJob") ? ["Warm a folder before training starts: ", h("a", { href: "#/jobs" }, "Jobs"), "."] : "Jobs are listed here while they run.");
  }
  return h("ul", { class: "lines" }, jobs.slice(0, 6).map((job) => h("li", { key: job.id },
    h("a", { href: `#/jobs/${job.id}` }, `${job.kind} ${job.id}`), stateMark(job.state), h("span", { class: "path grow" }, subject(job)),
    progress(job), h("span", { class: "dim num" }, timeLeft(job)))));
}
