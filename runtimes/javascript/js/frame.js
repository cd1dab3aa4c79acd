/** The frame of a value that a plugin or a test sends. */

/** Returns a string or bytes as they are, and any other value as JSON. */
export function toFrame(data) {
  if (typeof data === "string" || data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return JSON.stringify(data);
}
