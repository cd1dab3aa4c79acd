"""A host for tests, under the names of the bindings of componentize-py."""

import time


class Host:
    """What a host has seen of one instance."""

    def __init__(self):
        #: What the instance did: the name of the function and its arguments.
        self.effects = []
        #: The log: the level, the context and the text.
        self.log = []
        #: What the functions of the channel layer and `send` raise, by name.
        self.errors = {}
        self.next_timer = 1
        #: The room, its alarm in milliseconds since 1970, and why state is restored.
        self.room = None
        self.alarm = None
        self.restore_reason = None
        #: The configuration of the plugin.
        self.config = {}
        #: Answers the requests of tests: it gets a request and returns the value, or raises LookupError.
        self.answer = None
        #: The results of the events of a batch, and how many events the host lets happen.
        self.ended = []
        self.batch_length = 0
        #: The time of a call in microseconds, and the processor time of this process when the call began.
        self.limit = 10_000_000
        self.started = time.process_time()

    def record(self, name, *values):
        error = self.errors.get(name)
        if error is not None:
            raise error
        self.effects.append((name, *values))

    def left(self):
        return max(0, self.limit - int((time.process_time() - self.started) * 1e6))


#: The host of this copy of the bindings.
host = Host()
