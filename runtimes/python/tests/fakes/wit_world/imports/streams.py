from dataclasses import dataclass


@dataclass
class StreamError_Closed:
    pass
