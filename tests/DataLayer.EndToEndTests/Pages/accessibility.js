// What can be checked by looking at the page: names, labels, headings, roles, contrast. Returns what is wrong.
() => {
  const wrong = [];
  const visible = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility({ checkVisibilityCSS: true }));
  const name = (e) => `<${e.tagName.toLowerCase()} class="${e.className}"> ${(e.textContent || e.getAttribute("aria-label") || "").trim().slice(0, 40)}`;
  const labelOf = (e) => e.getAttribute("aria-label") || e.textContent.trim() || e.title
    || (e.id && document.querySelector(`label[for="${e.id}"]`)?.textContent) || "";

  if (document.documentElement.lang !== "en") wrong.push("the page names no language");
  if (document.querySelectorAll("h1").length !== 1) wrong.push("there is not one h1");
  if (document.querySelectorAll("main").length !== 1) wrong.push("there is not one main");

  let level = 1;
  for (const heading of visible.filter((e) => /^H[1-6]$/.test(e.tagName))) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) wrong.push(`a heading skips a level: ${name(heading)}`);
    level = next;
  }

  const ids = new Map();
  for (const { id } of document.querySelectorAll("[id]")) ids.set(id, (ids.get(id) ?? 0) + 1);
  for (const [id, times] of ids) if (times > 1) wrong.push(`the id ${id} is there ${times} times`);

  for (const e of visible.filter((x) => x.matches("a, button, input, select, textarea, [role=meter], [role=img], [role=grid], [role=treegrid]"))) {
    if (!labelOf(e) || (e.matches("input, textarea, select") && !e.getAttribute("aria-label") && !e.labels?.length)) wrong.push(`without a name: ${name(e)}`);
  }
  for (const attribute of ["aria-describedby", "aria-labelledby", "aria-controls", "aria-activedescendant"]) {
    for (const e of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of e.getAttribute(attribute).split(" ")) {
        if (!document.getElementById(id)) wrong.push(`${attribute} names ${id}, which is not there`);
      }
    }
  }
  for (const row of document.querySelectorAll("[role=row]")) {
    if (!row.closest("[role=grid], [role=treegrid]") || [...row.children].some((c) => c.getAttribute("role") !== "gridcell")) wrong.push(`a row out of place: ${name(row)}`);
  }
  for (const th of document.querySelectorAll("th")) if (!th.scope) wrong.push(`a heading cell of nothing: ${name(th)}`);

  // Contrast as WCAG 2.1 has it: 4.5 for text, 3 for large text. What is disabled need not be read.
  const parse = (text) => {
    const parts = text.match(/[\d.]+/g).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    return [parts[0] * scale, parts[1] * scale, parts[2] * scale, parts[3] ?? 1];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const told = new Set();
  for (const e of visible) {
    const hasText = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
    if (!hasText || e.closest(":disabled, [hidden], .unseen, .skip, option")) continue;
    const style = getComputedStyle(e);
    const behind = ground(e);
    const [a, b] = [light(over(parse(style.color), behind)), light(behind)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const key = `${style.color} on ${behind}`;
    if (ratio < wanted && !told.has(key)) {
      told.add(key);
      wrong.push(`contrast ${ratio.toFixed(2)} of ${name(e)}`);
    }
  }
  return wrong;
}
