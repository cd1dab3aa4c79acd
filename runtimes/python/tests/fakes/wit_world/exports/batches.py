from dataclasses import dataclass


@dataclass
class Event_Receive:
    value: object


@dataclass
class Event_Handle:
    value: bytes


@dataclass
class Event_Timer:
    value: int
