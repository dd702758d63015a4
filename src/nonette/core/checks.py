"""Checks of single values at the edge: each refuses by the name of the field, its value, its limit.

They know types and limits, not what a field is for; `core.types` says which field gets which.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Sequence

import numpy as np

from nonette.core.errors import InputError

MAX_CHARACTERS = 2_000  # of any text, the prompt above all
MIN_SIDE, MAX_SIDE = 16, 8192  # pixels, of any picture that comes in or goes out
MAX_PIXELS = 2**25  # of one picture: 33 megapixels, 100 MB of bytes


def choice(field: str, value: object, choices: Sequence[object]) -> None:
    """One of the choices, and of its type."""
    if not any(type(value) is type(one) and value == one for one in choices):
        raise InputError(field, value, f"it must be one of {', '.join(map(repr, choices))}")


def text(field: str, value: object, *, needs_words: bool = False) -> None:
    """Text that can be stored and read; with a letter or digit in it where it `needs_words`."""
    if not isinstance(value, str):
        raise InputError(field, value, "it must be text")
    if len(value) > MAX_CHARACTERS:
        most = f"{MAX_CHARACTERS:,}"
        raise InputError(
            field, value, f"its {len(value):,} characters are more than the {most} allowed"
        )
    if "\0" in value or any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise InputError(field, value, "it must not contain NUL characters or lone surrogates")
    if needs_words and not has_words(value):
        raise InputError(field, value, "it must contain at least one letter or digit")


def has_words(value: str) -> bool:
    """Whether there is a letter or digit in the text, of any script."""
    return any(character.isalnum() for character in value)


def integer(field: str, value: object, least: int, most: int) -> None:
    """A whole number within the limits, themselves allowed."""
    if type(value) is not int or not least <= value <= most:
        raise InputError(field, value, f"it must be a whole number from {least:,} to {most:,}")


def number(field: str, value: object, least: float, most: float) -> None:
    """A number within the limits, themselves allowed; never NaN."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= typing.cast(float, value) <= most:  # NaN is never within
        raise InputError(field, value, f"it must be a number from {least:g} to {most:g}")


def size(field: str, value: object) -> None:
    """`auto` or `WIDTHxHEIGHT`, within the limits of a picture."""
    sides = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", value) if isinstance(value, str) else None
    is_possible = sides and all(MIN_SIDE <= int(side) <= MAX_SIDE for side in sides.groups())
    if value != "auto" and not is_possible:
        limit = f"{MIN_SIDE:,} to {MAX_SIDE:,} pixels a side"
        raise InputError(field, value, f"it must be auto or WIDTHxHEIGHT, {limit}")
    if sides is not None:
        pixels(field, int(sides[1]), int(sides[2]))


def pixels(field: str, width: int, height: int, num_pictures: int = 1) -> None:
    """Pictures of that size, each within the limits of one and all within four times as many."""
    given = f"{width}x{height}"
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in (width, height)):
        raise InputError(field, given, f"a picture has {MIN_SIDE:,} to {MAX_SIDE:,} pixels a side")
    if width * height > MAX_PIXELS:
        raise InputError(field, given, f"a picture has at most {MAX_PIXELS:,} pixels in all")
    if width * height * num_pictures > 4 * MAX_PIXELS:
        most = 4 * MAX_PIXELS // (width * height)
        raise InputError(field, given, f"of pictures that large only {most:,} come at once")


def picture(field: str, value: object) -> None:
    """Pixels: uint8, (H, W, 3), within the limits of a picture."""
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8:
        raise InputError(field, _told(value), "it must be a picture, uint8 of (H, W, 3)")
    if value.ndim != 3 or value.shape[2] != 3:
        raise InputError(field, _told(value), "it must be a picture, uint8 of (H, W, 3)")
    pixels(field, value.shape[1], value.shape[0])


def mask(field: str, value: object, of: np.ndarray) -> None:
    """Which pixels of the picture `of` to repaint: bool, (H, W), at least one of them."""
    if not isinstance(value, np.ndarray) or value.dtype != np.bool_ or value.ndim != 2:
        raise InputError(field, _told(value), "it must be a mask, bool of (H, W)")
    height, width = of.shape[:2]
    if value.shape != (height, width):
        given = f"{value.shape[1]}x{value.shape[0]}"
        raise InputError(field, given, f"it must be as large as the picture, {width}x{height}")
    if not value.any():
        raise InputError(field, "empty", "it must mark at least one pixel to repaint")


def _told(value: object) -> object:
    """What a message shows of the value: of arrays their kind, not their numbers."""
    return f"{value.dtype} of {value.shape}" if isinstance(value, np.ndarray) else value
