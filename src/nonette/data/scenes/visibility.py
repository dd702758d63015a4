"""Whether a thing can be seen where it stands: its rim against the backdrop behind it.

Measured on small pictures and remembered: a yellow duck on a yellow background, or a grey mouse on
the moon, is drawn anew by `world` instead of being shown. Of styles only greyness counts.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nonette.data.scenes import painter, settings
from nonette.data.scenes.lots import Lot
from nonette.data.scenes.scene import Thing

SIZE = 32  # pixels of the small picture
LONGEST = 22  # pixels of the glyph in it
# How much a step of red, green and blue is noticed, and how much must be, to be told at a glance.
WEIGHTS = np.array([2.0, 4.0, 1.2], np.float32)
LIGHTNESS = np.array([0.30, 0.59, 0.11], np.float32)
DIFFERENCE = 130.0
VISIBLE_SHARE = 0.6  # share of the rim that must differ


class _Rim(NamedTuple):
    """The outermost pixels of a look in the middle of a small picture, R of them."""

    colours: np.ndarray  # float32 (R, 3)
    opacity: np.ndarray  # float32 (R,), what the material leaves of the glyph's own
    places: np.ndarray  # int64 (R,), flat indices into the picture


@lru_cache(maxsize=1 << 18)
def is_visible(look: Thing, setting: str, time: str, is_grey: bool = False) -> bool:
    """Whether the thing stands out from the setting.

    Args:
        look: Its count and size are not looked at.
        setting: Where it stands.
        time: The time of day.
        is_grey: Whether it must stand out by lightness alone.
    """
    rim = _rim(dataclasses.replace(look, count=1, size="medium"))
    behind = _backdrop(setting, time).take(rim.places, axis=0)
    step = behind - rim.colours
    if is_grey:
        step = np.repeat(step @ LIGHTNESS[:, None], 3, axis=1)
    difference = step**2 @ WEIGHTS * rim.opacity**2
    return bool(np.mean(difference > DIFFERENCE**2) >= VISIBLE_SHARE)


@lru_cache(maxsize=512)
def _backdrop(setting: str, time: str) -> np.ndarray:
    """A small backdrop, float32 (SIZE * SIZE, 3)."""
    return settings.backdrop(setting, time, SIZE, Lot(0, 0, 0)).reshape(-1, 3).astype(np.float32)


@lru_cache(maxsize=1 << 16)
def _rim(look: Thing) -> _Rim:
    glyph = painter.appearance(look, LONGEST, SIZE)
    is_opaque = look.colour is not None or look.material is None
    own = (
        glyph
        if is_opaque
        else painter.appearance(dataclasses.replace(look, material=None), LONGEST, SIZE)
    )
    height, width = glyph.shape[:2]
    body = np.zeros((height + 2, width + 2), bool)
    body[1:-1, 1:-1] = own[..., 3] >= painter.OPAQUE
    inner = body[2:, 1:-1] & body[:-2, 1:-1] & body[1:-1, 2:] & body[1:-1, :-2]
    rows, columns = np.nonzero(body[1:-1, 1:-1] & ~inner)
    pixels = glyph[rows, columns].astype(np.float32)  # (R, 4)
    rows_there, columns_there = rows + (SIZE - height) // 2 + 1, columns + (SIZE - width) // 2
    return _Rim(
        colours=pixels[:, :3],
        opacity=pixels[:, 3] / own[rows, columns, 3],
        places=rows_there * SIZE + columns_there,
    )
