"""Picture files that a person names on the command line, read with every caution."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from nonette.core.errors import InputError
from nonette.provenance import decode
from nonette.provenance.headers import MAX_BYTES


def read(path: Path, field: str) -> decode.Intake:
    """The picture in a file.

    Raises:
        InputError: There is no such file, it cannot be read, or it is no picture that comes in.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is odd in a file but does no harm
        return decode.decode(content(path, field), field)


def read_mask(path: Path, size: tuple[int, int], field: str) -> np.ndarray:
    """Where a picture is to be repainted: bool, (H, W).

    Args:
        path: A file that is transparent or, where nothing is, white in those places.
        size: The picture's width and height.
        field: What the person called it, for errors.

    Raises:
        InputError: As `read`, or it has another size, or marks nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode.decode_mask(content(path, field), size, field=field)


def content(path: Path, field: str) -> bytes:
    """The file's bytes, one more than a picture may have where it is too large.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise InputError(field, str(path), "that is not a file")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(field, str(path), f"it cannot be read: {error.strerror}") from error
