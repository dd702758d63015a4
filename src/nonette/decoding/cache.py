"""The static key/value cache: one block of memory for all positions, allocated once.

A step writes its own position and reads the positions before it, so nothing grows, nothing is
copied, and a cache can be used for the next batch without being cleared. Positions lie in stretches
of their own: products read whole ones, while torch would copy what lies in the middle of a longer
one before it multiplies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

STRETCH = 64  # positions


def static_cache(
    *,
    num_layers: int,
    num_rows: int,
    num_heads: int,
    length: int,
    head_width: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> list[tuple[Tensor, Tensor]]:
    """Keys and values, each (stretches, num_rows, num_heads, positions, head_width), a layer.

    They hold zeros: a position that was never written stays finite under a mask.
    """
    positions = min(STRETCH, length)
    shape = (math.ceil(length / positions), num_rows, num_heads, positions, head_width)
    return [
        (
            torch.zeros(shape, dtype=dtype, device=device),
            torch.zeros(shape, dtype=dtype, device=device),
        )
        for _ in range(num_layers)
    ]
