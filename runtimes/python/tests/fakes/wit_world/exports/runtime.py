from dataclasses import dataclass


@dataclass
class File:
    path: str
    content: bytes


@dataclass
class Entries:
    consumer: str
    worker: str


@dataclass
class Problem:
    path: str
    line: int
    column: int
    message: str
    source: str


@dataclass
class Program:
    code: bytes
    has_consumer: bool
    has_worker: bool
