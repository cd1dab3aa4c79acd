/**
 * Chat rooms: sends each text to every client in the same room.
 *
 * The route has to capture `room`, such as `/group/{room}/`.
 */

import { Consumer } from "narrowboat";

export default class Chat extends Consumer {
  room = "";

  connect(scope) {
    this.room = `chat_${scope.params.room}`;
    this.group(this.room).join();
  }

  receive(data) {
    if (typeof data === "string") this.group(this.room).send({ type: "chat.message", text: data });
  }

  onChatMessage({ text }) {
    this.send(text);
  }

  disconnect() {
    this.group(this.room).leave();
  }
}
