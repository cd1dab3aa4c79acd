/** The room of this instance, and its alarm. */

import { natives } from "./natives.js";

const REMEDY = "an alarm belongs to the room: add static alarm() to the class of the consumer";

/** The class of the consumers. `runtime.js` sets it. */
export const alarmHandler = { of: undefined };

export const room = Object.freeze({
  get name() {
    return natives.roomName() ?? null;
  },

  get alarm() {
    const time = natives.getAlarm();
    return time === undefined ? null : new Date(time);
  },

  setAlarm(when) {
    if (typeof alarmHandler.of?.alarm !== "function") throw new Error(REMEDY);
    if (when instanceof Date) natives.setAlarm("at", checkTime(when.getTime(), when));
    else if (typeof when === "number") natives.setAlarm("after", checkTime(Math.ceil(when), when));
    else throw new TypeError("an alarm is set in milliseconds from now, or with a Date");
  },

  cancelAlarm() {
    natives.cancelAlarm();
  },
});

function checkTime(millis, when) {
  if (!Number.isFinite(millis)) throw new RangeError(`${String(when)} is no time for an alarm`);
  return Math.max(0, millis);
}

const REASONS = ["version", "wake", "failure", "hibernation"];

/** Returns why the host restores state, in `migrate` and `restored` before they wait. Undefined elsewhere. */
export function restoreReason() {
  return REASONS[natives.restoreReason()];
}
