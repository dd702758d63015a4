"""A linear with a gate."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class GEGLU(nn.Linear):
    """A linear whose outputs' first half is multiplied with the GELU of its second (Shazeer 2020).

    Args:
        before: Width of the input.
        width: Of the output; the weight has twice as many rows. The GELU is the exact one.
    """

    def __init__(self, before: int, width: int) -> None:
        super().__init__(before, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., before) -> (..., width)."""
        halves = zip(self.weight.chunk(2), self.bias.chunk(2), strict=True)
        value, gate = (F.linear(x, weight, bias) for weight, bias in halves)
        return value * F.gelu(gate)
