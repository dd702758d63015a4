"""The hard corners of both grammars, as tables."""

from __future__ import annotations

import re

import pytest

from nonette.data.scenes import catalogue, grammar_en, grammar_fr
from nonette.data.scenes.dice import Dice, FirstChoice
from nonette.data.scenes.grammar_fr import Told, definite, elides, of
from nonette.data.scenes.nouns import parse_french
from nonette.data.scenes.scene import Scene, Thing
from nonette.data.scenes.words_fr import COLOURS


@pytest.mark.parametrize(
    ("phrase", "after_de"),
    [
        ("un chat", "d'un chat"),
        ("une étoile", "d'une étoile"),
        ("le chat", "du chat"),
        ("le hérisson", "du hérisson"),
        ("la pomme", "de la pomme"),
        ("l'éléphant", "de l'éléphant"),
        ("les chats", "des chats"),
        ("des chats", "de chats"),
        ("des éléphants", "d'éléphants"),
        ("de petits chats", "de petits chats"),
        ("du riz", "de riz"),
        ("de l'ail", "d'ail"),
        ("de la salade", "de salade"),
        ("deux chats", "de deux chats"),
        ("2 chats", "de 2 chats"),
        ("chat rouge", "de chat rouge"),
        ("hôtel", "d'hôtel"),
        ("homard", "de homard"),
    ],
)
def test_de_contracts(phrase: str, after_de: str) -> None:
    assert of(phrase) == after_de


@pytest.mark.parametrize(
    ("word", "is_elided"),
    [
        ("éléphant", True),
        ("ours", True),
        ("œuf", True),
        ("île", True),
        ("hôtel", True),
        ("hélicoptère", True),
        ("hippopotame", True),
        ("horloge", True),
        ("huître", True),
        ("haltérophile", True),
        ("homme", True),
        ("hérisson", False),
        ("homard", False),
        ("hibou", False),
        ("hamster", False),
        ("hamburger", False),
        ("hache", False),
        ("hot-dog", False),
        ("haut-parleur", False),
        ("yo-yo", False),
        ("yéti", False),
        ("ouistiti", False),
        ("chat", False),
    ],
)
def test_elision(word: str, is_elided: bool) -> None:
    assert elides(word) == is_elided


@pytest.mark.parametrize(
    ("cell", "is_plural", "following", "said"),
    [
        ("m hôtel", False, "hôtel", "l'hôtel"),
        ("m hérisson", False, "hérisson", "le hérisson"),
        ("m homard", False, "homard bleu", "le homard bleu"),
        ("m éléphant", False, "petit éléphant", "le petit éléphant"),
        ("f étoile", False, "étoile", "l'étoile"),
        ("f étoile", False, "grande étoile", "la grande étoile"),
        ("f pomme", False, "pomme", "la pomme"),
        ("f pomme", True, "pommes", "les pommes"),
        ("m hibou/hiboux", True, "hiboux", "les hiboux"),
    ],
)
def test_definite_articles(cell: str, is_plural: bool, following: str, said: str) -> None:
    assert definite(parse_french(cell)[0], is_plural, following) == said


@pytest.mark.parametrize(
    ("colour", "forms"),
    [
        ("orange", "orange orange orange orange"),
        ("brown", "marron marron marron marron"),
        ("white", "blanc blanche blancs blanches"),
        ("purple", "violet violette violets violettes"),
        ("grey", "gris grise gris grises"),
        ("black", "noir noire noirs noires"),
        ("red", "rouge rouge rouges rouges"),
        ("blue", "bleu bleue bleus bleues"),
        ("green", "vert verte verts vertes"),
    ],
)
def test_adjectives_agree(colour: str, forms: str) -> None:
    told = [
        COLOURS[colour].agreeing(gender, is_plural)
        for is_plural in (False, True)
        for gender in ("m", "f")
    ]
    assert told == forms.split()


def test_two_things_each_take_de() -> None:
    both = Told("une abeille bleue", "f", True, other="une banane")
    assert both.led_by("une image de") == "une image d'une abeille bleue et d'une banane"
    assert both.led_by("un vitrail représentant") == (
        "un vitrail représentant une abeille bleue et une banane"
    )


class Ways:
    """Dice that take every option in turn over a list of scripts: here, a fixed place modulo."""

    def __init__(self, place: int, is_lucky: bool) -> None:
        self.place, self.is_lucky = place, is_lucky

    def pick(self, options):  # type: ignore[no-untyped-def]
        return options[self.place % len(options)]

    def chance(self, probability: float) -> bool:
        return self.is_lucky


EVERY_WAY = [FirstChoice(), *(Ways(place, luck) for place in range(24) for luck in (False, True))]


@pytest.mark.parametrize("dice", EVERY_WAY)
def test_participles_and_verbs_agree(dice) -> None:  # type: ignore[no-untyped-def]
    frogs = Scene(
        things=(Thing(name="frog", count=2), Thing(name="bed")),
        relation="on",
        setting="moon",
        style="watercolour",
    )
    said = grammar_fr.sentence(frogs, dice)
    assert not any(wrong in said for wrong in ("posé sur", "posés sur", "posée sur", "est sur")), (
        said
    )
    assert not any(wrong in said for wrong in ("peint à", "peints à", "peinte à")), said
    assert "de le" not in said and "de les" not in said and "de un" not in said


@pytest.mark.parametrize("dice", EVERY_WAY)
def test_verbs_agree_in_english(dice) -> None:  # type: ignore[no-untyped-def]
    one = Scene(things=(Thing(name="frog"),), setting="moon")
    two = Scene(things=(Thing(name="frog", count=2),), setting="moon")
    assert " are " not in f" {grammar_en.sentence(one, dice)} "
    assert " is " not in f" {grammar_en.sentence(two, dice)} "


@pytest.mark.parametrize("dice", EVERY_WAY)
def test_articles_go_by_the_word_that_follows(dice) -> None:  # type: ignore[no-untyped-def]
    orange = Scene(things=(Thing(name="cat", colour="orange"),), setting="orange")
    said = f" {grammar_en.sentence(orange, dice)} "
    assert " a orange" not in said and " an cat" not in said and " an red" not in said


def test_scope_of_and_is_clear() -> None:
    """Modifiers that stand behind a noun never follow "and" in English."""
    pair = Scene(
        things=(Thing(name="cat", count=2), Thing(name="dog", material="wood")), setting="moon"
    )
    for index in range(300):
        said = grammar_en.sentence(pair, Dice(index))
        assert "made" not in said, said
        french = grammar_fr.sentence(pair, Dice(index))
        if " et " in french:
            assert french.index("bois") < french.index(" et "), french


def test_names_do_not_gainsay_what_is_told() -> None:
    for index in range(100):
        flamingo = Scene(things=(Thing(name="flamingo", colour="blue"),))
        assert "rose" not in grammar_fr.sentence(flamingo, Dice(index))
        bear = Scene(things=(Thing(name="teddy_bear", material="wood"),))
        assert "peluche" not in grammar_fr.sentence(bear, Dice(index))
        boy = Scene(things=(Thing(name="child", gender="man", size="large"),))
        assert "little" not in grammar_en.sentence(boy, Dice(index))
        assert "petit" not in grammar_fr.sentence(boy, Dice(index))


def test_a_stuff_before_a_noun_makes_no_other_noun() -> None:
    """A buffalo made of water is no water buffalo."""
    told = Scene(things=(Thing(name="buffalo", material="water"),))
    names = {noun.singular for entry in catalogue.load().values() for noun in entry.english}
    assert "water buffalo" in names
    assert all("water buffalo" not in grammar_en.sentence(told, Dice(i)) for i in range(200))


def test_mass_nouns_are_never_counted() -> None:
    for index in range(200):
        said = grammar_en.sentence(Scene(things=(Thing(name="butter", count=3),)), Dice(index))
        assert not re.search(r"butters|(3|three) butter(?! dish)", said), said
        one = grammar_en.sentence(Scene(things=(Thing(name="scissors"),)), Dice(index))
        assert "a scissors" not in one and "one scissors" not in one


def test_clauses_come_last_in_french() -> None:
    monkey = Scene(things=(Thing(name="see_no_evil_monkey", colour="blue"),), setting="")
    assert grammar_fr.sentence(monkey, FirstChoice()) == "un singe bleu qui se cache les yeux"
