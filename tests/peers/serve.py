"""Serves the Django site on a free port with uvicorn or another server, and prints the address as `narrowboat serve`
does."""

import socket
import sys

listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
host, port = listener.getsockname()
print(f"listening on ws://{host}:{port}", flush=True)
if sys.argv[1:] == ["daphne"]:
    from daphne.server import Server
    from django_chat import application

    endpoint = f"fd:fileno={listener.fileno()}"
    Server(application, endpoints=[endpoint], signal_handlers=False, verbosity=0).run()
else:
    import uvicorn

    config = uvicorn.Config("django_chat:application", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
