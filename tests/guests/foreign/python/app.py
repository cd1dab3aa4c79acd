"""The exports of the world `websocket-consumer`: a consumer of a Python program that componentize-py builds with its
default flags. componentize-py takes the resource `consumer` from the module `websocket`."""

from wit_world import exports


class Websocket(exports.Websocket):
    def save_module(self):
        return None

    def load_module(self, saved):
        pass
