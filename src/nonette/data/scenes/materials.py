"""What things are made of: colour ramps and procedural textures that keep a glyph's shading.

A glyph's lightness becomes a *tone*, 0 (its darkest detail) over 128 (its usual lightness) to 255
(its lightest); a colour maps tones through a ramp, a material shades a texture by them. So eyes,
stripes and windows survive, whatever the glyph's own colours were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nonette.data.scenes import textures

Colour = tuple[int, int, int]

# Hue and lightness are chosen so that no two are mistaken for each other: pink is light where red
# is deep, brown is dark where orange is bright.
COLOURS: Mapping[str, Colour] = {
    "red": (222, 30, 38),
    "orange": (252, 132, 12),
    "yellow": (255, 222, 20),
    "green": (38, 166, 58),
    "blue": (30, 92, 226),
    "purple": (132, 46, 190),
    "pink": (255, 134, 194),
    "brown": (122, 70, 34),
    "black": (34, 34, 38),
    "grey": (142, 142, 146),
    "white": (247, 247, 247),
}

# Darkest and lightest shade of a ramp where a share of the base colour would leave the colour's
# name.
_DARKEST: Mapping[str, Colour] = {
    "white": (112, 114, 122),
    "black": (0, 0, 0),
    "orange": (120, 40, 0),
    "yellow": (130, 88, 0),
    "pink": (150, 30, 90),
}
_LIGHTEST: Mapping[str, Colour] = {
    "black": (104, 104, 110),
    "grey": (205, 205, 208),
    "brown": (186, 132, 88),
    "white": (255, 255, 255),
    "red": (255, 132, 124),
    "pink": (255, 218, 236),
}


@dataclass(frozen=True, kw_only=True)
class Material:
    """How a material looks.

    Attributes:
        texture: Paints the texture, uint8 (size, size, 3), for pictures of `size` pixels.
        depth: How dark the darkest tone gets, as a share of the texture's own lightness, 0 to 1.
        gloss: How far the lightest tone goes towards white, 0 to 1.
        opacity: Opaqueness of the body, 0 to 1; outlines and dark details stay opaque.
    """

    texture: Callable[[int], np.ndarray]
    depth: float = 0.3
    gloss: float = 0.4
    opacity: float = 1.0


MATERIALS: Mapping[str, Material] = {
    "cheese": Material(texture=textures.cheese, depth=0.25, gloss=0.35),
    "wood": Material(texture=textures.wood, depth=0.25, gloss=0.25),
    "stone": Material(texture=textures.stone, depth=0.25, gloss=0.3),
    "gold": Material(texture=textures.gold, depth=0.25, gloss=0.7),
    "ice": Material(texture=textures.ice, depth=0.25, gloss=0.8),
    "brick": Material(texture=textures.brick, depth=0.25, gloss=0.25),
    "grass": Material(texture=textures.grass, depth=0.22, gloss=0.2),
    "lava": Material(texture=textures.lava, depth=0.22, gloss=0.2),
    "glass": Material(texture=textures.glass, depth=0.2, gloss=0.9, opacity=0.45),
    "chocolate": Material(texture=textures.chocolate, depth=0.3, gloss=0.35),
    "marble": Material(texture=textures.marble, depth=0.25, gloss=0.6),
    "wool": Material(texture=textures.wool, depth=0.25, gloss=0.25),
    "candy": Material(texture=textures.candy, depth=0.25, gloss=0.5),
    "denim": Material(texture=textures.denim, depth=0.3, gloss=0.25),
    "water": Material(texture=textures.water, depth=0.25, gloss=0.5, opacity=0.85),
    "silver": Material(texture=textures.silver, depth=0.2, gloss=0.8),
    "paper": Material(texture=textures.paper, depth=0.25, gloss=0.4),
    "flowers": Material(texture=textures.flowers, depth=0.25, gloss=0.2),
    "jelly": Material(texture=textures.jelly, depth=0.3, gloss=0.6, opacity=0.85),
    "fur": Material(texture=textures.fur, depth=0.25, gloss=0.2),
}


@lru_cache(maxsize=64)
def colour_ramp(colour: str) -> np.ndarray:
    """The colour of each tone, uint8 (256, 3)."""
    base = np.array(COLOURS[colour], np.float64)
    dark = np.array(_DARKEST.get(colour, tuple(base * 0.24)), np.float64)
    light = np.array(_LIGHTEST.get(colour, tuple(base + (255 - base) * 0.55)), np.float64)
    anchors = np.stack(
        [dark, dark + (base - dark) * 0.68, base, base + (light - base) * 0.35, light]
    )
    tones = np.array([0, 64, 128, 190, 255])
    ramp = np.stack([np.interp(np.arange(256), tones, anchors[:, i]) for i in range(3)], axis=1)
    return ramp.round().astype(np.uint8)


def tones(glyph: np.ndarray) -> np.ndarray:
    """The tone of each pixel, uint8 (h, w), of a straight-alpha RGBA glyph, uint8 (h, w, 4)."""
    red, green, blue = (glyph[..., i].astype(np.uint32) for i in range(3))
    lightness = (77 * red + 150 * green + 29 * blue) >> 8
    histogram = np.bincount(lightness[glyph[..., 3] > 127], minlength=256)
    steps = np.cumsum(histogram)
    low, middle, high = (
        int(np.searchsorted(steps, steps[-1] * share)) for share in (0.03, 0.5, 0.97)
    )
    # A flat glyph has little shading of its own; amplifying it further would only show noise.
    low, high = min(low, middle - 70), max(high, middle + 70)
    table = np.interp(np.arange(256), [low, middle, high], [0, 128, 255])
    return table.astype(np.uint8).take(lightness)


@lru_cache(maxsize=64)
def texture(material: str, size: int) -> np.ndarray:
    """The material's texture for pictures of `size` pixels, uint8 (size, size, 3)."""
    return MATERIALS[material].texture(size)


def coloured(glyph: np.ndarray, tone: np.ndarray, colour: str) -> np.ndarray:
    """The RGBA glyph in another colour; `tone` is its `tones`."""
    painted = _ramp_words(colour).take(tone).view(np.uint8).reshape(glyph.shape)
    painted[..., 3] = glyph[..., 3]
    return painted


@lru_cache(maxsize=64)
def _ramp_words(colour: str) -> np.ndarray:
    """The colour ramp, uint32 (256,): all four bytes of a pixel in one look-up."""
    return np.pad(colour_ramp(colour), ((0, 0), (0, 1))).view(np.uint32).ravel()


@lru_cache(maxsize=64)
def _shading(material: str) -> tuple[np.ndarray, np.ndarray]:
    """For each tone and channel the factor on the texture in 1/256 and the light that is added.

    Both uint16 (256, 3); factor * 255 / 256 + light stays below 256.
    """
    look = MATERIALS[material]
    tone = np.arange(256) / 255
    below, above = np.clip(tone * 2, 0, 1) ** 0.55, np.clip(tone * 2 - 1, 0, 1)
    factor = (look.depth + (1 - look.depth) * below) * (1 - look.gloss * above)
    light = look.gloss * above * 255
    return _once_a_channel(factor * 256), _once_a_channel(light)


def _once_a_channel(table: np.ndarray) -> np.ndarray:
    """The table's whole parts for each of three channels, uint16 (256, 3)."""
    return np.repeat(table.astype(np.uint16)[:, None], 3, axis=1)


def made_of(glyph: np.ndarray, tone: np.ndarray, material: str, size: int) -> np.ndarray:
    """The RGBA glyph made of a material, for a picture of `size` pixels; `tone` is its `tones`."""
    height, width = tone.shape
    tile = texture(material, size)
    top, left = max(0, (size - height) // 2), max(0, (size - width) // 2)
    factor, light = _shading(material)
    shaded = factor.take(tone, axis=0)
    shaded *= tile[top : top + height, left : left + width]
    shaded >>= 8
    shaded += light.take(tone, axis=0)
    painted = np.empty_like(glyph)
    painted[..., :3] = shaded
    painted[..., 3] = glyph[..., 3]
    opacity = MATERIALS[material].opacity
    if opacity < 1:
        rim = _rim(glyph[..., 3], max(1, size // 96))
        veil = 1 - (1 - opacity) * np.clip(tone / 128, 0, 1) * ~rim
        painted[..., 3] = (glyph[..., 3] * veil).astype(np.uint8)
        painted[rim, :3] = painted[rim, :3] * 0.62
    return painted


def _rim(alpha: np.ndarray, width: int) -> np.ndarray:
    """Which opaque pixels are within `width` pixels of the outline, bool (h, w)."""
    body = np.pad(alpha >= 128, width)
    inner = body.copy()
    for shift in range(1, width + 1):
        for axis in (0, 1):
            inner &= np.roll(body, shift, axis) & np.roll(body, -shift, axis)
    return (body & ~inner)[width:-width, width:-width]
