"""Whether captions are true: a reader of its own, with its own lexicon, reads them back.

The reader knows nothing of the grammars: it takes styles, nouns and places out of a caption one
after the other and says what they assert. What it reads must agree with the scene, and of a false
caption must not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonette.data.scenes import captions, catalogue
from nonette.data.scenes.scene import Scene, Thing
from nonette.data.scenes.world import CPU_WORLD, draw_scene

COLOURS = {
    "en": {"purple": "purple|violet"}
    | {c: c for c in "red orange yellow green blue pink black white".split()},
    "fr": {
        "red": "rouges?",
        "orange": "orange",
        "yellow": "jaunes?",
        "green": "vert(?:es?|s)?",
        "blue": "bleu(?:es?|s)?",
        "purple": "violet(?:tes?|s)?",
        "pink": "roses?",
        "black": "noir(?:es?|s)?",
        "white": "blanc(?:hes?|s)?",
    },
}
MATERIALS = {
    "en": {
        "cheese": "cheese",
        "wood": "wooden|wood",
        "stone": "stone|rock",
        "gold": "golden|gold",
        "ice": "ice",
        "brick": "bricks?",
        "grass": "grass",
        "lava": "lava",
    },
    "fr": {
        "cheese": "fromage",
        "wood": "bois",
        "stone": "pierre|roche",
        "gold": "or",
        "ice": "glace",
        "brick": "briques?",
        "grass": "herbe",
        "lava": "lave",
    },
}
SIZES = {
    "en": {"small": "small|little|tiny", "large": "big|large|huge"},
    "fr": {"small": "petite?s?", "large": "grande?s?|gros(?:ses?)?"},
}
NUMBERS = {
    "en": {1: "an?|one|a single|1", 2: "two|2", 3: "three|3", 4: "four|4"},
    "fr": {1: "une? seule?|une?|1", 2: "deux|2", 3: "trois|3", 4: "quatre|4"},
}
RELATIONS = {
    "en": {
        "left_of": "left of",
        "right_of": "right of",
        "above": "above|over",
        "below": "below|under|underneath|beneath",
        "next_to": "next to|beside",
        "on": "on top of|on",
    },
    "fr": {
        "left_of": "gauche",
        "right_of": "droite",
        "above": "au-dessus",
        "below": "au-dessous|en dessous|sous",
        "next_to": "à côté",
        "on": "sur",
    },
}
SETTINGS = {
    "en": {
        "moon": "moon",
        "space": "space",
        "beach": "beach",
        "desert": "desert",
        "forest": "forest|woods",
        "snow": "snow",
        "underwater": "underwater|under water|under the sea",
        "city": "city",
    },
    "fr": {
        "moon": "lune",
        "space": "espace",
        "beach": "plage",
        "desert": "désert",
        "forest": "forêt|les bois",
        "snow": "neige",
        "underwater": "sous l'eau|sous la mer",
        "city": "ville",
    },
}
STYLES = {
    "en": {
        "watercolour": "watercolou?r|painting",
        "pencil": "drawn in pencil|in pencil|pencil (?:drawing|sketch)|(?<!pencil )drawing",
        "pixel_art": "pixel art",
        "neon": "neon(?: signs?| lights| picture)?",
        "blueprint": "blueprint",
    },
    "fr": {
        "watercolour": "aquarelle|peinture",
        "pencil": "(?:(?:dessin|dessinée?s?|croquis) )?au crayon|croquis|un dessin(?= d)",
        "pixel_art": "dessin en pixel art|pixel art",
        "neon": "enseigne au néon|néons?",
        "blueprint": "plan d'architecte|plan technique|blueprint",
    },
}
OPPOSITES = {"left_of": "right_of", "above": "below", "next_to": "next_to"}
OPPOSITES |= {second: first for first, second in OPPOSITES.items()}


@dataclass
class Reading:
    """What a caption asserts; None and "" where it is silent."""

    names: list[str] = field(default_factory=list)
    colours: list[str | None] = field(default_factory=list)
    materials: list[str | None] = field(default_factory=list)
    sizes: list[str | None] = field(default_factory=list)
    counts: list[int | None] = field(default_factory=list)
    relation: str | None = None
    setting: str = ""
    style: str = ""
    is_photo: bool = False


def group(values: dict[Any, str], name: str) -> str:
    """A regular expression of all wordings, caught under a name."""
    return f"(?P<{name}>{'|'.join(values.values())})"


def meant(values: dict[Any, str], said: str | None) -> Any:
    """The value whose wording was said."""
    if said is None:
        return None
    return next(value for value, wording in values.items() if re.fullmatch(wording, said))


def noun_forms(language: str) -> dict[str, tuple[str, bool | None]]:
    """Each form's (name, is_plural), longest first; None of a form for one and many."""
    forms: dict[str, tuple[str, bool | None]] = {}
    for name in CPU_WORLD.objects:
        entry = catalogue.load()[name]
        for noun in entry.english if language == "en" else entry.french:
            forms[noun.plural.lower()] = (name, None if noun.plural == noun.singular else True)
            if noun.plural != noun.singular:
                forms[noun.singular.lower()] = (name, False)
    return dict(sorted(forms.items(), key=lambda item: -len(item[0])))


FORMS = {language: noun_forms(language) for language in ("en", "fr")}
NOUNS = {
    language: re.compile(rf"(?<![\w§-])(?:{'|'.join(map(re.escape, forms))})(?![\w§-])")
    for language, forms in FORMS.items()
}


def take(
    text: str, values: dict[str, dict[str, str]], language: str, pattern: str = "{}"
) -> tuple[str, str | None]:
    """The text without the first wording found, and the value it means."""
    for value, wording in values[language].items():
        found = re.search(rf"(?<!\w){pattern.format(f'(?:{wording})')}(?!\w)", text)
        if found:
            return text[: found.start()] + " ; " + text[found.end() :], value
    return text, None


def read(caption: str, language: str) -> Reading:
    """What the caption asserts."""
    reading = Reading()
    text = caption.lower().rstrip(".")
    reading.is_photo = "photo" in text
    text, style = take(text, STYLES, language)
    reading.style = style or ""
    background = r"{} background" if language == "en" else r"fond (?:uni )?{}"
    text, setting = take(text, COLOURS, language, background)
    nouns: list[tuple[str, bool | None]] = []

    def mark(found: re.Match[str]) -> str:
        nouns.append(FORMS[language][found[0]])
        return f"§{len(nouns) - 1}§"

    text = NOUNS[language].sub(mark, text)
    if setting is None:
        text, setting = take(text, SETTINGS, language)
    reading.setting = setting or ""
    number, colour = group(NUMBERS[language], "number"), group(COLOURS[language], "colour")
    size, stuff = group(SIZES[language], "size"), group(MATERIALS[language], "stuff")
    if language == "en":
        after = stuff.replace("stuff", "after")
        pattern = (
            rf"(?:\b{number} )?(?:\b{size} )?(?:\b{colour} )?(?:\b{stuff} )?§(?P<noun>\d)§"
            rf"(?: made (?:out of|of|from) {after})?"
        )
    else:
        pattern = (
            rf"(?:\b{number} )?(?:\b{size} )?§(?P<noun>\d)§(?: {colour}\b)?"
            rf"(?: (?:faite?s? )?(?:en |de |d'){stuff}\b)?"
        )
    spans = []
    for found in re.finditer(pattern, text):
        parts = found.groupdict()
        name, is_plural = nouns[int(parts["noun"])]
        count = meant(NUMBERS[language], parts["number"])
        if count is None and is_plural is False:
            count = 1
        reading.names.append(name)
        reading.counts.append(count)
        reading.colours.append(meant(COLOURS[language], parts["colour"]))
        told = parts["stuff"] or parts.get("after")
        reading.materials.append(meant(MATERIALS[language], told))
        reading.sizes.append(meant(SIZES[language], parts["size"]))
        spans.append(found.span())
    if len(spans) == 2:
        between = text[spans[0][1] : spans[1][0]]
        reading.relation = take(between, RELATIONS, language)[1]
    return reading


def disagreements(reading: Reading, scene: Scene) -> list[str]:
    """What the reading asserts that the scene does not show."""
    found = []
    shown = {thing.name: thing for thing in scene.things}
    if sorted(reading.names) != sorted(shown):
        return [f"names {reading.names}"]
    for i, name in enumerate(reading.names):
        thing = shown[name]
        if reading.colours[i] not in (None, thing.colour):
            found.append(f"{name} {reading.colours[i]}")
        if reading.materials[i] not in (None, thing.material):
            found.append(f"{name} of {reading.materials[i]}")
        if reading.sizes[i] not in (None, thing.size):
            found.append(f"{reading.sizes[i]} {name}")
        if reading.counts[i] not in (None, thing.count):
            found.append(f"{reading.counts[i]} {name}")
    relation = scene.relation
    if relation and reading.names[0] != scene.things[0].name:
        relation = OPPOSITES.get(relation, "its reverse")
    if reading.relation not in (None, relation):
        found.append(f"relation {reading.relation}")
    if reading.setting not in ("", scene.setting):
        found.append(f"setting {reading.setting}")
    if reading.style not in ("", scene.style):
        found.append(f"style {reading.style}")
    if reading.is_photo and scene.style != "plain":
        found.append("a photo")
    return found


indices = st.integers(0, 10**6)
languages = st.sampled_from(("en", "fr"))


@given(index=indices, language=languages)
def test_varied_captions_are_true(index: int, language: str) -> None:
    scene = draw_scene(CPU_WORLD, 4, index, split="all")
    caption = captions.tell(scene, language, 4, index)
    assert disagreements(read(caption, language), scene) == [], caption


@given(index=indices, language=languages)
def test_plain_captions_tell_everything_but_what_goes_without_saying(
    index: int, language: str
) -> None:
    scene = draw_scene(CPU_WORLD, 4, index, split="all")
    caption = captions.tell(scene, language, 4, index, "plain")
    reading = read(caption, language)
    assert disagreements(reading, scene) == [], caption
    told = {thing.name: thing for thing in scene.things}
    for i, name in enumerate(reading.names):
        thing = told[name]
        assert (reading.colours[i], reading.materials[i]) == (thing.colour, thing.material), caption
        assert reading.sizes[i] == (None if thing.size == "medium" else thing.size), caption
        assert reading.counts[i] == thing.count, caption
    assert reading.relation == scene.relation, caption
    assert reading.setting == ("" if scene.setting == "white" else scene.setting), caption
    assert reading.style == ("" if scene.style == "plain" else scene.style), caption


@given(index=indices, language=languages)
def test_false_captions_are_false(index: int, language: str) -> None:
    scene = draw_scene(CPU_WORLD, 4, index)
    caption = captions.tell_falsely(scene, language, 4, index, CPU_WORLD)
    assert disagreements(read(caption, language), scene) != [], caption


@pytest.mark.parametrize(
    ("language", "caption", "wrong"),
    [
        ("en", "a red cat to the left of a blue dog", []),
        ("en", "a blue dog right of a red cat", []),
        ("en", "red cat, blue dog", []),
        ("en", "a blue cat to the left of a red dog", ["cat blue", "dog red"]),
        ("en", "a dog to the left of a cat", ["relation left_of"]),
        ("en", "two red cats next to a blue dog", ["2 cat", "relation next_to"]),
        ("en", "a photo of a red cat and a blue dog on the moon", ["setting moon"]),
        ("fr", "un chat rouge à gauche d'un chien bleu", []),
        ("fr", "un chat bleu à gauche d'un chien rouge", ["cat blue", "dog red"]),
        ("fr", "trois chats en bois et un chien", ["cat of wood", "3 cat"]),
        ("fr", "un dessin au crayon d'un chat et d'un chien", ["style pencil"]),
    ],
)
def test_the_reader_tells_true_from_false(language: str, caption: str, wrong: list[str]) -> None:
    scene = Scene(
        things=(Thing(name="cat", colour="red"), Thing(name="dog", colour="blue")),
        relation="left_of",
    )
    assert disagreements(read(caption, language), scene) == wrong
