"""The language of a world: its captions as a corpus, every word they can say, sentences to show.

Tokenizers are trained on `captions`, and checkpoints carry `vocabulary` and `examples`. Only scenes
of the training split are told, so that no held-out pair reaches a tokenizer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import ModuleType
from typing import Any

from nonette.data.scenes import captions as telling
from nonette.data.scenes import catalogue, grammar_fr, words_en, words_fr
from nonette.data.scenes.scene import Scene, Thing
from nonette.data.scenes.world import PROMPT_SEED, World, draw_scene
from nonette.text.vocabulary import Vocabulary

WORDS: Mapping[str, ModuleType] = {"en": words_en, "fr": words_fr}
NAMES: Mapping[str, tuple[str, ...]] = {
    "en": ("english", "english_woman", "english_man"),
    "fr": ("french", "french_feminine"),
}
NUM_EXAMPLES = 18

# What people try first, as far as a world has it.
_SHOWPIECES = (
    Scene(things=(Thing(name="kangaroo", material="cheese"),), setting="moon"),
    Scene(
        things=(Thing(name="cat", colour="red"), Thing(name="dog", colour="blue")),
        relation="left_of",
    ),
    Scene(things=(Thing(name="elephant", material="wood"),), setting="beach"),
    Scene(things=(Thing(name="penguin"),), setting="desert", style="pixel_art"),
    Scene(things=(Thing(name="apple", count=3, colour="green"),)),
    Scene(things=(Thing(name="dragon"), Thing(name="castle")), relation="on"),
    Scene(things=(Thing(name="guitar", material="gold"),), setting="space"),
    Scene(things=(Thing(name="owl"),), setting="forest", style="watercolour"),
    Scene(things=(Thing(name="car", material="ice"),), setting="snow"),
    Scene(
        things=(Thing(name="robot"), Thing(name="flying_saucer")), relation="below", setting="moon"
    ),
)


def captions(world: World, seed: int, num: int) -> Iterator[str]:
    """Varied captions of training scenes, the world's languages in turn.

    Args:
        world: What is told of.
        seed: Which series of scenes; `world.TRAINING_SEED` is what generators see.
        num: How many captions.
    """
    for index in range(num):
        scene = draw_scene(world, seed, index)
        yield telling.tell(scene, world.languages[index % len(world.languages)], seed, index)


def vocabulary(world: World) -> Vocabulary:
    """Every word that captions of the world can say, in its languages; none is sampled."""
    return Vocabulary(
        phrase for language in world.languages for phrase in wordings(world, language)
    )


def examples(world: World) -> tuple[str, ...]:
    """Sentences that the world's models should draw well, its languages in turn."""
    scenes = [scene for scene in _SHOWPIECES if _is_of(scene, world)][:NUM_EXAMPLES]
    scenes += [draw_scene(world, PROMPT_SEED, index) for index in range(NUM_EXAMPLES - len(scenes))]
    return tuple(
        telling.tell(scene, world.languages[index % len(world.languages)], 0, 0, "plain")
        for index, scene in enumerate(scenes)
    )


def wordings(world: World, language: str) -> Iterator[str]:
    """Everything that captions of the world are put together from, as phrases."""
    words = WORDS[language]
    told: list[tuple[Mapping[Any, Any], Collection[Any]]] = [
        (words.COLOURS, world.colours),
        (words.MATERIALS, world.materials),
        (words.RELATIONS, world.relations),
        (words.REVERSED, world.relations),
        (words.SETTINGS, world.settings),
        (words.TIMES, world.times),
        (words.STYLES, world.styles),
        (words.NUMBERS, range(2, world.max_count + 1)),
        (words.SIZES, words.SIZES if world.size_share else ()),
    ]
    entries = [catalogue.load()[name] for name in world.objects]
    for noun in (noun for e in entries for field in NAMES[language] for noun in getattr(e, field)):
        yield from (noun.singular, noun.plural) if world.max_count > 1 else (noun.singular,)
    if any(entry.is_person for entry in entries):
        yield from _strings(words.PEOPLE)
    if world.upside_down_share:
        yield from _strings(words.UPSIDE_DOWN)
    for table, keys in told:
        for key in keys:
            yield from _strings(table.get(key, ()))
    yield from _strings(words.ALWAYS)
    yield from _strings(words.BACKGROUND_COLOURS[colour] for colour in world.plain_settings)


def _strings(wording: Any) -> Iterator[str]:
    """The strings in nested tuples, placeholders filled in every way."""
    if not isinstance(wording, str):
        for part in wording:
            yield from _strings(part)
    elif "{" not in wording:
        yield wording
    else:
        yield from grammar_fr.agreements(wording)


def _is_of(scene: Scene, world: World) -> bool:
    """Whether the world can show the scene; pairs that training never saw are welcome."""
    if scene.setting not in (*world.settings, *world.plain_settings):
        return False
    if scene.style not in world.styles or scene.relation not in (None, *world.relations):
        return False
    return all(
        thing.name in world.objects
        and thing.colour in (None, *world.colours)
        and thing.material in (None, *world.materials)
        and thing.count <= world.max_count
        for thing in scene.things
    )
