"""Drawings that show themselves in a notebook, and save themselves as marked files.

What `nonette.draw` returns: the words of `core.types` with two manners added. A notebook asks for
`_repr_png_`, and gets the grid with its marks and its prompt, as the command line writes it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from nonette.core.types import Drawing, Picture
from nonette.provenance import encode as files


class ShownPicture(Picture):
    """A picture that a notebook shows."""

    def save(self, path: str | os.PathLike[str], *, with_prompt: bool = True) -> Path:
        """Write the picture as a marked file; the name's ending says which format.

        Raises:
            InputError: The name ends in none of .png, .webp, .jpg and .jpeg.
        """
        return _write(path, files.encode(self, files.format_of(path), with_prompt=with_prompt))

    def _repr_png_(self) -> bytes:
        return files.encode(self, with_prompt=True)


class ShownDrawing(Drawing):
    """A drawing that a notebook shows as its grid; every picture in it shows itself as well."""

    def save(self, path: str | os.PathLike[str], *, with_prompt: bool = True) -> Path:
        """Write the grid as a marked file; the name's ending says which format.

        Raises:
            InputError: The name ends in none of .png, .webp, .jpg and .jpeg.
        """
        return _write(path, files.encode_grid(self, files.format_of(path), with_prompt=with_prompt))

    def __getitem__(self, index: int) -> ShownPicture:
        return cast(ShownPicture, self.pictures[index])

    def _repr_png_(self) -> bytes:
        return files.encode_grid(self, with_prompt=True)


def show(drawing: Drawing) -> ShownDrawing:
    """The same drawing, as one that shows itself."""
    return ShownDrawing(
        pictures=tuple(ShownPicture(**vars(picture)) for picture in drawing.pictures),
        unknown_words=drawing.unknown_words,
        seconds=drawing.seconds,
        model=drawing.model,
        prompt=drawing.prompt,
    )


def _write(path: str | os.PathLike[str], content: bytes) -> Path:
    Path(path).write_bytes(content)
    return Path(path)
