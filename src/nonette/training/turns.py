"""Scenes that come round again, and what is kept of them until they do.

Painting and encoding a scene costs about as much as learning from it once. A series of `distinct`
scenes may therefore repeat, for ever or for some rounds, after which as many new ones take their
place.

Batches may be made by other processes than the one that encodes and keeps: whether a scene has been
seen before follows from its index and from where this process began, so nobody has to be asked.
"""

from __future__ import annotations

from nonette.core.errors import InputError
from nonette.training.objective import Batch


class Turns:
    """Numbers of scenes by index, and what was made of those that will come again.

    Args:
        distinct: Scenes after which the series repeats, a multiple of the batch size; 0 for never.
        rounds: Times that so many scenes come before as many new ones take their place; 0 for ever.
    """

    def __init__(self, distinct: int, rounds: int = 0) -> None:
        self.distinct, self.rounds = distinct, rounds
        self.begun: int | None = None  # the first index that this process was asked for
        self.kept: dict[int, Batch] = {}  # by their first scene

    def first_of(self, indices: range) -> int:
        """Number of the scene that comes first at these indices; the others follow it.

        Raises:
            InputError: `distinct` is no multiple of the batch size.
        """
        if self.distinct and self.distinct % len(indices):
            limit = f"it must be a multiple of batch_size {len(indices)}"
            raise InputError("distinct", self.distinct, limit)
        self.begun = indices.start if self.begun is None else self.begun
        return self._number(indices.start)

    def are_kept(self, indices: range) -> bool:
        """Whether these scenes had a turn before, since this process began."""
        before = indices.start - self.distinct
        is_repeated = self.distinct > 0 and before >= (self.begun or 0)
        return is_repeated and self._number(before) == self._number(indices.start)

    def keep(self, first: int, scenes: Batch) -> None:
        """Hold on to what was made of scenes, if they come again; drop those gone for good."""
        if not self.distinct or first in self.kept:
            return
        oldest = first - first % self.distinct
        self.kept = {number: kept for number, kept in self.kept.items() if number >= oldest}
        self.kept[first] = scenes

    def _number(self, index: int) -> int:
        if not self.distinct:
            return index
        turn = index // (self.distinct * self.rounds) if self.rounds else 0
        return turn * self.distinct + index % self.distinct
