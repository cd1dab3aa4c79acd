/** The commands of the key-value store. */

import { keyvalue } from "narrowboat";

/** The names of the errors in all languages. */
const KINDS = { "access-denied": "denied", "invalid-name": "invalid name", unavailable: "unavailable", other: "other" };

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
export const prefix = command((bucket, prefix) => bucket.listKeys(prefix).sort().join(" "));
export const fill = command((bucket, prefix, number) => {
  bucket.setMany(Array.from({ length: Number(number) }, (_, at) => [prefix + at, "x"]));
});
export const count = command((bucket, prefix, limit) => {
  const keys = new Set();
  let cursor = null;
  do {
    const page = bucket.listPage(prefix, { cursor, limit: Number(limit) });
    for (const key of page.keys) keys.add(key);
    cursor = page.cursor;
  } while (cursor !== null);
  return String(keys.size);
});

const decoder = new TextDecoder();

export const many = command((bucket, key, others) => {
  const keys = [key, ...others.split(" ")];
  const values = bucket.getMany(keys);
  return keys.map((key) => (values.has(key) ? `= ${decoder.decode(values.get(key))}` : "none")).join(", ");
});
export const forget = command((bucket, key, others) => bucket.deleteMany([key, ...others.split(" ")]));
export const swap = command((bucket, key, values) => {
  const [old, ...rest] = values.split(" ");
  return String(bucket.compareAndSet(key, old === "-" ? null : old, rest.join(" ")));
});
export const lend = command((bucket, key, milliseconds) => bucket.set(key, "x", { ttl: Number(milliseconds) }));
export const keep = command((bucket, key, milliseconds) =>
  String(bucket.setTtl(key, milliseconds === "" ? null : { milliseconds: Number(milliseconds) })),
);
export const left = command((bucket, key) => {
  const left = bucket.ttl(key);
  return left === null ? "none" : left === Infinity ? "unlimited" : String(left);
});

export { deleteKey as delete };
