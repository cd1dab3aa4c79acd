"""JSON that is nested too deep is an error, and no overflow of the stack."""

import json

import pytest
from instance import start

ECHO = "from channels.generic.websocket import WebsocketConsumer\nclass Echo(WebsocketConsumer):\n    pass\n"


@pytest.fixture(scope="module")
def json_depth():
    instance = start(ECHO)
    with instance.entered():
        from narrowboat_runtime import json_depth

    return json_depth


@pytest.mark.parametrize(
    "text, deep",
    [
        ("[" * 500 + "]" * 500, False),
        ("[" * 501 + "]" * 501, True),
        ("[" * 100_000, True),
        ('{"a":' * 501 + "1" + "}" * 501, True),
        ("[" + "[]," * 100_000 + "[]]", False),
        ("[" + ('{"a": [1, {"b": {}}]},' * 5_000) + "1]", False),
        (json.dumps("[" * 1000), False),
        (json.dumps(['\\"[' * 1000]), False),
        (json.dumps({"text": "[{" * 600, "list": [[]]}), False),
        ("]" * 1000 + "[" * 501, False),
    ],
    ids=lambda value: str(value)[:8],
)
def test_the_depth_of_a_text_is_known(json_depth, text, deep):
    try:
        depth, deepest = 0, 0
        for token in json_depth._STRING.sub("", text):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token, 0)
            deepest = max(deepest, depth)
        assert (deepest > 500) is deep
    finally:
        assert json_depth.is_too_deep(text) is deep


def test_a_text_that_is_too_deep_is_not_json(json_depth):
    with pytest.raises(json.JSONDecodeError, match="nested deeper than 500"):
        json_depth.raw_decode(json.JSONDecoder(), "[" * 501)
    assert json_depth.raw_decode(json.JSONDecoder(), "[1]") == ([1], 3)
