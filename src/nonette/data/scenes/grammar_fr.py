"""French sentences of a scene: agreement, articles, elision, contraction, and their orders.

The chooser that is passed in chooses the wordings; the first choice everywhere is the canonical
sentence. What is to be left untold arrives as a gap (count 0, setting "", style "", ...: see
`captions.weaken`), and every sentence is true of the scene.

Whether a first letter elides ("l'hôtel", "le hibou") is settled for the words that the catalogue
and these tables can say; an h counts as mute unless its word is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from nonette.data.scenes import catalogue
from nonette.data.scenes.dice import Chooser
from nonette.data.scenes.nouns import Noun
from nonette.data.scenes.scene import Scene, Thing
from nonette.data.scenes.words_fr import (
    ALONE,
    BACKGROUND_KEYWORDS,
    BACKGROUNDS,
    COLOURS,
    IDIOMATIC,
    IDIOMATIC_MADE_OF,
    MADE_OF,
    MATERIALS,
    NEUTRAL_LEADS,
    NUMBERS,
    PLAIN_LEADS,
    PROPER,
    RELATIONS,
    REQUESTS,
    REVERSED,
    SETTINGS,
    SIZES,
    SKIN,
    SKIN_TONES,
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


# Beginnings of words whose first letter does not elide, though it looks so: aspirated h, glides.
_ASPIRATED = tuple(
    "hach hall halo hamac hamburger hammam hamsa hamster hanche hand hangar hanneton hareng "
    "haricot harnais harpe harpon haut hérisson hernie héron héros herse hêtre hibou hippie "
    "hobby hochet  hockey homard hors hot houe housse houx hublot huit hula husky hutte".split()
)
_GLIDES = tuple("onz oui ouistiti ya yéti yo yu".split())
_VOWELS = frozenset("aàâäeéèêëiîïoôöuùûüœæyh")


def elides(following: str) -> bool:
    """Whether "le", "la" and "de" elide before these words: "l'éléphant", but "le hibou"."""
    start = following.lower()
    if start[:1] not in _VOWELS:
        return False
    return not start.startswith(_ASPIRATED if start[0] == "h" else _GLIDES)


def of(phrase: str) -> str:
    """The noun phrase after "de": "d'un chat", "du chien", "de l'éléphant", "d'éléphants"."""
    if phrase.startswith("le "):
        return f"du {phrase[3:]}"
    if phrase.startswith("les "):
        return f"des {phrase[4:]}"
    for partitive in ("des ", "du ", "de la ", "de l'", "de ", "d'"):
        if phrase.startswith(partitive):
            phrase = phrase.removeprefix(partitive)
            break
    return f"d'{phrase}" if elides(phrase) else f"de {phrase}"


def definite(noun: Noun, is_plural: bool, following: str) -> str:
    """The definite article with the words that follow it, which end in the noun."""
    if is_plural:
        return f"les {following}"
    if elides(following):
        return f"l'{following}"
    return f"{'la' if noun.gender == 'f' else 'le'} {following}"


class Told(NamedTuple):
    """Words and what agrees with them.

    Attributes:
        words: A noun phrase with all that belongs to it.
        gender: Of what other words agree with, "m" or "f".
        is_plural: Its number.
        other: A second noun phrase, joined by "et", before which "de" is said again; often "".
    """

    words: str
    gender: str
    is_plural: bool
    other: str = ""

    def __str__(self) -> str:
        return f"{self.words} et {self.other}" if self.other else self.words

    def led_by(self, lead: str) -> str:
        """The words behind others that may end in "de": "une image d'un chat et d'un chien"."""
        if not lead.endswith(" de"):
            return f"{lead} {self}"
        words = f"{lead[:-3]} {of(self.words)}"
        return f"{words} et {of(self.other)}" if self.other else words


def sentence(scene: Scene, dice: Chooser) -> str:
    """The scene in one French sentence or list of keywords."""
    form = dice.pick(FORMS)
    if form == "terse":
        return _terse(scene, dice)
    place = _place(scene, dice)
    if form == "statement" and (place or scene.relation):
        statement = _statement(scene, dice, place)
        return statement.words + _tail(scene, dice, statement)
    core = _core(scene, dice)
    if form == "place_first" and place:
        return f"{place}, {core}{_tail(scene, dice, core)}"
    if form == "there":
        return f"il y a {core}{_after(place)}{_tail(scene, dice, core)}"
    request = f"{dice.pick(REQUESTS)} " if form == "request" else ""
    style = STYLES.get(scene.style)
    if style is None:
        leads = PLAIN_LEADS if scene.style else NEUTRAL_LEADS
        is_led = not request and dice.chance(0.2)
        words = core.led_by(dice.pick(leads)) if is_led else str(core)
        return f"{request}{words}{_after(place)}"
    if dice.chance(0.35):
        return f"{request}{core}{_after(place)}{_tail(scene, dice, core)}"
    return f"{request}{core.led_by(dice.pick(style.leads))}{_after(place)}"


def _after(words: str) -> str:
    return f" {words}" if words else ""


def _tail(scene: Scene, dice: Chooser, told: Told) -> str:
    """The style behind the scene, agreeing with what is told: ", peinte à l'huile"; "" for none."""
    style = STYLES.get(scene.style)
    return f", {_agreeing(dice.pick(style.tails), told)}" if style else ""


def _place(scene: Scene, dice: Chooser) -> str:
    """Where and when: "sur la plage au coucher du soleil"; "" where neither is told."""
    place = ""
    if scene.setting in COLOURS:
        place = dice.pick(BACKGROUNDS).format(COLOURS[scene.setting].masculine)
    elif scene.setting:
        place = dice.pick(SETTINGS[scene.setting].places)
    if scene.time in TIMES:
        time = dice.pick(TIMES[scene.time].places)
        place = f"{place} {time}" if place else time
    return place


def _core(scene: Scene, dice: Chooser) -> Told:
    """The things and how they stand."""
    first, second = scene.things[0], scene.things[-1]
    if len(scene.things) == 1:
        return _phrase(first, dice, "indefinite")
    if scene.relation is None:
        return _both(scene, dice, "indefinite")
    relation = RELATIONS[scene.relation]
    if scene.relation in REVERSED and dice.chance(0.15):
        first, second, relation = second, first, REVERSED[scene.relation]
    return _linked(
        _phrase(first, dice, "indefinite"),
        dice.pick(relation.after_noun),
        _phrase(second, dice, "indefinite"),
    )


def _both(scene: Scene, dice: Chooser, determiner: str) -> Told:
    """Two things together, in either order; masculine where one of them is."""
    one, other = scene.things
    # Behind "et", what the last thing alone is made of would seem to be true of both.
    if one.material is None and (other.material is not None or dice.chance(0.5)):
        one, other = other, one
    first, second = _phrase(one, dice, determiner), _phrase(other, dice, determiner)
    gender = "f" if first.gender == second.gender == "f" else "m"
    return Told(first.words, gender, True, other=second.words)


def _linked(first: Told, link: str, second: Told) -> Told:
    """Two things and the words between them, which agree with the first."""
    return first._replace(words=f"{first.words} {second.led_by(_agreeing(link, first))}")


def _statement(scene: Scene, dice: Chooser, place: str) -> Told:
    """A whole sentence with a verb: "le chat rouge est à gauche du chien bleu sur la lune"."""
    determiner = dice.pick(("definite", "indefinite"))
    if scene.relation is not None:
        told = _phrase(scene.things[0], dice, determiner)
        verb = dice.pick(RELATIONS[scene.relation].verbs)
        told = _linked(told, verb, _phrase(scene.things[1], dice, determiner))
        return told._replace(words=told.words + _after(place))
    is_single = len(scene.things) == 1
    told = (
        _phrase(scene.things[0], dice, determiner) if is_single else _both(scene, dice, determiner)
    )
    verb = "sont" if told.is_plural else "est"
    return told._replace(words=f"{told} {verb} {place}", other="")


def _agreeing(words: str, told: Told) -> str:
    """Participles and verbs in agreement with what is told."""
    if "{" not in words:
        return words
    return words.format(
        e=("e" if told.gender == "f" else "") + ("s" if told.is_plural else ""),
        nt="nt" if told.is_plural else "",
        est="sont" if told.is_plural else "est",
        tient="tiennent" if told.is_plural else "tient",
    )


def agreements(words: str) -> Iterator[str]:
    """The wording in every gender and number, its other placeholders empty."""
    for gender in ("m", "f"):
        for is_plural in (False, True):
            told = Told("", gender, is_plural)
            yield _agreeing(words.replace("{}", "").replace("{a}", "").replace("{de}", ""), told)


def _terse(scene: Scene, dice: Chooser) -> str:
    """Keywords without articles: "kangourou en fromage, lune"."""
    things = [_phrase(thing, dice, "bare") for thing in scene.things]
    if scene.relation is not None:
        things = [_linked(things[0], dice.pick(RELATIONS[scene.relation].after_noun), things[1])]
    words = [told.words for told in things]
    if scene.setting in COLOURS:
        words.append(dice.pick(BACKGROUND_KEYWORDS).format(COLOURS[scene.setting].masculine))
    elif scene.setting:
        words.append(dice.pick(SETTINGS[scene.setting].keywords))
    if scene.time in TIMES:
        words.append(dice.pick(TIMES[scene.time].keywords))
    if scene.style in STYLES:
        words.insert(dice.pick((0, len(words))), dice.pick(STYLES[scene.style].keywords))
    separator = dice.pick((", ", ", ", " "))
    return (", " if len(things) > 1 else separator).join(words)


def _phrase(thing: Thing, dice: Chooser, determiner: str) -> Told:
    """One kind of thing with all that is told of it.

    Args:
        thing: What to tell.
        dice: Chooses the words.
        determiner: "indefinite" ("un chat", "des chats"), "definite" ("le chat"), "bare" ("chat").
    """
    noun = _noun(thing, dice)
    is_plural = thing.count != 1
    ending = ("e" if noun.gender == "f" else "") + ("s" if is_plural else "")
    words, rest = _parted(noun.plural if is_plural else noun.singular)
    has_adjective_before = thing.size in SIZES
    if has_adjective_before:
        size = dice.pick(SIZES[thing.size]).agreeing(noun.gender, is_plural)
        words = f"{size} {words}"
    if thing.colour is not None:
        words += " " + COLOURS[thing.colour].agreeing(noun.gender, is_plural)
    if thing.material is not None:
        is_idiomatic = thing.material in IDIOMATIC and " de " not in words
        made_of = IDIOMATIC_MADE_OF if is_idiomatic else MADE_OF
        material = dice.pick(MATERIALS[thing.material])
        words += " " + dice.pick(made_of).format(material, de=of(material), e=ending)
    if thing.is_upside_down:
        words += " " + dice.pick(UPSIDE_DOWN[_has_head(thing.name)])
    if thing.skin_tone is not None:
        words += " " + SKIN.format(dice.pick(SKIN_TONES[thing.skin_tone]))
    words += rest
    if thing.count > 1:
        words = f"{dice.pick(NUMBERS[thing.count])} {words}"
        if determiner == "definite":
            words = f"les {words}"
    elif words in PROPER and determiner != "bare":
        words = definite(noun, is_plural, words) if PROPER[words] else words
    elif determiner == "definite":
        words = definite(noun, is_plural, words)
    elif determiner == "indefinite":
        words = _indefinite(thing, noun, dice, words, has_adjective_before)
    return Told(words, noun.gender, is_plural)


@cache
def _parted(name: str) -> tuple[str, str]:
    """A name before and from its clause on, for what stands between: "homme barbu qui court"."""
    places = [name.find(f" {word} ") for word in ("qui", "avec", "sans", "pointant", "paume")]
    place = min((place for place in places if place > 0), default=len(name))
    return name[:place], name[place:]


@cache
def _has_head(name: str) -> bool:
    return catalogue.load()[name].category in ("animal", "person")


def _indefinite(
    thing: Thing, noun: Noun, dice: Chooser, words: str, has_adjective_before: bool
) -> str:
    """The words behind "un", "une" or "du", or "des" ("de" before an adjective)."""
    if thing.count == 0:
        return of(words) if has_adjective_before else f"des {words}"
    if noun.is_mass:
        return f"{noun.article}{words}" if noun.article.endswith("'") else f"{noun.article} {words}"
    if dice.chance(0.04):
        return f"{noun.article} {ALONE[noun.gender == 'f']} {words}"
    return f"{noun.article} {words}"


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
    """The names that fit: a woman's trade for a woman, no mass noun with a number.

    Nor, where there is another, one that speaks of what the facts ("size", "colour", "material")
    say otherwise: no "flamant rose bleu", no "ours en peluche en bois", no "petit petit garçon".
    """
    entry = catalogue.load()[name]
    nouns = entry.french_feminine if gender == "woman" else entry.french
    if not allows_mass:
        nouns = tuple(noun for noun in nouns if not noun.is_mass) or nouns
    return tuple(noun for noun in nouns if not _speaks_of(noun, facts)) or nouns


def _speaks_of(noun: Noun, facts: Wordings) -> bool:
    """Whether one of its words is a wording of one of the facts."""
    words = noun.singular.split()
    return any(word in _OWN_WORDS[fact] for fact in facts for word in words)


_OWN_WORDS = {
    "size": frozenset(form for sizes in SIZES.values() for size in sizes for form in size),
    "colour": frozenset(form for colour in COLOURS.values() for form in colour),
    "material": frozenset(["en"]),
}
