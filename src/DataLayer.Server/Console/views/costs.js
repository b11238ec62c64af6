// What the overview says of money: today's bill, by dataset and purpose, budgets, and what lies where.

import { can, get } from "../lib/api.js";
import { empty, h, meter } from "../lib/dom.js";
import { bytes, count, day, money, percent, plural, toDate, words } from "../lib/units.js";

/** Asks for all of it that the caller may see; null for what it may not. */
export async function loadMoney(signal) {
  const ask = (operation, path, query) => (can(operation) ? get(path, query, signal) : Promise.resolve(null));
  const [costs, budgets, tiers] = await Promise.all([
    ask("getCosts", "/api/v1/costs", { by: "dataset,purpose" }), ask("listBudgets", "/api/v1/budgets", { limit: 100 }), ask("getTiers", "/api/v1/tiers"),
  ]);
  return { costs, budgets, tiers };
}

/** Tone of a budget by where it stands. */
const tones = { within: "ok", warned: "warn", exceeded: "bad", easing: "warn" };

export function costsOf({ costs, budgets }) {
  const amount = (value) => money(value, costs.currency);
  return [
    costs.lines.length === 0
      ? empty("Nothing was paid today.", "Requests to object stores and what is stored are priced here as they come.")
      : h("table", null, h("caption", { class: "unseen" }, "Costs of today, dearest first"), h("thead", null, h("tr", null, h("th", { scope: "col" }, "Dataset"), h("th", { scope: "col" }, "For"),
        h("th", { scope: "col", class: "num wide" }, "Requests"), h("th", { scope: "col", class: "num wide" }, "Read"), h("th", { scope: "col", class: "num wide" }, "Requests, transfer"), h("th", { scope: "col", class: "num wide" }, "Storage"),
        h("th", { scope: "col", class: "num" }, "Cost"))),
      h("tbody", null, costs.lines.slice(0, 12).map((line) => h("tr", { key: `${line.dataset} ${line.purpose}` },
        h("th", { scope: "row", class: "path" }, line.dataset || "–"), h("td", null, line.requests === 0 && line.storageCost > 0 ? "storage" : words(line.purpose ?? "")), h("td", { class: "num wide" }, count(line.requests)), h("td", { class: "num wide" }, bytes(line.readBytes)),
        h("td", { class: "num wide" }, amount(line.requestCost + line.retrievalCost + line.egressCost)), h("td", { class: "num wide" }, amount(line.storageCost)), h("td", { class: "num" }, amount(line.cost)))))),
    h("p", { class: "dim under" }, `Prices: ${costs.priceTable}. Since ${toDate(costs.from).toISOString().slice(0, 16).replace("T", " ")} UTC.`),
    budgets?.length > 0 ? h("table", null, h("caption", { class: "unseen" }, "Budgets"), h("thead", null, h("tr", null, h("th", { scope: "col" }, "Budget"), h("th", { scope: "col" }, "Spent"), h("th", { scope: "col", class: "num" }, "Amount"),
      h("th", { scope: "col" }, "State"))),
    h("tbody", null, budgets.map((b) => h("tr", { key: b.name }, h("th", { scope: "row" }, b.name, h("span", { class: "dim" }, ` a ${b.period}`)),
      h("td", { class: "stretch" }, meter(`Spent of ${b.name}`, b.spent, b.amount, percent(b.spent / b.amount), tones[b.state] === "ok" ? "" : tones[b.state])),
      h("td", { class: "num" }, `${money(b.spent)} of ${money(b.amount, b.currency)}`), h("td", null, h("span", { class: `tag ${tones[b.state] ?? ""}` }, b.state), b.inForce ? ` ${words(b.inForce)}` : ""))))) : null,
  ];
}

/** When a pool is full, in a few words; empty where nobody knows. */
export const forecastOf = (forecast) => (forecast?.fullAt && forecast.confidence !== "none" ? `full about ${day(toDate(forecast.fullAt))} (${forecast.confidence})` : "");

/** Rows of the cold tier by storage class. */
export const classesOf = (tiers, row) => tiers.classes.map((c) => row(`cold ${c.class}`, `cold: ${c.class}`, "cold", c.objectBytes, null,
  `${plural(c.objects, "object")}, ${money(c.costPerMonth, tiers.currency)} a month`));
