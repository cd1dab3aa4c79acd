from dataclasses import dataclass


@dataclass
class Test:
    name: str
    path: str
    line: int


@dataclass
class Failure:
    message: str
    path: str
    line: int
    source: str
    trace: str


@dataclass
class Outcome_Passed:
    pass


@dataclass
class Outcome_Skipped:
    value: str


@dataclass
class Outcome_Failed:
    value: Failure
