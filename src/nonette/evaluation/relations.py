"""Where one thing stands to another, judged by their boxes.

Left, right, above and below are GenEval's (Ghosh et al. 2023, "GenEval: An Object-Focused Framework
for Evaluating Text-to-Image Alignment", section 3.2 and its code): centres are compared, a tenth of
the summed sides is a dead zone, and of a slanting offset each direction that makes up half of it
counts. The others build on it: what stands on something is above it and touches it, what is in
front hides a part of what is behind.

Each relation says which category of prompts judges it (`CATEGORIES`). Merely being together or next
to each other asks for both things and for no place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from nonette.evaluation.reading import Instance

DEAD_ZONE = 0.1  # of the summed sides; offsets within it are no direction
SLANT = 0.5  # share of the offset's length from which a direction counts
TOUCH = 0.2  # of the lower thing's height: how far apart two things may be and still touch
HIDDEN = 0.02  # share of a thing that must be hidden for another to be in front of it

TOGETHER, POSITION = "two_objects", "position"

CATEGORIES: Mapping[str | None, str] = {
    None: TOGETHER,
    "next_to": TOGETHER,
    "left_of": POSITION,
    "right_of": POSITION,
    "above": POSITION,
    "below": POSITION,
    "on": POSITION,
    "in_front_of": POSITION,
    "behind": POSITION,
    "inside": POSITION,
    "riding": POSITION,
    "carrying": POSITION,
}


def holds(relation: str | None, first: Instance, second: Instance) -> bool:
    """Whether "first RELATION second" is true of two instances."""
    return _RULES[relation](first, second)


def directions(first: Instance, second: Instance) -> frozenset[str]:
    """Those of left_of, right_of, above and below that the first is to the second."""
    x = _offset(first.box[0], first.box[2], second.box[0], second.box[2])
    y = _offset(first.box[1], first.box[3], second.box[1], second.box[3])
    length = math.hypot(x, y)
    if length == 0:
        return frozenset()
    x, y = x / length, y / length
    found = {
        "left_of": x < -SLANT,
        "right_of": x > SLANT,
        "above": y < -SLANT,
        "below": y > SLANT,
    }
    return frozenset(name for name, is_so in found.items() if is_so)


def _offset(low: float, high: float, other_low: float, other_high: float) -> float:
    """How far the first's middle lies beyond the second's, less the dead zone, signed."""
    offset = (low + high - other_low - other_high) / 2
    dead = DEAD_ZONE * (high - low + other_high - other_low)
    return math.copysign(max(abs(offset) - dead, 0.0), offset)


def _is(direction: str) -> Callable[[Instance, Instance], bool]:
    return lambda first, second: direction in directions(first, second)


def _is_on(first: Instance, second: Instance) -> bool:
    """Above, with its foot at or within the second, and over it."""
    gap = second.box[1] - first.box[3]
    height = second.box[3] - second.box[1]
    return (
        "above" in directions(first, second)
        and gap <= TOUCH * height
        and _shares_column(first, second)
    )


def _shares_column(first: Instance, second: Instance) -> bool:
    middle = (first.box[0] + first.box[2]) / 2
    return second.box[0] <= middle <= second.box[2]


def _is_in_front(first: Instance, second: Instance) -> bool:
    """They overlap, and of the two it is the second that is hidden."""
    return _overlaps(first, second) and bool(1 - second.visible > max(HIDDEN, 1 - first.visible))


def _is_inside(first: Instance, second: Instance) -> bool:
    """Its middle lies between the second's sides and not below it, and the second hides a part."""
    x, y = (first.box[0] + first.box[2]) / 2, first.box[3]
    is_within = second.box[0] <= x <= second.box[2] and second.box[1] <= y <= second.box[3]
    return is_within and _is_in_front(second, first)


def _is_touching(first: Instance, second: Instance) -> bool:
    return _overlaps(first, second) or _is_on(first, second) or _is_on(second, first)


def _overlaps(first: Instance, second: Instance) -> bool:
    return (
        first.box[0] < second.box[2]
        and second.box[0] < first.box[2]
        and first.box[1] < second.box[3]
        and second.box[1] < first.box[3]
    )


_RULES: Mapping[str | None, Callable[[Instance, Instance], bool]] = {
    None: lambda first, second: True,
    "next_to": lambda first, second: True,
    "left_of": _is("left_of"),
    "right_of": _is("right_of"),
    "above": _is("above"),
    "below": _is("below"),
    "on": _is_on,
    "in_front_of": _is_in_front,
    "behind": lambda first, second: _is_in_front(second, first),
    "inside": _is_inside,
    "riding": _is_on,
    "carrying": _is_touching,
}
