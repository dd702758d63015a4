"""English sentences of a scene: noun phrases, relations, places, styles, and their orders.

The chooser that is passed in chooses the wordings; the first choice everywhere is the canonical
sentence. What is to be left untold arrives as a gap (count 0, setting "", style "", ...: see
`captions.weaken`), and every sentence is true of the scene. Where "and" would let a modifier spread
over both things ("two cats and a dog made of wood"), modifiers stand before their noun.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache

from nonette.data.scenes import catalogue
from nonette.data.scenes.dice import Chooser
from nonette.data.scenes.nouns import Noun, english_article
from nonette.data.scenes.scene import Scene, Thing
from nonette.data.scenes.words_en import (
    BACKGROUND_KEYWORDS,
    BACKGROUNDS,
    COLOURS,
    GENDERS,
    MADE_OF,
    MATERIALS,
    NEUTRAL_LEADS,
    NUMBERS,
    ONE,
    PLAIN_LEADS,
    PROPER,
    RELATIONS,
    REQUESTS,
    REVERSED,
    SETTINGS,
    SIZES,
    SKIN,
    SKIN_TONES,
    SOME,
    STYLES,
    TIMES,
    UPSIDE_DOWN,
    Wordings,
)

# The shares of the forms a sentence takes; the first is the canonical one.
FORMS: Wordings = (
    *("phrase",) * 9,
    *("place_first",) * 2,
    *("there",) * 2,
    *("statement",) * 3,
    *("terse",) * 4,
    "request",
)


def sentence(scene: Scene, dice: Chooser) -> str:
    """The scene in one English sentence or list of keywords."""
    form = dice.pick(FORMS)
    if form == "terse":
        return _terse(scene, dice)
    place = _place(scene, dice)
    if form == "place_first" and place:
        return f"{place}, {_core(scene, dice)[0]}{_tail(scene, dice)}"
    if form == "there":
        core, is_plural = _core(scene, dice)
        return f"there {'are' if is_plural else 'is'} {core}{_after(place)}{_tail(scene, dice)}"
    if form == "statement" and (place or scene.relation):
        return _statement(scene, dice, place) + _tail(scene, dice)
    request = f"{dice.pick(REQUESTS)} " if form == "request" else ""
    style = STYLES.get(scene.style)
    lead, tail = "", ""
    if style is None:
        leads = PLAIN_LEADS if scene.style else NEUTRAL_LEADS
        lead = f"{dice.pick(leads)} " if not request and dice.chance(0.2) else ""
    elif dice.chance(0.35):
        tail = _tail(scene, dice)
    else:
        lead = f"{dice.pick(style.leads)} "
    return f"{request}{lead}{_core(scene, dice)[0]}{_after(place)}{tail}"


def _after(words: str) -> str:
    return f" {words}" if words else ""


def _tail(scene: Scene, dice: Chooser) -> str:
    """The style behind the scene: ", in pixel art"; "" for none."""
    style = STYLES.get(scene.style)
    return f", {dice.pick(style.tails)}" if style else ""


def _place(scene: Scene, dice: Chooser) -> str:
    """Where and when: "on the beach at sunset"; "" where neither is told."""
    place = ""
    if scene.setting in COLOURS:
        background, colour = dice.pick(BACKGROUNDS), dice.pick(COLOURS[scene.setting])
        place = background.format(colour, a=english_article(colour))
    elif scene.setting:
        place = dice.pick(SETTINGS[scene.setting].places)
    if scene.time in TIMES:
        time = dice.pick(TIMES[scene.time].places)
        place = f"{place} {time}" if place else time
    return place


def _core(scene: Scene, dice: Chooser) -> tuple[str, bool]:
    """The things and how they stand, and whether the first of them is several."""
    first, second = scene.things[0], scene.things[-1]
    if len(scene.things) == 1:
        return _phrase(first, dice, "indefinite"), first.count != 1
    if scene.relation is None:
        if dice.chance(0.5):
            first, second = second, first
        words = f"{_phrase(first, dice, 'indefinite', is_compact=True)} and "
        return words + _phrase(second, dice, "indefinite", is_compact=True), first.count != 1
    relation = RELATIONS[scene.relation]
    is_turned = scene.relation in REVERSED and dice.chance(0.15)
    if is_turned:
        first, second, relation = second, first, REVERSED[scene.relation]
    words = f"{_phrase(first, dice, 'indefinite', is_compact=is_turned)} {dice.pick(relation)} "
    return words + _phrase(second, dice, "indefinite"), first.count != 1


def _statement(scene: Scene, dice: Chooser, place: str) -> str:
    """A whole sentence with a verb: "the red cat is to the left of the blue dog on the moon"."""
    determiner = dice.pick(("definite", "indefinite"))
    first = scene.things[0]
    subject = _phrase(first, dice, determiner, is_compact=True)
    if scene.relation is not None:
        second = _phrase(scene.things[1], dice, determiner)
        verb = "are" if first.count != 1 else "is"
        return f"{subject} {verb} {dice.pick(RELATIONS[scene.relation])} {second}{_after(place)}"
    if len(scene.things) == 2:
        second = _phrase(scene.things[1], dice, determiner, is_compact=True)
        return f"{subject} and {second} are {place}"
    return f"{subject} {'are' if first.count != 1 else 'is'} {place}"


def _terse(scene: Scene, dice: Chooser) -> str:
    """Keywords without articles: "cheese kangaroo, moon", "red cat left of blue dog, neon"."""
    things = [_phrase(thing, dice, "bare", is_compact=True) for thing in scene.things]
    if scene.relation is not None:
        words = [f"{things[0]} {dice.pick(RELATIONS[scene.relation])} {things[1]}"]
    else:
        words = things
    if scene.setting in COLOURS:
        words.append(dice.pick(BACKGROUND_KEYWORDS).format(dice.pick(COLOURS[scene.setting])))
    elif scene.setting:
        words.append(dice.pick(SETTINGS[scene.setting].keywords))
    if scene.time in TIMES:
        words.append(dice.pick(TIMES[scene.time].keywords))
    if scene.style in STYLES:
        words.insert(dice.pick((0, len(words))), dice.pick(STYLES[scene.style].keywords))
    separator = dice.pick((", ", ", ", " "))
    return (", " if len(things) > 1 and scene.relation is None else separator).join(words)


def _phrase(thing: Thing, dice: Chooser, determiner: str, *, is_compact: bool = False) -> str:
    """One kind of thing with all that is told of it.

    Args:
        thing: What to tell.
        dice: Chooses the words.
        determiner: "indefinite" ("a cat", "two cats"), "definite" ("the cat") or "bare" ("cat").
        is_compact: Whether every modifier must stand before the noun.
    """
    noun = _noun(thing, dice)
    is_plural = thing.count != 1
    is_compact = is_compact or noun.singular.count(" ") > 1  # "a couple holding hands made of ice"
    words: list[str] = []
    after = ""
    if thing.size in SIZES:
        words.append(dice.pick(SIZES[thing.size]))
    if thing.is_upside_down:
        words.append(dice.pick(UPSIDE_DOWN))
    if thing.skin_tone is not None:
        skin = dice.pick(SKIN_TONES[thing.skin_tone])
        if is_compact:
            words.append(SKIN[0].format(skin))
        else:
            after = f" {SKIN[1].format(skin)}"
    if thing.colour is not None:
        words.append(dice.pick(COLOURS[thing.colour]))
    said = noun.plural if is_plural else noun.singular
    if thing.material is not None:
        material = MATERIALS[thing.material]
        before = f"{dice.pick(material.before)}"
        if (is_compact or dice.chance(0.4)) and f"{before} {said}" not in _all_nouns():
            words.append(before)
        else:
            after += f" {dice.pick(MADE_OF)} {dice.pick(material.after)}"
    words.append(said)
    if determiner == "bare" and thing.count == 1:
        return " ".join(words) + after
    article = _determiner(thing, noun, dice, determiner, words)
    return f"{article} {' '.join(words)}{after}" if article else " ".join(words) + after


def _determiner(
    thing: Thing, noun: Noun, dice: Chooser, determiner: str, words: Sequence[str]
) -> str:
    """The article or number that stands before `words`, which end in the noun; may be ""."""
    if thing.count > 1:
        number = dice.pick(NUMBERS[thing.count])
        return f"the {number}" if determiner == "definite" else number
    if words == [noun.singular] and noun.singular in PROPER and thing.material is None:
        return PROPER[noun.singular]
    if determiner == "definite":
        return "the"
    if thing.count == 0 or noun.is_mass:
        return "" if determiner == "bare" else dice.pick(SOME)
    if dice.chance(0.08):
        return dice.pick(ONE)
    return noun.article if len(words) == 1 else english_article(words[0])


def _noun(thing: Thing, dice: Chooser) -> Noun:
    """The thing's name or, in about one case in three, one of its synonyms."""
    allows_mass = thing.count == 1 and thing.size == "medium"
    nouns = _nouns(thing.name, thing.gender, _facts(thing), allows_mass)
    return dice.pick(nouns) if dice.chance(0.35) else nouns[0]


def _facts(thing: Thing) -> Wordings:
    """What is told of the thing that words in its name could gainsay."""
    size = ("size",) if thing.size in SIZES else ()
    if thing.colour is not None:
        return (*size, "colour")
    return (*size, "material") if thing.material is not None else size


@cache
def _nouns(name: str, gender: str | None, facts: Wordings, allows_mass: bool) -> tuple[Noun, ...]:
    """The names that fit: "female cook" and "policewoman" for a woman, no mass noun with a number.

    Nor, where there is another, one that speaks of what the facts ("size", "colour", "material")
    say otherwise: no "blue green apple", no "golden wooden spoon", no "small little boy".
    """
    entry = catalogue.load()[name]
    nouns = entry.english
    if gender is not None:
        own = entry.english_woman if gender == "woman" else entry.english_man
        if not any(noun.singular in ("child", "kid") for noun in nouns):
            own = (*(_with_gender(noun, gender) for noun in nouns), *own)
        nouns = own
    if not allows_mass:
        nouns = tuple(noun for noun in nouns if not noun.is_mass) or nouns
    return tuple(noun for noun in nouns if not _speaks_of(noun, facts)) or nouns


def _with_gender(noun: Noun, gender: str) -> Noun:
    """The noun with "female" or "male" before it, or with "woman" or "man" for its "person"."""
    adjective, singular, plural = GENDERS[gender]
    if _is_person(noun):
        return dataclasses.replace(
            noun,
            singular=noun.singular.replace("person", singular),
            plural=noun.plural.replace("people", plural),
        )
    return dataclasses.replace(
        noun,
        singular=f"{adjective} {noun.singular}",
        plural=f"{adjective} {noun.plural}",
        article="a",
    )


def _is_person(noun: Noun) -> bool:
    return "person" in noun.singular.split() and "people" in noun.plural.split()


def _speaks_of(noun: Noun, facts: Wordings) -> bool:
    """Whether one of its words is a wording of one of the facts."""
    words = noun.singular.split()
    return any(word in _OWN_WORDS[fact] for fact in facts for word in words)


_OWN_WORDS = {
    "size": frozenset(word for wordings in SIZES.values() for word in wordings),
    "colour": frozenset(word for wordings in COLOURS.values() for word in wordings),
    "material": frozenset(word for material in MATERIALS.values() for word in material.before),
}


@cache
def _all_nouns() -> frozenset[str]:
    """Every name in the catalogue: "water buffalo" is not a buffalo made of water."""
    entries = catalogue.load().values()
    nouns = [noun for entry in entries for noun in entry.english]
    return frozenset(form for noun in nouns for form in (noun.singular, noun.plural))
