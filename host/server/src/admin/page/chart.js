// A line over the last minute.

import { element, write } from "./element.js";

const SAMPLES = 60;
const WIDTH = 120;
const HEIGHT = 40;
const SVG = "http://www.w3.org/2000/svg";

export class Chart {
  #values = [];
  #line = document.createElementNS(SVG, "polyline");
  #now = element("b");
  #format;

  constructor(title, format) {
    this.#format = format;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `${title}, the last minute`);
    svg.append(this.#line);
    this.node = element("figure", { class: "chart" }, svg, element("figcaption", {}, title, this.#now));
  }

  add(value) {
    this.#values.push(value);
    if (this.#values.length > SAMPLES) this.#values.shift();
    const most = Math.max(...this.#values, 1e-9) * 1.1;
    const start = SAMPLES - this.#values.length;
    const point = (value, index) => {
      const x = ((start + index) / (SAMPLES - 1)) * WIDTH;
      return `${x.toFixed(1)},${(HEIGHT - (value / most) * HEIGHT).toFixed(1)}`;
    };
    this.#line.setAttribute("points", this.#values.map(point).join(" "));
    write(this.#now, this.#format(value));
  }
}
