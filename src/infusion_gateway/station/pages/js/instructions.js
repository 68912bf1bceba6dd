/**
 * Every instruction of the one list, with its arguments as the gateway takes them (`infusion-gateway session --help`).
 * kind: number, minutes (sent in seconds), text, code (a person's word without blanks), protocol, alarm, bed, gate, what,
 * scores, vitals. again: the station wants the password once more. people: 2 where another person must ask too.
 */

const reason = { name: "reason", kind: "text", required: true };
const maybe = { name: "reason", kind: "text" };
const of = (name, unit, min, max, more = {}) => ({ name, kind: "number", unit, min, max, required: true, ...more });
const minutes = (name, max, more = {}) => ({ name, kind: "minutes", unit: "min", min: 0, max, required: true, ...more });

/** @type {Record<string, {group: string, fields: any[], people?: number, again?: boolean, role?: string}>} */
export const INSTRUCTIONS = {
  order: {
    group: "order",
    people: 2,
    again: true,
    fields: [
      { name: "case", kind: "code", required: true },
      { name: "subject", kind: "code", empty: true },
      { name: "protocol", kind: "protocol", required: true },
      of("weight_kg", "kg", 1, 400),
      of("concentration_mg_ml", "mg/mL", 0.001, 1000),
      of("dose_mg", "mg", 0.001, 100_000),
      of("rate_ml_h", "mL/h", 0.01, 1800),
      of("volume_ml", "mL", 0.01, 100_000),
      minutes("duration_s", 1440),
      maybe,
    ],
  },
  confirm: { group: "order", people: 2, again: true, fields: [of("weight_kg", "kg", 1, 400), of("concentration_mg_ml", "mg/mL", 0.001, 1000), maybe] },
  correct: { group: "order", fields: [{ name: "what", kind: "what", required: true }, of("concentration_mg_ml", "mg/mL", 0.001, 1000), reason] },
  amend: { group: "order", people: 2, again: true, fields: [of("rate_ml_h", "mL/h", 0, 1800, { required: false }), of("dose_mg", "mg", 0, 100_000, { required: false }), reason] },
  syringe: { group: "device", fields: [of("volume_ml", "mL", 0.01, 100_000), of("concentration_mg_ml", "mg/mL", 0.001, 1000), maybe] },
  prime: { group: "device", fields: [minutes("for_at_most_s", 30)] },
  away: { group: "patient", fields: [minutes("for_at_most_s", 10)] },
  move: { group: "patient", fields: [{ name: "to", kind: "bed", required: true }, maybe] },
  hold: { group: "session", fields: [maybe] },
  "permit-resume": { group: "session", fields: [reason] },
  "hold-off": { group: "alarms", fields: [{ name: "code", kind: "alarm", required: true }, reason] },
  extend: { group: "order", people: 2, again: true, fields: [minutes("more_s", 240), reason] },
  override: { group: "session", again: true, fields: [{ name: "gate", kind: "gate", required: true }, reason] },
  limits: { group: "alarms", again: true, fields: [{ name: "code", kind: "condition", required: true }, of("limit", "", 0, 100_000), reason] },
  disarm: { group: "device", again: true, fields: [reason] },
  stop: { group: "session", fields: [maybe] },
  end: { group: "session", again: true, fields: [reason] },
  abort: { group: "session", fields: [reason] },
  assess: { group: "patient", fields: [{ name: "scores", kind: "scores" }, { name: "vitals", kind: "vitals" }, minutes("ago_s", 600, { preset: 0 })] },
  acknowledge: { group: "alarms", fields: [{ name: "code", kind: "alarm", required: true }] },
  "pause-audio": { group: "alarms", fields: [minutes("for_at_most_s", 2, { preset: 2 })] },
  "test-alarm": { group: "alarms", fields: [] },
  close: { group: "session", fields: [reason] },
};

const PHASES = ["idle", "ordered", "armed", "infusing", "paused", "completed", "stopped", "recovery", "closed", "aborted"];
const CASE = ["ordered", "armed", "infusing", "paused", "completed", "stopped", "recovery"];
/** Phases in which the gateway can take it at all (core: instructing, permitting, amending, moving, closing); the others: any. */
const IN = {
  order: ["idle", "ordered", "closed", "aborted"],
  confirm: ["ordered"],
  correct: ["infusing", "paused", "completed", "stopped", "recovery"],
  amend: ["armed", "infusing", "paused"],
  syringe: ["armed", "paused"],
  prime: ["idle", "ordered", "closed", "aborted", "armed"],
  away: ["paused", "completed", "stopped", "recovery"],
  move: ["paused", "recovery"],
  hold: ["infusing"],
  "permit-resume": ["paused"],
  extend: ["armed", "infusing", "paused"],
  override: ["ordered"],
  limits: CASE,
  disarm: PHASES.filter((phase) => phase !== "armed" && phase !== "infusing"),
  end: ["infusing", "paused"],
  abort: CASE.filter((phase) => phase !== "recovery"),
  "test-alarm": PHASES.filter((phase) => phase !== "infusing"),
  close: ["recovery", "aborted"],
};
/** Alarms under which it can be taken in other phases too. */
const UNDER = { "permit-resume": ["restarted-without-release"], close: ["stop-not-confirmed", "bed-quarantined"] };

/**
 * Say whether an instruction can apply at a bed as it stands; where that isn't known everything can.
 * @param {string} name @param {any} bed
 * @returns {boolean}
 */
export function applies(name, bed) {
  const phase = bed.session?.phase;
  if (bed.link !== "live" || !PHASES.includes(phase) || bed.session.waits_for_second === name) return true;
  if (name === "disarm" && !(bed.devices ?? []).some((device) => device.dead_man_s > 0)) return false;
  return (IN[name] ?? PHASES).includes(phase) || (bed.alarms ?? []).some((alarm) => UNDER[name]?.includes(alarm.code));
}

/** Groups in the order they are shown. */
export const GROUPS = ["session", "order", "patient", "alarms", "device"];
/** Offered by a button of their own besides the list. */
export const WITH_PIN = new Set(["acknowledge", "pause-audio", "hold-off"]);

/** Scores with their highest value (model.instructions.Score). */
export const SCORES = { "moaa-s": 5, "cadss-6": 24, distress: 10, nausea: 10, dizziness: 10, dissociation: 10, pain: 10, oriented: 1, escort: 1 };
/** Scores that are a question, answered yes or no; on the wire 1 or 0. */
export const YES_OR_NO = new Set(["oriented", "escort"]);

/** Vital signs by hand: unit, lowest and highest that a living patient can have (model.metric.FACTS). */
export const BY_HAND = {
  "nibp-sys": ["mm[Hg]", 20, 320],
  "nibp-dia": ["mm[Hg]", 10, 250],
  hr: ["{beats}/min", 10, 350],
  spo2: ["%", 1, 100],
  rr: ["{breaths}/min", 0, 150],
  temp: ["Cel", 15, 45],
};
