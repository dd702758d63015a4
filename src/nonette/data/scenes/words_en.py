"""The English of everything a scene can be, but its nouns (those are the catalogue's).

Each value has its wordings; the first is the usual one, which the plain style says, and a wording
that stands twice is said twice as often. `grammar_en` puts the words together. Whatever it says
stands here, so that `corpus` can list every word there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Wordings = tuple[str, ...]


class Material(NamedTuple):
    """How a material is said: before the noun ("wooden cat") and after it ("made of wood")."""

    before: Wordings
    after: Wordings


class Setting(NamedTuple):
    """How a setting is said: as a place in a sentence, and as a keyword."""

    places: Wordings
    keywords: Wordings


class Style(NamedTuple):
    """How a style is said: leading to the scene, trailing behind it, and as a keyword."""

    leads: Wordings
    tails: Wordings
    keywords: Wordings


COLOURS: Mapping[str, Wordings] = {
    "red": ("red",),
    "orange": ("orange",),
    "yellow": ("yellow",),
    "green": ("green",),
    "blue": ("blue",),
    "purple": ("purple", "purple", "purple", "violet"),
    "pink": ("pink",),
    "brown": ("brown",),
    "black": ("black",),
    "white": ("white",),
    "grey": ("grey", "gray"),
}

SIZES: Mapping[str, Wordings] = {
    "small": ("small", "small", "little", "tiny"),
    "large": ("big", "big", "large", "large", "huge"),
}

UPSIDE_DOWN: Wordings = ("upside-down", "upside-down", "upside down")

# Before the noun and after it.
SKIN: tuple[str, str] = ("{}-skinned", "with {} skin")
SKIN_TONES: Mapping[int, Wordings] = {
    1: ("light",),
    2: ("light",),
    3: ("medium",),
    4: ("dark",),
    5: ("dark",),
}

# Before a trade, and for "person" and "people".
GENDERS: Mapping[str, tuple[str, str, str]] = {
    "woman": ("female", "woman", "women"),
    "man": ("male", "man", "men"),
}

NUMBERS: Mapping[int, Wordings] = {
    2: ("two", "two", "two", "2"),
    3: ("three", "three", "three", "3"),
    4: ("four", "four", "four", "4"),
    5: ("five", "five", "five", "5"),
    6: ("six", "six", "six", "6"),
}
SOME: Wordings = ("some", "")  # before mass nouns and untold counts
ONE: Wordings = ("one", "one", "a single", "1")

MATERIALS: Mapping[str, Material] = {
    "brick": Material(("brick",), ("bricks", "brick")),
    "candy": Material(("candy",), ("candy",)),
    "cheese": Material(("cheese",), ("cheese",)),
    "chocolate": Material(("chocolate",), ("chocolate",)),
    "denim": Material(("denim",), ("denim",)),
    "flowers": Material(("flower",), ("flowers",)),
    "fur": Material(("fur",), ("fur",)),
    "glass": Material(("glass",), ("glass",)),
    "gold": Material(("golden", "gold"), ("gold",)),
    "grass": Material(("grass",), ("grass",)),
    "ice": Material(("ice",), ("ice",)),
    "jelly": Material(("jelly",), ("jelly",)),
    "lava": Material(("lava",), ("lava",)),
    "marble": Material(("marble",), ("marble",)),
    "paper": Material(("paper",), ("paper",)),
    "silver": Material(("silver",), ("silver",)),
    "stone": Material(("stone",), ("stone", "rock")),
    "water": Material(("water",), ("water",)),
    "wood": Material(("wooden", "wooden", "wood"), ("wood",)),
    "wool": Material(("woollen", "wool"), ("wool",)),
}

# Names of what there is one of, and the article before them, where nothing else is told.
PROPER: Mapping[str, str] = {
    "Father Christmas": "",
    "Kaaba": "the",
    "Mother Christmas": "",
    "Mount Fuji": "",
    "Mrs Claus": "",
    "Mrs. Claus": "",
    "Santa Claus": "",
    "Santa": "",
    "Saturn": "",
    "Statue of Liberty": "the",
    "Tokyo Tower": "the",
    "planet Earth": "",
}

MADE_OF: Wordings = ("made of", "made of", "made of", "made out of", "made from")

RELATIONS: Mapping[str, Wordings] = {
    "left_of": ("to the left of", "to the left of", "left of", "on the left of"),
    "right_of": ("to the right of", "to the right of", "right of", "on the right of"),
    "above": ("above", "above", "over"),
    "below": ("below", "below", "under", "underneath", "beneath"),
    "on": ("on", "on", "on top of"),
    "in_front_of": ("in front of",),
    "behind": ("behind",),
    "inside": ("inside", "inside", "in"),
    "next_to": ("next to", "next to", "beside"),
    "riding": ("riding", "riding", "riding on"),
    "carrying": ("carrying", "carrying", "holding"),
}

# The same fact told from the other thing's side.
REVERSED: Mapping[str, Wordings] = {
    "left_of": RELATIONS["right_of"],
    "right_of": RELATIONS["left_of"],
    "above": RELATIONS["below"],
    "below": RELATIONS["above"],
    "in_front_of": RELATIONS["behind"],
    "behind": RELATIONS["in_front_of"],
    "next_to": RELATIONS["next_to"],
    "riding": ("ridden by",),
    "carrying": ("carried by", "carried by", "held by"),
}

# "{}" is the colour, "{a}" the article before it.
BACKGROUNDS: Wordings = (
    "on {a} {} background",
    "on {a} {} background",
    "against {a} {} background",
    "on a plain {} background",
)
BACKGROUND_KEYWORDS: Wordings = ("{} background",)

SETTINGS: Mapping[str, Setting] = {
    "beach": Setting(("on the beach", "on the beach", "at the beach", "on a beach"), ("beach",)),
    "cave": Setting(("in a cave",), ("cave",)),
    "city": Setting(("in the city", "in the city", "in a city"), ("city",)),
    "desert": Setting(("in the desert", "in the desert", "in a desert"), ("desert",)),
    "forest": Setting(
        ("in the forest", "in the forest", "in a forest", "in the woods"), ("forest",)
    ),
    "meadow": Setting(("in a meadow", "in a meadow", "in the meadow"), ("meadow",)),
    "moon": Setting(("on the moon", "on the moon", "on the surface of the moon"), ("moon",)),
    "mountains": Setting(("in the mountains",), ("mountains", "mountain")),
    "road": Setting(("on the road", "on a road"), ("road",)),
    "room": Setting(("in a room", "in a room", "indoors"), ("room",)),
    "sky": Setting(("in the sky",), ("sky",)),
    "snow": Setting(("in the snow",), ("snow",)),
    "space": Setting(("in space", "in space", "in outer space"), ("space",)),
    "stage": Setting(("on a stage", "on a stage", "on stage"), ("stage",)),
    "underwater": Setting(
        ("underwater", "underwater", "under water", "under the sea"), ("underwater",)
    ),
    "volcano": Setting(("by a volcano", "by a volcano", "near a volcano"), ("volcano",)),
}

TIMES: Mapping[str, Setting] = {
    "sunset": Setting(("at sunset", "at sunset", "at dusk"), ("sunset",)),
    "night": Setting(("at night",), ("night",)),
    "rain": Setting(("in the rain", "in the rain", "on a rainy day"), ("rain",)),
}

STYLES: Mapping[str, Style] = {
    "watercolour": Style(
        ("a watercolour of", "a watercolour painting of", "a watercolor of", "a painting of"),
        ("in watercolour", "painted in watercolour", "as a watercolour", "in watercolor"),
        ("watercolour", "watercolor"),
    ),
    "oil_painting": Style(
        ("an oil painting of", "an oil painting of", "a painting of"),
        ("painted in oil", "as an oil painting"),
        ("oil painting", "oil on canvas"),
    ),
    "pencil": Style(
        ("a pencil drawing of", "a pencil sketch of", "a drawing of"),
        ("drawn in pencil", "as a pencil drawing", "in pencil"),
        ("pencil drawing", "pencil sketch"),
    ),
    "crayon": Style(
        ("a crayon drawing of", "a crayon drawing of", "a drawing of"),
        ("drawn in crayon", "drawn with crayons", "in crayon"),
        ("crayon drawing", "crayons"),
    ),
    "pixel_art": Style(
        ("pixel art of", "pixel art of", "a pixel art picture of"),
        ("in pixel art", "as pixel art", "in pixel art style"),
        ("pixel art",),
    ),
    "mosaic": Style(
        ("a mosaic of", "a mosaic of", "a tile mosaic of"),
        ("as a mosaic", "in mosaic"),
        ("mosaic",),
    ),
    "stained_glass": Style(
        ("a stained glass window of", "stained glass of"),
        ("in stained glass", "as a stained glass window"),
        ("stained glass",),
    ),
    "neon": Style(
        ("a neon sign of", "a neon picture of"),
        ("in neon", "as a neon sign", "in neon lights"),
        ("neon", "neon sign"),
    ),
    "comic": Style(
        ("a comic book drawing of", "a comic of", "a comic book picture of"),
        ("in comic book style", "in comic style", "as a comic"),
        ("comic", "comic book"),
    ),
    "blueprint": Style(
        ("a blueprint of",),
        ("as a blueprint", "in blueprint style"),
        ("blueprint",),
    ),
    "black_and_white": Style(
        (
            "a black and white picture of",
            "a black and white photo of",
            "a black-and-white image of",
        ),
        ("in black and white",),
        ("black and white",),
    ),
}

# Said only of the plain style, and never by it when it must be plain.
PLAIN_LEADS: Wordings = ("a picture of", "a photo of", "an image of", "an illustration of")

# Where the style is left untold.
NEUTRAL_LEADS: Wordings = ("a picture of", "an image of")

REQUESTS: Wordings = ("draw", "show me")

# What stands in captions of every world, and of worlds with people.
ALWAYS: tuple[Wordings, ...] = (
    ("a", "an", "the", "and", "there is", "there are"),
    MADE_OF,
    SOME,
    ONE,
    PLAIN_LEADS,
    NEUTRAL_LEADS,
    REQUESTS,
    BACKGROUNDS,
)
PEOPLE: tuple[Wordings, ...] = (SKIN, *SKIN_TONES.values(), *GENDERS.values())
BACKGROUND_COLOURS: Mapping[str, Wordings] = COLOURS
