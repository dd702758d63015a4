"""The language of a world: its captions as a corpus, every word they can say, and sentences to show.

Tokenizers are trained on `captions` and checkpoints carry `vocabulary` and `examples`. Only scenes of the training
split are told, so that no held-out pair reaches a tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from nonette.data.scenes import captions as telling
from nonette.data.scenes import grammar_en, grammar_fr, splits
from nonette.data.scenes.scene import Scene, Thing
from nonette.data.scenes.world import PROMPT_SEED, World, draw_scene
from nonette.text.vocabulary import Vocabulary

WORDINGS: Mapping[str, Callable[[World], Iterator[str]]] = {
    "en": grammar_en.wordings,
    "fr": grammar_fr.wordings,
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
    """Every word that captions of the world can say, in its languages."""
    return Vocabulary(
        phrase for language in world.languages for phrase in WORDINGS[language](world)
    )


def examples(world: World) -> tuple[str, ...]:
    """Sentences that the world's models should draw well, the best known first, its languages in turn."""
    scenes = [scene for scene in _SHOWPIECES if _is_of(scene, world)]
    index = 0
    while len(scenes) < NUM_EXAMPLES:
        scenes.append(draw_scene(world, PROMPT_SEED, index))
        index += 1
    return tuple(
        telling.tell(scene, world.languages[i % len(world.languages)], 0, 0, "plain")
        for i, scene in enumerate(scenes[:NUM_EXAMPLES])
    )


def _is_of(scene: Scene, world: World) -> bool:
    """Whether the world can show the scene, and training saw its pairs."""
    if (
        scene.setting not in (*world.settings, *world.plain_settings)
        or scene.style not in world.styles
    ):
        return False
    if scene.relation not in (None, *world.relations) or splits.held_out_pairs(scene):
        return False
    return all(
        thing.name in world.objects
        and thing.colour in (None, *world.colours)
        and thing.material in (None, *world.materials)
        and thing.count <= world.max_count
        for thing in scene.things
    )
