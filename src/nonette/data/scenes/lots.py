"""Drawing lots: the cheap random numbers that decide scenes and pictures.

Every scene asks for a few dozen uniform numbers, so one block is made at once from a counter-based
generator keyed by (seed, index, stream). The same key gives the same lots in any process and any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Value = TypeVar("Value")

BLOCK = 48  # uniform numbers made at a time; most scenes need fewer


class Lot:
    """A sequence of random choices, fixed by its key alone.

    Args:
        seed: Which series of scenes; 0 to 2^56 - 1.
        index: Which scene of the series; 0 to 2^64 - 1.
        stream: What the lots decide, 0 to 255, so that painting and drawing by lot stay independent.
    """

    def __init__(self, seed: int, index: int, stream: int) -> None:
        key = (seed << 8 | stream) << 64 | index
        self._generator = np.random.Generator(np.random.Philox(key=key))
        self._numbers: list[float] = []

    def number(self) -> float:
        """A uniform number in [0, 1)."""
        if not self._numbers:
            self._numbers = self._generator.random(BLOCK).tolist()
        return self._numbers.pop()

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
