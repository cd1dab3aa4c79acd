"""A host of tests whose answers are scripted, and helpers that run tests against it."""

import collections

from instance import Instance

#: The response of a host that has accepted a handshake.
ACCEPTED = {"connection": 7, "state": "accepted", "subprotocol": None, "headers": [], "channel": "specific.a!1"}

_HEADER = "from narrowboat.testing import *\nfrom channels.testing import WebsocketCommunicator\n"


class ScriptedHost:
    """Answers requests: a value of its script, by the operation, or None. Keeps the requests."""

    def __init__(self, **script):
        self.requests = []
        #: Lists of answers by operation. The last one is repeated. An exception is raised.
        self._script = {name: collections.deque(answers) for name, answers in script.items()}

    def __call__(self, request):
        self.requests.append(request)
        answers = self._script.get(request["op"])
        answer = None if not answers else answers[0] if len(answers) == 1 else answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def requests_of(self, operation):
        """Returns the requests of an operation, without its name."""
        return [
            {name: value for name, value in request.items() if name != "op"}
            for request in self.requests
            if request["op"] == operation
        ]


def run_tests(source, host=None, **files):
    """Collects a file and runs its tests. Returns pairs of an outcome and its value by the name of the function."""
    instance = Instance()
    instance.host.answer = host or ScriptedHost()
    names = instance.collect({"test_it.py": source, **files})
    return {name.partition("::")[2]: instance.run(name) for name in names}


def run_test(source, host=None, **files):
    """Runs the only test of a file. Returns its outcome and the value."""
    (result,) = run_tests(source, host, **files).values()
    return result


def failure_of(source, host=None, **files):
    """Runs the only test of a file, which has to fail. Returns its failure."""
    outcome, failure = run_test(source, host, **files)
    assert outcome == "failed", (outcome, failure)
    return failure


def body_of(statements):
    lines = "".join(f"    {line}\n" for line in statements.strip().split("\n"))
    return f"{_HEADER}async def test_it():\n{lines}"


def play(statements, **script):
    """Runs statements as a test, which has to pass. Returns the host."""
    host = ScriptedHost(**{"connect": [ACCEPTED], **script})
    outcome, failure = run_test(body_of(statements), host)
    assert outcome == "passed", failure
    return host


def message_of(statements, **script):
    """Runs statements as a test, which has to fail. Returns the message of the failure."""
    return failure_of(body_of(statements), ScriptedHost(**{"connect": [ACCEPTED], **script})).message
