import { Consumer } from "narrowboat";

export default class Echo extends Consumer {
  async receive(data) {
    this.send(data);
  }
}
