"""The server that plugins send HTTP requests to. It is on this machine, so its address is not public."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Responds according to the path, and records the requests."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        path, _, query = self.path.partition("?")
        match path:
            case "/hello":
                self.answer(b"hello")
            case "/asked":
                length = int(self.headers.get("content-length", 0))
                told = {"method": self.command, "body": len(self.rfile.read(length)), "path": self.path}
                told["headers"] = {name.lower(): value for name, value in self.headers.items()}
                self.answer(json.dumps(told).encode())
            case "/redirect":
                self.answer(b"", 302, {"location": query})
            case "/fields":
                self.answer(b"many", 200, {f"x-{at}": "" for at in range(int(query))})
            case "/slow":
                time.sleep(float(query))
                self.answer(b"slow")
            case "/held":
                self.server.released.wait(60)
                self.answer(b"held")
            case "/long":
                self.answer(b"x" * int(query))
            case "/endless":
                self.parts(b"x" * 65536, 0)
            case "/drip":
                self.parts(b"x", float(query))
            case _:
                self.answer(b"nothing", 404)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET

    def answer(self, body, status=200, headers=None):
        self.send_response(status)
        for name, value in ({"content-length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def parts(self, part, pause):
        """Yields parts for at most a minute."""
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        until = time.monotonic() + 60
        try:
            while time.monotonic() < until:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                time.sleep(pause)
        except OSError:
            self.server.left.set()
            self.close_connection = True

    def log_message(self, *_):
        pass


@contextmanager
def listening(context=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.daemon_threads = [], True
    server.left, server.released = threading.Event(), threading.Event()
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
