"""Enlarging a picture by a network, in tiles that leave no seams.

A tile is shown with as much around it as can change any of its pixels, and only the tile itself is
kept, so the tiles of a picture are what the network makes of it whole. A factor that is none of the
network's own is its next power, reduced to the size by resampling. Pictures go one at a time: what
else is enlarged with them changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from einops import rearrange

from nonette.core.sizes import resized
from nonette.models.upsampler import Upsampler
from nonette.pipelines._steps import Meter, to_uint8

TILE = 256  # small pixels a side; larger ones outgrow a processor's caches


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A rectangle of a picture, `left` to `right` and `top` to `bottom`, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


def can_enlarge(size: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """Whether a picture of width and height `size` is smaller than wanted, and nowhere larger."""
    return size != wanted and size[0] <= wanted[0] and size[1] <= wanted[1]


def num_tiles(size: tuple[int, int], wanted: tuple[int, int], factor: int) -> int:
    """How many tiles the network enlarges on the way from one width and height to another."""
    count = 0
    while can_enlarge(size, wanted):
        count += len(list(_tiles(size)))
        size = size[0] * factor, size[1] * factor
    return count


@torch.no_grad()
def upsampled(
    network: Upsampler, picture: np.ndarray, wanted: tuple[int, int], meter: Meter
) -> np.ndarray:
    """The picture enlarged to a size.

    Args:
        network: What enlarges, on any device.
        picture: uint8, (h, w, 3).
        wanted: Width and height, neither below the picture's.
        meter: Checked before and advanced after every tile.

    Returns:
        uint8, (H, W, 3).

    Raises:
        Stopped: The meter says that it is no longer wanted.
    """
    while can_enlarge((picture.shape[1], picture.shape[0]), wanted):
        picture = _once(network, picture, meter)
    return resized(picture, wanted)


def _once(network: Upsampler, picture: np.ndarray, meter: Meter) -> np.ndarray:
    """The picture with the network's factor times the pixels on each side."""
    height, width = picture.shape[:2]
    factor, reach = network.config.factor, network.config.reach
    large = np.empty((height * factor, width * factor, 3), np.uint8)
    for tile in _tiles((width, height)):
        meter.check()
        left, top = max(0, tile.left - reach), max(0, tile.top - reach)
        seen = picture[top : tile.bottom + reach, left : tile.right + reach]
        rows = slice((tile.top - top) * factor, (tile.bottom - top) * factor)
        columns = slice((tile.left - left) * factor, (tile.right - left) * factor)
        large[
            tile.top * factor : tile.bottom * factor, tile.left * factor : tile.right * factor
        ] = _asked(network, seen)[rows, columns]
        meter.advance("enlarging")
    return large


def _asked(network: Upsampler, picture: np.ndarray) -> np.ndarray:
    """What the network makes of one picture or tile, uint8 (h, w, 3) to uint8 (H, W, 3)."""
    levels = torch.from_numpy(picture.astype(np.float32)).to(network.conv_in.weight.device)
    pixels = rearrange(levels / 127.5 - 1, "h w c -> 1 c h w")  # which is channels last in memory
    return to_uint8(network(pixels))[0]


def _tiles(size: tuple[int, int]) -> Iterator[Tile]:
    """Rectangles of about equal sides, at most `TILE`, that cover a width and height."""
    columns, rows = (_cuts(side) for side in size)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield Tile(left=left, top=top, right=right, bottom=bottom)


def _cuts(side: int) -> list[int]:
    count = math.ceil(side / TILE)
    return [side * i // count for i in range(count + 1)]
