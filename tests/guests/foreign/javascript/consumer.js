// A consumer in JavaScript that componentize-qjs builds with its default flags. It runs one command for each text frame,
// and sends the result back. Any other frame is an echo. The engine has no console, no files and no sockets.

const commands = {
  time: () => Date.now() / 1000,
  random: () => Math.random(),
  fail: () => null.missing,
};

class Consumer {
  constructor(connection, received = 0) {
    this.connection = connection;
    this.received = received;
  }

  static connect(scope, connection) {
    return [new Consumer(connection), { tag: "accept", val: { subprotocol: null, headers: [] } }];
  }

  receive(frame) {
    this.received += 1;
    const command = frame.tag === "text" && Object.hasOwn(commands, frame.val) ? commands[frame.val] : null;
    if (frame.tag === "text" && frame.val === "count") {
      frame = { tag: "text", val: String(this.received) };
    } else if (command !== null) {
      frame = { tag: "text", val: String(command()) };
    }
    this.connection.send(frame);
  }

  handle(message) {
    return "unknown-type";
  }

  timer(id) {}

  disconnect(closure) {}

  snapshot(mode) {
    const digits = [...String(this.received)].map((digit) => digit.charCodeAt(0));
    return { tag: "saved", val: { schema: 1, state: new Uint8Array(digits) } };
  }

  static restore(connection, saved) {
    return new Consumer(connection, Number(String.fromCharCode(...saved.state)));
  }
}

export const websocket = {
  Consumer,
  saveModule: (mode) => ({ tag: "none" }),
  loadModule: (saved) => {},
};
