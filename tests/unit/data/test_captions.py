"""Captions as a whole: grammar tables in both languages, determinism, what is kept and left out."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonette.core.errors import InputError, NonetteError
from nonette.data.scenes import (
    captions,
    casting,
    catalogue,
    materials,
    settings,
    splits,
    styles,
    words_en,
    words_fr,
)
from nonette.data.scenes.alterations import CONTRADICTIONS, alter, changed_facts
from nonette.data.scenes.dice import Dice
from nonette.data.scenes.kin import PARTICULARS, SHOWN, are_kin, is_shown
from nonette.data.scenes.scene import Scene, Thing
from nonette.data.scenes.world import CPU_WORLD, TINY_WORLD, draw_scene, full_world

indices = st.integers(0, 10**6)
languages = st.sampled_from(("en", "fr"))


def scene(*things: Thing, **rest: str) -> Scene:
    return Scene(things=things, **rest)  # type: ignore[arg-type]


def thing(name: str, **rest: object) -> Thing:
    return Thing(name=name, **rest)  # type: ignore[arg-type]


CAT, DOG = thing("cat"), thing("dog")

PLAIN = [
    (scene(CAT), "a cat", "un chat"),
    (scene(thing("elephant")), "an elephant", "un éléphant"),
    (scene(thing("cat", colour="orange")), "an orange cat", "un chat orange"),
    (scene(thing("apple", colour="white")), "a white apple", "une pomme blanche"),
    (scene(thing("unicorn")), "a unicorn", "une licorne"),
    (scene(thing("hourglass")), "an hourglass", "un sablier"),
    (scene(thing("sheep", count=2)), "two sheep", "deux moutons"),
    (scene(thing("octopus", count=3)), "three octopuses", "trois pieuvres"),
    (scene(thing("cat", colour="red", count=3)), "three red cats", "trois chats rouges"),
    (scene(thing("horse", colour="brown", count=4)), "four brown horses", "quatre chevaux marron"),
    (
        scene(thing("banana", colour="purple", count=2)),
        "two purple bananas",
        "deux bananes violettes",
    ),
    (
        scene(thing("mushroom", colour="white", count=5)),
        "five white mushrooms",
        "cinq champignons blancs",
    ),
    (scene(thing("house", colour="grey", count=6)), "six grey houses", "six maisons grises"),
    (scene(thing("snowman", count=2)), "two snowmen", "deux bonshommes de neige"),
    (scene(thing("dog", size="large")), "a big dog", "un grand chien"),
    (scene(thing("giraffe", size="small", count=2)), "two small giraffes", "deux petites girafes"),
    (
        scene(thing("kangaroo", material="cheese"), setting="moon"),
        "a kangaroo made of cheese on the moon",
        "un kangourou en fromage sur la lune",
    ),
    (
        scene(thing("key", material="gold"), setting="red"),
        "a key made of gold on a red background",
        "une clé en or sur fond rouge",
    ),
    (scene(CAT, setting="orange"), "a cat on an orange background", "un chat sur fond orange"),
    (
        scene(thing("cat", colour="red"), thing("dog", colour="blue"), relation="left_of"),
        "a red cat to the left of a blue dog",
        "un chat rouge à gauche d'un chien bleu",
    ),
    (
        scene(CAT, thing("elephant", count=2), relation="right_of", setting="snow"),
        "a cat to the right of two elephants in the snow",
        "un chat à droite de deux éléphants dans la neige",
    ),
    (
        scene(CAT, thing("house"), relation="above"),
        "a cat above a house",
        "un chat au-dessus d'une maison",
    ),
    (
        scene(thing("star"), CAT, relation="next_to"),
        "a star next to a cat",
        "une étoile à côté d'un chat",
    ),
    (scene(CAT, thing("bed"), relation="on"), "a cat on a bed", "un chat sur un lit"),
    (
        scene(CAT, thing("bucket"), relation="inside"),
        "a cat inside a bucket",
        "un chat dans un seau",
    ),
    (
        scene(CAT, thing("tree"), relation="behind"),
        "a cat behind a tree",
        "un chat derrière un arbre",
    ),
    (
        scene(thing("monkey", count=2), thing("horse"), relation="riding"),
        "two monkeys riding a horse",
        "deux singes chevauchant un cheval",
    ),
    (
        scene(thing("frog"), thing("crown"), relation="carrying"),
        "a frog carrying a crown",
        "une grenouille tenant une couronne",
    ),
    (scene(CAT, DOG), "a cat and a dog", "un chat et un chien"),
    (
        scene(thing("cat", count=2), thing("dog", material="wood")),
        "two cats and a wooden dog",
        "un chien en bois et deux chats",
    ),
    (
        scene(thing("apple", colour="green", count=2), setting="forest", style="pixel_art"),
        "pixel art of two green apples in the forest",
        "une image en pixel art de deux pommes vertes dans la forêt",
    ),
    (
        scene(thing("owl"), style="watercolour"),
        "a watercolour of an owl",
        "une aquarelle d'un hibou",
    ),
    (
        scene(CAT, thing("elephant"), style="pencil"),
        "a pencil drawing of a cat and an elephant",
        "un dessin au crayon d'un chat et d'un éléphant",
    ),
    (
        scene(thing("cat", is_upside_down=True), setting="beach", time="sunset"),
        "an upside-down cat on the beach at sunset",
        "un chat à l'envers sur la plage au coucher du soleil",
    ),
    (
        scene(thing("cook", gender="woman", skin_tone=5), setting="city", time="night"),
        "a female cook in the city at night",
        "une cuisinière en ville la nuit",
    ),
    (scene(thing("adult", gender="man")), "a man", "un homme"),
    (
        scene(thing("tipping_hand_person", gender="woman", colour="red")),
        "a red woman tipping a hand",
        "une femme rouge paume vers le haut",
    ),
    (
        scene(thing("mount_fuji"), style="pencil"),
        "a pencil drawing of Mount Fuji",
        "un dessin au crayon du mont Fuji",
    ),
    (
        scene(thing("statue_of_liberty", material="cheese")),
        "a cheese Statue of Liberty",
        "une statue de la Liberté en fromage",
    ),
    (
        scene(CAT, thing("kaaba"), relation="left_of"),
        "a cat to the left of the Kaaba",
        "un chat à gauche de la Kaaba",
    ),
    (scene(thing("child", gender="woman", count=3)), "three girls", "trois filles"),
]


@pytest.mark.parametrize(("told", "english", "french"), PLAIN)
def test_plain_sentences(told: Scene, english: str, french: str) -> None:
    assert captions.tell(told, "en", 0, 0, "plain") == english
    assert captions.tell(told, "fr", 0, 0, "plain") == french


def test_plain_sentences_do_not_depend_on_seed_or_index() -> None:
    told = draw_scene(CPU_WORLD, 1, 7)
    assert captions.tell(told, "fr", 1, 2, "plain") == captions.tell(told, "fr", 8, 9, "plain")


def test_skin_is_told_where_it_must_be() -> None:
    cook = scene(thing("cook", gender="woman", skin_tone=5), DOG, relation="left_of")
    assert captions.tell(cook, "en", 0, 0, "plain", keep={"skin_tone"}) == (
        "a female cook with dark skin to the left of a dog"
    )
    assert captions.tell(cook, "fr", 0, 0, "plain", keep={"skin_tone"}) == (
        "une cuisinière à la peau foncée à gauche d'un chien"
    )


def test_facts_can_be_left_untold() -> None:
    told = scene(
        thing("cat", colour="red", count=3, size="small"),
        thing("dog", material="wood"),
        relation="on",
        setting="beach",
        time="night",
        style="pencil",
    )
    assert captions.tell(told, "en", 0, 0, "plain", untold=set(captions.OMISSIONS)) == (
        "some cats and a dog"
    )
    assert captions.tell(told, "fr", 0, 0, "plain", untold={"count", "time", "style"}) == (
        "de petits chats rouges sur un chien en bois sur la plage"
    )
    assert captions.tell(
        told, "fr", 0, 0, "plain", untold={"count", "size", "relation", "time"}
    ) == ("un dessin au crayon d'un chien en bois et de chats rouges sur la plage")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("de", 0, 0), "language"),
        (("en", 0, 0, "poetic"), "style"),
    ],
)
def test_unknown_languages_and_styles_are_errors(arguments: tuple[object, ...], field: str) -> None:
    with pytest.raises(InputError) as error:
        captions.tell(scene(CAT), *arguments)  # type: ignore[arg-type]
    assert error.value.field == field


def test_unknown_facts_are_errors() -> None:
    with pytest.raises(InputError):
        captions.tell(scene(CAT), "en", 0, 0, untold={"color"})


@given(index=indices, language=languages)
def test_kept_facts_are_kept(index: int, language: str) -> None:
    told = scene(thing("cat", colour="red", count=3), setting="moon", style="pencil")
    caption = captions.tell(told, language, 3, index, keep=frozenset(captions.OMISSIONS))
    for words in (("red", "rouges"), ("three", "3", "trois"), ("moon", "lune")):
        assert any(word in caption for word in words), caption


@given(index=indices, language=languages)
def test_the_same_key_tells_the_same(index: int, language: str) -> None:
    told = draw_scene(CPU_WORLD, 1, index)
    assert captions.tell(told, language, 5, index) == captions.tell(told, language, 5, index)


def test_captions_are_those_of_every_machine() -> None:
    """Training data must never depend on where and with which releases it is made."""
    told = scene(thing("kangaroo", material="cheese"), setting="moon", style="pixel_art")
    assert [captions.tell(told, "en", 1, index) for index in range(2)] == [
        "pixel art of a kangaroo on the surface of the moon",
        "a cheese roo is on the surface of the moon, as pixel art",
    ]
    assert [captions.tell(told, "fr", 1, index) for index in range(2)] == [
        "il y a un kangourou en fromage à la surface de la lune, en style pixel art",
        "kangourou en fromage, lune, pixel art",
    ]


def test_wordings_vary() -> None:
    told = scene(thing("kangaroo", material="cheese"), setting="moon")
    for language in ("en", "fr"):
        said = {captions.tell(told, language, 1, index) for index in range(200)}
        assert len(said) > 40


@given(index=indices, language=languages)
def test_captions_are_tidy(index: int, language: str) -> None:
    caption = captions.tell(draw_scene(CPU_WORLD, 2, index), language, 2, index)
    assert caption == " ".join(caption.split())
    assert not any(mark in caption for mark in ("{", "}", "  ", " ,", ",,", "None", ".."))
    assert 0 < len(caption) < 200


def test_every_value_can_be_told() -> None:
    for words in (words_en, words_fr):
        assert set(materials.MATERIALS) <= set(words.MATERIALS)
        assert set(materials.COLOURS) == set(words.COLOURS)
        assert set(settings.SCENES) <= set(words.SETTINGS)
        assert set(settings.PLAIN) <= set(words.COLOURS)
        assert set(styles.STYLES) - {"plain"} <= set(words.STYLES)
        times = {time for setting in settings.SCENES for time in settings.times(setting)}
        assert times - {"day"} <= set(words.TIMES)
        assert set(CONTRADICTIONS) - {None} == set(words.RELATIONS)


def test_every_object_can_be_told() -> None:
    for entry in catalogue.load().values():
        for count in (1, 2):
            told = scene(
                thing(entry.name, count=count, gender="woman" if entry.is_person else None)
            )
            for language in ("en", "fr"):
                assert captions.tell(told, language, 0, 0, "plain")


# --- false captions -----------------------------------------------------------------------------


@given(index=indices)
def test_alterations_change_one_respect_and_stay_in_the_world(index: int) -> None:
    told = draw_scene(CPU_WORLD, 6, index)
    altered = alter(told, Dice("test", index), CPU_WORLD)
    assert altered != told
    assert splits.held_out_pairs(altered) == ()
    assert altered.setting in (*CPU_WORLD.settings, *CPU_WORLD.plain_settings)
    assert altered.style in CPU_WORLD.styles
    assert altered.relation in (None, *CPU_WORLD.relations)
    for one in altered.things:
        assert one.name in CPU_WORLD.objects
        assert one.colour in (None, *CPU_WORLD.colours)
        assert one.material in (None, *CPU_WORLD.materials)
        assert 1 <= one.count <= CPU_WORLD.max_count
    pairs = list(zip(told.things, altered.things, strict=True))
    fields = [field.name for field in dataclasses.fields(Thing)]
    changes = [
        (i, name)
        for i, (one, other) in enumerate(pairs)
        for name in fields
        if getattr(one, name) != getattr(other, name)
    ]
    changes += [
        name
        for name in ("relation", "setting", "time", "style")
        if getattr(told, name) != getattr(altered, name)
    ]
    is_reversed = altered == dataclasses.replace(told, things=told.things[::-1])
    is_swapped = [one.colour for one in altered.things] == [one.colour for one in told.things[::-1]]
    is_swapped &= [one.material for one in altered.things] == [
        one.material for one in told.things[::-1]
    ]
    assert len(changes) == 1 or is_reversed or is_swapped


@given(index=indices, language=languages)
def test_everything_of_the_full_world_is_told_and_altered(index: int, language: str) -> None:
    world = full_world()
    told = draw_scene(world, 8, index)
    everything = frozenset(captions.OMISSIONS)
    altered = alter(told, Dice("test", index), world)
    for one in altered.things:
        look = "colour" if one.colour else "material" if one.material else None
        assert casting.may_look(one.name, look)
        assert not one.is_upside_down or casting.shows_turning(one.name)
    said = [captions.tell(one, language, 8, index, keep=everything) for one in (told, altered)]
    assert said[0] != said[1]


@given(index=indices)
def test_nothing_is_altered_into_what_goes_without_saying(index: int) -> None:
    told = draw_scene(CPU_WORLD, 6, index)
    altered = alter(told, Dice("test", index), CPU_WORLD)
    for name, silent in (("style", "plain"), ("setting", "white"), ("time", "day")):
        assert getattr(altered, name) != silent or getattr(told, name) == silent
    for one, other in zip(told.things, altered.things, strict=True):
        assert (one.colour is None) == (other.colour is None)
        assert (one.material is None) == (other.material is None)


def test_contradictions_contradict() -> None:
    """No relation is ruled out by itself, nor by one that it may hold together with."""
    together = {("on", "above"), ("left_of", "next_to"), ("right_of", "next_to"), ("riding", "on")}
    for relation, others in CONTRADICTIONS.items():
        for other in others:
            assert relation != other
            assert (relation, other) not in together and (other, relation) not in together


def test_colours_of_two_things_change_places() -> None:
    told = scene(thing("cat", colour="red"), thing("dog", colour="green"), relation="left_of")
    said = {captions.tell_falsely(told, "en", 1, index, CPU_WORLD) for index in range(300)}
    assert any("green cat" in caption and "red dog" in caption for caption in said)


def test_changed_facts_are_named() -> None:
    told = scene(thing("cat", colour="red"), DOG, relation="left_of", setting="moon")
    assert changed_facts(told, dataclasses.replace(told, setting="beach")) == {"setting"}
    assert changed_facts(told, dataclasses.replace(told, things=told.things[::-1])) == {"relation"}
    blue = dataclasses.replace(told.things[0], colour="blue")
    assert changed_facts(told, dataclasses.replace(told, things=(blue, DOG))) == {"colour"}
    assert changed_facts(scene(CAT), scene(DOG)) == frozenset()


def test_a_world_of_nothing_else_says_so() -> None:
    alone = dataclasses.replace(
        TINY_WORLD,
        objects=("cat",),
        colours=(),
        materials=(),
        settings=(),
        plain_settings=("white",),
        styles=("plain",),
        relations=(),
        max_count=1,
    )
    with pytest.raises(NonetteError, match="nothing in the world tiny can be changed"):
        alter(scene(CAT), Dice(0), alone)


@pytest.mark.parametrize(
    ("first", "second", "is_kin"),
    [
        ("tree", "palm_tree", True),
        ("duck", "bird", True),
        ("taxi", "car", True),
        ("cook", "adult", True),
        ("cat", "black_cat", True),
        ("cat", "cat", True),
        ("duck", "owl", False),
        ("cat", "dog", False),
        ("monkey", "key", False),
        ("cook", "astronaut", False),
    ],
)
def test_kin(first: str, second: str, is_kin: bool) -> None:
    assert are_kin(first, second) == are_kin(second, first) == is_kin


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", ["artist", "cook", "judge", "adult"])
def test_false_captions_of_people_differ(name: str, language: str) -> None:
    """Where women and men go by one name ("deux artistes"), gender makes no caption false."""
    told = scene(thing(name, count=2, gender="woman"), setting="moon")
    for index in range(100):
        falsely = captions.tell_falsely(told, language, 1, index, full_world())
        assert falsely != captions.tell(told, language, 1, index)


@pytest.mark.parametrize(
    ("name", "setting", "time", "shown"),
    [
        ("star", "space", "day", True),
        ("star", "city", "night", True),
        ("star", "city", "day", False),
        ("tree", "forest", "day", True),
        ("cat", "forest", "night", False),
    ],
)
def test_backdrops_show_things_too(name: str, setting: str, time: str, shown: bool) -> None:
    assert is_shown(name, setting, time) == shown


def test_kin_are_in_the_catalogue() -> None:
    named = {name for general, others in PARTICULARS.items() for name in (general, *others.split())}
    named |= {name for others in SHOWN.values() for name in others.split()}
    assert named <= set(catalogue.load())
