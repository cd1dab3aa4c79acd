"""The types of componentize-py."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Err(Exception):
    value: object


@dataclass
class Ok:
    value: object
