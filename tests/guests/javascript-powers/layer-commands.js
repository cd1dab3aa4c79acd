/** The commands of the channel layer. */

import { group, sendTo } from "narrowboat";

/** The names of the errors in all languages. */
const KINDS = {
  ChannelFull: "full",
  MessageTooLarge: "too large",
  TypeError: "invalid name",
  Denied: "denied",
  Unavailable: "unavailable",
};

/** Makes a command of an operation whose errors are replies. */
const command = (operation) => (consumer, name, text) => {
  try {
    operation(name, text, consumer);
    return "ok";
  } catch (error) {
    return `error: ${KINDS[error.name] ?? "other"}`;
  }
};

const message = (text) => ({ type: "powers.text", text });

export const channel = ({ channelName }) => channelName;
export const join = command((name, channel, consumer) => group(name).join(channel || consumer.channelName));
export const leave = command((name, channel, consumer) => group(name).leave(channel || consumer.channelName));
export const tell = command((name, text) => group(name).send(message(text)));
export const frame = command((name, text) => group(name).sendFrame(text));
export const bytes = command((name, text) => group(name).sendFrame(new TextEncoder().encode(text)));
export const send = command((channel, text) => sendTo(channel, message(text)));
export const large = command((channel, size) => sendTo(channel, message("x".repeat(Number(size)))));
export const double = command((channel, number, { channelName }) =>
  sendTo(channel, { type: "powers.double", number: Number(number), reply_to: channelName }),
);
export const unknown = command((channel) => sendTo(channel, { type: "powers.unknown" }));
