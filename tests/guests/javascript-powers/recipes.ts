/** The recipes of the book for the key-value store. */

import { keyvalue } from "narrowboat";
import type { Duration } from "narrowboat";

const KEPT_MESSAGES = 20;
const SESSION_TTL = { milliseconds: 400 };

/** Adds a message to those of a room, which keeps the last ones. */
export function addMessage(room: string, text: string) {
  keyvalue.open("messages").update(room, (old) => {
    const messages: string[] = old === null ? [] : JSON.parse(new TextDecoder().decode(old));
    return JSON.stringify([...messages, text].slice(-KEPT_MESSAGES));
  });
}

/** Counts a request of a client, and returns whether it is one of the first in a window of time. */
export function isAllowed(client: string, most: number, window: Duration) {
  const bucket = keyvalue.open("requests");
  const count = bucket.increment(client);
  // The window begins with the first request. If the call before ended here, this one begins it.
  if (bucket.ttl(client) === Infinity) bucket.setTtl(client, window);
  return count <= most;
}

/** Starts a session, and returns its token. */
export function logIn(user: string) {
  const token = crypto.randomUUID();
  keyvalue.open("sessions").set(token, user, { ttl: SESSION_TTL });
  return token;
}

/** Returns the user of a session, which lives on, or null. */
export function userOf(token: string) {
  const bucket = keyvalue.open("sessions");
  const user = bucket.getText(token);
  if (user !== null) bucket.setTtl(token, SESSION_TTL);
  return user;
}

/** Ends a session. */
export function logOut(token: string) {
  keyvalue.open("sessions").delete(token);
}
