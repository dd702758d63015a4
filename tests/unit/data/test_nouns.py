"""Plurals, articles and genders, held against what a dictionary says."""

from __future__ import annotations

from functools import cache

import pytest

from nonette.core.errors import InputError
from nonette.data.scenes import catalogue, nouns

ENGLISH = {
    "mouse": ("a", "mice"),
    "wolf": ("a", "wolves"),
    "sheep": ("a", "sheep"),
    "goose": ("a", "geese"),
    "ox": ("an", "oxen"),
    "fox": ("a", "foxes"),
    "butterfly": ("a", "butterflies"),
    "monkey": ("a", "monkeys"),
    "hourglass": ("an", "hourglasses"),
    "unicorn": ("a", "unicorns"),
    "UFO": ("a", "UFOs"),
    "X-ray": ("an", "X-rays"),
    "SUV": ("an", "SUVs"),
    "one-piece swimsuit": ("a", "one-piece swimsuits"),
    "ear of corn": ("an", "ears of corn"),
    "loaf of bread": ("a", "loaves of bread"),
    "knife": ("a", "knives"),
    "tooth": ("a", "teeth"),
    "tomato": ("a", "tomatoes"),
    "volcano": ("a", "volcanoes"),
    "snowman": ("a", "snowmen"),
    "kangaroo": ("a", "kangaroos"),
    "church": ("a", "churches"),
    "police officer": ("a", "police officers"),
    "elf": ("an", "elves"),
    "person with a beard": ("a", "people with beards"),
    "bunch of grapes": ("a", "bunches of grapes"),
}

FRENCH = {
    "cheval": ("m", "chevaux"),
    "hibou": ("m", "hiboux"),
    "gâteau": ("m", "gâteaux"),
    "bonhomme de neige": ("m", "bonshommes de neige"),
    "cerf-volant": ("m", "cerfs-volants"),
    "arc-en-ciel": ("m", "arcs-en-ciel"),
    "chauve-souris": ("f", "chauves-souris"),
    "souris": ("f", "souris"),
    "œil": ("m", "yeux"),
    "caillou": ("m", "cailloux"),
    "pomme de terre": ("f", "pommes de terre"),
    "sac à dos": ("m", "sacs à dos"),
    "ours polaire": ("m", "ours polaires"),
    "chou chinois": ("m", "choux chinois"),
    "journal": ("m", "journaux"),
    "nez": ("m", "nez"),
    "feu": ("m", "feux"),
    "hôpital": ("m", "hôpitaux"),
    "grand-père": ("m", "grands-pères"),
    "étoile": ("f", "étoiles"),
    "éléphant": ("m", "éléphants"),
    "girafe": ("f", "girafes"),
    "coccinelle": ("f", "coccinelles"),
    "bête à bon Dieu": ("f", "bêtes à bon Dieu"),
    "réveille-matin": ("m", "réveille-matin"),
    "couteau de cuisine": ("m", "couteaux de cuisine"),
    "château fort": ("m", "châteaux forts"),
    "casque de chantier": ("m", "casques de chantier"),
}


@cache
def known(language: str) -> dict[str, nouns.Noun]:
    entries = catalogue.load().values()
    if language == "english":
        return {noun.singular: noun for entry in entries for noun in entry.english}
    names = (noun for entry in entries for noun in (*entry.french, *entry.french_feminine))
    return {noun.singular: noun for noun in names}


@pytest.mark.parametrize(("singular", "expected"), ENGLISH.items())
def test_english_noun_is_as_in_the_dictionary(singular: str, expected: tuple[str, str]) -> None:
    noun = known("english")[singular]
    assert (noun.article, noun.plural) == expected


@pytest.mark.parametrize(("singular", "expected"), FRENCH.items())
def test_french_noun_is_as_in_the_dictionary(singular: str, expected: tuple[str, str]) -> None:
    noun = known("french")[singular]
    assert (noun.gender, noun.plural) == expected
    assert noun.article == {"m": "un", "f": "une"}[noun.gender]


def test_only_what_stands_before_a_preposition_is_pluralised() -> None:
    assert nouns.french_plural("poêle à frire") == "poêles à frire"
    assert nouns.french_plural("personne dans une baignoire") == "personnes dans une baignoire"
    assert nouns.french_plural("noix d'eau") == "noix d'eau"
    assert nouns.english_plural("cup with a straw") == "cups with a straw"
    assert nouns.english_plural("hot dog") == "hot dogs"


def test_mass_nouns_have_no_plural_and_are_not_counted() -> None:
    (bread,) = nouns.parse_english("~bread")
    assert bread == nouns.Noun(
        singular="bread", plural="bread", gender="", article="some", is_mass=True
    )
    assert [noun.article for noun in nouns.parse_french("~m riz; ~f salade; ~f eau; ~m ail")] == [
        "du", "de la", "de l'", "de l'",
    ]  # fmt: skip


def test_usual_names_can_be_counted() -> None:
    for entry in catalogue.load().values():
        assert not entry.english[0].is_mass, entry.name
        assert not entry.french[0].is_mass, entry.name


def test_a_french_noun_without_gender_is_refused() -> None:
    with pytest.raises(InputError, match="m mot"):
        nouns.parse_french("chat")


def test_an_empty_cell_names_nothing() -> None:
    assert nouns.parse_english("") == nouns.parse_french("") == ()
