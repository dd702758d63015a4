"""Captions: what a sentence says of a scene, in English and French, canonical or varied.

The varied style leaves facts out now and then, as people do, and never tells one that is not so. It
leaves out by making the scene weaker (`weaken`), so the grammars need only tell all that they are
given. `alter` makes the opposite: scenes whose captions are false in one respect.

The same (seed, index, language) gives the same caption for ever.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Set
from typing import Any, Literal

from nonette.core.errors import InputError
from nonette.data.scenes import grammar_en, grammar_fr, splits
from nonette.data.scenes.alterations import alter, changed_facts
from nonette.data.scenes.dice import Chooser, Dice, FirstChoice
from nonette.data.scenes.scene import Scene, Thing
from nonette.data.scenes.world import World

Manner = Literal["varied", "plain"]

SENTENCES: Mapping[str, Callable[[Scene, Chooser], str]] = {
    "en": grammar_en.sentence,
    "fr": grammar_fr.sentence,
}

# How often the varied style leaves a fact out; names are always told.
OMISSIONS: Mapping[str, float] = {
    "count": 0.04,
    "colour": 0.05,
    "material": 0.05,
    "size": 0.2,
    "upside_down": 0.1,
    "skin_tone": 0.6,
    "relation": 0.06,
    "setting": 0.15,
    "time": 0.15,
    "style": 0.1,
}
UNTOLD_SETTING_OMISSION = 0.7
"""How often the varied style leaves the white background out, which the plain style never tells."""

_PLAIN_OMISSIONS = frozenset({"skin_tone"})


def tell(
    scene: Scene,
    language: str,
    seed: int,
    index: int,
    style: Manner = "varied",
    *,
    keep: Set[str] = frozenset(),
    untold: Set[str] = frozenset(),
) -> str:
    """One caption of the scene.

    Args:
        scene: What to tell.
        language: "en" or "fr".
        seed: Which series of captions.
        index: Which of the series.
        style: "varied" draws wording, word order and omissions from (seed, index, language);
            "plain" is the one canonical sentence, which tells everything but skin tones and what
            goes without saying (a white background, the plain style, daylight).
        keep: Facts (keys of `OMISSIONS`) that must be told.
        untold: Facts that must not be told.

    Raises:
        InputError: The language, the style or a fact is unknown.
    """
    if language not in SENTENCES:
        raise InputError("language", language, f"it must be one of {', '.join(SENTENCES)}")
    if style not in ("varied", "plain"):
        raise InputError("style", style, "it must be varied or plain")
    if not (keep | untold) <= OMISSIONS.keys():
        raise InputError(
            "keep or untold", sorted(keep | untold), f"facts are {', '.join(OMISSIONS)}"
        )
    dice: Chooser
    if style == "plain":
        dice, gaps = FirstChoice(), set(_PLAIN_OMISSIONS)
        if scene.setting == splits.UNTOLD_SETTING:
            gaps.add("setting")
    else:
        dice = Dice(language, seed, index)
        gaps = _omissions(scene, dice)
    sentence = SENTENCES[language](weaken(scene, gaps - keep | untold), dice)
    return f"{sentence}." if dice.chance(0.05) else sentence


def tell_falsely(scene: Scene, language: str, seed: int, index: int, world: World) -> str:
    """A varied caption that is false of the scene in one respect, fixed by (seed, index, language).

    It is worded and leaves out as `tell` does for the same arguments, as far as the change allows,
    so that the pair differs in little else.

    Raises:
        NonetteError: The world leaves nothing to change.
    """
    altered = alter(scene, Dice("alter", language, seed, index), world)
    return tell(altered, language, seed, index, keep=changed_facts(scene, altered))


def weaken(scene: Scene, gaps: Set[str]) -> Scene:
    """The scene with facts left out: count 0, no colour, setting "", style "", ... mean untold."""
    changes: dict[str, Any] = {}
    if "relation" in gaps and scene.relation is not None:
        changes["relation"] = None
    if "setting" in gaps:
        changes["setting"] = ""
    if "time" in gaps and scene.time != "day":
        changes["time"] = "day"
    if "style" in gaps and scene.style != splits.UNTOLD_STYLE:
        changes["style"] = ""
    things = tuple(_weaken_thing(thing, gaps) for thing in scene.things)
    if things != scene.things:
        changes["things"] = things
    return dataclasses.replace(scene, **changes) if changes else scene


def _weaken_thing(thing: Thing, gaps: Set[str]) -> Thing:
    changes: dict[str, Any] = {}
    if "count" in gaps and thing.count > 1:
        changes["count"] = 0
    if "colour" in gaps and thing.colour is not None:
        changes["colour"] = None
    if "material" in gaps and thing.material is not None:
        changes["material"] = None
    if "size" in gaps and thing.size != "medium":
        changes["size"] = "medium"
    if "upside_down" in gaps and thing.is_upside_down:
        changes["is_upside_down"] = False
    if "skin_tone" in gaps and thing.skin_tone is not None:
        changes["skin_tone"] = None
    return dataclasses.replace(thing, **changes) if changes else thing


def _omissions(scene: Scene, dice: Chooser) -> set[str]:
    """What the varied style leaves out; nothing where only attributes tell two things apart."""
    things = scene.things
    if len(things) == 2 and things[0].name == things[1].name:
        return set()
    gaps = {fact for fact, share in OMISSIONS.items() if dice.chance(share)}
    if dice.chance(UNTOLD_SETTING_OMISSION) and scene.setting == splits.UNTOLD_SETTING:
        gaps.add("setting")
    return gaps
