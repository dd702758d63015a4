"""What the scene world is made of: every object's glyph, names in English and French, and manners.

Two tables hold the facts, one row an object: `assets/objects.tsv`, and `assets/people.tsv` for
people, who come as woman and man and in six skin tones. How a noun is written in a cell, `nouns`
says.

This file knows no pixels (`atlas` does), no sentences, and nothing of what a world draws how often.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TypedDict

from nonette.core.errors import InputError
from nonette.data.scenes.nouns import Noun, parse_english, parse_french

FLAGS = ("rideable", "rider", "carrier", "container", "surface", "carriable")
GENDERS = ("woman", "man")
WOMAN, MAN, PERSON = 0x1F469, 0x1F468, 0x1F9D1
JOINER, FEMALE_SIGN, MALE_SIGN = 0x200D, 0x2640, 0x2642
LIGHTEST_SKIN_TONE, NUM_SKIN_TONES = 0x1F3FB, 5

# The smaller world that two cores can learn: solid bodies, each with an outline of its own (no two
# overlap by 0.85 of their union once scaled to one box), each named by a common word.
# fmt: off
CPU_OBJECTS: tuple[str, ...] = (
    "cat", "dog", "elephant", "giraffe", "kangaroo", "horse", "cow", "pig", "sheep", "rabbit",
    "monkey", "rooster", "penguin", "duck", "owl", "flamingo", "turtle", "snail", "snake",
    "crocodile", "octopus", "crab", "fish", "whale", "butterfly", "bee", "ladybird", "frog",
    "lion", "fox", "squirrel", "dinosaur", "dragon", "camel", "banana", "pizza", "apple",
    "pineapple", "strawberry", "grapes", "watermelon", "carrot", "mushroom", "hot_dog",
    "ice_cream", "doughnut", "cake", "corn", "cactus", "palm_tree", "tree", "pine_tree",
    "tulip", "sunflower", "car", "truck", "tractor", "motorcycle", "bicycle", "train", "rocket",
    "aeroplane", "helicopter", "sailboat", "flying_saucer", "skateboard", "house", "castle",
    "tent", "church", "hammer", "key", "scissors", "axe", "bucket", "umbrella", "pencil",
    "light_bulb", "bell", "backpack", "top_hat", "crown", "t_shirt", "dress", "boot", "shoe",
    "guitar", "trumpet", "drum", "football", "trophy", "kite", "balloon", "teddy_bear",
    "snowman", "ghost", "star", "heart", "robot", "chair", "bed", "bathtub", "teapot", "cup",
)
# fmt: on


class _Flags(TypedDict):
    is_rideable: bool
    can_ride: bool
    can_carry: bool
    is_container: bool
    is_surface: bool
    is_carriable: bool


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One kind of object, or one kind of person.

    Attributes:
        name: Its id, in English snake_case: "kangaroo".
        codepoints: Its glyph, as hexadecimal code points joined by "_", without variation
            selectors: "1f998". Of people the genderless glyph; see `sequence`.
        own_codepoints: Of people whose woman and man Unicode spells with code points of their own
            (king and queen), these two; else empty.
        category: "animal", "food", "plant", "vehicle", "tool", "clothing", "furniture", "building",
            "toy", "music", "sport", "nature", "symbol", "face" or "person".
        english: Its names, the usual one first.
        french: Its names, the usual one first; of people those of a man.
        french_feminine: Of people those of a woman ("une cuisinière"); else empty.
        english_woman: Of people, names for women alone ("policewoman"); often empty.
        english_man: Of people, names for men alone ("policeman"); often empty.
        merge_group: The object whose outline it shares and from which its own colours alone tell
            it (a black cat from the cat), so that neither colour nor material is put on it; round
            faces, discs and square panels are groups of their own. "" for an outline of its own.
        is_rideable: Whether something may ride it.
        can_ride: Whether it may ride something.
        can_carry: Whether it may carry something.
        is_container: Whether something may be inside it.
        is_surface: Whether something may stand on it.
        is_carriable: Whether something may carry it.
        is_person: Whether it comes as woman and man and in skin tones.
    """

    name: str
    codepoints: str
    category: str
    english: tuple[Noun, ...]
    french: tuple[Noun, ...]
    french_feminine: tuple[Noun, ...] = ()
    english_woman: tuple[Noun, ...] = ()
    english_man: tuple[Noun, ...] = ()
    own_codepoints: tuple[str, ...] = ()
    merge_group: str = ""
    is_rideable: bool = False
    can_ride: bool = False
    can_carry: bool = False
    is_container: bool = False
    is_surface: bool = False
    is_carriable: bool = False
    is_person: bool = False

    def sequence(self, gender: str | None = None, skin_tone: int | None = None) -> str:
        """The code points of one look of it; the plain glyph's unless it is a person.

        Args:
            gender: "woman" or "man", or None for the genderless glyph.
            skin_tone: 1 (light) to 5 (dark), or None for the glyph's own yellow.

        Raises:
            InputError: If it is no person but a gender or tone is asked for, or there is no such.
        """
        if gender is None and skin_tone is None:
            return self.codepoints
        if not self.is_person:
            raise InputError("gender or skin_tone", self.name, "only people have them")
        if gender not in (None, *GENDERS):
            raise InputError("gender", gender, "it must be 'woman', 'man' or None")
        if skin_tone is not None and not 1 <= skin_tone <= NUM_SKIN_TONES:
            raise InputError("skin_tone", skin_tone, f"it must be 1 to {NUM_SKIN_TONES} or None")
        points = _points(self.codepoints) if gender is None else self._gendered(gender)
        if skin_tone is not None:
            points.insert(1, LIGHTEST_SKIN_TONE + skin_tone - 1)
        return "_".join(f"{point:x}" for point in points)

    def _gendered(self, gender: str) -> list[int]:
        """A woman takes the place of the person in "person + pan"; a guard gets a sign."""
        place = GENDERS.index(gender)
        if self.own_codepoints:
            return _points(self.own_codepoints[place])
        points = _points(self.codepoints)
        if points[0] == PERSON:
            return [(WOMAN, MAN)[place], *points[1:]]
        return [*points, JOINER, (FEMALE_SIGN, MALE_SIGN)[place]]

    def sequences(self) -> Iterator[str]:
        """The code points of every look of it, the plain one first."""
        yield self.codepoints
        if self.is_person:
            for gender in GENDERS:
                for skin_tone in (None, *range(1, NUM_SKIN_TONES + 1)):
                    yield self.sequence(gender, skin_tone)


@cache
def load() -> Mapping[str, Entry]:
    """Every entry by its name, in the order of the tables; read once."""
    entries = [_object(row) for row in _rows("objects.tsv")]
    entries += [_person(row) for row in _rows("people.tsv")]
    catalogue = {entry.name: entry for entry in entries}
    assert len(catalogue) == len(entries), "two rows of the catalogue share a name"
    return MappingProxyType(catalogue)


def _points(sequence: str) -> list[int]:
    return [int(point, 16) for point in sequence.split("_")]


def _rows(table: str) -> list[dict[str, str]]:
    text = (files("nonette.data.scenes") / "assets" / table).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


def _object(row: dict[str, str]) -> Entry:
    return Entry(
        name=row["name"],
        codepoints=row["codepoints"],
        category=row["category"],
        english=parse_english(row["english"]),
        french=parse_french(row["french"]),
        merge_group=row["merge_group"],
        **_flags(row["flags"]),
    )


def _person(row: dict[str, str]) -> Entry:
    codepoints, *own_codepoints = row["codepoints"].split()
    return Entry(
        name=row["name"],
        codepoints=codepoints,
        own_codepoints=tuple(own_codepoints),
        category="person",
        english=parse_english(row["english"]),
        english_woman=parse_english(row["english_woman"]),
        english_man=parse_english(row["english_man"]),
        french=parse_french(row["french"]),
        french_feminine=parse_french(row["french_feminine"]),
        merge_group=row["merge_group"],
        is_person=True,
        **_flags(row["flags"]),
    )


def _flags(cell: str) -> _Flags:
    flags = cell.split()
    unknown = set(flags) - set(FLAGS)
    if unknown:
        raise InputError("flags", cell, f"they must be among {', '.join(FLAGS)}")
    return {
        "is_rideable": "rideable" in flags,
        "can_ride": "rider" in flags,
        "can_carry": "carrier" in flags,
        "is_container": "container" in flags,
        "is_surface": "surface" in flags,
        "is_carriable": "carriable" in flags,
    }
