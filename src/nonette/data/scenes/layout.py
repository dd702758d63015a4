"""Where things stand: from relations and counts to places in the frame, before any pixel is painted.

Coordinates are shares of the picture's side, y grows downwards. Every place keeps a margin to the frame, so
nothing is ever cut off. Jitter is small: what no caption tells should not vary much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nonette.data.scenes.lots import Lot
from nonette.data.scenes.scene import Scene

MARGIN = 0.03
SIZE_SHARES = {"small": 0.42, "medium": 0.66, "large": 0.84}  # longest side of a single object
SIZE_FACTORS = {
    "small": 0.66,
    "medium": 0.92,
    "large": 1.0,
}  # of the room there is, where there are several
ROWS = {1: (1,), 2: (2,), 3: (1, 2), 4: (2, 2), 5: (2, 3), 6: (3, 3)}


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A glyph's proportions: longest side 1.

    Attributes:
        width: Share of the longest side.
        height: Share of the longest side.
        seat: How far below its top edge, over the middle third, its body begins; share of the height.
        foot: How far above its bottom edge, over the middle third, its body ends; share of the height.
    """

    width: float
    height: float
    seat: float = 0.0
    foot: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """One instance: its thing's index, the centre of its box, and its longest side."""

    thing: int
    x: float
    y: float
    size: float


@dataclass(frozen=True)
class Cell:
    """A rectangle of the frame."""

    x0: float
    y0: float
    x1: float
    y1: float


Arrangement = Callable[[Scene, Sequence[Outline], Lot], list[Place]]


def _fit(outline: Outline, width: float, height: float) -> float:
    """The longest side at which the outline fits into the room."""
    return min(width / outline.width, height / outline.height)


def _group(scene: Scene, thing: int, outline: Outline, cell: Cell) -> list[Place]:
    """All instances of one thing in rows within a cell, each in the middle of its share."""
    subject = scene.things[thing]
    rows = ROWS[subject.count]
    wide, high = (cell.x1 - cell.x0) / max(rows), (cell.y1 - cell.y0) / len(rows)
    size = SIZE_FACTORS[subject.size] * _fit(outline, wide, high)
    places = []
    for row, num_columns in enumerate(rows):
        for column in range(num_columns):
            x = (cell.x0 + cell.x1) / 2 + (column - (num_columns - 1) / 2) * wide
            places.append(Place(thing=thing, x=x, y=cell.y0 + (row + 0.5) * high, size=size))
    return places


def _alone(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    """One thing, or several of a kind."""
    subject, outline = scene.things[0], outlines[0]
    shift_x, shift_y = lot.between(-0.04, 0.04), lot.between(-0.02, 0.06)
    if subject.count == 1:
        share = SIZE_SHARES[subject.size] * lot.between(0.94, 1.06)
        size = min(share, _fit(outline, 1 - 2 * MARGIN, 1 - 2 * MARGIN))
        return [Place(thing=0, x=0.5 + shift_x, y=0.5 + shift_y, size=size)]
    low, high = (0.05, 0.95) if subject.count > 2 else (0.04, 0.96)
    cell = Cell(low, low, high, high) if subject.count != 2 else Cell(low, 0.22, high, 0.82)
    return [
        Place(thing=0, x=place.x + shift_x * 0.3, y=place.y + shift_y * 0.3, size=place.size)
        for place in _group(scene, 0, outline, cell)
    ]


def _beside(
    scene: Scene, outlines: Sequence[Outline], lot: Lot, order: tuple[int, int]
) -> list[Place]:
    """Two things side by side; `order` says which is on the left."""
    shift = lot.between(-0.06, 0.1)
    cells = Cell(0.03, 0.2 + shift, 0.49, 0.8 + shift), Cell(0.51, 0.2 + shift, 0.97, 0.8 + shift)
    return [
        place
        for thing, cell in zip(order, cells, strict=True)
        for place in _group(scene, thing, outlines[thing], cell)
    ]


def _next_to(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    return _beside(scene, outlines, lot, (0, 1) if lot.chance(0.5) else (1, 0))


def _left_of(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    return _beside(scene, outlines, lot, (0, 1))


def _right_of(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    return _beside(scene, outlines, lot, (1, 0))


def _stacked(
    scene: Scene, outlines: Sequence[Outline], lot: Lot, order: tuple[int, int]
) -> list[Place]:
    """Two things one above the other with a gap; `order` says which is on top."""
    shift = lot.between(-0.08, 0.08)
    cells = (
        Cell(0.15 + shift, 0.03, 0.85 + shift, 0.485),
        Cell(0.15 + shift, 0.515, 0.85 + shift, 0.97),
    )
    return [
        place
        for thing, cell in zip(order, cells, strict=True)
        for place in _group(scene, thing, outlines[thing], cell)
    ]


def _above(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    return _stacked(scene, outlines, lot, (0, 1))


def _below(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    return _stacked(scene, outlines, lot, (1, 0))


def _on(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    """The first thing's foot touches the second's seat, over its middle."""
    shift = lot.between(-0.06, 0.06)
    upper, lower = outlines
    low = SIZE_FACTORS[scene.things[1].size] * _fit(lower, 0.62, 0.5)
    high = SIZE_FACTORS[scene.things[0].size] * _fit(upper, 0.5, 0.44)
    bottom = 0.955
    y_low = bottom - low * lower.height / 2
    seat = bottom - low * lower.height * (1 - lower.seat)
    y_high = seat + 0.012 + high * upper.height * (upper.foot - 0.5)
    return [
        Place(thing=1, x=0.5 + shift, y=y_low, size=low),
        Place(thing=0, x=0.5 + shift, y=y_high, size=high),
    ]


ARRANGEMENTS: dict[str | None, Arrangement] = {
    None: _next_to,
    "left_of": _left_of,
    "right_of": _right_of,
    "above": _above,
    "below": _below,
    "on": _on,
    "next_to": _next_to,
}


def arrange(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    """A place for every instance, in painting order (what comes later hides what came before).

    Args:
        scene: What to arrange.
        outlines: One a thing.
        lot: Decides the little that nothing tells.
    """
    if len(scene.things) == 1:
        return _alone(scene, outlines, lot)
    return ARRANGEMENTS[scene.relation](scene, outlines, lot)
