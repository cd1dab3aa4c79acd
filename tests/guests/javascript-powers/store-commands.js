/** The commands of the key-value store. */

import { keyvalue } from "narrowboat";

/** The names of the errors in all languages. */
const KINDS = { "access-denied": "denied", "invalid-name": "invalid name", other: "other" };

/** Makes a command of an operation on a bucket. Its errors are replies. */
const command = (operation) => (_, bucket, rest) => {
  const [key, ...words] = rest.split(" ");
  try {
    return operation(keyvalue.open(bucket), key, words.join(" ")) ?? "ok";
  } catch (error) {
    if (error instanceof keyvalue.KeyValueError) return `error: ${KINDS[error.code]}`;
    throw error;
  }
};

export const get = command((bucket, key) => {
  const text = bucket.getText(key);
  return text === null ? "none" : `= ${text}`;
});
export const set = command((bucket, key, value) => bucket.set(key, value));
const deleteKey = command((bucket, key) => bucket.delete(key));
export const exists = command((bucket, key) => String(bucket.exists(key)));
export const add = command((bucket, key, number) => String(bucket.increment(key, number)));
export const keys = command((bucket) => bucket.listKeys().sort().join(" "));

export { deleteKey as delete };
