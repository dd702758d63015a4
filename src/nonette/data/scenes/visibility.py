"""Whether a thing can be seen where it stands: its rim against the backdrop behind it.

Measured once a look on a small picture, against every setting at once, and remembered: a yellow
duck on a yellow background, or a grey mouse on the moon, is drawn anew by `world` instead of being
shown.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np

from nonette.data.scenes import painter, settings
from nonette.data.scenes.backdrops import SCENES
from nonette.data.scenes.lots import Lot
from nonette.data.scenes.scene import Thing

SIZE = 32  # pixels of the small picture
LONGEST = 22  # pixels of the glyph in it
# How much a step of red, green and blue is noticed, and how much must be, to be told at a glance.
WEIGHTS = np.array([2.0, 4.0, 1.2], np.float32)
DIFFERENCE = 130.0
VISIBLE_SHARE = 0.6  # share of the rim that must differ


@lru_cache(maxsize=1)
def _backdrops() -> tuple[dict[tuple[str, str], int], np.ndarray]:
    """The place of each (setting, time), and small backdrops, float32 (settings, SIZE, SIZE, 3)."""
    keys = [(setting, "day") for setting in settings.PLAIN]
    keys += [(setting, time) for setting in SCENES for time in settings.times(setting)]
    pictures = [settings.backdrop(setting, time, SIZE, Lot(0, 0, 0)) for setting, time in keys]
    return {key: i for i, key in enumerate(keys)}, np.stack(pictures).astype(np.float32)


@lru_cache(maxsize=1 << 17)
def _visible_at(look: Thing) -> np.ndarray:
    """Whether the look is seen at each backdrop, bool (settings,)."""
    glyph = painter.appearance(look, LONGEST, SIZE)
    own = painter.appearance(dataclasses.replace(look, colour=None, material=None), LONGEST, SIZE)
    height, width = glyph.shape[:2]
    body = np.pad(own[..., 3] >= painter.OPAQUE, 1)
    inner = body[2:, 1:-1] & body[:-2, 1:-1] & body[1:-1, 2:] & body[1:-1, :-2]
    rows, columns = np.nonzero(body[1:-1, 1:-1] & ~inner)
    rim = glyph[rows, columns, :3].astype(np.float32)  # (rim, 3)
    opacity = glyph[rows, columns, 3] / own[rows, columns, 3].astype(np.float32)  # (rim,)
    rows, columns = rows + (SIZE - height) // 2 + 1, columns + (SIZE - width) // 2
    behind = _backdrops()[1][:, rows, columns]  # (settings, rim, 3)
    differs = (behind - rim) ** 2 @ WEIGHTS * opacity**2 > DIFFERENCE**2
    return np.asarray(differs.mean(axis=1) >= VISIBLE_SHARE)


def is_visible(look: Thing, setting: str, time: str) -> bool:
    """Whether the look (a thing with count 1 and medium size) stands out from the setting."""
    return bool(_visible_at(look)[_backdrops()[0][setting, time]])
