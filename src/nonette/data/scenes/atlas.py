"""The glyphs' pixels: cut from the sheets that `scripts/build_atlas.py` packed, scaled, and kept.

A sheet is a grid of cells of 136×128 px, the bitmaps' own size; `assets/atlas.txt` says which glyph
lies in which cell, line by line. Sheets are read when first needed; the CPU world's objects share
sheet 0.

This file knows no names in any language and no scenes.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import numpy as np
from PIL import Image

from nonette.core.errors import InputError
from nonette.data.scenes import catalogue

CELL_WIDTH, CELL_HEIGHT = 136, 128
SHEET_COLUMNS, SHEET_ROWS = 16, 16
CELLS_PER_SHEET = SHEET_COLUMNS * SHEET_ROWS
# Fainter pixels do not count as outline: soft edges that WebP leaves would widen the box.
OUTLINE_ALPHA = 24


def glyph(
    name: str, size: int, gender: str | None = None, skin_tone: int | None = None
) -> np.ndarray:
    """An object's picture, cropped to its outline.

    Args:
        name: Its id in the catalogue.
        size: Length of the longer side in pixels, at least 1. The cache keeps the last 4,096
            pictures: draw with a few dozen sizes, not with every one.
        gender: "woman" or "man" for people; None for the genderless glyph and all else.
        skin_tone: 1 (light) to 5 (dark) for people; None for the glyph's own yellow and all else.

    Returns:
        uint8 (height, width, 4), straight-alpha sRGB, the longer of height and width being `size`;
        read-only.

    Raises:
        InputError: If there is no such object or look of it, or the size is below 1.
    """
    if size < 1:
        raise InputError("size", size, "it must be at least 1 pixel")
    return _scaled(_sequence(name, gender, skin_tone), size)


def original(name: str, gender: str | None = None, skin_tone: int | None = None) -> np.ndarray:
    """An object's picture in the font's own resolution, cropped to its outline; else as `glyph`."""
    return _cropped(_sequence(name, gender, skin_tone))


@cache
def cells() -> dict[str, int]:
    """The cell number of each glyph, by its code points; cell 0 is the top left one of sheet 0."""
    lines = (_assets() / "atlas.txt").read_text(encoding="ascii").splitlines()
    return {sequence: cell for cell, sequence in enumerate(lines)}


@lru_cache(maxsize=8192)
def _sequence(name: str, gender: str | None, skin_tone: int | None) -> str:
    entry = catalogue.load().get(name)
    if entry is None:
        raise InputError("object", name, "it must be a name of the catalogue")
    sequence = entry.sequence(gender, skin_tone)
    if sequence not in cells():
        raise InputError("look", (name, gender, skin_tone), "the atlas has no such glyph")
    return sequence


@lru_cache(maxsize=4096)
def _scaled(sequence: str, size: int) -> np.ndarray:
    picture = Image.fromarray(_cropped(sequence))
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    # Pillow multiplies colour by alpha before it resizes, so no background bleeds into the edge.
    return _frozen(np.array(picture.resize((width, height), Image.Resampling.LANCZOS)))


@lru_cache(maxsize=4096)
def _cropped(sequence: str) -> np.ndarray:
    sheet, cell = divmod(cells()[sequence], CELLS_PER_SHEET)
    row, column = divmod(cell, SHEET_COLUMNS)
    left, top = column * CELL_WIDTH, row * CELL_HEIGHT
    pixels = _sheet(sheet)[top : top + CELL_HEIGHT, left : left + CELL_WIDTH]
    is_inside = pixels[..., 3] >= OUTLINE_ALPHA
    (rows,), (columns,) = np.nonzero(is_inside.any(axis=1)), np.nonzero(is_inside.any(axis=0))
    return _frozen(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy())


@cache
def _sheet(index: int) -> np.ndarray:
    with (_assets() / f"atlas-{index}.webp").open("rb") as file:
        return np.array(Image.open(file).convert("RGBA"))


def _assets() -> Traversable:
    return files("nonette.data.scenes") / "assets"


def _frozen(pixels: np.ndarray) -> np.ndarray:
    pixels.setflags(write=False)
    return pixels
