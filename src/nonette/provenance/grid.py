"""Many pictures on one sheet: a grid as square as can be, the best first, in reading order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nonette.core.errors import InputError
from nonette.core.sizes import resized

BACKGROUND = 255  # white, between pictures and in places that are left over
MOST_TIMES = 64  # that a sheet is enlarged for its caption


def compose(pictures: Sequence[np.ndarray], gap: int | None = None) -> np.ndarray:
    """The pictures in a grid that is as square as their number allows, nine as 3×3.

    Args:
        pictures: At least one, uint8 (H, W, 3), all of one size.
        gap: Pixels between pictures; `None` is a thirty-second of their width. There is no outer
            border.

    Returns:
        uint8 (rows·(H + gap) - gap, columns·(W + gap) - gap, 3).
    """
    height, width, channels = pictures[0].shape
    if gap is None:
        gap = width // 32
    columns = math.isqrt(len(pictures) - 1) + 1  # the square root, rounded up
    rows = -(-len(pictures) // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)
    sheet = np.full(shape, BACKGROUND, dtype=np.uint8)
    for i, picture in enumerate(pictures):
        assert picture.shape == (height, width, channels), (
            f"{picture.shape} among {pictures[0].shape}"
        )
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def captioned(sheet: np.ndarray, caption: np.ndarray) -> np.ndarray:
    """The sheet, enlarged so that it is as wide as the caption, and the caption below.

    Args:
        sheet: uint8 (H, W, 3).
        caption: uint8 (h, n·W, 3), n from 1 to 64, at most as high as it is wide.

    Raises:
        InputError: The caption is of another width, or higher than wide.
    """
    (height, width), (strip, across) = sheet.shape[:2], caption.shape[:2]
    times = across // width
    if across % width or not 1 <= times <= MOST_TIMES or strip > across:
        limit = f"it is 1 to {MOST_TIMES} times {width} pixels wide, and at most as high as wide"
        raise InputError("caption", f"{across}x{strip}", limit)
    return np.concatenate([resized(sheet, (across, times * height)), caption])
