"""Which scenes there are and how often: a world is a config, a scene is drawn from it by lot.

A scene begins as a plan: one thing, several of a kind, two things, or a rich scene, and which
attributes it is to tell. Objects and style are drawn next; setting, colours and materials last,
again and again until everything is visible, true in the style, and on the right side of the
held-out split. So it is attributes that are drawn anew, never plans, and training keeps its share
of rich scenes although pairs are held out.

Seeds go by purpose, so that nobody is judged on what it was trained on: see the constants below.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from nonette.core.errors import InputError
from nonette.data.scenes import casting, catalogue, materials, splits, styles, visibility
from nonette.data.scenes.backdrops import SCENES
from nonette.data.scenes.casting import Cast
from nonette.data.scenes.layout import ARRANGEMENTS
from nonette.data.scenes.lots import Lot
from nonette.data.scenes.scene import Scene, Thing
from nonette.data.scenes.settings import PLAIN, shows, times

TRAINING_SEED = 1
EVALUATOR_SEED = 1_000_000
PROMPT_SEED = 2_000_000
PREVIEW_SEED = 3_000_000

DRAW_STREAM = 1
NUM_TRIES = 40  # draws of the attributes before the things are drawn anew

Split = Literal["train", "held_out", "all"]
PLANS = ("one", "count", "two", "rich")


@dataclass(frozen=True, kw_only=True)
class World:
    """What may be in a scene, and how often; all shares are 0 to 1.

    Attributes:
        name: What the world is called in reports.
        objects: Ids of the catalogue.
        colours: Colours that things may be told to have.
        materials: Materials that things may be made of.
        settings: Painted places.
        plain_settings: Plain backgrounds; "white" is the one that is never told.
        times: Times of day and weather; places that have none know only "day".
        styles: Styles; "plain" is the one that is never told.
        relations: How two things may stand to each other, beside merely being together.
        max_count: The largest number of things of a kind, 1 to 6.
        plan_shares: How often each of `PLANS` is drawn.
        look_shares: How often a thing tells its colour or material, by plan; of two things both do
            or neither.
        material_shares: How often such a look is a material rather than a colour, by plan.
        style_shares: How often the style is told, by plan.
        plain_setting_share: How often the background is plain; rich scenes are always in a place.
        white_share: How often a plain background is the untold white.
        no_relation_share: How often two things are merely together.
        group_share: How often each of two things comes as two or three.
        size_share: How often a single thing tells its size.
        contrast_share: How often one of two things is small and the other large.
        upside_down_share: How often a thing stands on its head (if that can be seen).
        time_share: How often a place that has times is not shown by day.
        person_share: How often a thing is a person; None for as often as any other object.
        woman_share: How many people are women.
        skin_tone_shares: How often people have no tone of skin (yellow), and each of 1 to 5.
        languages: What captions are told in.
    """

    name: str
    objects: tuple[str, ...]
    colours: tuple[str, ...]
    materials: tuple[str, ...]
    settings: tuple[str, ...]
    plain_settings: tuple[str, ...]
    times: tuple[str, ...]
    styles: tuple[str, ...]
    relations: tuple[str, ...]
    max_count: int
    plan_shares: tuple[float, float, float, float] = (0.45, 0.20, 0.25, 0.10)
    look_shares: tuple[float, float, float, float] = (0.55, 0.30, 0.60, 1.00)
    material_shares: tuple[float, float, float, float] = (0.50, 0.30, 0.25, 0.75)
    style_shares: tuple[float, float, float, float] = (0.28, 0.15, 0.15, 0.40)
    plain_setting_share: float = 0.42
    white_share: float = 0.35
    no_relation_share: float = 0.2
    group_share: float = 0.0
    size_share: float = 0.0
    contrast_share: float = 0.0
    upside_down_share: float = 0.0
    time_share: float = 0.0
    person_share: float | None = None
    woman_share: float = 0.5
    skin_tone_shares: tuple[float, ...] = (0.0, 0.2, 0.2, 0.2, 0.2, 0.2)
    languages: tuple[str, ...] = ("en", "fr")


CPU_WORLD = World(
    name="cpu",
    objects=catalogue.CPU_OBJECTS,
    colours=("red", "orange", "yellow", "green", "blue", "purple", "pink", "black"),
    materials=("cheese", "wood", "stone", "gold", "ice", "brick", "grass", "lava"),
    settings=("moon", "space", "beach", "desert", "forest", "snow", "underwater", "city"),
    plain_settings=("white", "red", "orange", "yellow", "green", "blue", "purple", "pink", "black"),
    times=("day",),
    styles=("plain", "watercolour", "pencil", "pixel_art", "neon", "blueprint"),
    relations=("left_of", "right_of", "above", "below", "on", "next_to"),
    max_count=4,
    plan_shares=(0.32, 0.18, 0.40, 0.10),  # two things are the hardest to draw
    size_share=0.06,
)

TINY_WORLD = dataclasses.replace(
    CPU_WORLD,
    name="tiny",
    objects=("kangaroo", "cat", "elephant", "car", "house", "banana", "cactus", "guitar"),
    colours=("red", "yellow", "blue"),
    materials=("cheese", "brick"),
    settings=("moon", "beach"),
    plain_settings=("white", "green"),
    styles=("plain", "pencil"),
    relations=("left_of", "above"),
    max_count=2,
)

# Twenty things that nobody takes for one another, mostly alone: what the three diffusion systems
# are trained small on (`recipes/small.py`).
SMALL_WORLD = dataclasses.replace(
    CPU_WORLD,
    name="small",
    objects=(
        *("elephant", "penguin", "flamingo", "octopus", "butterfly", "frog", "cat", "banana"),
        *("strawberry", "watermelon", "mushroom", "cactus", "sunflower", "car", "rocket"),
        *("sailboat", "house", "umbrella", "guitar", "balloon"),
    ),
    materials=(),
    settings=("moon", "beach", "forest", "snow"),
    styles=("plain",),
    relations=("left_of", "above"),
    max_count=2,
    plan_shares=(0.85, 0.05, 0.10, 0.0),
    look_shares=(0.30, 0.20, 0.30, 0.0),
    material_shares=(0.0, 0.0, 0.0, 0.0),
    style_shares=(0.0, 0.0, 0.0, 0.0),
    plain_setting_share=0.65,
    white_share=0.5,
    languages=("en",),
)


@lru_cache(maxsize=1)
def full_world() -> World:
    """Everything there is, as `FULL_WORLD`; a function, so that importing reads no tables."""
    return dataclasses.replace(
        CPU_WORLD,
        name="full",
        objects=tuple(catalogue.load()),
        colours=tuple(materials.COLOURS),
        materials=tuple(materials.MATERIALS),
        settings=tuple(SCENES),
        plain_settings=tuple(PLAIN),
        times=("day", "sunset", "night", "rain"),
        styles=tuple(styles.STYLES),
        relations=tuple(name for name in ARRANGEMENTS if name is not None),
        max_count=6,
        plan_shares=(0.42, 0.18, 0.30, 0.10),
        group_share=0.08,
        size_share=0.12,
        contrast_share=0.08,
        upside_down_share=0.06,
        time_share=0.4,
        person_share=0.12,
    )


if TYPE_CHECKING:
    FULL_WORLD: World


def __getattr__(name: str) -> World:
    if name == "FULL_WORLD":
        return full_world()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True)
class _Plan:
    """What is decided before attributes are: they are drawn to fit it."""

    things: tuple[Thing, ...]
    relation: str | None
    look: str | None  # "colour", "material" or None
    is_plain: bool
    style: str


def draw_scene(
    world: World, seed: int, index: int, split: Split = "train", pair: str | None = None
) -> Scene:
    """One scene of the world, fixed by its arguments.

    Args:
        world: What there may be.
        seed: Which series of scenes.
        index: Which of the series, from 0.
        split: "train" shows no held-out pair, "held_out" at least one, "all" is unconstrained.
        pair: With "held_out", the kind of pair (of `splits.PAIR_KINDS`) that is held out; None for
            any.

    Raises:
        InputError: The split or kind of pair is unknown, or the world holds no such pair out.
    """
    if split not in ("train", "held_out", "all"):
        raise InputError("split", split, "it must be train, held_out or all")
    kinds = _held_out_kinds(world) if split == "held_out" else ()
    if split == "held_out" and (not kinds or (pair is not None and pair not in kinds)):
        raise InputError(
            "pair", pair, f"the world {world.name} holds out {', '.join(kinds) or 'nothing'}"
        )
    lot = Lot(seed, index, DRAW_STREAM)
    wanted = (pair or lot.pick(kinds)) if split == "held_out" else None
    while True:
        plan = _plan(world, lot, split, wanted)
        if plan is None:
            continue
        for _ in range(NUM_TRIES):
            scene = _propose(world, lot, plan)
            if scene is not None and _is_fit(scene, split, wanted):
                return scene


@lru_cache(maxsize=16)
def _held_out_kinds(world: World) -> tuple[str, ...]:
    """The kinds of pairs that this world has and holds out."""
    values = {
        "object-colour": world.colours,
        "object-material": world.materials,
        "object-setting": (*world.settings, *world.plain_settings),
        "object-style": world.styles,
        "object-object": world.objects,
    }
    return tuple(
        kind
        for kind in splits.PAIR_KINDS
        if any(
            splits.is_held_out(kind, name, value)
            for name in world.objects
            for value in values[kind]
        )
    )


def _is_fit(scene: Scene, split: Split, wanted: str | None) -> bool:
    """Whether everything is visible, and pairs are on the right side of the split."""
    if split == "train" and any(splits.is_held_out(*pair) for pair in splits.pairs(scene)):
        return False
    if wanted is not None and all(kind != wanted for kind, _, _ in splits.held_out_pairs(scene)):
        return False
    if len(scene.things) > 1 or scene.things[0].count > 1:
        shown = shows(scene.setting, scene.time)
        if any(thing.name in shown for thing in scene.things):
            return False
    style = styles.STYLES[scene.style]
    is_grey = not style.keeps_colours and style.mute is None
    return all(
        visibility.is_visible(thing, scene.setting, scene.time, is_grey) for thing in scene.things
    )


def _plan(world: World, lot: Lot, split: Split, wanted: str | None) -> _Plan | None:
    """What a scene is to be; None where the lots do not go together."""
    name = "two" if wanted == "object-object" else lot.weighted(PLANS, world.plan_shares)
    place = PLANS.index(name)
    look = None
    if wanted in ("object-colour", "object-material"):
        look = wanted.removeprefix("object-")
    elif wanted is None or lot.chance(0.5):
        if lot.chance(world.look_shares[place]):
            look = "material" if lot.chance(world.material_shares[place]) else "colour"
    players = casting.cast(world, lot, name, look)
    if players is None or not _is_right_pair(players, split, wanted):
        return None
    style = splits.UNTOLD_STYLE
    if wanted == "object-style" or lot.chance(world.style_shares[place]):
        style = _style(world, lot, players.things, look, split, wanted)
    if len(players.things) == 2:
        players = casting.relate(world, lot, players)
    return _Plan(
        things=players.things,
        relation=players.relation,
        look=look,
        is_plain=name != "rich" and lot.chance(world.plain_setting_share),
        style=style,
    )


def _is_right_pair(players: Cast, split: Split, wanted: str | None) -> bool:
    """Whether two things are held out or not, as the split wants it."""
    names = [thing.name for thing in players.things]
    is_held_out = len(names) == 2 and splits.is_held_out("object-object", *names)
    return is_held_out if wanted == "object-object" else split != "train" or not is_held_out


def _style(
    world: World,
    lot: Lot,
    things: tuple[Thing, ...],
    look: str | None,
    split: Split,
    wanted: str | None,
) -> str:
    """A told style in which the look can be seen.

    Styles without colours are likelier where they can be, since looks often leave them out.
    """
    names, weights = [], []
    for name in world.styles:
        style = styles.STYLES[name]
        if name == splits.UNTOLD_STYLE or (look and not style.keeps_colours):
            continue
        if look == "material" and not style.keeps_materials:
            continue
        is_held_out = any(splits.is_held_out("object-style", t.name, name) for t in things)
        if (split == "train" and is_held_out) or (wanted == "object-style" and not is_held_out):
            continue
        names.append(name)
        weights.append(1.0 if style.keeps_colours and style.colours is None else 2.0)
    return lot.weighted(names, weights) if names else splits.UNTOLD_STYLE


def _others(values: Sequence[str], things: list[Thing]) -> Sequence[str]:
    """The colours or materials that no thing has yet, so that two things tell two."""
    used = {thing.colour or thing.material for thing in things}
    return [value for value in values if value not in used] or values


def _propose(world: World, lot: Lot, plan: _Plan) -> Scene | None:
    """The plan with a setting and looks; None where the style leaves no choice."""
    style = styles.STYLES[plan.style]
    if plan.is_plain:
        choices = [
            name
            for name in style.plain_settings or world.plain_settings
            if name in world.plain_settings
        ]
        if not choices:
            return None
        is_white = splits.UNTOLD_SETTING in choices and lot.chance(world.white_share)
        setting = splits.UNTOLD_SETTING if is_white else lot.pick(choices)
    else:
        setting = lot.pick(world.settings)
    shows_hues = style.keeps_colours and style.colours is None
    known = [
        name for name in times(setting) if name in world.times and (name != "sunset" or shows_hues)
    ]
    time = lot.pick(known[1:]) if len(known) > 1 and lot.chance(world.time_share) else "day"
    colours = (
        [name for name in world.colours if name in style.colours]
        if style.colours
        else world.colours
    )
    things: list[Thing] = []
    for thing in plan.things:
        if plan.look == "colour":
            thing = dataclasses.replace(thing, colour=lot.pick(_others(colours, things)))
        elif plan.look == "material":
            thing = dataclasses.replace(thing, material=lot.pick(_others(world.materials, things)))
        things.append(thing)
    return Scene(
        things=tuple(things), relation=plan.relation, setting=setting, time=time, style=plan.style
    )
