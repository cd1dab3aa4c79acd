"""The module that componentize-py builds: the functions of the interfaces that the runtime exports."""

from narrowboat_runtime import startup

startup.prepare()

from narrowboat_runtime.exports import Runtime, Websocket, Worker  # noqa: E402, F401

startup.finish()
