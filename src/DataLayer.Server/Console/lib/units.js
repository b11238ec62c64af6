// Numbers as people read them. Bytes in powers of 1024, times in the browser's zone, nothing rounded to look better.

const steps = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const digits = (value) => (value >= 100 ? 0 : value >= 10 ? 1 : 2);

export function bytes(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return "–";
  }
  let rest = Math.abs(value);
  let step = 0;
  while (rest >= 1000 && step < steps.length - 1) {
    rest /= 1024;
    step++;
  }
  const text = step === 0 ? grouped.format(rest) : rest.toFixed(digits(rest));
  return `${value < 0 ? "−" : ""}${text} ${steps[step]}`;
}

export const rate = (value) => (Number.isFinite(value) ? `${bytes(value)}/s` : "–");

export const count = (value) => (Number.isFinite(value) ? grouped.format(value) : "–");

/** "1 file", "2 files". */
export const plural = (value, word) => `${count(value)} ${word}${value === 1 ? "" : "s"}`;

/** A small rate: 0, 0.4, 12, 3,400. */
export const decimal = (value) =>
  !Number.isFinite(value) ? "–" : value === 0 ? "0" : value < 0.005 ? "< 0.01" : value < 100 ? value.toFixed(digits(value)) : grouped.format(value);

/** A share between 0 and 1. 99.96 % does not become 100 %. */
export function percent(share) {
  if (share === null || share === undefined || !Number.isFinite(share)) {
    return "–";
  }
  const value = share * 100;
  const text = value.toFixed(value > 99 && value < 100 ? 2 : 1);
  return `${text === "100.00" && value < 100 ? "99.99" : text} %`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) {
    return "–";
  }
  if (seconds < 0.001) {
    return seconds === 0 ? "0 ms" : `${(seconds * 1e6).toFixed(seconds < 1e-5 ? 1 : 0)} µs`;
  }
  if (seconds < 1) {
    return `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms`;
  }
  if (seconds < 60) {
    return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  }
  const whole = Math.round(seconds);
  const pair = (large, largeUnit, small, smallUnit) => `${large} ${largeUnit}${small > 0 ? ` ${small} ${smallUnit}` : ""}`;
  if (whole < 3600) {
    return pair(Math.floor(whole / 60), "min", whole % 60, "s");
  }
  if (whole < 86400) {
    return pair(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  }
  return pair(Math.floor(whole / 86400), "d", Math.floor((whole % 86400) / 3600), "h");
}

/** An amount. Small ones keep two digits that tell them from nothing, as long as anybody could care. */
export function money(value, currency) {
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return "–";
  }
  const size = Math.abs(value);
  if (size > 0 && size < 0.00005) {
    return "≈ 0";
  }
  const places = size === 0 || size >= 1 ? 2 : Math.max(2, 1 - Math.floor(Math.log10(size)));
  const text = size.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  return `${value < 0 ? "−" : ""}${text}${currency ? ` ${currency}` : ""}`;
}

const two = (value) => String(value).padStart(2, "0");

export const clock = (date, seconds = true) =>
  `${two(date.getHours())}:${two(date.getMinutes())}${seconds ? `:${two(date.getSeconds())}` : ""}`;

export const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

/** A moment: a Date, ISO text, or nanoseconds since 1970. 0 and null are no moment. */
export function moment(value) {
  const date = toDate(value);
  return date === null ? "–" : `${day(date)} ${clock(date)}`;
}

/** How long ago, in one unit. */
export function ago(value) {
  const date = toDate(value);
  if (date === null) {
    return "–";
  }
  const seconds = (Date.now() - date.getTime()) / 1000;
  const size = Math.abs(seconds);
  const [amount, unit] = size < 90 ? [size, "s"] : size < 5400 ? [size / 60, "min"] : size < 172800 ? [size / 3600, "h"] : [size / 86400, "d"];
  const text = `${Math.round(amount)} ${unit}`;
  return seconds >= 0 ? `${text} ago` : `in ${text}`;
}

export function toDate(value) {
  if (!value) {
    return null;
  }
  const date = value instanceof Date ? value : typeof value === "number" ? new Date(value / 1e6) : new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** "onceEarlyDeletion" → "once early deletion". */
export const words = (name) => name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();

/** The mode as ls shows it. */
export function modeText(kind, mode) {
  const letter = { directory: "d", symbolicLink: "l", regular: "-" }[kind] ?? "?";
  return letter + [6, 3, 0].map((shift) => {
    const bits = (mode >> shift) & 7;
    return `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${bits & 1 ? "x" : "-"}`;
  }).join("");
}
