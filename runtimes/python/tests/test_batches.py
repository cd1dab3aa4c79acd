"""Several events of consumers in one call."""

import pytest

from instance import start

HEADER = """
from channels.generic.websocket import WebsocketConsumer
from narrowboat import ClientError

class Chat(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        if text_data == "fail":
            raise ValueError("asked to fail")
        if text_data == "blame":
            raise ClientError(4007, "not so")
        self.send(text_data)

    def note(self, event):
        self.send("note " + event["text"])
"""


@pytest.fixture
def instance():
    return start(HEADER)


def received(client, text):
    return client, client.instance.events.Event_Receive(client.make_frame(text))


def handled(client, **message):
    return client, client.instance.events.Event_Handle(client.instance.pack(message))


def sent(instance):
    return [effect[-1] for effect in instance.take_effects() if effect[0] == "send"]


def test_events_of_several_consumers_happen_in_order(instance):
    ann, bob = instance.connect("specific.a!1"), instance.connect("specific.a!2")
    instance.take_effects()
    events = [received(ann, "a"), handled(bob, type="note", text="b"), received(ann, "c")]
    results = instance.run_batch(events)
    assert [result.value.name for result in results] == ["HANDLED"] * 3
    assert sent(instance) == ["a", "note b", "c"]


def test_a_message_of_an_unknown_type_is_the_result_of_its_event(instance):
    ann = instance.connect()
    results = instance.run_batch([handled(ann, type="unknown"), handled(ann, type="note", text="x")])
    assert [result.value.name for result in results] == ["UNKNOWN_TYPE", "HANDLED"]


@pytest.mark.parametrize(("text", "case"), [("fail", "Error_Plugin"), ("blame", "Error_Client")])
def test_an_error_is_the_result_of_its_event(instance, text, case):
    ann = instance.connect()
    instance.take_effects()
    results = instance.run_batch([received(ann, "a"), received(ann, text), received(ann, "c")], length=2)
    assert results[0].value.name == "HANDLED"
    assert type(results[1].value).__name__ == case
    assert len(results) == 2
    assert sent(instance) == ["a"]


def test_no_event_happens_after_the_host_has_ended_the_batch(instance):
    ann = instance.connect()
    instance.take_effects()
    assert len(instance.run_batch([received(ann, text) for text in "abcd"], length=3)) == 3
    assert sent(instance) == ["a", "b", "c"]
