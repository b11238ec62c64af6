// The tree: folders of any size, read page by page as one scrolls; for what is selected, where its content lies and why.

import { below, can, get, post, who } from "../lib/api.js";
import { announce, button, empty, failure, h, meter, patch } from "../lib/dom.js";
import { confirm } from "../lib/dialog.js";
import { Grid } from "../lib/grid.js";
import { onceKey } from "../lib/jobs.js";
import { ago, bytes, count, modeText, moment, percent, words } from "../lib/units.js";

export const id = "tree";
export const title = "Tree";
export const needs = ["listDirectory"];

const pageSize = 500;
const tones = { hot: "hot", premigrated: "hot", released: "cold", recalling: "warn" };
const meanings = {
  hot: "In the hot tier only: its upload is due, or nothing is attached here.",
  premigrated: "In the hot tier and in the bucket.",
  released: "In the bucket; what is read comes from there.",
  recalling: "On its way from the bucket into the hot tier.",
};

const join = (folder, name) => (folder === "/" ? `/${name}` : `${folder}/${name}`);
const parentOf = (path) => path.slice(0, path.lastIndexOf("/")) || "/";

export function create({ main, signal }) {
  const crumbs = h("nav", { class: "crumbs", "aria-label": "Path" });
  const goTo = h("input", { class: "path-input", "aria-label": "Go to path", placeholder: "/path", spellcheck: "false", autocomplete: "off" });
  const note = h("div");
  const detail = h("div", { class: "panel", "aria-live": "off" });
  const header = h("div", { class: "grid-head", "aria-hidden": "true" }, h("span", { class: "c-name" }, "Name"), h("span", { class: "c-size" }, "Size"),
    h("span", { class: "c-state" }, "Tier"), h("span", { class: "c-time" }, "Changed"));
  let base = "/";
  let rows = [];
  let turn = 0;

  const grid = new Grid("Files and folders", header, {
    role: "treegrid", rowHeight: 26, makeCells,
    onselect: (i) => rows[i].status && showDetail(rows[i].path),
    onopen: (i) => open(i),
    onclickrow: (event, i) => event.target.closest(".twisty") && toggle(i),
    onkey,
  });
  main.append(h("div", { class: "toolbar" }, crumbs, h("form", {
    onsubmit: (event) => {
      event.preventDefault();
      go(goTo.value.trim() || "/");
    },
  }, goTo, h("button", { type: "submit" }, "Go"))), note, h("div", { class: "split wide-left" }, grid.element, detail));

  const go = (path) => {
    location.hash = below("#/tree", path);
  };

  function makeCells(i) {
    const row = rows[i];
    if (row.more) {
      fill(row);
      return { cells: [h("span", { role: "gridcell", class: "c-name dim" }, indent(row.depth), "more …")], props: {} };
    }
    const s = row.status;
    const isFolder = s.kind === "directory";
    const name = h("span", { role: "gridcell", class: "c-name" }, indent(row.depth),
      h("span", { class: `twisty ${isFolder ? (row.open ? "open" : "shut") : ""}`, "aria-hidden": "true" }),
      h("span", { class: isFolder ? "folder" : "" }, s.name, isFolder ? "/" : "", s.linkTarget ? h("span", { class: "dim" }, ` → ${s.linkTarget}`) : null));
    return {
      cells: [name, h("span", { role: "gridcell", class: "c-size num" }, isFolder ? "" : bytes(s.sizeBytes)),
        h("span", { role: "gridcell", class: "c-state" }, s.kind === "regular" ? h("span", { class: `tag ${tones[s.state] ?? ""}` }, s.state) : null),
        h("span", { role: "gridcell", class: "c-time num dim" }, ago(s.modifyTimeNanoseconds))],
      props: { "aria-level": row.depth + 1, "aria-expanded": isFolder ? String(row.open) : null },
    };
  }

  function indent(depth) {
    const space = h("span", { class: "indent", "aria-hidden": "true" });
    space.style.width = `${depth * 16}px`;
    return space;
  }

  function open(i) {
    const row = rows[i];
    if (row.status?.kind === "directory") {
      go(row.path);
    }
  }

  function onkey(event, i) {
    const row = rows[i];
    if (event.key === "Backspace" && base !== "/") {
      event.preventDefault();
      go(parentOf(base));
      return true;
    }
    if (!row?.status || (event.key !== "ArrowRight" && event.key !== "ArrowLeft")) {
      return false;
    }
    event.preventDefault();
    if (event.key === "ArrowRight" && row.status.kind === "directory" && !row.open) {
      toggle(i);
    } else if (event.key === "ArrowLeft" && row.open) {
      toggle(i);
    } else if (event.key === "ArrowLeft" && row.depth > 0) {
      const above = rows.slice(0, i).findLastIndex((r) => r.depth < row.depth);
      grid.select(above);
    }
    return true;
  }

  function toggle(i) {
    const row = rows[i];
    if (row.status?.kind !== "directory") {
      return;
    }
    row.open = !row.open;
    if (row.open) {
      rows.splice(i + 1, 0, { more: true, folder: row.path, after: null, depth: row.depth + 1 });
    } else {
      let end = i + 1;
      while (end < rows.length && rows[end].depth > row.depth) {
        end++;
      }
      rows.splice(i + 1, end - i - 1);
    }
    grid.refresh(rows.length);
  }

  /** Reads the page that a "more" row stands for; it is asked for by being drawn. */
  async function fill(row) {
    if (row.busy) {
      return;
    }
    row.busy = true;
    const mine = turn;
    try {
      const page = await get(below("/api/v1/dirs", row.folder), { limit: pageSize, after: row.after }, signal);
      const at = rows.indexOf(row);
      if (mine !== turn || at < 0) {
        return;
      }
      const added = page.entries.map((status) => ({ status, path: join(row.folder, status.name), depth: row.depth, open: false }));
      if (page.next !== null && page.next !== undefined) {
        added.push({ more: true, folder: row.folder, after: page.next, depth: row.depth });
      }
      const chosen = rows[grid.selected];
      rows.splice(at, 1, ...added);
      grid.selected = chosen && chosen !== row ? rows.indexOf(chosen) : grid.selected;
      grid.refresh(rows.length);
      if (rows.length === 0) {
        patch(note, empty("This folder is empty.", can("attach")
          ? ["Attach a bucket to a folder under ", h("a", { href: "#/datasets" }, "Datasets"), ", or write files into it."]
          : "Files that are written here appear by themselves."));
      }
    } catch (error) {
      if (error.name !== "AbortError" && mine === turn) {
        patch(note, failure(error), button("Try again", () => {
          row.busy = false;
          patch(note);
          grid.refresh();
        }));
      }
    }
  }

  async function navigate(rest) {
    const roots = who().scopes.length > 0 ? who().scopes : ["/"];
    const path = rest && rest !== "/" ? rest.replace(/\/+$/, "") : roots[0];
    const mine = ++turn;
    patch(note);
    rows = [];
    grid.selected = -1;
    try {
      const { status } = await get(below("/api/v1/stat", path), { detail: true }, signal);
      if (mine !== turn) {
        return;
      }
      base = status.kind === "directory" ? path : parentOf(path);
      rows = [{ more: true, folder: base, after: null, depth: 0 }];
      drawCrumbs(roots);
      grid.body.scrollTop = 0;
      grid.refresh(rows.length);
      showDetail(path);
    } catch (error) {
      if (error.name !== "AbortError" && mine === turn) {
        base = path;
        drawCrumbs(roots);
        grid.refresh(0);
        patch(detail);
        patch(note, failure(error), roots.length > 1 ? rootLinks(roots) : null);
      }
    }
  }

  const rootLinks = (roots) => h("p", null, "You reach: ", roots.map((root) => h("a", { href: below("#/tree", root) }, root, " ")));

  function drawCrumbs(roots) {
    const names = base === "/" ? [] : base.slice(1).split("/");
    const links = names.map((name, i) => {
      const path = `/${names.slice(0, i + 1).join("/")}`;
      return h("a", { key: path, href: below("#/tree", path), "aria-current": i === names.length - 1 ? "page" : null }, name);
    });
    patch(crumbs, h("a", { href: "#/tree/", key: "/", "aria-current": names.length === 0 ? "page" : null }, roots[0] === "/" ? "/" : "my folders"),
      links.flatMap((link) => [link, h("span", { "aria-hidden": "true" }, "/")]).slice(0, -1));
    goTo.value = base;
  }

  async function showDetail(path) {
    const mine = turn;
    try {
      const file = await get(below("/api/v1/stat", path), { detail: true, follow: false }, signal);
      if (mine === turn) {
        patch(detail, detailOf(file, actions(file)));
      }
    } catch (error) {
      if (error.name !== "AbortError" && mine === turn) {
        patch(detail, failure(error));
      }
    }
  }

  function actions(file) {
    const result = h("div", { class: "result", own: true, key: `result ${file.path}` });
    const act = (label, task, props) => button(label, async () => {
      patch(result, h("p", { class: "dim" }, "Working …"));
      try {
        patch(result, await task());
      } catch (error) {
        patch(result, failure(error));
      }
    }, { key: `${label} ${file.path}`, ...props });
    const job = async (mode, said) => {
      const made = await post("/api/v1/jobs/warm", { paths: [file.path], mode }, { headers: onceKey() });
      announce(`Job ${made.id} was made.`);
      return h("p", null, said, " ", h("a", { href: `#/jobs/${made.id}` }, `Job ${made.id}`), ".");
    };
    const isFolder = file.status.kind === "directory";
    return [h("div", { class: "actions", key: `actions ${file.path}` },
      can("du") && isFolder ? act("Measure", async () => usageOf(await post("/api/v1/ops/du", { path: file.path }))) : null,
      can("warmJob") ? act("Warm", () => job("warm", "It is being brought into the hot tier:")) : null,
      can("warmJob") ? act("Evict", async () =>
        (await confirm("Drop the hot copies?", `${file.path}: what is safe in the bucket is read from there the next time. What only the hot tier holds stays.`, "Drop them")
          ? job("evict", "Hot copies are being dropped:") : []), { class: "danger" }) : null,
      can("explainPolicy") && !isFolder ? act("Which rule decides?", async () => ruleOf(await post("/api/v1/policies/explain", { path: file.path }))) : null), result];
  }

  patch(detail, h("p", { class: "dim" }, "Asking …"));
  return { navigate };
}

const fact = (name, ...value) => h("div", { key: name }, h("dt", null, name), h("dd", { class: "num" }, value));

function detailOf(file, actions) {
  const s = file.status;
  const name = file.path === "/" ? "/" : file.path.slice(file.path.lastIndexOf("/") + 1);
  if (s.kind !== "regular") {
    return [h("h2", { class: "path" }, name), actions, h("dl", { class: "facts" },
      fact("Path", h("span", { class: "path" }, file.path)), fact("Kind", words(s.kind)), s.linkTarget ? fact("Leads to", h("span", { class: "path" }, s.linkTarget)) : null,
      fact("Mode", modeText(s.kind, s.mode)), fact("Owner", `${s.userId}:${s.groupId}`), fact("Changed", moment(s.modifyTimeNanoseconds)))];
  }
  const share = (blocks) => (file.blockCount > 0 ? blocks / file.blockCount : 0);
  const line = (label, tone, blocks) => h("div", { class: "residency", key: label }, h("span", null, label),
    meter(`Resident in ${label}`, blocks, file.blockCount, `${count(blocks)} of ${count(file.blockCount)} blocks`, tone),
    h("span", { class: "num" }, `${count(blocks)} of ${count(file.blockCount)} blocks, ${percent(share(blocks))}`));
  return [h("h2", { class: "path" }, name),
    h("p", null, h("span", { class: `tag ${tones[s.state] ?? ""}` }, s.state), " ", h("span", { class: "dim" }, meanings[s.state] ?? "")),
    line("memory", "memory", file.memoryBlocks), line("hot", "hot", file.hotBlocks), actions,
    h("dl", { class: "facts" },
      fact("Path", h("span", { class: "path" }, file.path)), fact("Size", `${bytes(s.sizeBytes)} (${count(s.sizeBytes)} B)`), fact("Answered from", file.tier ?? "–"),
      fact("Heat", file.heat.toFixed(3)), fact("Changed", moment(s.modifyTimeNanoseconds)), fact("Read", moment(s.accessTimeNanoseconds)),
      fact("Mode", `${modeText(s.kind, s.mode)} ${s.userId}:${s.groupId}`), file.placement ? fact("Placement", h("span", { class: "path" }, file.placement)) : null,
      file.object ? fact("Object", h("span", { class: "path" }, `${file.object.store ?? ""}/${file.object.key}`)) : fact("Object", "none"),
      file.object ? fact("ETag", h("span", { class: "path" }, file.object.eTag ?? file.object.etag)) : null,
      file.uploadPending ? fact("Upload", "due") : null, fact("Inode", `${s.inode}, generation ${s.generation}`))];
}

function usageOf(u) {
  return h("dl", { class: "facts" }, fact("Files", count(u.fileCount)), fact("Folders", count(u.folderCount)), fact("Size", bytes(u.sizeBytes)),
    fact("In the hot tier", `${bytes(u.residentBytes)}, ${percent(u.sizeBytes > 0 ? u.residentBytes / u.sizeBytes : 0)}`));
}

function ruleOf(report) {
  const d = report.decision;
  const wants = [d.exclude ? "leave alone" : null, d.place ? `place ${d.place}` : null, d.storageClass ? `class ${d.storageClass}` : null,
    d.copies ? `${d.copies} copies` : null, d.pin ? "pin" : null, d.pack ? "pack" : null].filter(Boolean).join(", ");
  return h("p", null, d.ruleIndex < 0 ? "No rule matches: the file stays as it is." : ["Rule ", h("strong", null, d.ruleName), `: ${wants || "nothing"}.`]);
}
