"""The exam: sentences of every category, each with the scene that is its answer key.

GenEval's six categories (Ghosh et al. 2023, "GenEval: An Object-Focused Framework for Evaluating
Text-to-Image Alignment", section 3.1: one object, two objects, counting, colours, position,
attribute binding) and material, setting and style. Scenes are of the model's own world; half of
them show a pair that no generator was ever shown (where the category has pairs), and each is told
in every language by its one canonical sentence, so that languages and splits are compared like for
like. Nothing but what the category is about is told.

From a pool of scenes drawn by lot those are taken whose values and objects were least used so far,
so that a small exam still spans the world.

It does not know pictures, models or judges.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from nonette.core.errors import InputError
from nonette.data.scenes import captions, catalogue, splits, styles, visibility
from nonette.data.scenes import world as worlds
from nonette.data.scenes.kin import are_kin
from nonette.data.scenes.lots import Lot
from nonette.data.scenes.scene import Scene, Thing
from nonette.data.scenes.settings import SHOWS
from nonette.data.scenes.world import World
from nonette.evaluation import relations

Split = Literal["seen", "held_out"]
SPLITS: tuple[Split, ...] = ("seen", "held_out")
POOL = 400  # scenes that those asked are chosen from
MAX_DRAWS = 6_000  # lots drawn for a pool before it is taken as it is
EXAM_STREAM = 9


@dataclass(frozen=True, kw_only=True)
class Category:
    """One kind of question.

    Attributes:
        name: As reports call it.
        pairs: The kinds of pairs (of `splits.PAIR_KINDS`) its held-out half holds out; empty where
            it shows no pair and has no such half.
        draw: A scene of it by lot, told or not fit to be.
    """

    name: str
    pairs: tuple[str, ...]
    draw: Callable[[World, Lot], Scene]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One question: a sentence, and the scene it tells.

    Attributes:
        category: Name of its category.
        split: "held_out" where the scene shows a pair that training never showed.
        language: Of the sentence.
        text: The sentence.
        scene: A scene that it tells, as it can be painted.
        key: What a right picture shows; what the sentence leaves open has its untold value.
        place: Which scene of the category and split it is; languages of one scene share it.
    """

    category: str
    split: Split
    language: str
    text: str
    scene: Scene
    key: Scene
    place: int


def exam(
    world: World, seed: int, scenes_per_category: int, languages: tuple[str, ...] = ("en", "fr")
) -> list[Prompt]:
    """The prompts of all categories, the same for the same arguments.

    Args:
        world: The model's world.
        seed: 0 for the standing exam; another for another of the same kind; 0 to 999,999.
        scenes_per_category: How many scenes; at least 2, half of them held out where there is a
            half. Each becomes one prompt a language. A small world may have fewer, or none.
        languages: Of the prompts.

    Raises:
        InputError: The seed or the number of scenes cannot be.
    """
    if not 0 <= seed < 1_000_000:
        raise InputError("seed", seed, "it must be a whole number from 0 to 999,999")
    if scenes_per_category < 2:
        raise InputError("scenes a category", scenes_per_category, "at least 2 are needed")
    prompts = []
    for category in CATEGORIES:
        for split in SPLITS if category.pairs else SPLITS[:1]:
            chosen = _balanced(
                _pool(world, category, split, seed), _share(category, split, scenes_per_category)
            )
            prompts += [
                Prompt(
                    category=category.name,
                    split=split,
                    language=language,
                    text=_sentence(scene, category, language),
                    scene=scene,
                    key=_key(scene, category),
                    place=place,
                )
                for place, scene in enumerate(chosen)
                for language in languages
            ]
    return prompts


def _share(category: Category, split: Split, num_scenes: int) -> int:
    """How many of a category's scenes are of the split: half of them, the odd one seen."""
    if not category.pairs:
        return num_scenes
    return num_scenes // 2 if split == "held_out" else num_scenes - num_scenes // 2


def _sentence(scene: Scene, category: Category, language: str) -> str:
    untold = frozenset() if category.name == "setting" else frozenset({"setting"})
    return captions.tell(scene, language, 0, 0, style="plain", untold=untold)


def _key(scene: Scene, category: Category) -> Scene:
    """The scene as the sentence tells it: only a sentence about the setting tells the setting."""
    if category.name == "setting":
        return scene
    return dataclasses.replace(scene, setting=splits.UNTOLD_SETTING)


# -- scenes by lot


def _one_object(world: World, lot: Lot) -> Scene:
    return Scene(things=(_thing(world, lot),))


def _two_objects(world: World, lot: Lot) -> Scene:
    names = [name for name in world.relations if relations.CATEGORIES[name] == relations.TOGETHER]
    relation = lot.pick((None, *names))
    return Scene(things=(_thing(world, lot), _thing(world, lot)), relation=relation)


def _counting(world: World, lot: Lot) -> Scene:
    count = lot.pick(range(2, world.max_count + 1)) if world.max_count > 1 else 1
    return Scene(things=(dataclasses.replace(_thing(world, lot), count=count),))


def _colours(world: World, lot: Lot) -> Scene:
    return Scene(things=(dataclasses.replace(_thing(world, lot), colour=lot.pick(world.colours)),))


def _position(world: World, lot: Lot) -> Scene:
    names = [name for name in world.relations if relations.CATEGORIES[name] == relations.POSITION]
    relation = lot.pick(names) if names else None
    return Scene(things=(_thing(world, lot), _thing(world, lot)), relation=relation)


def _attribute_binding(world: World, lot: Lot) -> Scene:
    things = (_colours(world, lot).things[0], _colours(world, lot).things[0])
    return dataclasses.replace(_two_objects(world, lot), things=things)


def _material(world: World, lot: Lot) -> Scene:
    material = lot.pick(world.materials)
    return Scene(things=(dataclasses.replace(_thing(world, lot), material=material),))


def _setting(world: World, lot: Lot) -> Scene:
    told = [name for name in world.plain_settings if name != splits.UNTOLD_SETTING]
    kind = world.settings if lot.chance(2 / 3) or not told else told
    return Scene(things=(_thing(world, lot),), setting=lot.pick(kind))


def _style(world: World, lot: Lot) -> Scene:
    """On white, or where white cannot be, on a plain background that the style shows truly."""
    style = lot.pick([name for name in world.styles if name != splits.UNTOLD_STYLE])
    backgrounds = styles.STYLES[style].plain_settings or (splits.UNTOLD_SETTING,)
    is_white = splits.UNTOLD_SETTING in backgrounds
    setting = splits.UNTOLD_SETTING if is_white else lot.pick(backgrounds)
    return Scene(things=(_thing(world, lot),), setting=setting, style=style)


def _thing(world: World, lot: Lot) -> Thing:
    return Thing(name=lot.pick(world.objects))


CATEGORIES: tuple[Category, ...] = (
    Category(name="one_object", pairs=(), draw=_one_object),
    Category(name="two_objects", pairs=("object-object",), draw=_two_objects),
    Category(name="counting", pairs=(), draw=_counting),
    Category(name="colours", pairs=("object-colour",), draw=_colours),
    Category(name="position", pairs=("object-object",), draw=_position),
    Category(name="attribute_binding", pairs=("object-colour",), draw=_attribute_binding),
    Category(name="material", pairs=("object-material",), draw=_material),
    Category(name="setting", pairs=("object-setting",), draw=_setting),
    Category(name="style", pairs=("object-style",), draw=_style),
)


# -- which of them are asked


def _pool(world: World, category: Category, split: Split, seed: int) -> list[Scene]:
    """Different fit scenes on the right side of the split, as many as there are up to `POOL`."""
    stream = CATEGORIES.index(category) * len(SPLITS) + SPLITS.index(split)
    lot = Lot(worlds.PROMPT_SEED + seed, stream, EXAM_STREAM)
    found: dict[Scene, None] = {}
    for _ in range(MAX_DRAWS):
        scene = category.draw(world, lot)
        if scene not in found and _is_on_side(scene, category, split) and _is_fit(scene):
            found[scene] = None
        if len(found) == POOL:
            break
    return list(found)


def _is_on_side(scene: Scene, category: Category, split: Split) -> bool:
    """Whether the scene shows no held-out pair, or some but only of the category's kinds."""
    held_out = {kind for kind, _, _ in splits.held_out_pairs(scene)}
    return not held_out if split == "seen" else bool(held_out) and held_out <= set(category.pairs)


def _is_fit(scene: Scene) -> bool:
    """Whether the scene can be painted and told so that there is one right answer."""
    entries = [catalogue.load()[thing.name] for thing in scene.things]
    if len(entries) == 2:
        first, second = scene.things
        looks = first.colour, second.colour
        if are_kin(first.name, second.name) or (looks[0] and looks[0] == looks[1]):
            return False
        if entries[0].merge_group and entries[0].merge_group == entries[1].merge_group:
            return False
    for thing, entry in zip(scene.things, entries, strict=True):
        if entry.merge_group and (thing.colour or thing.material):
            return False
        if thing.name in SHOWS.get(scene.setting, ()):
            return False
        look = dataclasses.replace(thing, count=1)
        if not visibility.is_visible(look, scene.setting, scene.time):
            return False
    return True


def _balanced(pool: list[Scene], num_scenes: int) -> Iterator[Scene]:
    """Scenes whose values, then objects, were used least by those before them; ties by order."""
    values: Counter[tuple[str, object]] = Counter()
    names: Counter[str] = Counter()
    left = list(pool)
    for _ in range(min(num_scenes, len(left))):
        best = min(
            left,
            key=lambda scene: (
                sum(values[value] for value in _values(scene)),
                sum(names[thing.name] for thing in scene.things),
            ),
        )
        left.remove(best)
        values.update(_values(best))
        names.update(thing.name for thing in best.things)
        yield best


def _values(scene: Scene) -> list[tuple[str, object]]:
    """What varies within a category, objects aside."""
    looks = [thing.colour or thing.material for thing in scene.things]
    return [
        *(("look", look) for look in looks if look),
        ("count", scene.things[0].count),
        ("relation", scene.relation),
        ("setting", scene.setting),
        ("style", scene.style),
    ]
