"""Seeing through spelling: the words a sentence says, however its letters are disguised.

Every character becomes the small Latin letter a reader takes it for, or nothing, or a blank:
accents and invisible characters go, compatibility forms fold (NFKD), and letters of other scripts
that look Latin become Latin, after the table of confusables of Unicode Technical Standard 39.
Folding looks at one character at a time, so that it takes linear time on any input: putting a
sentence into a normal form first can take quadratic time on stacked accents.

What cannot be seen through here: other languages than the list's own, and paraphrase.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

LOOK_ALIKES: dict[str, str] = {
    look_alike: letter
    for letter, look_alikes in {
        "a": "аᎪΑαɑⱭᗅ∂",
        "b": "вВьЬᏴΒβƄ",
        "c": "сСᏟϲⲤ",
        "d": "ԁᎠժ",
        "e": "еЕᎬΕεҽєЄ",
        "f": "ϝғ",
        "g": "ԍᏀցɡ",
        "h": "һҺнНᎻΗհ",
        "i": "іІӏӀᎥΙιɩ",
        "j": "јЈᎫյ",
        "k": "кКᏦΚκ",
        "l": "ⅼᏞլ",
        "m": "мМᎷΜϺ",
        "n": "пηոռΝ",
        "o": "оОΟοσօՕ໐ѳ",
        "p": "рРᏢΡρ",
        "q": "ԛԚզ",
        "r": "гᎡᏒ",
        "s": "ѕЅᏚՏ",
        "t": "тТᎢΤτ",
        "u": "սυՍ",
        "v": "νѵѴᏙ",
        "w": "ԝԜᏔωա",
        "x": "хХΧχ",
        "y": "уУүҮΥγᎽ",
        "z": "ᏃΖ",
        "ae": "æÆӕӔ",
        "oe": "œŒ",
    }.items()
    for look_alike in look_alikes
}
"""Letters of other scripts, and ligatures, with the small Latin letter they are read as."""

# Characters that stand for nothing, although Unicode counts them as letters or symbols.
BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
LATIN_BY_NAME = re.compile(
    r"(?:LATIN (?:SMALL LETTER|CAPITAL LETTER|LETTER SMALL CAPITAL)"
    r"|REGIONAL INDICATOR SYMBOL LETTER|NEGATIVE (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER)"
    r" (?:(?:TURNED|REVERSED|OPEN|SCRIPT|BARRED|DOTLESS|LONG|SIDEWAYS|BLACKLETTER) )*"
    r"([A-Z])(?: WITH .*| ROTUNDA)?"
)
SIGNS = "@$!|€£*"  # that can stand for a letter inside a word
LEET = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g"} | {
    "@": "a", "$": "s", "€": "e", "£": "l"
}  # fmt: skip
EITHER = "1!|"  # each an i or an l
WITHOUT_SIGNS = str.maketrans("", "", SIGNS)
WORD = re.compile(rf"[@$€£]*[a-z0-9]+(?:[{re.escape(SIGNS)}]+[a-z0-9]+)*[@$]*")
STRETCHED = re.compile(r"(.)\1{2,}")
MOST_STRETCHED = 64  # letters; no listed word, however stretched, needs more


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a sentence: as folded, and every other spelling it can be read as.

    Attributes:
        plain: Small letters and digits, as they stand.
        readings: Other readings: digits and signs as letters, stretched letters shortened.
    """

    plain: str
    readings: tuple[str, ...] = ()


class _Folds(dict[int, str]):
    """Code point → what it is read as; filled when a character is first met."""

    def __init__(self, invisible: str) -> None:
        self.invisible = invisible

    def __missing__(self, codepoint: int) -> str:
        character = chr(codepoint)
        category = unicodedata.category(character)
        if character.isspace():
            read = " "
        elif category in ("Mn", "Me"):
            read = ""
        elif category in ("Cf", "Cc", "Cs", "Co", "Cn") or character in BLANKS:
            read = self.invisible
        else:
            read = LOOK_ALIKES.get(character) or "".join(
                map(_letter, unicodedata.normalize("NFKD", character))
            )
        self[codepoint] = read
        return read


def _letter(character: str) -> str:
    """The small Latin letters this one is read as; itself where it is like none."""
    small = character.casefold()
    if character.isascii():
        return small
    if unicodedata.category(character) in ("Mn", "Me"):
        return ""
    for one in (character, small):
        if one in LOOK_ALIKES:
            return LOOK_ALIKES[one]
        name = LATIN_BY_NAME.fullmatch(unicodedata.name(one, "")) if len(one) == 1 else None
        if name:
            return name[1].lower()
    return small


_JOINED, _PARTED = _Folds(""), _Folds(" ")


def foldings(text: str) -> Iterator[str]:
    """The text in small Latin letters; twice where invisible characters may join or part words."""
    joined = text.translate(_JOINED)
    yield joined
    parted = text.translate(_PARTED)
    if parted != joined:
        yield parted


def words(folded: str) -> list[Word]:
    """The words of a folded text, in order, each with its readings."""
    return [_read(match[0]) for match in WORD.finditer(folded)]


def _read(token: str) -> Word:
    """The readings of one word; none of its own for plain letters or plain digits."""
    if token.isalpha() and not STRETCHED.search(token):
        return Word(token)
    bare = token.strip("@$€£")
    readings = {bare} - {token}
    if not token.isdigit() and not token.isalpha():
        for one in "il":
            readings.add("".join(one if c in EITHER else LEET.get(c, c) for c in token))
        readings.add(token.translate(WITHOUT_SIGNS))
    if len(token) <= MOST_STRETCHED:
        for reading in (token, *readings):
            if STRETCHED.search(reading) and not reading.isdigit():
                readings |= {STRETCHED.sub(r"\1", reading), STRETCHED.sub(r"\1\1", reading)}
    elif STRETCHED.search(token):
        readings.add(STRETCHED.sub(r"\1", token))
    return Word(token, tuple(sorted(readings - {token})))


def readable(text: str) -> str:
    """The text as a model should read it and a person can check it.

    Invisible characters that only steer or disguise go (zero-width spaces, direction overrides,
    tags, a byte order mark), and in a word that mixes scripts each look-alike becomes the Latin
    letter it pretends to be. Everything else stays as written: other scripts, emoji, line ends.
    """
    kept = "".join(filter(_is_meant, text))
    return MIXABLE.sub(lambda word: _unmixed(word[0]), kept)


MIXABLE = re.compile(r"\w+")
JOINERS = "\u200c\u200d"  # Persian spelling and emoji sequences need them


def _is_meant(character: str) -> bool:
    return character.isascii() or character in JOINERS or unicodedata.category(character) != "Cf"


def _unmixed(word: str) -> str:
    """The word in Latin letters where it mixes them with look-alikes of another script."""
    foreign = [c for c in word if c in LOOK_ALIKES and not _is_latin(c)]
    if not foreign or not any(c.isascii() and c.isalpha() for c in word):
        return word
    return "".join(_in_latin(c) for c in word)


def _in_latin(character: str) -> str:
    if character.isascii() or _is_latin(character):
        return character
    letter = LOOK_ALIKES.get(character, character)
    return letter.upper() if character.isupper() and letter != character else letter


def _is_latin(character: str) -> bool:
    return unicodedata.name(character, "").startswith("LATIN ")
