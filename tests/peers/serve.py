"""Serves the Django site by uvicorn on a free port, and says where as `narrowboat serve` does."""

import socket

import uvicorn

listener = socket.create_server(("127.0.0.1", 0))
host, port = listener.getsockname()
print(f"listening on ws://{host}:{port}", flush=True)
config = uvicorn.Config("django_chat:application", log_level="warning", access_log=False)
uvicorn.Server(config).run(sockets=[listener])
