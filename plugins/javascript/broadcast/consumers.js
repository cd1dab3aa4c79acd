/** Sends each frame to every client of this instance, including its sender. */

import { Consumer, broadcast } from "narrowboat";

const clients = new Set();

export default class Broadcast extends Consumer {
  connect() {
    clients.add(this);
  }

  disconnect() {
    clients.delete(this);
  }

  receive(data) {
    broadcast(clients, data);
  }
}
