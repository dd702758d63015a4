"""What a scene is: the exact ground truth that pictures are painted and captions told from.

This file knows no pixels and no words; `painter` paints a scene, `captions` tells it, `world` draws
it by lot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One kind of object in a scene, with what the caption may say about it.

    Attributes:
        name: The object's id in the catalogue, such as "kangaroo".
        count: How many of it, 1 to 6; all share the attributes below.
        colour: One of the 11 basic colours, or None for its own colours. Never together with a
            material.
        material: What it is made of, such as "cheese", or None.
        size: "small", "medium" or "large"; "medium" is never told.
        is_upside_down: Whether it stands on its head.
        gender: "woman" or "man" for people, else None.
        skin_tone: 1 (light) to 5 (dark) for people, None for the glyph's own (also for everything
            else).
    """

    name: str
    count: int = 1
    colour: str | None = None
    material: str | None = None
    size: str = "medium"
    is_upside_down: bool = False
    gender: str | None = None
    skin_tone: int | None = None


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One or two kinds of things, how they stand to each other, where, when, and in which style.

    Attributes:
        things: One or two; a relation reads "things[0] RELATION things[1]".
        relation: "left_of", "right_of", "above", "below", "on", "in_front_of", "behind",
            "inside", "next_to", "riding", "carrying", or None (two things without a relation
            read "a cat and a dog").
        setting: Where, such as "moon", "beach" or "white" (plain colours are settings too).
        time: "day", "sunset", "night" or "rain"; "day" is never told; plain and indoor settings
            have only "day".
        style: "plain", "watercolour", "pencil", ...; "plain" is never told.
    """

    things: tuple[Thing, ...]
    relation: str | None = None
    setting: str = "white"
    time: str = "day"
    style: str = "plain"


@dataclass(frozen=True, kw_only=True)
class Box:
    """Where one instance is, in pixels of the render; of its outline before anything hides it.

    Attributes:
        thing: Index into `Scene.things`.
        visible: Share of the instance's own pixels that nothing hides, 0 to 1.
    """

    thing: int
    x0: float
    y0: float
    x1: float
    y1: float
    visible: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Render:
    """A painted scene: pixels (uint8, (S, S, 3), sRGB), and boxes in the order of painting."""

    pixels: np.ndarray
    boxes: tuple[Box, ...]
    scene: Scene
