/** A value of an assertion that stands for many values. */

import { SHOWN_AS } from "./console.js";

/** A value that equals each value for which a function returns true. */
export class Pattern {
  constructor(shown, matches) {
    this[SHOWN_AS] = shown;
    this.matches = matches;
  }
}
