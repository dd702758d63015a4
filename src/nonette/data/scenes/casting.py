"""Who is in a scene: which things meet, how many, how large, and what they are to each other.

Most relations suit any two things. Some have roles that only some things can play: a rider rides
what can be ridden, a container holds what fits into it. Their pairs are drawn from those that can.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nonette.data.scenes import atlas, catalogue
from nonette.data.scenes.lots import Lot
from nonette.data.scenes.scene import Thing

if TYPE_CHECKING:
    from nonette.data.scenes.world import World

SIDE_BY_SIDE = (None, "left_of", "right_of", "above", "below", "next_to")  # without overlap

# The roles of relations that not all things can play: flags of the first thing, and of the second.
ROLES = {
    "riding": ("can_ride", "is_rideable"),
    "carrying": ("can_carry", "is_carriable"),
    "inside": ("is_carriable", "is_container"),
}
# What has an upright way to stand, so that upside-down can be seen where the outline shows it.
UPRIGHT = ("animal", "vehicle", "building", "furniture", "person", "plant")
TURNED_DIFFERENCE = 0.3  # share of the outline that must change when it is turned over
# People and their hands keep their own looks: a colour on them would read as the colour of their
# skin, and a material would hide their trade.
SKIN_CATEGORY = "person"
SKIN = frozenset(
    """
    santa mrs_claus bunny_dancers ear hearing_aid nose leg foot flexed_arm thumbs_up thumbs_down
    raised_hand spread_hand raised_fist oncoming_fist victory_hand ok_hand waving_hand pointing_up
    pointing_hand pointing_down pointing_at_viewer clapping_hands open_hands raising_hands
    folded_hands cupped_hands heart_hands handshake writing_hand selfie pinched_fingers
    pinching_hand horns_sign call_me_hand crossed_fingers love_you_hand vulcan_salute palm_up_hand
    palm_down_hand hugging_people
    """.split()
)


class Cast(NamedTuple):
    """One or two kinds of things in their own colours, and their relation if it has roles."""

    things: tuple[Thing, ...]
    relation: str | None = None


def cast(world: World, lot: Lot, plan: str, look: str | None) -> Cast | None:
    """The things of a scene, or None where the lots do not go together.

    Args:
        world: What there is and how often.
        lot: Decides.
        plan: One of `world.PLANS`.
        look: "colour" or "material" if the things are to tell one, else None.
    """
    if plan == "two":
        return _pair(world, lot, look)
    thing = _thing(world, lot, world.objects, look)
    if plan == "one" and happens(lot, world.size_share):
        thing = dataclasses.replace(thing, size=lot.pick(("small", "large")))
    if plan == "count" and world.max_count > 1:
        thing = dataclasses.replace(thing, count=2 + int(lot.number() * (world.max_count - 1)))
    if plan in ("one", "rich"):
        thing = _perhaps_turned(world, lot, thing)
    return Cast((thing,))


def relate(world: World, lot: Lot, players: Cast) -> Cast:
    """Two things with a relation, if they are to have one, and what it leaves room for."""
    free, bound_share = _free_relations(world), _bound_share(world)
    relation = players.relation
    if relation is None and free:
        is_none = lot.chance(world.no_relation_share / (1 - bound_share))
        relation = None if is_none else lot.pick(free)
    things = players.things
    if relation in SIDE_BY_SIDE:
        things = _varied(world, lot, *things)
    return Cast(things, relation)


def happens(lot: Lot, share: float) -> bool:
    """True in `share` of cases; what never happens uses up no lot."""
    return share > 0 and lot.chance(share)


def may_meet(first: str, second: str) -> bool:
    """Whether two objects may be in one scene: they differ, and not by their colours alone."""
    entries = catalogue.load()
    families = {entries[name].merge_group or name for name in (first, second)}
    return len(families) == 2


def may_look(name: str, look: str | None) -> bool:
    """Whether the object may be told with this look ("colour", "material", or None for its own)."""
    entry = catalogue.load()[name]
    if look is None:
        return True
    return not (entry.merge_group or entry.category == SKIN_CATEGORY or name in SKIN)


@lru_cache(maxsize=64)
def _players(objects: tuple[str, ...], flag: str) -> tuple[str, ...]:
    """The objects that have the flag."""
    entries = catalogue.load()
    return tuple(name for name in objects if getattr(entries[name], flag))


def _free_relations(world: World) -> list[str]:
    """The world's relations of any two things."""
    return [relation for relation in world.relations if relation not in ROLES]


def _bound_relations(world: World) -> list[str]:
    """The world's relations with roles that somebody can play."""
    return [
        relation
        for relation in world.relations
        if relation in ROLES and all(_players(world.objects, role) for role in ROLES[relation])
    ]


def _bound_share(world: World) -> float:
    """How often two things have a relation with roles: each relation is as likely as the next."""
    num_bound = len(_bound_relations(world))
    num_relations = num_bound + len(_free_relations(world))
    return (1 - world.no_relation_share) * num_bound / max(1, num_relations)


def _pair(world: World, lot: Lot, look: str | None) -> Cast | None:
    """Two different things, cast for a relation with roles in its share of cases."""
    relation = None
    pools = (world.objects, world.objects)
    if happens(lot, _bound_share(world)):
        relation = lot.pick(_bound_relations(world))
        first_role, second_role = ROLES[relation]
        pools = _players(world.objects, first_role), _players(world.objects, second_role)
    first, second = (_thing(world, lot, pool, look) for pool in pools)
    return Cast((first, second), relation) if may_meet(first.name, second.name) else None


def _varied(world: World, lot: Lot, first: Thing, second: Thing) -> tuple[Thing, Thing]:
    """Two things with room for themselves: perhaps groups, of contrasting sizes, or turned over."""
    if happens(lot, world.contrast_share):
        sizes = ("small", "large") if lot.chance(0.5) else ("large", "small")
        return (
            dataclasses.replace(first, size=sizes[0]),
            dataclasses.replace(second, size=sizes[1]),
        )
    things = []
    for thing in (first, second):
        if happens(lot, world.group_share):
            thing = dataclasses.replace(thing, count=lot.pick((2, 3)))
        things.append(_perhaps_turned(world, lot, thing))
    return things[0], things[1]


def _thing(world: World, lot: Lot, names: tuple[str, ...], look: str | None) -> Thing:
    """One thing of the names in its own colours, that may have the look."""
    names = _fit_for(names, look)
    people = _players(names, "is_person")
    if world.person_share is not None and 0 < len(people) < len(names):
        names = people if lot.chance(world.person_share) else _others(names)
    name = lot.pick(names)
    if not catalogue.load()[name].is_person:
        return Thing(name=name)
    gender = "woman" if lot.chance(world.woman_share) else "man"
    tone = lot.weighted((None, 1, 2, 3, 4, 5), world.skin_tone_shares)
    return Thing(name=name, gender=gender, skin_tone=tone)


@lru_cache(maxsize=64)
def _fit_for(names: tuple[str, ...], look: str | None) -> tuple[str, ...]:
    """The names that may have the look."""
    return tuple(name for name in names if may_look(name, look))


@lru_cache(maxsize=64)
def _others(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that are no people."""
    people = set(_players(names, "is_person"))
    return tuple(name for name in names if name not in people)


def _perhaps_turned(world: World, lot: Lot, thing: Thing) -> Thing:
    """The thing, on its head in some cases where that can be seen."""
    if happens(lot, world.upside_down_share) and shows_turning(thing.name):
        return dataclasses.replace(thing, is_upside_down=True)
    return thing


@lru_cache(maxsize=4096)
def shows_turning(name: str) -> bool:
    """Whether the object stands upright and its outline tells when it is turned over."""
    if catalogue.load()[name].category not in UPRIGHT:
        return False
    body = atlas.glyph(name, 48)[..., 3] >= 128
    return bool(np.mean(body != body[::-1]) >= TURNED_DIFFERENCE * np.mean(body | body[::-1]))
