"""Which combinations a generator never sees: one pair in ten, chosen by a stable hash.

A pair is held out for ever and everywhere: in every world, language and seed. The defaults that
captions never tell (a white background, the plain style) are never held out.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from nonette.data.scenes.scene import Scene

PAIR_KINDS = (
    "object-colour",
    "object-material",
    "object-setting",
    "object-style",
    "object-object",
)
UNTOLD_SETTING = "white"
UNTOLD_STYLE = "plain"

Pair = tuple[str, str, str]  # kind, first, second


@lru_cache(maxsize=1 << 18)
def is_held_out(kind: str, first: str, second: str) -> bool:
    """Whether the pair is kept from training; the order of two objects does not matter.

    Args:
        kind: One of `PAIR_KINDS`.
        first: An object's id.
        second: A colour, material, setting, style, or another object's id.
    """
    if kind == "object-object" and second < first:
        first, second = second, first
    if (kind == "object-setting" and second == UNTOLD_SETTING) or (
        kind == "object-style" and second == UNTOLD_STYLE
    ):
        return False
    digest = hashlib.sha256(f"{kind}|{first}|{second}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10 == 0


def pairs(scene: Scene) -> tuple[Pair, ...]:
    """Every pair that the scene shows, as (kind, first, second)."""
    found: list[Pair] = []
    for thing in scene.things:
        if thing.colour is not None:
            found.append(("object-colour", thing.name, thing.colour))
        if thing.material is not None:
            found.append(("object-material", thing.name, thing.material))
        found.append(("object-setting", thing.name, scene.setting))
        found.append(("object-style", thing.name, scene.style))
    if len(scene.things) == 2:
        first, second = sorted(thing.name for thing in scene.things)
        found.append(("object-object", first, second))
    return tuple(found)


def held_out_pairs(scene: Scene) -> tuple[Pair, ...]:
    """The scene's pairs that training never sees; empty for every scene of the split "train"."""
    return tuple(pair for pair in pairs(scene) if is_held_out(*pair))
