"""Does a picture show what was asked? One strict verdict, with a written reason for each failure.

In the manner of GenEval (Ghosh et al. 2023, section 3): what the sentence names must be there with
what it tells of it; what it leaves open is free. Counts are exact in the category "counting";
elsewhere there must be at least as many as asked. A relation must hold between every two instances
of its things. What the judge could not read ("none") never counts as what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from nonette.data.scenes import painter, splits
from nonette.data.scenes.scene import Scene, Thing
from nonette.evaluation import relations
from nonette.evaluation.reading import Instance, Reading

EXACT = "counting"  # the category in which more than asked is wrong, too
ALIKE = 60.0  # mean distance of two glyphs' colours (0 to 441) below which they are one colour
PROBE = 40, 128  # pixels of a glyph and of its picture at which likeness is measured


Kind = Literal["missing", "look", "number", "place", "setting", "time", "style"]
# What a sentence tells of the picture as a whole, and the value that it leaves untold.
WHOLE: tuple[tuple[Kind, str], ...] = (
    ("setting", splits.UNTOLD_SETTING),
    ("time", "day"),
    ("style", splits.UNTOLD_STYLE),
)


class Reason(NamedTuple):
    """Why a picture is wrong: a kind that can be counted, and the words for people."""

    kind: Kind
    text: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Why a picture is not right, most important reason first; none where it is."""

    reasons: tuple[Reason, ...]

    @property
    def is_right(self) -> bool:
        """Whether the picture shows all that was asked."""
        return not self.reasons

    @property
    def text(self) -> str:
        """All reasons in words; "" where the picture is right."""
        return "; ".join(reason.text for reason in self.reasons)


def judge(reading: Reading, key: Scene, category: str) -> Verdict:
    """Hold what was read in a picture against the scene that was asked for.

    Args:
        reading: Of the picture.
        key: The scene that the prompt tells.
        category: The prompt's category; it decides whether counts are exact.
    """
    reasons: list[Reason] = []
    found: list[list[Instance]] = []
    for thing in key.things:
        named = [instance for instance in reading.instances if instance.name == thing.name]
        fitting = [instance for instance in named if has_look(instance, thing)]
        found.append(fitting)
        reasons += _wrong_number(thing, named, fitting, category == EXACT)
    if not reasons and len(key.things) == 2:
        reasons += _wrong_place(key, *found)
    for kind, untold in WHOLE:
        seen, asked = getattr(reading, kind), getattr(key, kind)
        if asked not in (untold, seen):
            reasons.append(Reason(kind, f"{kind} is {seen or 'unclear'}, asked for {asked}"))
    return Verdict(reasons=tuple(reasons))


def has_look(instance: Instance, thing: Thing) -> bool:
    """Whether the instance has the colour or material that is asked for, if any is."""
    asked = thing.colour or thing.material
    if asked is None or instance.look == asked:
        return True
    return thing.colour is not None and instance.look == "" and resembles(thing.name, thing.colour)


@lru_cache(maxsize=1 << 14)
def resembles(name: str, colour: str) -> bool:
    """Whether the thing in its own colours has that colour: a heart is red, told or not."""
    own = painter.appearance(Thing(name=name), *PROBE).astype(np.float64)
    told = painter.appearance(Thing(name=name, colour=colour), *PROBE).astype(np.float64)
    is_body = own[..., 3] >= painter.OPAQUE
    distances = np.sqrt(np.square(own - told)[..., :3].sum(axis=-1))
    return bool(distances[is_body].mean() < ALIKE)


def _wrong_number(
    thing: Thing, named: Sequence[Instance], fitting: Sequence[Instance], is_exact: bool
) -> list[Reason]:
    """Why the instances are not what was asked, or nothing."""
    name = thing.name.replace("_", " ")
    asked = thing.colour or thing.material
    if not named:
        return [Reason("missing", f"no {name} seen")]
    if len(fitting) < min(thing.count, len(named)):
        looks = sorted({_word(instance) for instance in named if instance not in fitting})
        return [Reason("look", f"{name} is {' and '.join(looks)}, asked for {asked}")]
    if len(fitting) < thing.count or (is_exact and len(fitting) > thing.count):
        return [Reason("number", f"{len(fitting)} of {name} seen, asked for {thing.count}")]
    return []


def _wrong_place(
    key: Scene, firsts: Sequence[Instance], seconds: Sequence[Instance]
) -> list[Reason]:
    """Why the relation does not hold, or nothing."""
    for first in firsts:
        for second in seconds:
            if not relations.holds(key.relation, first, second):
                seen = " and ".join(sorted(relations.directions(first, second))) or "at"
                one, other = (thing.name for thing in key.things)
                text = f"{one} is {seen} {other}, asked for {key.relation}".replace("_", " ")
                return [Reason("place", text)]
    return []


def _word(instance: Instance) -> str:
    return {None: "unclear", "": "in its own colours"}.get(instance.look, instance.look or "")
