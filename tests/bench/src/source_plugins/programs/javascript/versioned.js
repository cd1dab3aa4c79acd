import { Consumer } from "narrowboat";

export default class Versioned extends Consumer {
  receive() {
    this.send("VERSION");
  }
}
