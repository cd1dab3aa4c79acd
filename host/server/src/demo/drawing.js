// The page of the drawing: a sheet that the visitors of a room share.

import { byId, createElement } from "./dom.js";
import { DrawingSheet } from "./drawing_sheet.js";

/** The colours of lines, by their numbers, with their names. */
const COLORS = [
  ["#1b2422", "black"],
  ["#b3261e", "red"],
  ["#1f6f43", "green"],
  ["#1d4ed8", "blue"],
  ["#b45309", "orange"],
  ["#7e22ce", "purple"],
];

/** Milliseconds until the page connects again. */
const RETRY_INTERVAL = 1000;

/** The part of the sheet that an arrow key moves the pen. */
const KEY_STEP = 0.02;

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const sheet = new DrawingSheet(byId("sheet"), byId("pens"), COLORS.map(([color]) => color));
let socket = null;
let color = 0;
/** The place of the own pen. */
let pen = [0.5, 0.5];
let isDrawing = false;

const room = () => new URLSearchParams(location.search).get("room") || "lobby";

/** The path of a room, by the route of the plugin. Undefined if the host does not serve the plugin. */
async function findPath() {
  const plugins = await (await fetch("/demo/plugins.json", { cache: "no-store" })).json();
  const routes = plugins.find((plugin) => plugin.name === "drawing")?.routes ?? [];
  const pattern = routes.map((route) => route.path).find((path) => path?.includes("{room}"));
  return pattern?.replace("{room}", encodeURIComponent(room()));
}

function show(text) {
  byId("status").textContent = text;
}

async function connect() {
  let path;
  try {
    path = await findPath();
  } catch {
    show("The host does not answer.");
    return void setTimeout(connect, RETRY_INTERVAL);
  }
  if (path === undefined) return show("This host has no plugin named drawing with {room} in its route.");
  const opened = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
  socket = opened;
  opened.addEventListener("message", ({ data }) => onMessage(JSON.parse(data)));
  opened.addEventListener("close", () => {
    byId("clear").disabled = true;
    show("Not connected. The page tries again.");
    setTimeout(connect, RETRY_INTERVAL);
  });
}

function onMessage(message) {
  if (message.lines !== undefined) {
    sheet.replaceLines(message.lines);
    byId("clear").disabled = false;
  }
  if (message.line !== undefined) sheet.addLine(message.line);
  if (message.at !== undefined) sheet.showPen(message.pen, message.at);
  if (message.gone !== undefined) sheet.removePen(message.gone);
  if (message.visitors !== undefined) {
    show(message.visitors === 1 ? "You are alone in this room." : `${message.visitors} people are in this room.`);
  }
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function movePen(to, draws) {
  const place = to.map((value) => Math.round(Math.min(1, Math.max(0, value)) * 10000) / 10000);
  if (draws) {
    const line = [...pen, ...place, color];
    sheet.addLine(line);
    send({ line });
  }
  pen = place;
  send({ pen });
}

function startPointer() {
  const canvas = byId("sheet");
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pen = sheet.placeOf(event);
    isDrawing = true;
  });
  canvas.addEventListener("pointermove", (event) => movePen(sheet.placeOf(event), isDrawing));
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (isDrawing = false));
  canvas.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    movePen([pen[0] + KEY_STEP * step[0], pen[1] + KEY_STEP * step[1]], event.shiftKey);
    sheet.showPen("own", pen);
  });
  canvas.addEventListener("blur", () => sheet.removePen("own"));
}

function startBar() {
  byId("room").value = room();
  byId("bar").addEventListener("submit", (event) => {
    event.preventDefault();
    location.search = new URLSearchParams({ room: byId("room").value });
  });
  byId("clear").addEventListener("click", () => send({ clear: true }));
  COLORS.forEach(([value, name], number) => {
    const input = createElement("input", {
      type: "radio", name: "color", value: number, "aria-label": name, checked: number === color,
      onchange: () => (color = number),
    });
    byId("colors").append(createElement("label", { title: name }, sheet.makeDot(value), input));
  });
}

startBar();
startPointer();
connect();
