// The policy: written, checked as it is typed, tried on a path, previewed as a plan, kept as a version, activated.

import { ApiError, can, get, post } from "../lib/api.js";
import { announce, button, empty, failure, field, freshId, h, patch } from "../lib/dom.js";
import { confirm, form } from "../lib/dialog.js";
import { Editor } from "../lib/editor.js";
import { poll } from "../lib/poll.js";
import { ago, count, moment } from "../lib/units.js";
import { makePlan, planSummary } from "./plans.js";

export const id = "policy";
export const title = "Policy";
export const needs = ["listPolicies"];

const starter = `version: 1
rules:
  - name: release what nobody reads
    match: {path: "/**", idle: "> 30d"}
    then: {place: release}
`;

// What is being written outlives a look at another view.
const draft = { text: null, from: null };

export function create({ main, signal }) {
  const note = h("div");
  const verdict = h("div", { class: "verdict", role: "status", id: freshId("verdict") });
  const faultList = h("div");
  const versions = h("div");
  const explained = h("div");
  const preview = h("div");
  const difference = h("div");
  const origin = h("span", { class: "dim" });
  const subject = h("input", { class: "path-input", placeholder: "/path/of/a/file", spellcheck: "false", autocomplete: "off" });
  const editor = new Editor("Policy document", () => {
    draft.text = editor.text;
    later();
  });
  editor.describeBy(verdict.id);
  let known = [];
  let checking = null;
  let timer = 0;
  let valid = false;

  const canSave = can("setPolicy");
  const save = canSave ? button("Save as new version …", saveVersion, { class: "primary" }) : null;
  const plan = can("makePlan") ? button("Preview plan", previewPlan) : null;
  main.append(note, h("div", { class: "split wide-left" },
    h("div", null,
      h("div", { class: "section-head" }, h("h2", null, "Document ", origin), h("span", { class: "actions" }, plan, save)),
      editor.element, verdict, faultList, preview),
    h("div", null,
      h("section", null, h("h2", null, "Versions"), versions, difference),
      can("explainPolicy") ? h("section", null, h("h2", null, "Try a path"), h("form", {
        class: "stack",
        onsubmit: (event) => {
          event.preventDefault();
          explain();
        },
      }, field("Path", subject, "The document as it stands on the left is tried, not the active version."), h("div", { class: "actions" }, h("button", { type: "submit" }, "Explain"))), explained) : "")));

  function later() {
    clearTimeout(timer);
    timer = setTimeout(check, 250);
  }

  async function check() {
    checking?.abort();
    checking = new AbortController();
    if (!can("checkPolicy")) {
      return;
    }
    try {
      show(await post("/api/v1/policies/check", { text: editor.text }, { signal: AbortSignal.any([signal, checking.signal]) }));
    } catch (error) {
      if (error.name !== "AbortError") {
        patch(verdict, error instanceof ApiError ? failure(error) : h("span", { class: "dim" }, "Not checked: the service does not answer."));
      }
    }
  }

  function show(report) {
    valid = report.valid;
    const all = [...report.errors, ...report.warnings.map((w) => ({ ...w, isWarning: true }))].sort((a, b) => a.line - b.line || a.column - b.column);
    editor.show(all);
    const [errors, warnings] = [report.errors.length, report.warnings.length];
    const said = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
    patch(verdict, h("span", { class: `tag ${errors > 0 ? "bad" : warnings > 0 ? "warn" : "ok"}` }, errors > 0 ? said(errors, "error") : "valid"),
      errors > 0 ? (warnings > 0 ? `, ${said(warnings, "warning")}` : "") : ` ${said(report.ruleCount, "rule")}${warnings > 0 ? `, ${said(warnings, "warning")}` : ""}`,
      report.hash ? h("code", { class: "dim wide" }, ` ${report.hash.slice(0, 19)}`) : null);
    patch(faultList, all.length > 0 ? h("ul", { class: "faults" }, all.slice(0, 200).map((f, i) => h("li", { key: i },
      h("button", { type: "button", class: `fault ${f.isWarning ? "warn" : "bad"}`, onclick: () => editor.goTo(f.line, f.column) },
        h("span", { class: "num place" }, `${f.line}:${f.column}`), h("span", null, f.message, f.remedy ? h("span", { class: "dim" }, ` ${f.remedy}`) : null))))) : null);
    for (const control of [save, plan]) {
      if (control) {
        control.disabled = !valid;
        control.title = valid ? "" : "Correct the errors first.";
      }
    }
  }

  async function load(version) {
    const policy = await get(`/api/v1/policies/${version}`, null, signal);
    setText(policy.text, `version ${policy.version}${policy.active ? ", active" : ""}`);
  }

  function setText(text, from) {
    draft.text = text;
    draft.from = from;
    editor.text = text;
    patch(origin, from);
    patch(preview);
    check();
  }

  const refresh = poll(async () => {
    const page = await get("/api/v1/policies", { limit: 100 }, signal);
    const changed = JSON.stringify(page.versions) !== JSON.stringify(known);
    known = page.versions;
    if (changed || known.length === 0) {
      drawVersions();
    }
    if (draft.text === null) {
      const active = known.find((v) => v.active) ?? known[0];
      await (active ? load(active.version) : setText(starter, "a first one, not saved"));
    }
  }, 5, signal, (error) => patch(note, failure(error)));

  function drawVersions() {
    const active = known.find((v) => v.active);
    patch(versions, known.length === 0
      ? empty("No policy yet.", "Nothing moves without one. Write it on the left, preview its plan, then save it.")
      : h("table", { class: "rows" }, h("caption", { class: "unseen" }, "Versions, newest first"), h("thead", null, h("tr", null, h("th", { scope: "col", class: "num left" }, "Version"),
        h("th", { scope: "col" }, "Comment"), h("th", { scope: "col", class: "num" }, "Made"), h("th", { scope: "col" }, h("span", { class: "unseen" }, "Actions")))),
      h("tbody", null, known.map((v) => h("tr", { key: v.version }, h("th", { scope: "row", class: "num left" }, v.version, v.active ? h("span", { class: "tag ok" }, "active") : null),
        h("td", null, v.comment || h("span", { class: "dim" }, "–"), h("div", { class: "dim" }, v.author)),
        h("td", { class: "num dim", title: moment(v.createdNanoseconds) }, ago(v.createdNanoseconds)),
        h("td", { class: "end" }, button("Open", () => openVersion(v), { class: "small", key: "open", "aria-label": `Open version ${v.version}` }),
          can("diffPolicies") && active && !v.active ? button("Compare", () => compare(v, active), { class: "small", key: "diff", "aria-label": `Compare version ${v.version} with the active one` }) : null,
          can("activatePolicy") && !v.active ? button("Activate", () => activate(v.version), { class: "small", key: "activate", "aria-label": `Activate version ${v.version}` }) : null,
          can("activatePolicy") && v.active ? button("Switch off", () => activate(0), { class: "small danger", key: "off", "aria-label": "Leave no version active" }) : null))))));
  }

  const guarded = (task) => async (...given) => {
    try {
      patch(note);
      await task(...given);
    } catch (error) {
      patch(note, failure(error));
    }
  };

  const openVersion = guarded(async (v) => {
    const stored = known.length > 0 && draft.from !== null && !draft.from.endsWith("changed");
    if (stored || editor.text.trim() === "" || await confirm("Open another version?", "What stands in the editor and was not saved is lost.", "Open it")) {
      await load(v.version);
    }
  });

  const activate = guarded(async (version) => {
    const active = known.find((v) => v.active)?.version ?? 0;
    const asked = version === 0
      ? await confirm("Leave no policy active?", "Nothing is moved by rules until a version is activated.", "Switch off")
      : await confirm(`Activate version ${version}?`, "Plans are made from it from now on. It moves nothing by itself.", "Activate", "primary");
    if (asked) {
      await post("/api/v1/policies/activate", { version, ifActive: active });
      announce(version === 0 ? "No policy is active." : `Version ${version} is active.`);
      refresh();
    }
  });

  const compare = guarded(async (v, active) => {
    const { changes } = await get("/api/v1/policies/diff", { before: active.version, after: v.version }, signal);
    patch(difference, h("div", { class: "section-head" }, h("h3", null, `Version ${active.version} → ${v.version}`), button("Close", () => patch(difference), { class: "small" })),
      changes.length === 0 ? h("p", { class: "dim" }, "They mean the same.") : h("ul", { class: "lines" }, changes.map((c, i) => h("li", { key: i, class: "stacked" },
        h("span", null, h("span", { class: `tag ${{ added: "ok", removed: "bad" }[c.kind] ?? "warn"}` }, c.kind), ` ${c.section} `, h("strong", null, c.name)),
        c.fields.map((f) => h("span", { class: "code-small" }, `${f.field}: ${f.before ?? "–"} → ${f.after ?? "–"}`))))));
  });

  function saveVersion() {
    const active = known.find((v) => v.active)?.version ?? 0;
    form("Save as a new version", [
      { name: "comment", label: "Why", control: h("input", { required: true }), hint: "Kept with the version, for who reads the history." },
      { name: "activate", label: "Activate it", control: h("input", { type: "checkbox", checked: true }) },
    ], "Save", async (values) => {
      try {
        const made = await post("/api/v1/policies", { text: editor.text, comment: values.comment, activate: values.activate, ifActive: values.activate ? active : null });
        draft.from = `version ${made.version}${made.active ? ", active" : ""}`;
        patch(origin, draft.from);
        announce(`Version ${made.version} was saved.`);
        refresh();
      } catch (error) {
        if (error.errors?.length > 0) {
          show({ valid: false, errors: error.errors, warnings: [], ruleCount: 0 });
        }
        throw error;
      }
    });
  }

  async function explain() {
    try {
      const report = await post("/api/v1/policies/explain", { path: subject.value.trim(), text: editor.text });
      const d = report.decision;
      const wants = [d.exclude ? "leave alone" : null, d.place ? `place ${d.place}` : null, d.storageClass ? `class ${d.storageClass}` : null, d.copies ? `${d.copies} copies` : null,
        d.pin ? "pin" : null, d.pack ? "pack" : null, d.weight ? `weight ${d.weight}` : null].filter(Boolean).join(", ");
      patch(explained, h("p", null, d.ruleIndex < 0 ? "No rule matches: the file stays as it is." : [h("strong", null, d.ruleName), `: ${wants}`]),
        h("ol", { class: "lines trace" }, report.rules.slice(0, 100).map((r) => h("li", { key: r.ruleIndex },
          h("button", { type: "button", class: "link", onclick: () => editor.goTo(r.line, 1) }, `${r.ruleIndex + 1}. ${r.ruleName}`),
          h("span", { class: r.failedCondition ? "dim" : "ok-text" }, r.reason)))));
    } catch (error) {
      patch(explained, failure(error));
    }
  }

  async function previewPlan() {
    patch(preview, h("p", { class: "dim num", role: "status" }, "Planning …"));
    try {
      const active = known.find((v) => v.active);
      const same = active && (await get(`/api/v1/policies/${active.version}`, null, signal)).text === editor.text;
      const made = await makePlan(same ? null : editor.text, "/", (p) => patch(preview, h("p", { class: "dim num" }, `${count(p.files)} files looked at, ${count(p.moves)} would move …`)), signal);
      patch(preview, h("section", { class: "preview" }, h("div", { class: "section-head" }, h("h2", null, `Plan ${made.id}`), h("a", { class: "button", href: `#/plans/${made.id}` }, "Open the plan")), made.policyVersion ? null : h("p", { class: "dim" }, "This text is not the active policy: save and activate it to carry such a plan out."),
        planSummary(made)));
      announce(`Plan ${made.id}: ${count(made.totals.moves)} of ${count(made.totals.files)} files would move.`);
    } catch (error) {
      if (error.name !== "AbortError") {
        patch(preview, failure(error));
      }
    }
  }

  patch(versions, h("p", { class: "dim" }, "Asking …"));
  if (draft.text !== null) {
    setText(draft.text, draft.from);
  }
  return {};
}
