"""A picture of any size brought to a system's own, and what was drawn brought back into it.

A system draws one size. What it repaints of a larger or smaller picture it sees through a window of
its own shape: as near as it can be to the pixels' own scale, around everything that is to be
repainted, with half as much beside it to go by. What comes back is pasted where the mask is and
nowhere else, so that all other pixels stay as they were, to the byte. A soft seam fades in inside
the mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from nonette.core import seams
from nonette.core.sizes import resized
from nonette.core.types import Request
from nonette.pipelines._steps import Job

Resize = Callable[[np.ndarray, tuple[int, int]], np.ndarray]
"""A picture, uint8 (H, W, 3), at another width and height."""

CONTEXT = 0.5  # of the marked box's own sides, seen on each side of it


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """A rectangle over a picture, which may reach beyond its borders.

    Attributes:
        left: Column of its left border in the picture, in pixels; may be negative.
        top: Row of its upper border.
        width: In pixels of the picture.
        height: In pixels of the picture.
    """

    left: int
    top: int
    width: int
    height: int

    def cut(self, array: np.ndarray, beyond: str) -> np.ndarray:
        """What the window shows of a picture or mask, (height, width, ...).

        Args:
            array: (H, W, ...).
            beyond: What is beyond the borders: "edge" repeats them, "marked" is true.
        """
        height, width = array.shape[:2]
        rows = np.arange(self.top, self.top + self.height)
        columns = np.arange(self.left, self.left + self.width)
        shown: np.ndarray = array[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)]
        if beyond == "marked":
            shown[(rows < 0) | (rows >= height)] = True
            shown[:, (columns < 0) | (columns >= width)] = True
        return shown

    def paste(self, picture: np.ndarray, whole: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """A copy of the picture with what was drawn in the window.

        Args:
            picture: uint8, (H, W, 3).
            whole: What the window became, uint8 (height, width, 3).
            shares: How much of it shows, float32 (H, W), 0 to 1.
        """
        pasted = picture.copy()
        height, width = picture.shape[:2]
        top, left = max(self.top, 0), max(self.left, 0)
        bottom, right = min(self.top + self.height, height), min(self.left + self.width, width)
        here = np.s_[top:bottom, left:right]
        part = whole[top - self.top : bottom - self.top, left - self.left : right - self.left]
        pasted[here] = seams.blended(picture[here], part, shares[here])
        return pasted


def job_of(wish: Request, knobs: Sequence[str], native: tuple[int, int]) -> Job:
    """A request as a system takes it: a seed a candidate, and pictures at its own size.

    Args:
        wish: With nothing left open.
        knobs: The fields of a request that the system takes as they are.
        native: Width and height that it draws.
    """
    fields = {knob: getattr(wish, knob) for knob in (*knobs, "strength", "mix", "second_prompt")}
    if wish.task in ("edit", "extend"):
        fields["task"] = "edit"
        fields["source"], fields["mask"] = seen(wish, native)
    elif wish.source is not None:
        fields["source"] = fitted(wish.source, native)
    if wish.second_source is not None:
        fields["second_source"] = fitted(wish.second_source, native)
    assert wish.candidates is not None
    return Job(
        **{"task": wish.task}
        | {field: value for field, value in fields.items() if value is not None},
        prompt=wish.prompt,
        negative_prompt=wish.negative_prompt,
        seeds=tuple(range(wish.seed, wish.seed + wish.candidates)),
    )


def canvas(request: Request) -> tuple[np.ndarray, np.ndarray]:
    """The picture that an edit or extension begins with, and where it is to be repainted.

    Returns:
        uint8 (H, W, 3), of an extension with the source's borders repeated outwards; and bool
        (H, W).
    """
    source = request.source
    assert source is not None
    if request.task == "edit":
        everything = np.ones(source.shape[:2], dtype=bool)
        return source, everything if request.mask is None else request.mask
    left, top, right, bottom = request.sides
    sides = ((top, bottom), (left, right))
    mask = np.pad(np.zeros(source.shape[:2], dtype=bool), sides, constant_values=True)
    return np.pad(source, (*sides, (0, 0)), mode="edge"), mask


def window(mask: np.ndarray, native: tuple[int, int]) -> Window:
    """Where a system looks to repaint what the mask marks.

    Args:
        mask: bool, (H, W), true somewhere.
        native: Width and height that the system draws.

    Returns:
        A rectangle of the native shape with everything marked in it: of the native size where that
        has room for the marked box and its context, larger otherwise, and smaller only where the
        whole picture is.
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, right = _with_context(columns[0], columns[-1] + 1, width)
    top, bottom = _with_context(rows[0], rows[-1] + 1, height)
    needed = max((right - left) / native[0], (bottom - top) / native[1])
    whole = max(width / native[0], height / native[1])
    scale = max(needed, min(1.0, whole))
    across, down = (max(1, round(side * scale)) for side in native)
    return Window(
        left=_start(left, right, across, width),
        top=_start(top, bottom, down, height),
        width=across,
        height=down,
    )


def seen(request: Request, native: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """What a system sees of an edit or extension: picture and mask at its own size.

    Returns:
        uint8 (h, w, 3) and bool (h, w); a pixel counts as marked if any part of it is.
    """
    picture, mask = canvas(request)
    view = window(mask, native)
    share = Image.fromarray(view.cut(mask, "marked").astype(np.uint8) * 255)
    marked = np.asarray(share.resize(native, Image.Resampling.BOX)) > 0
    return resized(view.cut(picture, "edge"), native), marked


def finished(request: Request, drawn: np.ndarray, resize: Resize = resized) -> np.ndarray:
    """The whole picture of an edit or extension, with what a system made of what it had `seen`.

    Args:
        request: The edit or extension.
        drawn: uint8, (h, w, 3), of the native size.
        resize: How it is brought to the picture's own scale.

    Returns:
        uint8 (H, W, 3).
    """
    picture, mask = canvas(request)
    view = window(mask, (drawn.shape[1], drawn.shape[0]))
    whole = resize(drawn, (view.width, view.height))
    return view.paste(picture, whole, seams.ramp(mask, request.seam))


def fitted(picture: np.ndarray, native: tuple[int, int]) -> np.ndarray:
    """The middle of a picture at the native size: what a variation or blend looks at.

    Args:
        picture: uint8, (H, W, 3).
        native: Width and height.
    """
    height, width = picture.shape[:2]
    scale = min(width / native[0], height / native[1])
    across, down = (max(1, round(side * scale)) for side in native)
    left, top = (width - across) // 2, (height - down) // 2
    return resized(picture[top : top + down, left : left + across], native)


def _with_context(start: int, end: int, length: int) -> tuple[int, int]:
    """The stretch with what lies beside it, within 0 to `length`."""
    beside = round((end - start) * CONTEXT)
    return max(0, int(start) - beside), min(length, int(end) + beside)


def _start(start: int, end: int, size: int, length: int) -> int:
    """Where a stretch of `size` begins that has `start` to `end` in its middle.

    It lies within 0 to `length` where it fits in there, and over all of that where it does not.
    """
    begin = (start + end - size) // 2
    most = length - size
    return min(max(begin, 0), most) if most >= 0 else most // 2
