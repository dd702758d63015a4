"""Where things stand: from relations and counts to places in the frame, before any painting.

Coordinates are shares of the picture's side, y grows downwards. Every place keeps a margin to the
frame, so nothing is ever cut off. Jitter is small: what no caption tells should not vary much.
"""

from __future__ import annotations

import dataclasses
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
ROWS = {2: (2,), 3: (1, 2), 4: (2, 2), 5: (2, 3), 6: (3, 3)}  # things that are alone
ARRAYS = {1: ((1,),), 2: ((2,), (1, 1)), 3: ((1, 2), (1, 1, 1), (3,))}  # groups beside others

Rows = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A glyph's proportions: longest side 1.

    Attributes:
        width: Share of the longest side.
        height: Share of the longest side.
        seat: How far below its top edge, over the middle third, its body begins; share of the
            height.
        foot: How far above its bottom edge, over the middle third, its body ends; share of the
            height.
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


def _group(
    scene: Scene, thing: int, outline: Outline, cell: Cell, rows: Rows | None = None
) -> list[Place]:
    """All instances of one thing in rows within a cell, each in the middle of its share.

    Args:
        scene: The scene.
        thing: Which of its things.
        outline: The thing's.
        cell: The room there is.
        rows: How many stand in each row; None for the way that leaves them largest.
    """
    subject = scene.things[thing]
    wide, high = cell.x1 - cell.x0, cell.y1 - cell.y0

    def largest(rows: Rows) -> float:
        return _fit(outline, wide / max(rows), high / len(rows))

    if rows is None:
        rows = max(ARRAYS[subject.count], key=largest)
    size = SIZE_FACTORS[subject.size] * largest(rows)
    places = []
    for row, num_columns in enumerate(rows):
        for column in range(num_columns):
            x = (cell.x0 + cell.x1) / 2 + (column - (num_columns - 1) / 2) * wide / max(rows)
            y = cell.y0 + (row + 0.5) * high / len(rows)
            places.append(Place(thing=thing, x=x, y=y, size=size))
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
        for place in _group(scene, 0, outline, cell, ROWS[subject.count])
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


FLOOR = 0.955  # where the lower edge of what stands below is, in relations that touch


def _touching(
    scene: Scene, outlines: Sequence[Outline], lot: Lot, room: tuple[float, float, float, float]
) -> tuple[Place, Place, float]:
    """The second thing on the floor and the first one's foot at its seat, over its middle.

    Args:
        scene: The scene.
        outlines: One a thing.
        lot: Decides a shift sideways.
        room: Width and height for the first, and for the second thing.

    Returns:
        Both places, and the first thing's height.
    """
    shift = lot.between(-0.06, 0.06)
    upper, lower = outlines
    low = SIZE_FACTORS[scene.things[1].size] * _fit(lower, room[2], room[3])
    high = SIZE_FACTORS[scene.things[0].size] * _fit(upper, room[0], room[1])
    y_low = FLOOR - low * lower.height / 2
    seat = FLOOR - low * lower.height * (1 - lower.seat)
    y_high = seat + 0.012 + high * upper.height * (upper.foot - 0.5)
    first = Place(thing=0, x=0.5 + shift, y=y_high, size=high)
    return first, Place(thing=1, x=0.5 + shift, y=y_low, size=low), high * upper.height


def _lowered(place: Place, height: float, share: float) -> Place:
    """The place, lower by a share of the thing's height, but not below the floor."""
    return dataclasses.replace(place, y=min(place.y + share * height, FLOOR - height / 2))


def _on(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    """Standing on it: the first thing's foot touches the second's seat."""
    first, second, _ = _touching(scene, outlines, lot, (0.5, 0.44, 0.62, 0.5))
    return [second, first]


def _riding(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    """Sitting on it: smaller than what is ridden, and a fifth of the rider below its seat."""
    first, second, height = _touching(scene, outlines, lot, (0.42, 0.42, 0.76, 0.58))
    return [second, _lowered(first, height, 0.2)]


def _inside(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    """Looking out of it: a third of the first thing, at most half, is hidden by the container."""
    width = min(0.5, 0.8 * outlines[1].width * _fit(outlines[1], 0.68, 0.56))
    first, second, height = _touching(scene, outlines, lot, (width, 0.46, 0.68, 0.56))
    deep = second.size * outlines[1].height
    rim = second.y - deep / 2
    bottom = min(rim + outlines[1].seat * deep + 0.33 * height, rim + 0.5 * height)
    return [dataclasses.replace(first, y=min(bottom, FLOOR) - height / 2), second]


def _before(
    scene: Scene, outlines: Sequence[Outline], lot: Lot, front: int, back: int
) -> list[Place]:
    """One thing before another one that is larger, stands higher, and is partly hidden."""
    side = 1 if lot.chance(0.5) else -1
    large = SIZE_FACTORS[scene.things[back].size] * _fit(outlines[back], 0.74, 0.74)
    small = SIZE_FACTORS[scene.things[front].size] * _fit(outlines[front], 0.44, 0.40)
    wide, high = large * outlines[back].width, large * outlines[back].height
    far = Place(thing=back, x=0.5 - side * 0.06, y=max(0.42, 0.05 + high / 2), size=large)
    y = far.y + 0.36 * high - 0.2 * small * outlines[front].height
    y = min(y, FLOOR - small * outlines[front].height / 2)
    x = far.x + side * 0.24 * wide
    return [far, Place(thing=front, x=x, y=y, size=small)]


def _in_front_of(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    return _before(scene, outlines, lot, 0, 1)


def _behind(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    return _before(scene, outlines, lot, 1, 0)


def _carrying(scene: Scene, outlines: Sequence[Outline], lot: Lot) -> list[Place]:
    """The second thing, small, before the lower half of the first, where hands would be."""
    carrier, load = outlines
    size = SIZE_FACTORS[scene.things[0].size] * _fit(carrier, 0.76, 0.84)
    small = SIZE_FACTORS[scene.things[1].size] * _fit(load, 0.34, 0.34)
    first = Place(thing=0, x=0.55 + lot.between(-0.03, 0.03), y=0.48, size=size)
    x = first.x - size * carrier.width * 0.28
    y = first.y + size * carrier.height * 0.24
    return [first, Place(thing=1, x=max(x, 0.03 + small * load.width / 2), y=y, size=small)]


ARRANGEMENTS: dict[str | None, Arrangement] = {
    None: _next_to,
    "left_of": _left_of,
    "right_of": _right_of,
    "above": _above,
    "below": _below,
    "on": _on,
    "in_front_of": _in_front_of,
    "behind": _behind,
    "inside": _inside,
    "next_to": _next_to,
    "riding": _riding,
    "carrying": _carrying,
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
