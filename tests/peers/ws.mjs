// Node's `ws`, as its README shows it: `node ws.mjs PACKAGE [room]` echoes on a free port, or sends each text to everyone.
const { WebSocketServer } = await import(process.argv[2]);
const room = process.argv[3] === "room";
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: 4096 });
server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data, isBinary) => {
    if (!room) {
      socket.send(data, { binary: isBinary });
      return;
    }
    for (const client of server.clients) {
      client.send(data, { binary: isBinary });
    }
  });
});
server.on("listening", () => {
  console.log(`listening on ws://127.0.0.1:${server.address().port}`);
});
