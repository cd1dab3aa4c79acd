"""The module that componentize-py builds: the functions of the interfaces that the runtime exports."""

from narrowboat_runtime import private_builtins

private_builtins.install()

from narrowboat_runtime import startup  # noqa: E402

startup.prepare()

from narrowboat_runtime.exports import Alarms, Batches, Runtime, Tests, Websocket, Worker  # noqa: E402, F401

startup.finish()
