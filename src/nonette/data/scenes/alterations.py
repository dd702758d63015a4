"""Alterations: scenes that differ from the picture in one respect, for captions that are false.

They are the hard negatives of contrastive training. An altered scene stays in the world it is told
of: its values are the world's, what is told of it could be seen, and it never shows a pair that is
held out unless the scene did.

What could be true as well is ruled out: a relation gives way to one that contradicts it, an object
to one that is no `kin` of it, and nothing turns into what captions leave untold.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from nonette.core.errors import NonetteError
from nonette.data.scenes import (
    casting,
    catalogue,
    settings,
    splits,
    styles,
    visibility,
    words_en,
    words_fr,
)
from nonette.data.scenes.dice import Chooser
from nonette.data.scenes.kin import are_kin, is_shown
from nonette.data.scenes.scene import Scene
from nonette.data.scenes.world import World

NUM_TRIES = 60  # draws before a scene counts as one that nothing can be changed in

# What each relation rules out.
CONTRADICTIONS: Mapping[str | None, tuple[str, ...]] = {
    None: ("above", "below"),
    "next_to": ("above", "below"),
    "left_of": ("right_of", "right_of", "right_of", "above", "below"),
    "right_of": ("left_of", "left_of", "left_of", "above", "below"),
    "above": ("below", "below", "below", "left_of", "right_of"),
    "below": ("above", "above", "above", "left_of", "right_of"),
    "on": ("below", "below", "left_of", "right_of"),
    "in_front_of": ("behind",),
    "behind": ("in_front_of",),
    "inside": ("left_of", "right_of", "above", "below"),
    "riding": ("left_of", "right_of", "below"),
    "carrying": ("left_of", "right_of"),
}
# Relations that turn false when the two things change places.
ONE_WAY = frozenset(CONTRADICTIONS) - {None, "next_to"}


def alter(scene: Scene, dice: Chooser, world: World) -> Scene:
    """The scene with one attribute changed, so that captions that tell it are false of the picture.

    Args:
        scene: What the picture shows.
        dice: Chooses the change.
        world: What the altered scene may be made of.

    Raises:
        NonetteError: The world leaves nothing to change.
    """
    for _ in range(NUM_TRIES):
        altered = dice.pick(_CHANGES)(scene, dice, world)
        if altered is not None and _is_fit(altered, scene):
            return altered
    raise NonetteError(f"nothing in the world {world.name} can be changed in {scene}")


def changed_facts(scene: Scene, other: Scene) -> frozenset[str]:
    """The facts (of `captions.OMISSIONS`) that two scenes of as many things differ in."""
    facts = {
        name
        for name in ("relation", "setting", "time", "style")
        if getattr(scene, name) != getattr(other, name)
    }
    for first, second in zip(scene.things, other.things, strict=True):
        for fact in ("count", "colour", "material", "size", "skin_tone"):
            if getattr(first, fact) != getattr(second, fact):
                facts.add(fact)
        if first.is_upside_down != second.is_upside_down:
            facts.add("upside_down")
    if scene.things != other.things and scene.things == other.things[::-1]:
        return frozenset({"relation"})
    return frozenset(facts)


def _is_fit(altered: Scene, scene: Scene) -> bool:
    """Whether nothing newly held out is told, and everything told could be seen."""
    known = splits.held_out_pairs(scene)
    if any(pair not in known for pair in splits.held_out_pairs(altered)):
        return False
    return all(
        visibility.is_visible(thing, altered.setting, altered.time) for thing in altered.things
    )


def _other(value: Any, values: Sequence[Any], dice: Chooser) -> Any:
    """Another of the values, or None where there is no other."""
    others = [other for other in values if other != value]
    return dice.pick(others) if others else None


def _with_thing(scene: Scene, place: int, **changes: Any) -> Scene:
    """The scene with one of its things changed."""
    things = list(scene.things)
    things[place] = dataclasses.replace(things[place], **changes)
    return dataclasses.replace(scene, things=tuple(things))


def _swap_looks(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    """Colours, or materials, of two things change places: "a blue cat and a red dog"."""
    if len(scene.things) != 2:
        return None
    first, second = scene.things
    looks = (first.colour, first.material), (second.colour, second.material)
    if looks[0] == looks[1] or None in {
        first.colour or first.material,
        second.colour or second.material,
    }:
        return None
    if first.name == second.name and scene.relation not in ONE_WAY:
        return None
    things = (
        dataclasses.replace(first, colour=second.colour, material=second.material),
        dataclasses.replace(second, colour=first.colour, material=first.material),
    )
    if any(_is_in_name(thing.name, thing.colour) for thing in things):
        return None
    return dataclasses.replace(scene, things=things)


def _change_colour(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    place = dice.pick(range(len(scene.things)))
    if scene.things[place].colour is None:
        return None
    colours = styles.STYLES[scene.style].colours or world.colours
    colour = _other(scene.things[place].colour, [c for c in colours if c in world.colours], dice)
    if colour is None or _is_in_name(scene.things[place].name, colour):
        return None
    return _with_thing(scene, place, colour=colour)


def _change_material(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    place = dice.pick(range(len(scene.things)))
    if scene.things[place].material is None:
        return None
    material = _other(scene.things[place].material, world.materials, dice)
    return material and _with_thing(scene, place, material=material)


def _change_count(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    place = dice.pick(range(len(scene.things)))
    if len(scene.things) == 2 and not world.group_share:
        return None
    count = _other(scene.things[place].count, range(1, world.max_count + 1), dice)
    return count and _with_thing(scene, place, count=count)


def _change_object(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    """Something else, half the time of the same category."""
    place = dice.pick(range(len(scene.things)))
    thing = scene.things[place]
    entries = catalogue.load()
    entry = entries[thing.name]
    names = _of_category(world, entry.category) if dice.chance(0.5) else world.objects
    name = dice.pick(names)
    other = entries[name]
    if other.is_person != entry.is_person or are_kin(thing.name, name):
        return None
    if any(are_kin(name, neighbour.name) for neighbour in scene.things):
        return None
    look = "colour" if thing.colour else "material" if thing.material else None
    if not casting.may_look(name, look) or is_shown(name, scene.setting, scene.time):
        return None
    if thing.is_upside_down and not casting.shows_turning(name):
        return None
    if not _can_play(name, scene.relation, place):
        return None
    return _with_thing(scene, place, name=name)


def _reverse(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    """The two things change places: "a dog to the left of a cat"."""
    if scene.relation is None or scene.relation not in ONE_WAY:
        return None
    if scene.things[0] == scene.things[1]:
        return None
    if not all(
        _can_play(thing.name, scene.relation, 1 - place) for place, thing in enumerate(scene.things)
    ):
        return None
    return dataclasses.replace(scene, things=scene.things[::-1])


def _change_relation(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    if len(scene.things) != 2:
        return None
    relations = [name for name in CONTRADICTIONS[scene.relation] if name in world.relations]
    return dataclasses.replace(scene, relation=dice.pick(relations)) if relations else None


def _change_setting(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    """Another place, or another plain background where the style has one."""
    plain = styles.STYLES[scene.style].plain_settings or world.plain_settings
    choices = [
        name for name in plain if name in world.plain_settings and name != splits.UNTOLD_SETTING
    ]
    if scene.setting in world.settings or dice.chance(0.5):
        choices = [name for name in world.settings if scene.time in settings.times(name)]
    setting = _other(scene.setting, choices, dice)
    return setting and dataclasses.replace(scene, setting=setting)


def _change_time(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    choices = [
        name for name in settings.times(scene.setting) if name in world.times and name != "day"
    ]
    if not styles.STYLES[scene.style].keeps_colours:
        choices = [name for name in choices if name != "sunset"]
    time = _other(scene.time, choices, dice)
    return time and dataclasses.replace(scene, time=time)


def _change_style(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    """Another style that would show what is told."""
    style = _other(
        scene.style, [name for name in world.styles if name != splits.UNTOLD_STYLE], dice
    )
    return dataclasses.replace(scene, style=style) if style and _shows(style, scene) else None


def _change_size(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    place = dice.pick(range(len(scene.things)))
    opposite = {"small": "large", "large": "small"}.get(scene.things[place].size)
    return _with_thing(scene, place, size=opposite) if opposite else None


def _turn(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    """A thing on its head, where its outline would show that."""
    place = dice.pick(range(len(scene.things)))
    thing = scene.things[place]
    if not world.upside_down_share or thing.is_upside_down:
        return None
    if scene.relation not in casting.SIDE_BY_SIDE or not casting.shows_turning(thing.name):
        return None
    return _with_thing(scene, place, is_upside_down=True)


def _change_person(scene: Scene, dice: Chooser, world: World) -> Scene | None:
    """A woman for a man, a man for a woman, light skin for dark and dark for light."""
    place = dice.pick(range(len(scene.things)))
    thing = scene.things[place]
    if thing.gender is None:
        return None
    tone = {1: 5, 2: 5, 4: 1, 5: 1}.get(thing.skin_tone or 0)
    if tone is not None and dice.chance(0.3):
        return _with_thing(scene, place, skin_tone=tone)
    if _is_epicene(thing.name):
        return None
    return _with_thing(scene, place, gender="man" if thing.gender == "woman" else "woman")


_CHANGES: tuple[Callable[[Scene, Chooser, World], Scene | None], ...] = (
    *(_swap_looks,) * 4,
    *(_change_colour,) * 3,
    *(_change_material,) * 3,
    *(_change_count,) * 2,
    *(_change_object,) * 4,
    *(_reverse,) * 2,
    *(_change_relation,) * 2,
    *(_change_setting,) * 3,
    _change_time,
    *(_change_style,) * 2,
    *(_change_size,) * 2,
    _turn,
    *(_change_person,) * 2,
)


def _shows(style: str, scene: Scene) -> bool:
    """Whether the style would show the scene's colours, materials and plain background."""
    look = styles.STYLES[style]
    for thing in scene.things:
        if thing.colour and not look.keeps_colours:
            return False
        if thing.material and not look.keeps_materials:
            return False
        if thing.colour and look.colours is not None and thing.colour not in look.colours:
            return False
    is_plain = scene.setting in settings.PLAIN
    return not is_plain or look.plain_settings is None or scene.setting in look.plain_settings


def _can_play(name: str, relation: str | None, place: int) -> bool:
    """Whether the object may be the relation's first (place 0) or second thing."""
    roles = casting.ROLES.get(relation or "")
    return roles is None or bool(getattr(catalogue.load()[name], roles[place]))


@lru_cache(maxsize=1 << 14)
def _is_in_name(name: str, colour: str | None) -> bool:
    """Whether a name of the object speaks of the colour: every flamingo is "un flamant rose"."""
    if colour is None:
        return False
    entry = catalogue.load()[name]
    said = {*words_en.COLOURS[colour], *words_fr.COLOURS[colour]}
    return any(said & set(noun.singular.split()) for noun in (*entry.english, *entry.french))


@cache
def _is_epicene(name: str) -> bool:
    """Whether a name says nothing of gender in French: "deux artistes"."""
    entry = catalogue.load()[name]
    women = {noun.singular for noun in entry.french_feminine}
    return any(noun.singular in women for noun in entry.french)


@lru_cache(maxsize=64)
def _of_category(world: World, category: str) -> tuple[str, ...]:
    entries = catalogue.load()
    return tuple(name for name in world.objects if entries[name].category == category)
