// A server with gorilla/websocket, as its examples `echo` and `chat` show it: `gorilla [room]` echoes on a free port,
// or sends each text to everyone. In a room each client has a goroutine that reads and one that writes.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/gorilla/websocket"
)

var upgrader = websocket.Upgrader{}

// A message of a client.
type message struct {
	kind int
	data []byte
}

// The clients of the room, which only the goroutine of run touches.
type hub struct {
	clients    map[chan message]bool
	register   chan chan message
	unregister chan chan message
	publish    chan message
}

func newHub() *hub {
	return &hub{
		clients:    map[chan message]bool{},
		register:   make(chan chan message),
		unregister: make(chan chan message),
		publish:    make(chan message),
	}
}

func (h *hub) run() {
	for {
		select {
		case client := <-h.register:
			h.clients[client] = true
		case client := <-h.unregister:
			h.drop(client)
		case text := <-h.publish:
			for client := range h.clients {
				select {
				case client <- text:
				default:
					h.drop(client)
				}
			}
		}
	}
}

func (h *hub) drop(client chan message) {
	if h.clients[client] {
		delete(h.clients, client)
		close(client)
	}
}

func echo(writer http.ResponseWriter, request *http.Request) {
	socket, err := upgrader.Upgrade(writer, request, nil)
	if err != nil {
		return
	}
	defer socket.Close()
	for {
		kind, data, err := socket.ReadMessage()
		if err != nil || socket.WriteMessage(kind, data) != nil {
			return
		}
	}
}

func (h *hub) join(writer http.ResponseWriter, request *http.Request) {
	// The client joins before it gets the response, so it misses no text.
	client := make(chan message, 256)
	h.register <- client
	socket, err := upgrader.Upgrade(writer, request, nil)
	if err != nil {
		h.unregister <- client
		return
	}
	go write(socket, client)
	for {
		kind, data, err := socket.ReadMessage()
		if err != nil {
			h.unregister <- client
			return
		}
		h.publish <- message{kind, data}
	}
}

func write(socket *websocket.Conn, client chan message) {
	defer socket.Close()
	for text := range client {
		if socket.WriteMessage(text.kind, text.data) != nil {
			return
		}
	}
}

func main() {
	handle := http.HandlerFunc(echo)
	if len(os.Args) > 1 && os.Args[1] == "room" {
		room := newHub()
		go room.run()
		handle = room.join
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on ws://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, handle))
}
