"""Pictures on their way into networks and onto sheets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

GAP = 2  # pixels between pictures of a sheet


def stack(pixels: Sequence[np.ndarray]) -> Tensor:
    """uint8 pictures (H, W, 3) as one uint8 tensor (B, H, W, 3)."""
    return torch.from_numpy(np.stack(pixels))


def to_float(pixels: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) → float32 (B, 3, H, W) in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def rows(kinds: Sequence[Sequence[np.ndarray]], num_columns: int) -> Image.Image:
    """Several kinds of the same pictures, one kind below the other, wrapped after `num_columns`.

    Args:
        kinds: Each a list of uint8 (H, W, 3) of the same length and size.
        num_columns: Pictures a line.
    """
    height, width = kinds[0][0].shape[:2]
    num_lines = -(-len(kinds[0]) // num_columns)
    sheet = Image.new(
        "RGB",
        (num_columns * (width + GAP) - GAP, num_lines * len(kinds) * (height + GAP) - GAP),
        "white",
    )
    for kind_index, kind in enumerate(kinds):
        for index, picture in enumerate(kind):
            line = index // num_columns * len(kinds) + kind_index
            sheet.paste(
                Image.fromarray(picture),
                (index % num_columns * (width + GAP), line * (height + GAP)),
            )
    return sheet
