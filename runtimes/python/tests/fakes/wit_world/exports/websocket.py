from dataclasses import dataclass


@dataclass
class Refusal_Rejection:
    value: object


@dataclass
class Refusal_Plugin:
    value: str


@dataclass
class Decision_Accept:
    value: object


@dataclass
class Decision_Later:
    pass


@dataclass
class ConsumerState_Saved:
    value: object


@dataclass
class ConsumerState_Busy:
    pass


@dataclass
class ModuleState_None_:
    pass


@dataclass
class ModuleState_WithConsumers:
    value: object


@dataclass
class ModuleState_Busy:
    pass
