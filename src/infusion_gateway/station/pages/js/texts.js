/** The texts of the pages that look back and of the call button; `words.js` has the others and looks all of them up. */

/** @type {Record<string, string>} */
export const TEXTS = {
  "call.title": "Call the nurse",
  "call.button": "CALL THE NURSE",
  "call.hint": "Touch here, or press any key",
  "call.connecting": "Connecting …",
  "call.ready": "Touch when you need somebody.",
  "call.calling": "Calling …",
  "call.told": "THE NURSE WAS TOLD",
  "call.taken": "{person} has heard you and is on it.",
  "call.takenBySomebody": "Somebody has heard you and is on it.",
  "call.unable": "CALL OUT: this button can't call now.",
  "call.failed": "NOT SENT: call out",
  "call.lost": "No connection to the nurses' station.",
  "call.since": "since {clock}",
  "call.foot": "Bed {bed}. For the nurse alone; in an emergency call out too.",

  "screen.profile.call": "a patient's call button, at this bed",

  "log.kinds": "Show",
  "log.all": "everything",
  "log.alarms": "alarms and answers",
  "log.people": "what people asked and entered",
  "log.session": "session and pump",
  "log.equipment": "equipment and gateway",
};
