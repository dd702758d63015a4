"""The errors Nonette raises on purpose.

A person's mistake is an `InputError` (exit status 2, HTTP 4xx); anything the machine could not do is
another `NonetteError` (exit status 1). The message is one line and is all that a person gets to see.
"""

from __future__ import annotations


class NonetteError(Exception):
    """Something could not be done; the message says what, why and what to try next."""


class InputError(NonetteError, ValueError):
    """What a person gave cannot be used.

    Args:
        field: The name of the setting as the person writes it, such as `seed`.
        value: What was given; shown shortened and printable.
        limit: What would be accepted, as the end of the sentence "field is value, but ...".
    """

    def __init__(self, field: str, value: object, limit: str) -> None:
        self.field = field
        self.value = value
        self.limit = limit
        super().__init__(f"{field} is {shorten(value)}, but {limit}")


class CheckpointError(NonetteError, ValueError):
    """A model folder cannot be used: missing, damaged, unsafe, or of other shapes than its config says.

    It counts as a person's mistake (exit status 2), since the cure is to give another folder.
    """


class Stopped(NonetteError):
    """Whoever asked for the work no longer wants it: `should_stop` said so."""


def shorten(value: object, most: int = 60) -> str:
    """The value as Python writes it, on one printable line of at most `most` characters."""
    if isinstance(value, str):
        head = value[: most + 1]
        text = repr(head) if head.isprintable() else ascii(head)
    else:
        text = repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"
