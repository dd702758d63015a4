"""The language of a world: nothing held out, no word unknown, examples that can be drawn."""

from __future__ import annotations

import dataclasses

import pytest

from nonette.data.scenes import captions, catalogue, corpus, splits
from nonette.data.scenes.world import CPU_WORLD, TINY_WORLD, World, draw_scene, full_world
from nonette.text.vocabulary import words

PEOPLED = dataclasses.replace(
    TINY_WORLD,
    name="peopled",
    objects=(*TINY_WORLD.objects, "cook", "astronaut", "adult"),
    upside_down_share=0.2,
    size_share=0.3,
)


def test_captions_come_in_the_languages_in_turn() -> None:
    told = list(corpus.captions(CPU_WORLD, 1, 6))
    scenes = [draw_scene(CPU_WORLD, 1, index) for index in range(6)]
    assert told == [
        captions.tell(scene, ("en", "fr")[index % 2], 1, index)
        for index, scene in enumerate(scenes)
    ]


def test_captions_tell_only_training_scenes() -> None:
    assert all(not splits.held_out_pairs(draw_scene(TINY_WORLD, 1, i)) for i in range(200))


@pytest.mark.parametrize(
    "world", [TINY_WORLD, CPU_WORLD, PEOPLED, full_world()], ids=lambda world: world.name
)
def test_the_vocabulary_knows_all_that_is_said(world: World) -> None:
    known = corpus.vocabulary(world)
    for index in range(400):
        scene = draw_scene(world, 7, index, split="all")
        for language in world.languages:
            caption = captions.tell(scene, language, 7, index)
            assert known.unknown(caption) == (), caption


def test_the_vocabulary_holds_little_that_is_never_said() -> None:
    said = {
        form.lower()
        for index in range(4_000)
        for language in ("en", "fr")
        for form in words(
            captions.tell(draw_scene(TINY_WORLD, 7, index, split="all"), language, 7, index)
        )
    }
    unsaid = {word for word in corpus.vocabulary(TINY_WORLD).words if word.isascii()} - said
    unsaid -= {word for word in unsaid if any(word[:4] == form[:4] for form in said)}
    assert len(unsaid) < 12, unsaid


def test_words_of_other_worlds_are_strange() -> None:
    known = corpus.vocabulary(CPU_WORLD)
    assert known.unknown("a kangaroo made of cheese on the moon") == ()
    assert known.unknown("Un Kangourou en FROMAGE sur la lune !") == ()
    assert known.unknown("three red cats, and the dog's hat") == ()
    assert known.unknown("a cat climbing the Eiffel tower") == ("climbing", "Eiffel", "tower")
    assert known.unknown("la tour d’Eiffel et l'Élysée") == ("tour", "Eiffel", "Élysée")
    assert known.unknown("a doctor in a grey car") == ("doctor", "grey")


@pytest.mark.parametrize("world", [TINY_WORLD, CPU_WORLD], ids=lambda world: world.name)
def test_examples_are_of_the_world_and_in_its_languages(world: World) -> None:
    examples = corpus.examples(world)
    assert len(set(examples)) == len(examples) == corpus.NUM_EXAMPLES
    known = corpus.vocabulary(world)
    assert all(known.unknown(example) == () for example in examples)
    assert any(" of " in example or " a " in example for example in examples[::2])
    assert all(example.split()[0] not in ("a", "an", "two", "three") for example in examples[1::2])


def test_the_cheese_kangaroo_comes_first() -> None:
    assert corpus.examples(CPU_WORLD)[0] == "a kangaroo made of cheese on the moon"


def test_every_name_of_the_world_is_known() -> None:
    known = corpus.vocabulary(CPU_WORLD)
    for name in CPU_WORLD.objects:
        entry = catalogue.load()[name]
        for noun in (*entry.english, *entry.french):
            assert known.unknown(f"{noun.singular} {noun.plural}") == ()
