// What is the same wherever a job is shown: its state, how far it is, and what one may do with it.

import { can, ended, post } from "./api.js";
import { announce, button, h, meter } from "./dom.js";
import { bytes, count, duration, words } from "./units.js";

const tones = { running: "go", done: "ok", failed: "bad", cancelled: "dim", exhausted: "warn", paused: "warn", queued: "dim", cancelling: "warn" };

export const stateMark = (state) => h("span", { class: `tag ${tones[state] ?? ""}` }, words(state));

/** How far a job is, by bytes where their sum is known, else by objects. */
export function progress(job) {
  const [done, total] = job.totalBytes > 0 ? [job.doneBytes, job.totalBytes] : [job.doneObjects, job.totalObjects];
  const share = total > 0 ? done / total : job.state === "done" ? 1 : 0;
  const text = `${Math.floor(share * 100)} %`;
  const tone = { failed: "bad", paused: "warn", cancelled: "dim" }[job.state] ?? "";
  return h("span", { class: "progress" }, meter(`Progress of job ${job.id}`, share, 1, text, tone), h("span", { class: "num" }, text));
}

export const amounts = (job) =>
  `${count(job.doneObjects)} of ${count(job.totalObjects)} files, ${bytes(job.doneBytes)} of ${bytes(job.totalBytes)}`
  + (job.failedObjects > 0 ? `, ${count(job.failedObjects)} failed` : "");

export const timeLeft = (job) => (job.etaSeconds === null || job.etaSeconds === undefined ? "" : `${duration(job.etaSeconds)} left`);

/** One line of what a job is about. */
export function subject(job) {
  const spec = job.spec ?? {};
  const paths = spec.paths ?? (spec.path ? [spec.path] : []);
  const where = paths.length > 2 ? `${paths.slice(0, 2).join(", ")} and ${paths.length - 2} more` : paths.join(", ");
  if (job.kind === "apply" || job.kind === "undo") {
    return job.kind === "apply" ? `plan ${spec.plan}` : `job ${spec.job}`;
  }
  if (spec.profile) {
    return `profile ${spec.profile}`;
  }
  const mode = spec.mode && spec.mode.toLowerCase() !== "warm" ? `${words(spec.mode)} ` : "";
  return (where && mode + where) || (spec.input ? "a list of files" : "");
}

/** The buttons that make sense in the job's state and for this caller. */
export function steps(job, onchange, onerror) {
  const step = (name, label, states, tone) => {
    if (!can(`${name}Job`) || !states.includes(job.state)) {
      return null;
    }
    return button(label, async () => {
      try {
        const now = await post(`/api/v1/jobs/${job.id}/${name}`);
        announce(`Job ${job.id} is ${now.state}.`);
        onchange(now);
      } catch (error) {
        onerror(error);
      }
    }, { key: name, class: `small ${tone ?? ""}`, "aria-label": `${label} job ${job.id}` });
  };
  return ended(job) ? [] : [
    step("pause", "Pause", ["running", "queued"]),
    step("resume", "Resume", ["paused"]),
    step("cancel", "Cancel", ["running", "queued", "paused"], "danger"),
  ];
}

/** A key of one's own for a request that must not take effect twice. */
export const onceKey = () => ({ "Idempotency-Key": crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16)).join("") });
