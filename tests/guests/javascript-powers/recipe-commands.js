/** The commands of the recipes. */

import { addMessage, isAllowed, logIn, logOut, userOf } from "./recipes.js";

export function say(_, room, text) {
  addMessage(room, text);
  return "ok";
}

export function request(_, client, limit) {
  const [most, milliseconds] = limit.split(" ").map(Number);
  return String(isAllowed(client, most, { milliseconds }));
}

export const login = (_, user) => logIn(user);
export const whois = (_, token) => userOf(token) ?? "nobody";

export function logout(_, token) {
  logOut(token);
  return "ok";
}
