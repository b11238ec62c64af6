// Attachments: which folder is which bucket, how much is in it, what it was asked for. Attaching, listing again, detaching.

import { below, can, get, remove, run } from "../lib/api.js";
import { announce, button, empty, failure, h, patch } from "../lib/dom.js";
import { confirm, form } from "../lib/dialog.js";
import { poll } from "../lib/poll.js";
import { bytes, count, duration, words } from "../lib/units.js";
import { samples } from "./samples.js";

export const id = "datasets";
export const title = "Datasets";
export const needs = ["listAttachments"];

export function create({ main, signal }) {
  const note = h("div");
  const list = h("div");
  const status = new Map();
  let attachments = null;

  main.append(h("div", { class: "section-head" }, h("h2", null, "Attached buckets"),
    can("attach") ? button("Attach …", attach, { class: "primary" }) : null), note, list);

  const again = poll(async () => {
    attachments = await get("/api/v1/attachments", { limit: 1000 }, signal);
    draw();
  }, 4, signal, (error) => patch(note, failure(error)));
  samples.addEventListener("sample", draw, { signal });

  function draw() {
    if (attachments === null) {
      return;
    }
    if (attachments.length === 0) {
      patch(list, empty("Nothing is attached.", can("attach")
        ? "Attach a bucket: its names appear in the tree, nothing is copied."
        : "Somebody with the role admin attaches buckets."));
      return;
    }
    const traffic = (path) => (samples.latest?.origin ?? []).filter((o) => o.dataset === path)
      .reduce((sum, o) => ({ requests: sum.requests + o.requests, bytes: sum.bytes + o.bytes, failures: sum.failures + o.failures }), { requests: 0, bytes: 0, failures: 0 });
    patch(list, h("table", null, h("caption", { class: "unseen" }, "Attachments by path"),
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Folder"), h("th", { scope: "col", class: "wide" }, "Bucket"), h("th", { scope: "col", class: "wide" }, "Mode"),
        h("th", { scope: "col", class: "num" }, "Objects"), h("th", { scope: "col", class: "num" }, "Size"),
        samples.latest ? h("th", { scope: "col", class: "num wide" }, "Requests") : null, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Actions")))),
      h("tbody", null, attachments.map((a) => {
        const t = traffic(a.path);
        return h("tr", { key: a.id }, h("th", { scope: "row", class: "path" }, h("a", { href: below("#/tree", a.path) }, a.path),
          a.listingComplete ? null : h("span", { class: "tag warn" }, "listing"), status.has(a.path) ? h("div", { class: "dim num" }, status.get(a.path)) : null),
        h("td", { class: "wide path" }, a.source, h("span", { class: "dim" }, ` (${a.store})`)),
        h("td", { class: "wide" }, words(a.mode), h("span", { class: "dim" }, `, ${words(a.freshness)}${a.freshness === "maxAge" ? ` ${duration(a.maxAgeSeconds)}` : ""}`)),
        h("td", { class: "num" }, count(a.objectCount)), h("td", { class: "num" }, bytes(a.objectBytes)),
        samples.latest ? h("td", { class: "num wide" }, count(t.requests), t.failures > 0 ? h("span", { class: "bad-text" }, `, ${count(t.failures)} failed`) : null) : null,
        h("td", { class: "end" },
          can("refresh") ? button("Refresh", () => refresh(a), { class: "small", key: "refresh", "aria-label": `List ${a.path} again` }) : null,
          can("detach") ? button("Detach", () => detach(a), { class: "small danger", key: "detach", "aria-label": `Detach ${a.path}` }) : null));
      }))));
  }

  async function refresh(a) {
    patch(note);
    status.set(a.path, "listing …");
    draw();
    try {
      const report = await run("/api/v1/attachments/refresh", { path: a.path }, {
        signal,
        onprogress: (p) => {
          status.set(a.path, `${count(p.objects)} objects seen`);
          draw();
        },
      });
      status.set(a.path, `${count(report.objects)} objects, ${count(report.requests)} requests`);
      announce(`${a.path} was listed.`);
    } catch (error) {
      status.delete(a.path);
      if (error.name !== "AbortError") {
        patch(note, failure(error));
      }
    }
    again();
  }

  async function detach(a) {
    if (!(await confirm("Detach?", `The names below ${a.path} and their hot copies go. No object of ${a.source} is touched.`, "Detach"))) {
      return;
    }
    try {
      patch(note);
      await remove("/api/v1/attachments", { path: a.path });
      announce(`${a.path} was detached.`);
    } catch (error) {
      patch(note, failure(error));
    }
    again();
  }

  function attach() {
    const option = (value, text = words(value)) => h("option", { value }, text);
    form("Attach a bucket", [
      { name: "source", label: "Bucket", control: h("input", { required: true, placeholder: "s3://bucket/prefix", class: "code-small", spellcheck: "false" }), hint: "s3://bucket/prefix, or file:///folder of a store of kind directory." },
      { name: "path", label: "Folder", control: h("input", { required: true, placeholder: "/images", class: "code-small", spellcheck: "false" }), hint: "Where it appears in the tree; made if it is not there." },
      { name: "store", label: "Store", control: h("input", { required: true, value: "default" }), hint: "As the configuration names it." },
      { name: "mode", label: "Mode", control: h("select", null, option("readOnly"), option("readWrite")) },
      { name: "freshness", label: "Objects are", control: h("select", null, option("immutable", "never changed by others"), option("maxAge", "checked again after a minute"), option("always", "checked at each open")) },
    ], "Attach", async (values, tell) => {
      const made = await run("/api/v1/attachments", values, { onprogress: (p) => tell(`${count(p.objects)} objects listed, ${bytes(p.bytes)} …`) });
      announce(`${made.path} is attached.`);
      again();
    });
  }

  patch(list, h("p", { class: "dim" }, "Asking …"));
  return {};
}
