"""What a noun needs to stand in a sentence: plural, gender, article, in English and French.

The tables write the usual name first and synonyms after it, parted by `; `, each as

    cat                 a regular noun
    sheep/sheep         with its plural, where the rules below would get it wrong
    ~popcorn            a mass noun: "some popcorn", never "a popcorn"
    m cheval/chevaux    French, with its gender
    ~m maïs             a French mass noun

The rules pluralise the words before the first preposition: "bunch of grapes" → "bunches of
grapes", "sac à dos" → "sacs à dos", "ours polaire" → "ours polaires". In English only the last of
these words changes ("hot dog" → "hot dogs"), in French each does.

This file knows no objects; what is exceptional stands in the tables, beside the word it concerns.
"""

from __future__ import annotations

from dataclasses import dataclass

from nonette.core.errors import InputError

ENGLISH_PREPOSITIONS = frozenset({"of", "with", "in", "on", "for", "from", "behind", "without"})
FRENCH_PREPOSITIONS = frozenset(
    "à au aux de du des en dans pour contre sans avec sur sous vers chez derrière la et qui".split()
)
# English goes by sound: a long u ("yoo") and "one" ("wun") take "a", a silent h takes "an".
ENGLISH_CONSONANT_SOUNDS = ("uni", "ute", "eu", "ewe", "one", "ufo")
ENGLISH_VOWEL_SOUNDS = ("hour", "heir", "honest", "x-", "x ", "suv", "f1 ")


@dataclass(frozen=True, kw_only=True)
class Noun:
    """One name of an object.

    Attributes:
        singular: The word or words, in the case a dictionary gives them ("T-shirt", "moto").
        plural: The same for two and more; of a mass noun the singular.
        gender: "m" or "f" in French, "" in English.
        article: "a", "an", "un" or "une"; of a mass noun "some", "du", "de la" or "de l'".
        is_mass: Whether it cannot be counted ("bread", "du pain").
    """

    singular: str
    plural: str
    gender: str
    article: str
    is_mass: bool = False


def parse_english(cell: str) -> tuple[Noun, ...]:
    """The nouns of an English cell of a table, the usual one first; of an empty cell none."""
    return tuple(_parse_english(text) for text in _parts(cell))


def parse_french(cell: str) -> tuple[Noun, ...]:
    """The nouns of a French cell of a table, the usual one first; of an empty cell none."""
    return tuple(_parse_french(text) for text in _parts(cell))


def english_article(words: str) -> str:
    """`a` or `an`, by the sound of the first word: "an hourglass", "a unicorn"."""
    start = words.lower()
    if start.startswith(ENGLISH_VOWEL_SOUNDS):
        return "an"
    if start.startswith(ENGLISH_CONSONANT_SOUNDS):
        return "a"
    return "an" if start[0] in "aeiou" else "a"


def english_plural(words: str) -> str:
    """The regular plural: "hot dog" → "hot dogs", "bunch of grapes" → "bunches of grapes"."""
    head, tail = _split_at(words.split(" "), ENGLISH_PREPOSITIONS)
    return " ".join([*head[:-1], _english_word(head[-1]), *tail])


def french_plural(words: str) -> str:
    """The regular plural: "chat noir" → "chats noirs", "gâteau de riz" → "gâteaux de riz"."""
    head, tail = _split_at(words.split(" "), FRENCH_PREPOSITIONS)
    return " ".join([*(_french_word(word) for word in head), *tail])


def _parts(cell: str) -> list[str]:
    return [text for text in cell.split("; ") if text]


def _parse_english(text: str) -> Noun:
    is_mass = text.startswith("~")
    singular, _, plural = text.removeprefix("~").partition("/")
    if is_mass:
        return Noun(singular=singular, plural=singular, gender="", article="some", is_mass=True)
    return Noun(
        singular=singular,
        plural=plural or english_plural(singular),
        gender="",
        article=english_article(singular),
    )


def _parse_french(text: str) -> Noun:
    is_mass = text.startswith("~")
    gender, _, words = text.removeprefix("~").partition(" ")
    singular, _, plural = words.partition("/")
    if gender not in ("m", "f") or not singular:
        raise InputError("French noun", text, "it must read 'm mot' or 'f mot/pluriel'")
    if is_mass:
        article = _partitive(singular, gender)
        return Noun(
            singular=singular, plural=singular, gender=gender, article=article, is_mass=True
        )
    return Noun(
        singular=singular,
        plural=plural or french_plural(singular),
        gender=gender,
        article="un" if gender == "m" else "une",
    )


def _partitive(word: str, gender: str) -> str:
    """French "some": du riz, de la salade, de l'eau. No mass noun here begins with an h."""
    if word[0].lower() in "aâeéèêiîoôuœ":
        return "de l'"
    return "du" if gender == "m" else "de la"


def _split_at(words: list[str], prepositions: frozenset[str]) -> tuple[list[str], list[str]]:
    """The words before the first preposition, which are at least one, and the rest."""
    for place, word in enumerate(words):
        if place and (word.lower() in prepositions or word.startswith(("d'", "l'"))):
            return words[:place], words[place:]
    return words, []


def _english_word(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in ("a", "e", "i", "o", "u"):
        return word[:-1] + "ies"
    if word.endswith(("man", "woman")) and word not in ("human",):
        return word[:-3] + "men"
    return word + "s"


def _french_word(word: str) -> str:
    if word.endswith(("s", "x", "z")):
        return word
    if word.endswith(("au", "eu")):
        return word + "x"
    if word.endswith("al"):
        return word[:-2] + "aux"
    return word + "s"
