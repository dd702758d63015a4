"""Dice for choosing words: cheap, stable for ever, and loaded for the plain style.

Throws come from BLAKE2b digests of the key, 12 bits each, so a caption's wording depends on its key
alone: not on the release of numpy, the order of work or the number of workers. Every throw takes
the same bits whatever is thrown for, so two scenes that differ in one value are told alike; that is
what `lots.Lot`, whose lots decide pictures, does not promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol, TypeVar

Option = TypeVar("Option")

BITS = 12  # of a throw; a digest of 512 bits holds 42, and captions take about 30


class Chooser(Protocol):
    """Whoever chooses: real dice, lots, or the plain style that always takes the first."""

    def pick(self, options: Sequence[Option], /) -> Option:
        """One of the options; list an option twice to make it twice as likely."""
        ...

    def chance(self, probability: float, /) -> bool:
        """True with this probability, 0 to 1."""
        ...


class Dice:
    """Throws that depend on the key alone; the key is any values with a stable `repr`."""

    __slots__ = ("_bits", "_key", "_num_left")

    def __init__(self, *key: object) -> None:
        self._key = repr(key).encode()
        self._bits = 0
        self._num_left = 0

    def _throw(self) -> int:
        """A number below 2^12."""
        if not self._num_left:
            self._key = blake2b(self._key, digest_size=64).digest()
            self._bits = int.from_bytes(self._key, "little")
            self._num_left = 512 // BITS
        self._num_left -= 1
        throw = self._bits & 0xFFF
        self._bits >>= BITS
        return throw

    def pick(self, options: Sequence[Option], /) -> Option:
        """One of at most a few hundred options, each about equally likely."""
        return options[self._throw() * len(options) >> BITS]

    def chance(self, probability: float, /) -> bool:
        """True with this probability, 0 to 1, rounded to 1/4096."""
        return self._throw() < probability * 4096


class FirstChoice:
    """No dice at all: the first of every option and never by chance, which is the plain style."""

    __slots__ = ()

    def pick(self, options: Sequence[Option], /) -> Option:
        """The first option."""
        return options[0]

    def chance(self, probability: float, /) -> bool:
        """Never."""
        return False
