"""Where and when scenes play: backdrops, a few variants of each, shifted and mirrored a little.

A backdrop is painted once, somewhat larger than the picture, and a window of it is cut for every
scene, so that a picture costs a copy. What varies is little and told by no caption: the height of
the horizon, the place of a dune or a cloud. Rain falls over the things too, so `painter` lets it
fall when they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from nonette.data.scenes.backdrops import SCENES
from nonette.data.scenes.canvas import Canvas, Colour
from nonette.data.scenes.lots import Lot

PADDING = 1 / 16  # share of the picture by which a backdrop is larger, for shifting
NUM_VARIANTS = 4
SETTING_STREAM = 7

# Plain backdrops are a little softer than the colours of things, but go by the same names.
PLAIN: Mapping[str, Colour] = {
    "red": (214, 62, 58),
    "orange": (255, 160, 64),
    "yellow": (255, 232, 96),
    "green": (104, 196, 98),
    "blue": (92, 152, 246),
    "purple": (160, 98, 214),
    "pink": (255, 176, 214),
    "brown": (150, 104, 66),
    "black": (22, 22, 26),
    "grey": (166, 166, 170),
    "white": (255, 255, 255),
}


# The times of day and weathers that a setting knows beside "day".
TIMES: Mapping[str, tuple[str, ...]] = {
    "beach": ("sunset", "night", "rain"),
    "desert": ("sunset", "night"),
    "forest": ("sunset", "night", "rain"),
    "snow": ("sunset", "night"),
    "city": ("sunset", "night", "rain"),
    "meadow": ("sunset", "night", "rain"),
    "mountains": ("sunset", "night", "rain"),
    "sky": ("sunset", "night", "rain"),
    "road": ("sunset", "night", "rain"),
}

# What a backdrop itself shows, by place and by time: such things would be miscounted or mistaken
# beside others of their kind. What is alone may be where there is more of it.
SHOWS: Mapping[str, frozenset[str]] = {
    "moon": frozenset({"globe"}),
    "space": frozenset({"planet", "star"}),
    "beach": frozenset({"sun", "sun_face", "cloud", "wave"}),
    "desert": frozenset({"sun", "sun_face"}),
    "forest": frozenset({"tree", "pine_tree", "christmas_tree"}),
    "snow": frozenset({"tree", "pine_tree", "christmas_tree"}),
    "underwater": frozenset({"bubbles", "coral"}),
    "city": frozenset({"office_building", "hotel", "love_hotel", "house"}),
    "meadow": frozenset({"sun", "sun_face", "cloud"}),
    "mountains": frozenset({"mountain", "snowy_mountain", "mount_fuji"}),
    "room": frozenset({"window"}),
    "sky": frozenset({"cloud"}),
    "volcano": frozenset({"volcano"}),
    "cave": frozenset({"gem"}),
    "sunset": frozenset({"sun", "sun_face"}),
    "night": frozenset({"crescent_moon", "moon_face", "full_moon"}),
    "rain": frozenset({"cloud", "rain_cloud", "thundercloud"}),
}


def shows(setting: str, time: str) -> frozenset[str]:
    """The objects that the backdrop itself shows."""
    nothing: frozenset[str] = frozenset()
    return SHOWS.get(setting, nothing) | SHOWS.get(time, nothing)


@lru_cache(maxsize=384)
def _backdrop(setting: str, time: str, size: int, variant: int, is_mirrored: bool) -> np.ndarray:
    """The whole backdrop, a little larger than the picture, uint8, read-only."""
    canvas = Canvas(size + 2 * round(size * PADDING / 2), Lot(0, variant, SETTING_STREAM), time)
    SCENES[setting](canvas)
    pixels = np.ascontiguousarray(canvas.pixels()[:, :: -1 if is_mirrored else 1])
    pixels.setflags(write=False)
    return pixels


@lru_cache(maxsize=64)
def _plain(setting: str, size: int) -> np.ndarray:
    return np.full((size, size, 3), PLAIN[setting], np.uint8)


def backdrop(setting: str, time: str, size: int, lot: Lot) -> np.ndarray:
    """A fresh background, uint8 (size, size, 3), that may be painted on.

    Args:
        setting: A key of `PLAIN` or of `SCENES`.
        time: "day", "sunset", "night" or "rain"; plain settings know only "day".
        size: Side of the picture in pixels.
        lot: Decides the variant, the shift and the mirroring.
    """
    if setting in PLAIN:
        return _plain(setting, size).copy()
    variant, is_mirrored = int(lot.number() * NUM_VARIANTS), lot.chance(0.5)
    whole = _backdrop(setting, time, size, variant, is_mirrored)
    room = whole.shape[0] - size + 1
    top, left = int(lot.number() * room), int(lot.number() * room)
    return whole[top : top + size, left : left + size].copy()


def times(setting: str) -> tuple[str, ...]:
    """The times of day and weathers that a setting knows, "day" first."""
    return ("day", *TIMES.get(setting, ()))


@lru_cache(maxsize=32)
def _streaks(size: int, variant: int) -> np.ndarray:
    """Rain: how far each pixel goes towards white, uint16 (size, size, 1), 0 to 255."""
    lot = Lot(1, variant, SETTING_STREAM)
    canvas = Canvas(size, lot)
    canvas.block(0, 0, 1, 1, (0, 0, 0))
    for _ in range(46):
        x, y, length = lot.between(0, 1.1), lot.between(-0.1, 1), lot.between(0.06, 0.11)
        canvas.line([(x, y), (x - length * 0.3, y + length)], 0.009, (150, 150, 150))
    return canvas.pixels()[..., :1].astype(np.uint16)


def let_fall(time: str, pixels: np.ndarray, lot: Lot) -> np.ndarray:
    """The picture with rain over it, if it rains."""
    if time != "rain":
        return pixels
    rain = _streaks(pixels.shape[0], int(lot.number() * NUM_VARIANTS))
    return (pixels + ((255 - pixels) * rain >> 8)).astype(np.uint8)
