import { Consumer } from "narrowboat";

export default class Named extends Consumer {
  receive(text) {
    this.send(`NAME: ${text}`);
  }
}
