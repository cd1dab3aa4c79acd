"""Texts for the contract, which are UTF-8. A text of Python may have lone surrogates, which UTF-8 cannot have."""

_encode = str.encode
_is_ascii = str.isascii


def escape_surrogates(text):
    """Returns the text with its lone surrogates as escapes, such as `\\ud800`."""
    return text if _is_ascii(text) else _encode(text, "utf-8", "backslashreplace").decode()


def check_text(text):
    """Raises UnicodeEncodeError, which is a ValueError, if the text has a lone surrogate."""
    if not _is_ascii(text):
        _encode(text)
