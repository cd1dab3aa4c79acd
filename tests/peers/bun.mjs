// Bun's server with its own publish and subscribe, as its documentation shows them: `bun bun.mjs [room]` echoes on a
// free port, or sends each text to everyone.
const room = process.argv[2] === "room";
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response("This is a WebSocket server.", { status: 426 });
  },
  websocket: {
    open(socket) {
      if (room) {
        socket.subscribe("room");
      }
    },
    message(socket, message) {
      if (room) {
        server.publish("room", message);
      } else {
        socket.send(message);
      }
    },
  },
});
console.log(`listening on ws://127.0.0.1:${server.port}`);
