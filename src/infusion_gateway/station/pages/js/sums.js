/** What the numbers that one person types come to together. It only shows: the gateway decides. */

import { el, mark, put, show } from "./dom.js";
import { INSTRUCTIONS } from "./instructions.js";
import { say, term } from "./words.js";

/** Two that should agree may differ by so much of the one that is ordered: the gateway's own tolerance. */
const TOLERANCE = 0.02;
/** Digits that count of a sum: what differs by 2 percent never looks alike. Of what was typed, all that anybody types. */
const OF_SUM = 4;
const OF_TYPED = 12;
const UNITS = Object.fromEntries(Object.values(INSTRUCTIONS).flatMap((told) => told.fields).map((field) => [field.name, field.unit]));
/** Each sum: its text, the fields that it is made of, how, in what it is, and the field that it should agree with: more may be in a syringe than is ordered, but not less. */
const SUMS = [
  { text: "sums.perKg", of: ["dose_mg", "weight_kg"], make: (mg, kg) => mg / kg, write: (value) => say("dose.perKg", { value: figure(value, OF_SUM) }) },
  { text: "sums.content", of: ["volume_ml", "concentration_mg_ml"], make: (ml, mgPerMl) => ml * mgPerMl, beside: "dose_mg", most: true },
  { text: "sums.lasts", of: ["volume_ml", "rate_ml_h"], make: (ml, mlPerHour) => (ml / mlPerHour) * 3600, beside: "duration_s", most: true },
  { text: "sums.given", of: ["rate_ml_h", "duration_s", "concentration_mg_ml"], make: (mlPerHour, seconds, mgPerMl) => (mlPerHour * seconds * mgPerMl) / 3600, beside: "dose_mg" },
];

/**
 * Make the lines of a form's sums; null where its fields make none.
 * @param {string[]} names its fields
 * @param {() => Record<string, unknown>} typed what stands in them, as it would be sent; what can't be read is not there
 * @returns {{node: HTMLElement, update: () => void, tell: () => void} | null} tell: says what changed to who can't see it
 */
export function sums(names, typed) {
  const made = SUMS.filter((sum) => sum.of.every((name) => names.includes(name)));
  if (made.length === 0) return null;
  const lines = made.map((sum) => ({ sum, node: el("li") }));
  const list = el("ul");
  const spoken = el("p", { class: "unseen", "aria-live": "polite" });
  const node = el("div", { class: "form-sums", hidden: true }, list, spoken);
  let told = [];
  return {
    node,
    update() {
      const args = typed();
      const shown = lines.filter(({ sum }) => sum.of.every((name) => name in args));
      for (const line of shown) {
        const { text, wrong } = worded(line.sum, args);
        put(line.node, text);
        mark(line.node, "data-wrong", wrong ? "" : null);
      }
      list.replaceChildren(...shown.map((line) => line.node));
      show(node, shown.length > 0);
    },
    tell() {
      const now = [...list.children].map((line) => line.textContent);
      const fresh = now.filter((text) => !told.includes(text));
      told = now;
      if (fresh.length > 0) spoken.replaceChildren(fresh.join(". "));
    },
  };
}

function worded(sum, args) {
  const value = sum.make(...sum.of.map((name) => args[name]));
  const [one, other, third] = sum.of.map((name) => amount(name, args[name], OF_TYPED));
  const line = say(sum.text, { one, other, third, sum: sum.write?.(value) ?? amount(sum.beside, value, OF_SUM) });
  if (!(sum.beside in args)) return { text: line, wrong: false };
  const ordered = args[sum.beside];
  const beside = say("sums.beside", { line, field: term("field", sum.beside), ordered: amount(sum.beside, ordered, OF_TYPED) });
  const wrong = (sum.most ? ordered - value : Math.abs(value - ordered)) > TOLERANCE * ordered;
  return { text: wrong ? say(value < ordered ? "sums.less" : "sums.more", { beside }) : beside, wrong };
}

/** An amount as its field has it: a duration is sent in seconds and entered in minutes. */
function amount(name, value, digits) {
  const unit = UNITS[name];
  return `${figure(unit === "min" ? value / 60 : value, digits)} ${term("unit", unit)}`;
}

function figure(value, digits) {
  return String(Number(value.toPrecision(digits)));
}
