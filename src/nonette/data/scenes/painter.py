"""Painting a scene: backdrop, things in order, weather, style; pixels and a box an instance.

Speed comes from doing little: glyphs come in a few sizes only and are kept recoloured, colours are
multiplied by their opaqueness beforehand, and only the rectangle under a glyph is touched, in
integers.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nonette.data.scenes import atlas, layout, materials, settings, styles
from nonette.data.scenes.lots import Lot
from nonette.data.scenes.scene import Box, Render, Scene, Thing

PAINT_STREAM = 2
SIZE_STEPS = 32  # glyph sizes are multiples of 1/32 of the picture's side
OUTLINE_SIZE = 64  # pixels of the glyph that outlines are measured on
OPAQUE = 128  # alpha from which a pixel belongs to a glyph


@dataclass(frozen=True)
class Sprite:
    """A glyph ready to be painted.

    Attributes:
        body: Colours times opaqueness, uint16 (h, 3 w), 0 to 255 * 255 + 128 (rounding included).
        veil: 255 minus opaqueness, once a channel, uint16 (h, 3 w).
        alpha: Opaqueness, uint8 (h, w).
    """

    body: np.ndarray
    veil: np.ndarray
    alpha: np.ndarray


@lru_cache(maxsize=10240)
def _glyph(name: str, pixels: int, gender: str | None, skin_tone: int | None) -> np.ndarray:
    """As the atlas has it, but kept for longer: a thousand objects come in about ten sizes each."""
    return atlas.glyph(name, pixels, gender, skin_tone)


@lru_cache(maxsize=4096)
def _tones(name: str, pixels: int, gender: str | None, skin_tone: int | None) -> np.ndarray:
    return materials.tones(_glyph(name, pixels, gender, skin_tone))


def appearance(thing: Thing, pixels: int, size: int) -> np.ndarray:
    """How the thing looks, straight-alpha RGBA, uint8 (h, w, 4).

    Args:
        thing: Its count and size are not looked at.
        pixels: Its longest side.
        size: Side of the picture, which textures are scaled to.
    """
    look = (thing.name, pixels, thing.gender, thing.skin_tone)
    glyph = _glyph(*look)
    if thing.colour is not None:
        glyph = materials.coloured(glyph, _tones(*look), thing.colour)
    elif thing.material is not None:
        glyph = materials.made_of(glyph, _tones(*look), thing.material, size)
    return glyph[::-1] if thing.is_upside_down else glyph


@lru_cache(maxsize=512)
def _sprite(thing: Thing, pixels: int, size: int) -> Sprite:
    glyph = appearance(thing, pixels, size)
    height, width = glyph.shape[:2]
    alpha = np.repeat(glyph[..., 3], 3, axis=1).reshape(height, 3 * width).astype(np.uint16)
    colours = glyph[..., :3].reshape(height, 3 * width)
    return Sprite(
        colours * alpha + np.uint16(128), 255 - alpha, np.ascontiguousarray(glyph[..., 3])
    )


def outline(thing: Thing) -> layout.Outline:
    """The thing's proportions, and where its middle third begins and ends."""
    return _outline(thing.name, thing.gender, thing.skin_tone, thing.is_upside_down)


@lru_cache(maxsize=8192)
def _outline(
    name: str, gender: str | None, skin_tone: int | None, is_upside_down: bool
) -> layout.Outline:
    glyph = atlas.glyph(name, OUTLINE_SIZE, gender, skin_tone)
    is_body = glyph[..., 3] >= OPAQUE
    if is_upside_down:
        is_body = is_body[::-1]
    height, width = is_body.shape
    middle = is_body[:, width // 3 : width - width // 3]
    tops = middle.argmax(axis=0)[middle.any(axis=0)]
    feet = middle[::-1].argmax(axis=0)[middle.any(axis=0)]
    seat, foot = (float(np.median(edge)) / height if edge.size else 0.0 for edge in (tops, feet))
    longest = max(height, width)
    return layout.Outline(width=width / longest, height=height / longest, seat=seat, foot=foot)


def _look(thing: Thing) -> Thing:
    """The thing without what does not change its pixels, as a key for caches."""
    if thing.count == 1 and thing.size == "medium":
        return thing
    return Thing(
        name=thing.name,
        colour=thing.colour,
        material=thing.material,
        is_upside_down=thing.is_upside_down,
        gender=thing.gender,
        skin_tone=thing.skin_tone,
    )


def _blend(pixels: np.ndarray, sprite: Sprite, left: int, top: int) -> None:
    """Paint the sprite over the pixels, in place; the division by 255 is exact."""
    height, width = sprite.alpha.shape
    under = pixels.reshape(pixels.shape[0], -1)[top : top + height, 3 * left : 3 * (left + width)]
    mixed = np.multiply(under, sprite.veil, dtype=np.uint16)
    mixed += sprite.body
    mixed += mixed >> 8
    mixed >>= 8
    under[:] = mixed


def paint(scene: Scene, size: int, seed: int, index: int) -> Render:
    """Paint the scene; the same arguments give the same bytes.

    Args:
        scene: What to paint.
        size: Side of the picture in pixels, a multiple of 32.
        seed: Which series.
        index: Which of the series.

    Returns:
        The picture and a box for every instance, in painting order.
    """
    lot = Lot(seed, index, PAINT_STREAM)
    pixels = settings.backdrop(scene.setting, scene.time, size, lot)
    pixels = styles.prepared(scene.style, pixels)
    looks = [_look(thing) for thing in scene.things]
    places = layout.arrange(scene, [outline(look) for look in looks], lot)
    step = size / SIZE_STEPS
    boxes: list[Box] = []
    alphas: list[np.ndarray] = []
    for place in places:
        longest = int(place.size * SIZE_STEPS + 0.01) * step
        sprite = _sprite(looks[place.thing], round(longest), size)
        height, width = sprite.alpha.shape
        left = min(max(round(place.x * size - width / 2), 0), size - width)
        top = min(max(round(place.y * size - height / 2), 0), size - height)
        _blend(pixels, sprite, left, top)
        boxes.append(Box(thing=place.thing, x0=left, y0=top, x1=left + width, y1=top + height))
        alphas.append(sprite.alpha)
    if len(scene.things) == 2:
        boxes = _with_visibility(boxes, alphas, size)
    pixels = settings.let_fall(scene.time, pixels, lot)
    return Render(pixels=styles.apply(scene.style, pixels), boxes=tuple(boxes), scene=scene)


def _with_visibility(boxes: list[Box], alphas: list[np.ndarray], size: int) -> list[Box]:
    """The boxes, each with the share of its pixels that no later one hides."""
    is_covered = np.zeros((size, size), bool)
    seen = []
    for box, alpha in zip(reversed(boxes), reversed(alphas), strict=True):
        under = is_covered[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
        own = alpha >= OPAQUE
        hidden_share = float(np.count_nonzero(under & own)) / int(np.count_nonzero(own))
        under |= own
        seen.append(dataclasses.replace(box, visible=1 - hidden_share))
    return seen[::-1]
