"""The French of everything a scene can be, but its nouns (those are the catalogue's).

Each value has its wordings; the first is the usual one, which the plain style says, and a wording
that stands twice is said twice as often. Adjectives are written in their four forms; elsewhere
`{e}` stands for the ending that agrees with the noun ("posé{e} sur"), `{nt}` for the verb's plural,
`{est}` for "est" or "sont" and `{tient}` for "tient" or "tiennent". Wordings that end in " de"
contract with what follows. `grammar_fr` puts the words together. Whatever it says stands here, so
that `corpus` can list every word there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Wordings = tuple[str, ...]


class Adjective(NamedTuple):
    """An adjective's four forms."""

    masculine: str
    feminine: str
    masculine_plural: str
    feminine_plural: str

    def agreeing(self, gender: str, is_plural: bool) -> str:
        """The form for a noun of this gender, "m" or "f", and number."""
        return self[(gender == "f") + 2 * is_plural]


def regular(masculine: str, feminine: str = "") -> Adjective:
    """An adjective with regular plurals; the feminine takes an e unless it is given."""
    feminine = feminine or masculine + ("" if masculine.endswith("e") else "e")
    plural = masculine if masculine.endswith("s") else masculine + "s"
    return Adjective(masculine, feminine, plural, feminine + "s")


def invariable(form: str) -> Adjective:
    """An adjective that never changes, as colours named after fruits."""
    return Adjective(form, form, form, form)


class Relation(NamedTuple):
    """How a relation is said: after a noun ("à gauche de"), and as a verb ("{est} à gauche de")."""

    after_noun: Wordings
    verbs: Wordings


class Setting(NamedTuple):
    """How a setting is said: as a place in a sentence, and as a keyword."""

    places: Wordings
    keywords: Wordings


class Style(NamedTuple):
    """How a style is said: leading to the scene, trailing behind it, and as a keyword."""

    leads: Wordings
    tails: Wordings
    keywords: Wordings


COLOURS: Mapping[str, Adjective] = {
    "red": regular("rouge"),
    "orange": invariable("orange"),
    "yellow": regular("jaune"),
    "green": regular("vert"),
    "blue": regular("bleu"),
    "purple": regular("violet", "violette"),
    "pink": regular("rose"),
    "brown": invariable("marron"),
    "black": regular("noir"),
    "white": regular("blanc", "blanche"),
    "grey": regular("gris"),
}

SIZES: Mapping[str, tuple[Adjective, ...]] = {
    "small": (regular("petit"),),
    "large": (regular("grand"), regular("grand"), regular("gros", "grosse")),
}

# For what has no head to stand on, and for what has.
UPSIDE_DOWN: tuple[Wordings, Wordings] = (
    ("à l'envers",),
    ("à l'envers", "à l'envers", "la tête en bas"),
)

SKIN = "à la peau {}"
SKIN_TONES: Mapping[int, Wordings] = {
    1: ("claire", "blanche"),
    2: ("claire",),
    3: ("mate",),
    4: ("foncée",),
    5: ("foncée", "noire"),
}

NUMBERS: Mapping[int, Wordings] = {
    2: ("deux", "deux", "deux", "2"),
    3: ("trois", "trois", "trois", "3"),
    4: ("quatre", "quatre", "quatre", "4"),
    5: ("cinq", "cinq", "cinq", "5"),
    6: ("six", "six", "six", "6"),
}

# After "en" and after "de".
MATERIALS: Mapping[str, Wordings] = {
    "brick": ("briques", "brique"),
    "candy": ("bonbons", "bonbon"),
    "cheese": ("fromage",),
    "chocolate": ("chocolat",),
    "denim": ("jean", "denim"),
    "flowers": ("fleurs",),
    "fur": ("fourrure",),
    "glass": ("verre",),
    "gold": ("or",),
    "grass": ("herbe",),
    "ice": ("glace",),
    "jelly": ("gelée",),
    "lava": ("lave",),
    "marble": ("marbre",),
    "paper": ("papier",),
    "silver": ("argent",),
    "stone": ("pierre", "pierre", "roche"),
    "water": ("eau",),
    "wood": ("bois",),
    "wool": ("laine",),
}

# Names of what there is one of take the definite article, but planets none.
PROPER: Mapping[str, bool] = {
    "Kaaba": True,
    "Saturne": False,
    "mont Fuji": True,
    "mère Noël": True,
    "planète Terre": True,
    "père Noël": True,
    "statue de la Liberté": True,
    "tour de Tokyo": True,
}

ALONE: Wordings = ("seul", "seule")

# "{de}" is the material after an elided "de".
MADE_OF: Wordings = ("en {}", "en {}", "en {}", "fait{e} en {}", "fait{e} {de}")
# Stuff that things have always been made of, and so go by: "un mouton de bois".
IDIOMATIC = frozenset("glass gold ice marble paper silver stone wood wool".split())
IDIOMATIC_MADE_OF: Wordings = (*MADE_OF, "{de}")

_LEFT = Relation(
    ("à gauche de", "à gauche de", "sur la gauche de"),
    ("{est} à gauche de", "{est} à gauche de", "se trouve{nt} à gauche de"),
)
_RIGHT = Relation(
    ("à droite de", "à droite de", "sur la droite de"),
    ("{est} à droite de", "{est} à droite de", "se trouve{nt} à droite de"),
)
_ABOVE = Relation(("au-dessus de",), ("{est} au-dessus de",))
_BELOW = Relation(
    ("au-dessous de", "en dessous de", "sous"),
    ("{est} au-dessous de", "{est} en dessous de", "{est} sous"),
)
_FRONT = Relation(("devant",), ("{est} devant", "se trouve{nt} devant"))
_BEHIND = Relation(("derrière",), ("{est} derrière", "se trouve{nt} derrière"))
_BESIDE = Relation(("à côté de",), ("{est} à côté de", "se trouve{nt} à côté de"))

RELATIONS: Mapping[str, Relation] = {
    "left_of": _LEFT,
    "right_of": _RIGHT,
    "above": _ABOVE,
    "below": _BELOW,
    "on": Relation(("sur", "sur", "posé{e} sur"), ("{est} sur", "{est} posé{e} sur")),
    "in_front_of": _FRONT,
    "behind": _BEHIND,
    "inside": Relation(
        ("dans", "dans", "à l'intérieur de"), ("{est} dans", "{est} à l'intérieur de")
    ),
    "next_to": _BESIDE,
    "riding": Relation(("chevauchant", "chevauchant", "qui chevauche{nt}"), ("chevauche{nt}",)),
    # "Portant un chapeau" would mean wearing it.
    "carrying": Relation(("tenant", "tenant", "qui {tient}"), ("{tient}",)),
}

# The same fact told from the other thing's side.
REVERSED: Mapping[str, Relation] = {
    "left_of": _RIGHT,
    "right_of": _LEFT,
    "above": _BELOW,
    "below": _ABOVE,
    "in_front_of": _BEHIND,
    "behind": _FRONT,
    "next_to": _BESIDE,
    "riding": Relation(("chevauché{e} par",), ("{est} chevauché{e} par",)),
    "carrying": Relation(("tenu{e} par",), ("{est} tenu{e} par",)),
}

BACKGROUNDS: Wordings = ("sur fond {}", "sur fond {}", "sur un fond {}", "sur fond uni {}")
BACKGROUND_KEYWORDS: Wordings = ("fond {}",)

SETTINGS: Mapping[str, Setting] = {
    "beach": Setting(("sur la plage", "sur la plage", "à la plage", "sur une plage"), ("plage",)),
    "cave": Setting(("dans une grotte",), ("grotte",)),
    "city": Setting(("en ville", "en ville", "dans la ville", "dans une ville"), ("ville",)),
    "desert": Setting(("dans le désert", "dans le désert", "dans un désert"), ("désert",)),
    "forest": Setting(
        ("dans la forêt", "dans la forêt", "dans une forêt", "en forêt", "dans les bois"),
        ("forêt",),
    ),
    "meadow": Setting(("dans un pré", "dans un pré", "dans une prairie"), ("pré", "prairie")),
    "moon": Setting(("sur la lune", "sur la lune", "à la surface de la lune"), ("lune",)),
    "mountains": Setting(
        ("à la montagne", "dans les montagnes", "en montagne"), ("montagnes", "montagne")
    ),
    "road": Setting(("sur la route", "sur une route"), ("route",)),
    "room": Setting(("dans une pièce", "dans une pièce", "en intérieur"), ("pièce",)),
    "sky": Setting(("dans le ciel",), ("ciel",)),
    "snow": Setting(("dans la neige",), ("neige",)),
    "space": Setting(("dans l'espace",), ("espace",)),
    "stage": Setting(("sur une scène", "sur une scène", "sur scène"), ("scène",)),
    "underwater": Setting(("sous l'eau", "sous l'eau", "sous la mer"), ("sous l'eau",)),
    "volcano": Setting(
        ("près d'un volcan", "près d'un volcan", "au pied d'un volcan"), ("volcan",)
    ),
}

TIMES: Mapping[str, Setting] = {
    "sunset": Setting(
        ("au coucher du soleil", "au coucher du soleil", "au crépuscule"), ("coucher de soleil",)
    ),
    "night": Setting(("la nuit", "la nuit", "de nuit"), ("nuit",)),
    "rain": Setting(("sous la pluie",), ("pluie",)),
}

STYLES: Mapping[str, Style] = {
    "watercolour": Style(
        (
            "une aquarelle de",
            "une aquarelle de",
            "une peinture à l'aquarelle de",
            "une peinture de",
        ),
        ("à l'aquarelle", "peint{e} à l'aquarelle", "en aquarelle"),
        ("aquarelle",),
    ),
    "oil_painting": Style(
        ("une peinture à l'huile de", "une peinture à l'huile de", "une peinture de"),
        ("peint{e} à l'huile", "à la peinture à l'huile"),
        ("peinture à l'huile", "huile sur toile"),
    ),
    "pencil": Style(
        ("un dessin au crayon de", "un croquis au crayon de", "un dessin de"),
        ("dessiné{e} au crayon", "au crayon"),
        ("dessin au crayon", "croquis"),
    ),
    "crayon": Style(
        ("un dessin aux crayons de cire de", "un dessin au crayon gras de", "un dessin de"),
        ("aux crayons de cire", "au crayon gras"),
        ("crayons de cire", "crayon gras"),
    ),
    "pixel_art": Style(
        ("une image en pixel art de", "un pixel art de", "un dessin en pixel art de"),
        ("en pixel art", "en style pixel art"),
        ("pixel art",),
    ),
    "mosaic": Style(
        ("une mosaïque de", "une mosaïque représentant"), ("en mosaïque",), ("mosaïque",)
    ),
    "stained_glass": Style(
        ("un vitrail de", "un vitrail représentant"), ("en vitrail",), ("vitrail",)
    ),
    "neon": Style(
        ("un néon représentant", "une enseigne au néon représentant"),
        ("en néon", "en néons", "au néon"),
        ("néon", "néons", "enseigne au néon"),
    ),
    "comic": Style(
        ("une bande dessinée de", "un dessin de bande dessinée de"),
        ("en bande dessinée", "style bande dessinée", "en BD"),
        ("bande dessinée", "BD"),
    ),
    "blueprint": Style(
        ("un plan d'architecte de", "un plan technique de", "un blueprint de"),
        ("façon plan d'architecte", "style plan d'architecte", "en blueprint"),
        ("plan d'architecte", "blueprint"),
    ),
    "black_and_white": Style(
        ("une image en noir et blanc de", "une photo en noir et blanc de"),
        ("en noir et blanc",),
        ("noir et blanc",),
    ),
}

# Said of the plain style alone.
PLAIN_LEADS: Wordings = ("une image de", "une photo de", "une illustration de")

# Where the style is left untold.
NEUTRAL_LEADS: Wordings = ("une image de",)

REQUESTS: Wordings = ("dessine", "dessine-moi", "montre-moi")

# What stands in captions of every world, and of worlds with people.
ALWAYS: tuple[Wordings, ...] = (
    ("un", "une", "des", "du", "de", "la", "le", "les", "et", "il y a", "est", "sont"),
    ALONE,
    MADE_OF,
    PLAIN_LEADS,
    NEUTRAL_LEADS,
    REQUESTS,
    BACKGROUNDS,
)
PEOPLE: tuple[Wordings, ...] = ((SKIN,), *SKIN_TONES.values())
BACKGROUND_COLOURS: Mapping[str, str] = {name: colour.masculine for name, colour in COLOURS.items()}
