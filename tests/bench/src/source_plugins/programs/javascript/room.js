import { Consumer } from "narrowboat";

const VERSION = "v0";
const clients = new Set();

export default class Room extends Consumer {
  count = 0;
  texts = [];

  connect() {
    clients.add(this);
  }

  disconnect() {
    clients.delete(this);
  }

  receive(text) {
    this.count++;
    this.texts.push(text);
    this.send(`${VERSION} ${this.count} ${clients.size}`);
  }
}
