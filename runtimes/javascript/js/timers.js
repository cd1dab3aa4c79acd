/** Timers. Each is a timer of the connection whose code sets it. */

import { currentSession, sessionById } from "./session.js";
import { natives } from "./natives.js";

const timers = new Map();
let lastNumber = 0;

/** The number of the timer that was set last. */
export const lastTimer = () => lastNumber;

/** Numbers timers from `number` on: a number that a consumer has kept from another version means no timer of this one. */
export function numberTimersFrom(number) {
  lastNumber = Math.max(lastNumber, number);
}

function arm(timer) {
  timer.id = natives.setTimer(timer.session.id, Math.max(0, Math.floor(Number(timer.delay) || 0)));
  timer.session.timers.set(timer.id, timer);
}

function setTimer(isRepeated, callback, delay, values) {
  if (typeof callback !== "function") throw new TypeError("the first argument of a timer is a function");
  const session = currentSession();
  if (session === undefined) throw new Error("only the code of a connection can set a timer");
  const timer = { number: ++lastNumber, session, isRepeated, delay, callback, values };
  arm(timer);
  timers.set(timer.number, timer);
  return timer.number;
}

function clearTimer(number) {
  const timer = timers.get(number);
  if (timer === undefined) return;
  timers.delete(number);
  timer.session.timers.delete(timer.id);
  natives.clearTimer(timer.session.id, timer.id);
}

/** Calls the callback of a timer. */
export function fireTimer(sessionId, timerId) {
  const session = sessionById(sessionId);
  if (session !== undefined && timerId === session.eventsTimer) return session.handleWaiting();
  // A timer that another version has set is unknown here.
  const timer = session?.timers.get(timerId);
  if (timer === undefined) return;
  session.timers.delete(timerId);
  if (timer.isRepeated) arm(timer);
  else timers.delete(timer.number);
  session.runTimer(() => timer.callback(...timer.values));
}

export function install() {
  globalThis.setTimeout = (callback, delay = 0, ...values) => setTimer(false, callback, delay, values);
  globalThis.setInterval = (callback, delay = 0, ...values) => setTimer(true, callback, delay, values);
  globalThis.clearTimeout = clearTimer;
  globalThis.clearInterval = clearTimer;
}
