/** The error of an assertion that does not hold. */

/** Its message says what is wrong, so its name is not shown. */
export class AssertionError extends Error {
  constructor(message) {
    super(message);
    this.name = "AssertionError";
  }
}
