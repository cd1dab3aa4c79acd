// A line chart of one value over the last minute.

import { createElement, setText } from "./dom.js";

/** The chart shows this number of values, one per second. */
const MAX_VALUES = 60;

/** The size of the SVG's coordinate system, which the page stretches to the width of the chart. */
const WIDTH = 120;
const HEIGHT = 40;

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

export class Chart {
  #values = [];
  #line = document.createElementNS(SVG_NAMESPACE, "polyline");
  #latestValue = createElement("b");
  #formatValue;

  constructor(title, formatValue) {
    this.#formatValue = formatValue;
    const svg = document.createElementNS(SVG_NAMESPACE, "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `${title}, last minute`);
    svg.append(this.#line);
    const caption = createElement("figcaption", {}, title, this.#latestValue);
    this.node = createElement("figure", { class: "chart" }, svg, caption);
  }

  addValue(value) {
    this.#values.push(value);
    if (this.#values.length > MAX_VALUES) this.#values.shift();
    // The highest value stays 10 % below the top. The minimum avoids a division by zero.
    const top = Math.max(...this.#values, 1e-9) * 1.1;
    const firstColumn = MAX_VALUES - this.#values.length;
    const points = this.#values.map((value, index) => {
      const x = ((firstColumn + index) / (MAX_VALUES - 1)) * WIDTH;
      return `${x.toFixed(1)},${(HEIGHT - (value / top) * HEIGHT).toFixed(1)}`;
    });
    this.#line.setAttribute("points", points.join(" "));
    setText(this.#latestValue, this.#formatValue(value));
  }
}
