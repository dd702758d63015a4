"""Drawing lots: the cheap random numbers that decide scenes and pictures.

A scene asks for a few dozen uniform numbers. They are read from hashes of the key and a counter,
sixteen at a time, so the same key gives the same lots in any process, order and release of numpy.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

Value = TypeVar("Value")

_KEY = struct.Struct("<QQBI")
_NUMBERS = struct.Struct("<16I")


class Lot:
    """A sequence of random choices, fixed by its key alone.

    Args:
        seed: Which series of scenes; 0 to 2^64 - 1.
        index: Which scene of the series; 0 to 2^64 - 1.
        stream: What the lots decide, 0 to 255, so that painting and drawing by lot stay
            independent.
    """

    __slots__ = ("_block", "_key", "_numbers")

    def __init__(self, seed: int, index: int, stream: int) -> None:
        self._key = (seed, index, stream)
        self._block = 0
        self._numbers: list[int] = []

    def number(self) -> float:
        """A uniform number in [0, 1)."""
        if not self._numbers:
            digest = blake2b(_KEY.pack(*self._key, self._block)).digest()
            self._numbers = list(_NUMBERS.unpack(digest))
            self._block += 1
        return self._numbers.pop() / 2**32

    def between(self, low: float, high: float) -> float:
        """A uniform number in [low, high)."""
        return low + (high - low) * self.number()

    def chance(self, share: float) -> bool:
        """True in `share` of cases, 0 to 1."""
        return self.number() < share

    def pick(self, values: Sequence[Value]) -> Value:
        """One of the values, each as likely as the next."""
        return values[int(self.number() * len(values))]

    def weighted(self, values: Sequence[Value], weights: Sequence[float]) -> Value:
        """One of the values, as likely as its weight (weights need not sum to 1)."""
        mark = self.number() * sum(weights)
        for value, weight in zip(values, weights, strict=True):
            mark -= weight
            if mark < 0:
                return value
        return values[-1]
