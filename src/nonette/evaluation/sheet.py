"""Sheets of pictures with a few lines of text under each, for people to look at."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nonette.evaluation.reading import Reading

MARGIN = 4  # pixels around each picture
LINE = 12  # pixels a line of text
LETTER = 6  # pixels a letter of the built-in font takes on average
OUTLINE = (255, 0, 160)
INK = (20, 20, 20)
PAPER = (255, 255, 255)


def sheet(
    pictures: Sequence[np.ndarray], texts: Sequence[str], num_columns: int, num_lines: int = 3
) -> Image.Image:
    """Pictures in rows, each with its text below, wrapped and cut to `num_lines` lines.

    Args:
        pictures: uint8, (H, W, 3), all of one size; at least one.
        texts: One a picture.
        num_columns: Pictures a row.
        num_lines: Lines of text below each picture.
    """
    height, width = pictures[0].shape[:2]
    step_x, step_y = width + 2 * MARGIN, height + 2 * MARGIN + num_lines * LINE
    num_rows = -(-len(pictures) // num_columns)
    canvas = Image.new("RGB", (num_columns * step_x, num_rows * step_y), PAPER)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=10)
    for index, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        x, y = index % num_columns * step_x + MARGIN, index // num_columns * step_y + MARGIN
        canvas.paste(Image.fromarray(picture), (x, y))
        lines = [
            line
            for part in text.split("\n")
            for line in textwrap.wrap(part, width // LETTER) or [""]
        ]
        if len(lines) > num_lines:
            lines = [*lines[: num_lines - 1], lines[num_lines - 1][:-1] + "…"]
        for number, line in enumerate(lines):
            pen.text((x, y + height + 1 + number * LINE), line, fill=INK, font=font)
    return canvas


def reading_sheet(
    pictures: Sequence[np.ndarray], readings: Sequence[Reading], num_columns: int = 8
) -> Image.Image:
    """Pictures with the boxes of what was read in them, and the reading in words below."""
    outlined = []
    for picture, reading in zip(pictures, readings, strict=True):
        image = Image.fromarray(picture)
        pen = ImageDraw.Draw(image)
        for instance in reading.instances:
            pen.rectangle(instance.box, outline=OUTLINE)
        outlined.append(np.asarray(image))
    return sheet(outlined, [in_words(reading) for reading in readings], num_columns, num_lines=5)


def in_words(reading: Reading) -> str:
    """The reading on two lines, "?" where it is none: things; setting, time and style."""
    things = [
        f"{'?' if i.look is None else i.look} {i.name or '?'}".strip() for i in reading.instances
    ]
    return (
        ", ".join(things or ["nothing"])
        + "\n"
        + ", ".join(word or "?" for word in (reading.setting, reading.time, reading.style))
    )
