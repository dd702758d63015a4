"""The errors Nonette raises on purpose.

What a person can mend by giving something else is also a `ValueError` (exit status 2, HTTP 4xx), an
`InputError` above all; what the machine could not do is any other `NonetteError` (exit status 1).
The message is one line and is all that a person gets to see.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST_SHOWN = 60  # characters of a value in a message


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
        name = field if field.isprintable() and len(field) <= MOST_SHOWN else shorten(field)
        super().__init__(f"{name} is {shorten(value)}, but {limit}")

    def __reduce__(self) -> tuple[type[InputError], tuple[str, object, str]]:
        """Its three arguments, so that it survives the way out of a worker process."""
        return type(self), (self.field, self.value, self.limit)


class CheckpointError(NonetteError, ValueError):
    """A model folder cannot be used: missing, damaged, unsafe, or not what its config says.

    It counts as a person's mistake (exit status 2), since the cure is to give another folder.
    """


class MissingExtra(NonetteError):
    """A library is not installed that only some uses of Nonette need.

    Args:
        use: What needs it, as the beginning of a sentence.
        package: The library.
        extra: The extra of Nonette that brings it.
    """

    def __init__(self, use: str, package: str, extra: str) -> None:
        super().__init__(
            f"{use}: this needs {package}, which is not installed; "
            f"pip install 'nonette[{extra}]' brings it"
        )


class Stopped(NonetteError):
    """Whoever asked for the work no longer wants it: `should_stop` said so."""


class SettingIgnored(UserWarning):
    """A setting was given that has no effect on what is done; the message says which and why."""


def shorten(value: object, most: int = MOST_SHOWN) -> str:
    """The value as Python writes it, on one printable line of at most `most` characters."""
    if isinstance(value, str | bytes):
        text = repr(value[: most + 1])  # escapes whatever is not printable
    else:
        try:
            text = " ".join(repr(value).split())
        except ValueError:  # a whole number of more digits than Python cares to write
            text = f"a {type(value).__name__} too long to show"
    return text if len(text) <= most else f"{text[: most - 1]}…"


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"
