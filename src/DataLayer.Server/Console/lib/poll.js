// Asking again and again, gently: one request at a time, none while nobody looks or while the service is away.

import { Unreachable, probe, sleep, trouble } from "./api.js";

/** Whether the service answers; fires "change". While it does not, it is tried with growing pauses. */
class Connection extends EventTarget {
  isUp = true;
  secondsLeft = 0;
  #wake = null;

  constructor() {
    super();
    trouble.addEventListener("unreachable", () => this.#fell());
  }

  retryNow() {
    this.#wake?.abort();
  }

  async #fell() {
    if (!this.isUp) {
      return;
    }
    this.isUp = false;
    for (let pause = 1; !this.isUp; pause = Math.min(30, pause * 2)) {
      this.#wake = new AbortController();
      for (this.secondsLeft = pause; this.secondsLeft > 0 && !this.#wake.signal.aborted; this.secondsLeft--) {
        this.dispatchEvent(new Event("change"));
        await sleep(1, this.#wake.signal);
      }
      try {
        await probe();
        this.isUp = true;
      } catch {
        // The next round waits longer.
      }
    }
    this.dispatchEvent(new Event("change"));
  }
}

export const connection = new Connection();

/**
 * Runs a task now and again `seconds` after it ended, until the signal fires. Returns a function that runs it at once.
 * A task that fails otherwise than by the service being away goes to `onerror`.
 */
export function poll(task, seconds, signal, onerror = () => {}) {
  let wake = new AbortController();
  const now = () => wake.abort();
  signal.addEventListener("abort", now, { once: true });
  document.addEventListener("visibilitychange", now, { signal });
  connection.addEventListener("change", () => connection.isUp && now(), { signal });
  (async () => {
    while (!signal.aborted) {
      if (connection.isUp && document.visibilityState === "visible") {
        try {
          await task(signal);
        } catch (error) {
          if (error.name !== "AbortError" && !(error instanceof Unreachable) && !signal.aborted) {
            onerror(error);
          }
        }
      }
      wake = new AbortController();
      await sleep(seconds, wake.signal);
    }
  })();
  return now;
}
