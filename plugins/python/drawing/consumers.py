"""A drawing for each room: its visitors draw on one sheet, and see each other's pens.

The variables of this module are the state of the room. The host saves them every second, and restores them when somebody
comes back. A day after the last line an alarm clears the sheet.
"""

import itertools
import json

from channels.generic.websocket import WebsocketConsumer
from narrowboat import ClientError, everyone, room

DAY = 24 * 60 * 60
MAX_LINES = 2_000
COLORS = 6

#: The lines, the oldest first: x and y of both ends, from 0 to 1, and the number of a colour.
lines = []
pens = itertools.count(1)


class Drawing(WebsocketConsumer):
    def connect(self):
        self.pen = next(pens)
        self.accept()
        self.send(json.dumps({"lines": lines, "you": self.pen}))
        tell(visitors=len(everyone()))

    def disconnect(self, code):
        others = everyone().without(self)
        others.send(json.dumps({"gone": self.pen, "visitors": len(others)}))

    def receive(self, text_data=None, bytes_data=None):
        match parse(text_data):
            case {"line": [x1, y1, x2, y2, int(color)]} if color in range(COLORS) and are_on_sheet(x1, y1, x2, y2):
                lines.append([x1, y1, x2, y2, color])
                del lines[:-MAX_LINES]
                everyone().without(self).send(json.dumps({"line": lines[-1]}))
                room.set_alarm(DAY)
            case {"pen": [x, y]} if are_on_sheet(x, y):
                everyone().without(self).send(json.dumps({"pen": self.pen, "at": [x, y]}))
            case {"clear": True}:
                clear()
            case _:
                raise ClientError(4000, "not a line, a pen or a clear sheet")

    @classmethod
    def alarm(cls):
        clear()


def clear():
    lines.clear()
    tell(lines=lines)


def tell(**content):
    everyone().send(json.dumps(content))


def parse(text):
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def are_on_sheet(*coordinates):
    return all(type(value) in (int, float) and 0 <= value <= 1 for value in coordinates)
