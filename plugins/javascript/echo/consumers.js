/** Sends each frame back to its sender. */

import { Consumer } from "narrowboat";

export default class Echo extends Consumer {
  receive(data) {
    this.send(data);
  }
}
