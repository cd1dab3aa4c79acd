/** The worker: it doubles numbers. */

import { sendTo, Worker } from "narrowboat";

/** Doubles numbers. */
export class Doubler extends Worker {
  onPowersDouble({ number, reply_to: replyTo }, channel) {
    sendTo(replyTo, { type: "powers.text", text: `${number * 2} from ${channel}` });
  }
}
