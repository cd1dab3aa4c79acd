"""The scope is that of Django Channels."""

import json

from instance import start

SCOPE = """
import json
from channels.generic.websocket import WebsocketConsumer

class Tells(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=repr(eval(text_data, {"scope": self.scope, "self": self, "json": json})))
"""

HEADERS = [("host", b"a"), ("cookie", b'session=x; theme=dark; quoted="a b"'), ("x-a", b"\xe9")]


def ask(expression, **scope):
    client = start(SCOPE).connect(**scope)
    return eval(client.send(expression)[0][2])


def test_the_path_and_the_query_are_those_of_the_request():
    assert ask("scope['path']", path="/é/") == "/é/"
    assert ask("scope['raw_path']", raw_path=b"/%C3%A9/") == b"/%C3%A9/"
    assert ask("scope['query_string']", query_string=b"a=1") == b"a=1"


def test_headers_are_pairs_of_bytes():
    assert ask("scope['headers']", headers=HEADERS)[2] == [b"x-a", b"\xe9"]


def test_cookies_are_parsed():
    assert ask("scope['cookies']", headers=HEADERS) == {"session": "x", "theme": "dark", "quoted": "a b"}


def test_captures_of_the_route_are_keyword_arguments():
    route = ask("scope['url_route']", url_route=[("room", "red")])
    assert route == {"args": (), "kwargs": {"room": "red"}}


def test_client_and_server_are_lists():
    assert ask("scope['client']") == ["10.0.0.1", 5000]
    assert ask("scope['server']", server=None) is None


def test_a_user_has_its_claims():
    claims = json.dumps({"sub": "7", "username": "ann", "is_staff": True, "team": "red"})
    told = "(u := scope['user']).is_authenticated, u.is_anonymous, u.id, u.pk, u.username, str(u), u.is_staff, u.team"
    assert ask(told, user=claims) == (True, False, "7", "7", "ann", "ann", True, "red")


def test_without_a_user_it_is_anonymous():
    assert ask("scope['user'].is_authenticated, scope['user'].is_anonymous, str(scope['user'])") == (
        False,
        True,
        "AnonymousUser",
    )


def test_the_scope_is_a_dictionary():
    expression = "sorted(dict(scope)) == sorted(scope.keys()) == sorted({**scope}), 'path' in scope, scope.get('x', 1)"
    assert ask(expression) == (True, True, 1)
    assert ask("'nothing' in scope, len(scope) > 10, scope.get('session')") == (False, True, {})


def test_the_host_is_asked_only_for_what_is_used():
    instance = start(SCOPE)
    client = instance.connect(url_route=[("room", "red")])
    assert client.handle.scope_reads == 0
    client.send("scope['url_route']")
    client.send("scope['url_route']")
    assert client.handle.scope_reads == 1


def test_a_value_that_was_used_in_connect_stays():
    instance = start(
        """
        from channels.generic.websocket import WebsocketConsumer

        class Room(WebsocketConsumer):
            def connect(self):
                self.scope["url_route"]
                self.accept()

            def disconnect(self, code):
                print(self.scope["url_route"]["kwargs"]["room"])
        """
    )
    client = instance.connect(url_route=[("room", "red")])
    client.handle._scope = None
    client.disconnect()
    assert not any("Traceback" in text for _, _, text in instance.host.log)
    assert client.handle.scope_reads == 0


def test_a_plugin_may_set_a_value():
    assert ask("scope.__setitem__('room', 'red') or scope['room']") == "red"
