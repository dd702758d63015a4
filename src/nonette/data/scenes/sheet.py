"""A sheet of pictures with their captions underneath, for looking at a world.

Whoever changes what scenes look like looks at sheets: an object cut off, one that cannot be seen,
or a caption that is not true of its picture is a defect that no test of ours finds as fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 6  # pixels between cells
LINE_HEIGHT = 12  # pixels
# The one font that comes with Pillow and has accents knows Latin-1 alone.
BEYOND_LATIN = str.maketrans({"œ": "oe", "Œ": "Oe", "’": "'", "–": "-", "“": '"', "”": '"'})


def compose(pictures: Sequence[np.ndarray], captions: Sequence[str]) -> np.ndarray:
    """One sheet, about as wide as high, from left to right and top to bottom.

    Args:
        pictures: uint8 (h, w, 3) each, all of one size, at least one.
        captions: One a picture; wrapped to its width.

    Returns:
        uint8 (H, W, 3).
    """
    high_each, wide_each = pictures[0].shape[:2]
    font = ImageFont.load_default_imagefont()
    wrapped = [_wrap(_in_latin(caption), font, wide_each) for caption in captions]
    text_height = LINE_HEIGHT * max(len(lines) for lines in wrapped)
    high, wide = high_each + text_height + GAP, wide_each + GAP
    num_columns = max(1, round(math.sqrt(len(pictures) * high / wide)))
    num_rows = math.ceil(len(pictures) / num_columns)
    width, height = GAP + num_columns * wide, GAP + num_rows * high
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (picture, lines) in enumerate(zip(pictures, wrapped, strict=True)):
        row, column = divmod(i, num_columns)
        x, y = GAP + column * wide, GAP + row * high
        sheet.paste(Image.fromarray(picture), (x, y))
        for j, line in enumerate(lines):
            pen.text((x, y + high_each + 1 + j * LINE_HEIGHT), line, fill="black", font=font)
    return np.asarray(sheet)


def _in_latin(text: str) -> str:
    """The text in characters that the font has; others become question marks."""
    plain = text.translate(BEYOND_LATIN)
    return plain.encode("latin-1", errors="replace").decode("latin-1")


def _wrap(text: str, font: ImageFont.ImageFont, width: int) -> list[str]:
    """The text in lines of at most `width` pixels; only a single word may be longer."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines or [""]
