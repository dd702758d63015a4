"""A convolution that enlarges."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class DoublingConv(nn.Conv2d):
    """A 3×3 convolution of a map whose rows and columns are there twice (nearest neighbours)."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__(before, width, 3, padding=1)

    def forward(self, x: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """(B, before, h, w) -> (B, width, 2·h, 2·w), or of another size that is named."""
        size = size if size is not None else (2 * x.shape[2], 2 * x.shape[3])
        return super().forward(F.interpolate(x, size=size, mode="nearest"))
