"""The recipes of the book for the key-value store."""

import json
import math
import secrets

from narrowboat import keyvalue

KEPT_MESSAGES = 20
SESSION_TTL = 0.4


def add_message(room, text):
    """Adds a message to those of a room, which keeps the last ones."""

    def change(old):
        messages = [] if old is None else json.loads(old)
        return json.dumps([*messages, text][-KEPT_MESSAGES:])

    keyvalue.open("messages").update(room, change)


def is_allowed(client, most, window):
    """Counts a request of a client, and says whether it is one of the first in a window of seconds."""
    bucket = keyvalue.open("requests")
    count = bucket.increment(client)
    # The window begins with the first request. If the call before ended here, this one begins it.
    if bucket.ttl(client) == math.inf:
        bucket.set_ttl(client, window)
    return count <= most


def log_in(user):
    """Starts a session, and returns its token."""
    token = secrets.token_urlsafe()
    keyvalue.open("sessions").set(token, user, ttl=SESSION_TTL)
    return token


def user_of(token):
    """Returns the user of a session, which lives on, or None."""
    bucket = keyvalue.open("sessions")
    user = bucket.get(token)
    if user is None:
        return None
    bucket.set_ttl(token, SESSION_TTL)
    return user.decode()


def log_out(token):
    """Ends a session."""
    keyvalue.open("sessions").delete(token)


def command(operation):
    """Makes a command of a recipe."""

    async def run(consumer, word, more):
        return operation(word, more) or "ok"

    return run


def request(client, limit):
    most, window = limit.split()
    return str(is_allowed(client, int(most), int(window) / 1000)).lower()


COMMANDS = {
    "say": command(add_message),
    "request": command(request),
    "login": command(lambda user, _: log_in(user)),
    "whois": command(lambda token, _: user_of(token) or "nobody"),
    "logout": command(lambda token, _: log_out(token)),
}
