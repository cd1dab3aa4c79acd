// The sheet of the drawing: its lines, and the pens of others.

const SVG = "http://www.w3.org/2000/svg";

/** Lines that the sheet keeps, as many as the plugin. */
const MAX_LINES = 2000;

/** The width of a line in pixels of the page. */
const LINE_WIDTH = 3;

/** Creates an element of SVG. */
function createSvg(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** A canvas with lines, whose coordinates are from 0 to 1. It draws them again when its size changes. */
export class DrawingSheet {
  #canvas;
  #context;
  #pens = new Map();
  #overlay = createSvg("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none" });
  #colors;
  #lines = [];

  constructor(canvas, pens, colors) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#colors = colors;
    pens.append(this.#overlay);
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  /** The place of a pointer. */
  placeOf(event) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  replaceLines(lines) {
    this.#lines = lines;
    this.#drawAll();
  }

  addLine(line) {
    this.#lines.push(line);
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
    this.#draw(line);
  }

  /** Shows a pen at a place. */
  showPen(id, [x, y]) {
    let pen = this.#pens.get(id);
    if (pen === undefined) {
      pen = createSvg("ellipse", { fill: "none", stroke: "#7e22ce", "stroke-width": 2, "vector-effect": "non-scaling-stroke" });
      this.#pens.set(id, pen);
      this.#overlay.append(pen);
    }
    const { width, height } = this.#canvas.getBoundingClientRect();
    const place = { cx: x, cy: y, rx: 6 / width, ry: 6 / height };
    for (const [name, value] of Object.entries(place)) pen.setAttribute(name, value);
  }

  removePen(id) {
    this.#pens.get(id)?.remove();
    this.#pens.delete(id);
  }

  /** Creates a dot in a colour. */
  makeDot(color) {
    const dot = createSvg("svg", { viewBox: "0 0 2 2", "aria-hidden": "true" });
    dot.append(createSvg("circle", { cx: 1, cy: 1, r: 0.8, fill: color, stroke: "#ffffff", "stroke-width": 0.1 }));
    return dot;
  }

  #resize() {
    const { width, height } = this.#canvas.getBoundingClientRect();
    this.#canvas.width = Math.round(width * devicePixelRatio);
    this.#canvas.height = Math.round(height * devicePixelRatio);
    this.#drawAll();
  }

  #drawAll() {
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    for (const line of this.#lines) this.#draw(line);
  }

  #draw([x1, y1, x2, y2, color]) {
    const { width, height } = this.#canvas;
    const context = this.#context;
    context.strokeStyle = this.#colors[color];
    context.lineWidth = LINE_WIDTH * devicePixelRatio;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(x1 * width, y1 * height);
    context.lineTo(x2 * width, y2 * height);
    context.stroke();
  }
}
