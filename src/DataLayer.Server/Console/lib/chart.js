// Lines over time. uPlot draws them where the build could get it; otherwise the few lines of SVG at the end of this
// file do, without axes to zoom.

import { h, patch } from "./dom.js";
import { clock, day } from "./units.js";

const module = document.querySelector("meta[name=datalayer-charts]")?.content ?? "";
let library = null;

/** Loads uPlot, once, before the first chart is made. */
export async function loadCharts() {
  if (module) {
    try {
      library = (await import(`../${module}`)).default;
      document.head.append(h("link", { rel: "stylesheet", href: new URL(`../${module.replace(/js$/, "css")}`, import.meta.url) }));
    } catch {
      library = null;
    }
  }
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const powersOfTwo = Array.from({ length: 60 }, (_, i) => 2 ** i);

/**
 * A chart with its legend. `series`: {name, colour (a custom property), format}. `bytes: true` puts the axis on powers
 * of two; `max` fixes its upper end. The element's text says the last values, for whoever cannot see lines.
 */
export class Chart {
  #series;
  #options;
  #plot = null;
  #data;
  #canvas;
  #legend;
  #size;

  constructor(title, series, options, signal) {
    this.#series = series;
    this.#options = options;
    this.#data = [[], ...series.map(() => [])];
    this.#legend = h("ul", { class: "legend", own: true });
    this.#canvas = h("div", { class: "plot", own: true, role: "img", "aria-label": title });
    this.title = title;
    this.element = h("figure", { class: "chart", own: true },
      h("figcaption", null, h("span", { class: "chart-title" }, title), this.#legend), this.#canvas);
    this.#size = new ResizeObserver(() => this.#fit());
    this.#size.observe(this.#canvas);
    document.documentElement.addEventListener("themechange", () => this.#rebuild(), { signal });
    signal.addEventListener("abort", () => {
      this.#size.disconnect();
      this.#plot?.destroy();
    }, { once: true });
  }

  /** Shows values: times in seconds since 1970, one column a series; null where there is none. */
  set(times, columns) {
    this.#data = [times, ...columns];
    this.#tell(times.length - 1);
    if (library === null) {
      drawLines(this.#canvas, this.#data, this.#series, this.#options);
    } else if (this.#plot === null) {
      this.#rebuild();
    } else {
      this.#plot.setData(this.#data);
    }
  }

  #tell(index) {
    const values = this.#series.map((series, i) => {
      const value = this.#data[i + 1][index];
      return [series, value === null || value === undefined ? "–" : series.format(value)];
    });
    patch(this.#legend, values.map(([series, text]) => {
      const swatch = h("i", { class: "swatch" });
      swatch.style.backgroundColor = `var(${series.colour})`;
      return h("li", null, swatch, h("span", null, series.name), h("b", null, text));
    }));
    this.#canvas.setAttribute("aria-label",
      `${this.title}. ${values.map(([series, text]) => `${series.name} ${text}`).join(", ")}.`);
  }

  #fit() {
    const width = this.#canvas.clientWidth;
    if (this.#plot !== null && width > 0 && Math.abs(this.#plot.width - width) >= 1) {
      this.#plot.setSize({ width, height: this.#canvas.clientHeight });
    } else if (library === null) {
      drawLines(this.#canvas, this.#data, this.#series, this.#options);
    }
  }

  #rebuild() {
    if (library === null) {
      return;
    }
    this.#plot?.destroy();
    const width = this.#canvas.clientWidth;
    const axis = {
      stroke: colour("--dim"), font: "11px system-ui, sans-serif",
      grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--grid"), width: 1, size: 4 },
    };
    const format = this.#options.axis ?? this.#series[0].format;
    this.#plot = new library({
      width: Math.max(width, 100), height: this.#canvas.clientHeight || 150, legend: { show: false },
      padding: [8, 8, 0, 0],
      cursor: { y: false, points: { size: 6 } },
      scales: { y: { range: (_, low, high) => [0, this.#options.max ?? (high > 0 ? high * 1.08 : 1)] } },
      axes: [
        { ...axis, size: 26, space: 72, values: (_, splits, __, ___, step) => splits.map((t) => timeText(t, step)) },
        {
          ...axis, size: 66, space: 26, values: (_, splits) => splits.map((v) => format(v)),
          ...(this.#options.bytes ? { incrs: powersOfTwo } : {}),
        },
      ],
      series: [{}, ...this.#series.map((series) => ({
        label: series.name, stroke: colour(series.colour), width: 1.5, points: { show: false }, spanGaps: false,
        fill: `${colour(series.colour)}1f`,
      }))],
      hooks: {
        setCursor: [(plot) => this.#tell(plot.cursor.idx ?? this.#data[0].length - 1)],
      },
    }, this.#data, this.#canvas);
  }
}

const timeText = (seconds, step) => {
  const date = new Date(seconds * 1000);
  return step >= 86400 ? day(date).slice(5) : clock(date, step < 60);
};

const svg = (tag, attributes, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

function drawLines(host, [times, ...columns], series, options) {
  const width = host.clientWidth;
  const height = host.clientHeight;
  if (times.length < 2 || width === 0) {
    host.replaceChildren();
    return;
  }
  const top = options.max ?? Math.max(1e-9, ...columns.flat().filter((v) => v !== null)) * 1.08;
  const left = 66;
  const x = (t) => left + ((t - times[0]) / (times.at(-1) - times[0])) * (width - left - 8);
  const y = (v) => height - 20 - (v / top) * (height - 28);
  const text = (px, py, anchor, words) => svg("text", { x: px, y: py, "text-anchor": anchor, class: "axis" }, words);
  const format = options.axis ?? series[0].format;
  host.replaceChildren(svg("svg", { width, height, "aria-hidden": "true" },
    ...[0, 0.5, 1].flatMap((share) => [
      svg("line", { x1: left, x2: width - 8, y1: y(top * share), y2: y(top * share), class: "rule" }),
      text(left - 6, y(top * share) + 4, "end", format(top * share)),
    ]),
    text(left, height - 4, "start", timeText(times[0], (times.at(-1) - times[0]) / 4)),
    text(width - 8, height - 4, "end", timeText(times.at(-1), (times.at(-1) - times[0]) / 4)),
    ...columns.map((column, i) => {
      const points = [];
      column.forEach((v, at) => v !== null && points.push(`${x(times[at]).toFixed(1)},${y(v).toFixed(1)}`));
      const line = svg("polyline", { points: points.join(" "), fill: "none", "stroke-width": "1.5" });
      line.style.stroke = `var(${series[i].colour})`;
      return line;
    })));
}
