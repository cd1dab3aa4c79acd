"""The exports of the world `websocket-consumer`: a consumer of a Python program that componentize-py builds with its
default flags. componentize-py takes the resource `consumer` from the module `websocket`."""

from wit_world import exports
from wit_world.exports import websocket as contract


class Websocket(exports.Websocket):
    def save_module(self, mode):
        return contract.ModuleState_None_()

    def load_module(self, saved):
        pass
