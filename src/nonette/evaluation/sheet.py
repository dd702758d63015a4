"""A sheet of pictures with what the judge read in them, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from nonette.data.scenes import sheet
from nonette.evaluation.reading import Reading

OUTLINE = (255, 0, 160)


def compose(pictures: Sequence[np.ndarray], readings: Sequence[Reading]) -> np.ndarray:
    """Pictures with the boxes of what was read in them, and the reading in words below.

    Args:
        pictures: uint8 (S, S, 3) each, at least one.
        readings: One a picture.

    Returns:
        uint8 (H, W, 3).
    """
    outlined = []
    for picture, reading in zip(pictures, readings, strict=True):
        image = Image.fromarray(picture)
        pen = ImageDraw.Draw(image)
        for instance in reading.instances:
            pen.rectangle(instance.box, outline=OUTLINE)
        outlined.append(np.asarray(image))
    return sheet.compose(outlined, [in_words(reading) for reading in readings])


def in_words(reading: Reading) -> str:
    """The reading, "?" where it is none: things with their looks; then setting, time and style."""
    things = [
        f"{'?' if seen.look is None else seen.look} {seen.name or '?'}".strip()
        for seen in reading.instances
    ]
    whole = (word or "?" for word in (reading.setting, reading.time, reading.style))
    return f"{', '.join(things or ['nothing'])}; {', '.join(whole)}"
