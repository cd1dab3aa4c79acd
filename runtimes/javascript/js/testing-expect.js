/** The assertions of tests, as in Jest and Vitest. */

import { AssertionError } from "./testing-assertion-error.js";
import { matchers } from "./testing-matchers.js";
import { patterns } from "./testing-patterns.js";
import { describeMismatch } from "./testing-message.js";

/** The checks of a value that is there. */
class Assertions {
  constructor(received, isNegated = false, isRejection = false) {
    this.received = received;
    this.isNegated = isNegated;
    this.isRejection = isRejection;
  }

  /** The same checks, which hold if the value does not have the property. */
  get not() {
    return new this.constructor(this.received, !this.isNegated, this.isRejection);
  }

  /** The checks of the value of a promise. */
  get resolves() {
    return new PromiseAssertions(this.received, this.isNegated, false);
  }

  /** The checks of the error of a promise. */
  get rejects() {
    return new PromiseAssertions(this.received, this.isNegated, true);
  }

  check(matcher, expected, error) {
    const verdict = matchers[matcher](this.received, expected, this.isRejection);
    if (verdict.holds !== this.isNegated) return;
    error.message = describeMismatch(this.received, verdict, this.isNegated);
    throw error;
  }
}

/** The checks of what a promise becomes. Each returns a promise, for which the test waits. */
class PromiseAssertions extends Assertions {
  async check(matcher, expected, error) {
    const settled = await this.#settle(error);
    new Assertions(settled, this.isNegated, this.isRejection).check(matcher, expected, error);
  }

  async #settle(error) {
    const promise = typeof this.received === "function" ? this.received() : this.received;
    if (typeof promise?.then !== "function") {
      error.message = describeMismatch(promise, { expected: "a promise" }, false);
      throw error;
    }
    let value;
    try {
      value = await promise;
    } catch (reason) {
      if (this.isRejection) return reason;
      throw reason;
    }
    if (!this.isRejection) return value;
    error.message = describeMismatch(value, { expected: "a promise that is rejected", got: "one that becomes" }, false);
    throw error;
  }
}

for (const matcher of Object.keys(matchers)) {
  // The error is made here, because code behind an `await` has lost the line of the test.
  Assertions.prototype[matcher] = function (...expected) {
    return this.check(matcher, expected, new AssertionError(matcher));
  };
}

/** Matchers of Vitest and Jest that are not there. */
const ABSENT = [
  ...["toThrowError", "toBeTypeOf", "toSatisfy", "toMatchSnapshot", "toMatchInlineSnapshot", "toHaveReturned"],
  ...["toHaveBeenCalled", "toHaveBeenCalledOnce", "toHaveBeenCalledTimes", "toHaveBeenCalledWith"],
];

for (const matcher of ABSENT) {
  Assertions.prototype[matcher] = () => {
    throw new TypeError(`expect has no ${matcher}: it has ${Object.keys(matchers).join(", ")}`);
  };
}

/** Returns the checks of a value. */
export function expect(received) {
  return new Assertions(received);
}

Object.assign(expect, patterns);
