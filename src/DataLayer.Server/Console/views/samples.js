// The service's counters, read every two seconds for as long as the console is open, so that charts go on while one
// looks at something else.

import { can, get } from "../lib/api.js";
import { poll } from "../lib/poll.js";

const seconds = 2;
const kept = 450;

/** What overview and others show; fires "sample". */
class Samples extends EventTarget {
  /** The last statistics, or null. */
  latest = null;
  /** Why there are none, or null. */
  error = null;
  /** Points between two readings each, oldest first. */
  points = [];
  #before = null;

  add(statistics, now) {
    const before = this.#before;
    this.latest = statistics;
    this.error = null;
    this.#before = { statistics, now };
    // A service that was started anew counts from zero.
    if (before !== null && statistics.uptimeSeconds >= before.statistics.uptimeSeconds) {
      this.points.push(difference(before.statistics, statistics, (now - before.now) / 1000, now / 1000));
      this.points.splice(0, Math.max(0, this.points.length - kept));
    }
    this.dispatchEvent(new Event("sample"));
  }

  fail(error) {
    this.error = error;
    this.dispatchEvent(new Event("sample"));
  }

  clear() {
    this.latest = null;
    this.error = null;
    this.points = [];
    this.#before = null;
  }
}

export const samples = new Samples();

function difference(a, b, elapsed, time) {
  const per = (name) => Math.max(0, b.engine[name] - a.engine[name]) / elapsed;
  const [memory, hot, cold] = [per("memoryHitBytes"), per("hotReadBytes"), per("coldReadBytes")];
  const reads = per("reads");
  const wait = per("readWaitNanoseconds") / 1e9;
  const sum = (s, name) => s.origin.reduce((total, row) => total + row[name], 0);
  return {
    time, memory, hot, cold, reads,
    hitRatio: memory + hot + cold > 0 ? (memory + hot) / (memory + hot + cold) : null,
    waitPerRead: reads > 0 ? wait / reads : null,
    waiting: wait,
    written: per("writtenBytes"),
    originRequests: Math.max(0, sum(b, "requests") - sum(a, "requests")) / elapsed,
    originBytes: Math.max(0, sum(b, "bytes") - sum(a, "bytes")) / elapsed,
  };
}

let stop = null;

export function startSampling() {
  stopSampling();
  if (!can("stats")) {
    return;
  }
  stop = new AbortController();
  poll(async (signal) => samples.add(await get("/api/v1/stats", null, signal), Date.now()), seconds, stop.signal,
    (error) => samples.fail(error));
}

export function stopSampling() {
  stop?.abort();
  stop = null;
  samples.clear();
}
