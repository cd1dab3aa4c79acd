"""The commands of HTTP."""

from narrowboat import http

#: The names of the errors in both languages.
KINDS = {
    http.InvalidRequest: "invalid request",
    http.RequestDenied: "denied",
    http.RequestTimedOut: "timed out",
    http.BodyTooLarge: "too large",
    http.HttpError: "other",
}


def command(send):
    """Makes a command of a request. Its errors are replies."""

    async def run(consumer, url, more):
        try:
            response = send(url, more)
        except http.HttpError as error:
            return "error: " + next(kind for made, kind in KINDS.items() if isinstance(error, made))
        return f"{response.status} {response.header('content-length', '')} {response.text}"

    return run


def fetch(url, milliseconds):
    timeout = int(milliseconds) / 1000 if milliseconds else None
    return http.get(url, headers={"x-test": "powers"}, timeout=timeout)


COMMANDS = {
    "fetch": command(fetch),
    "post": command(lambda url, text: http.post(url, body=text)),
}
