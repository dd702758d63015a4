"""How large pictures come out, and how a model's own size becomes another.

A model draws at its native size; any other size of that shape is the native one resampled, and the
picture's settings say so. Shapes a model cannot draw are refused. Resampling is Lanczos (a windowed
sinc of three lobes), the sharpest of Pillow's filters, where no network does better.
"""

from __future__ import annotations

import numpy as np

from nonette.core.errors import InputError
from nonette.core.types import FACTOR, Request

FILTER = "lanczos"


def outcome(request: Request, native: tuple[int, int], model: str) -> tuple[int, int]:
    """Width and height of the pictures that a request becomes.

    Args:
        request: What is asked for.
        native: Width and height that the model draws.
        model: The model's name, for the error.

    Raises:
        InputError: The model cannot draw that shape, or an enlargement would be none.
    """
    if request.task == "enlarge":
        return _enlarged(request)
    if request.kept_size is not None:
        return request.kept_size
    if request.size == "auto":
        return native
    wanted = parse(request.size)
    if not _is_alike(wanted, native):
        limit = f"{model} draws {spell(native)} and other sizes of that shape"
        raise InputError("size", request.size, limit)
    return wanted


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture at another size, or itself where it has that size.

    Args:
        pixels: uint8, (H, W, 3).
        size: Width and height.
    """
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    from PIL import Image  # here, as rooms that import this one often never resample

    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def notes(drawn: tuple[int, int], size: tuple[int, int], by: str = FILTER) -> dict[str, str]:
    """What a picture's settings say of its size beyond the request's own field.

    Args:
        drawn: Width and height before resampling.
        size: Width and height that came out.
        by: What did it: the filter, or the name of the model that enlarged.
    """
    if drawn == size:
        return {}
    how = "enlarged" if size[0] * size[1] > drawn[0] * drawn[1] else "reduced"
    return {"drawn_size": spell(drawn), how: by}


def parse(size: str) -> tuple[int, int]:
    """Width and height of "WIDTHxHEIGHT", as a `Request` has checked it."""
    width, height = size.split("x")
    return int(width), int(height)


def spell(size: tuple[int, int]) -> str:
    """The size as people write it."""
    return f"{size[0]}x{size[1]}"


def _enlarged(request: Request) -> tuple[int, int]:
    assert request.source is not None
    height, width = request.source.shape[:2]
    if request.size == "auto":
        factor = request.factor or FACTOR
        return round(width * factor), round(height * factor)
    wanted = parse(request.size)
    if not _is_alike(wanted, (width, height)) or wanted[0] < width:
        limit = f"the picture is {width}x{height}, and enlarging keeps its shape"
        raise InputError("size", request.size, limit)
    return wanted


def _is_alike(size: tuple[int, int], shape: tuple[int, int]) -> bool:
    """Whether the size is of that shape, one of its sides rounded to a pixel."""
    (width, height), (across, down) = size, shape
    return round(width * down / across) == height or round(height * across / down) == width
