"""Masks to learn filling in: things, boxes, strokes and sides, by number and never by lot.

What people repaint is a thing with some room around it, a box or a blot; what they extend is a
side. Each mask follows from (seed, index) alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MASK_STREAM = 0x3A5C  # apart from every other use of the same seed
KINDS = ("thing", "box", "stroke", "side")
ROOM = (0.05, 0.35)  # around a thing, of its own sides
NUM_BLOTS = (2, 6)  # of a stroke

Corners = tuple[float, float, float, float]


def draw_mask(seed: int, index: int, size: int, things: Sequence[Corners]) -> np.ndarray:
    """Where sample `index` is to be filled in: bool, (size, size), some of it true and some false.

    Args:
        seed: Of the data.
        index: Of the sample.
        size: Pixels a side.
        things: Left, top, right and bottom of what is in the picture, in pixels.
    """
    dice = np.random.default_rng(np.random.SeedSequence([seed, index, MASK_STREAM]))
    kind = KINDS[int(dice.integers(len(KINDS)))]
    if kind == "thing" and things:
        left, top, right, bottom = things[int(dice.integers(len(things)))]
        rooms = dice.uniform(*ROOM, 4) * np.array([right - left, bottom - top] * 2)
        mask = _box(size, left - rooms[0], top - rooms[1], right + rooms[2], bottom + rooms[3])
    elif kind == "stroke":
        mask = _stroke(size, dice)
    elif kind == "side":
        share = dice.uniform(0.25, 0.75) * size
        ends = ((0, 0, share, size), (size - share, 0, size, size))
        mask = _box(size, *ends[int(dice.integers(2))])
        mask = mask.T if dice.integers(2) else mask
    else:
        width, height = dice.uniform(0.2, 0.8, 2) * size
        left, top = dice.uniform(0, size - width), dice.uniform(0, size - height)
        mask = _box(size, left, top, left + width, top + height)
    if mask.all() or not mask.any():
        return _box(size, 0, 0, size // 2, size)
    return mask


def is_chosen(seed: int, index: int, stream: int, share: float) -> bool:
    """Whether sample `index` is among that share of all samples; of its own for each stream."""
    key = np.random.SeedSequence([seed, index, stream])
    return bool(np.random.default_rng(key).random() < share)


def _box(size: int, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    across = np.arange(size) + 0.5
    rows = (across >= top) & (across < bottom)
    columns = (across >= left) & (across < right)
    return rows[:, None] & columns[None, :]


def _stroke(size: int, dice: np.random.Generator) -> np.ndarray:
    """Overlapping discs along a wandering line."""
    y, x = np.mgrid[:size, :size] + 0.5
    centre, mask = dice.uniform(0.2, 0.8, 2) * size, np.zeros((size, size), dtype=bool)
    for _ in range(dice.integers(*NUM_BLOTS, endpoint=True)):
        radius = dice.uniform(0.08, 0.2) * size
        mask |= (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
        centre = np.clip(centre + dice.normal(0, radius, 2), 0, size)
    return mask
