"""The static key/value cache: one block of memory for all positions, allocated once.

A step writes its own position and reads the positions before it, so nothing grows, nothing is
copied, and a cache can be used for the next batch without being cleared.
"""

from __future__ import annotations

import torch
from torch import Tensor


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
    """Keys and values, each (num_rows, num_heads, length, head_width), a layer.

    They hold zeros: a position that was never written stays finite under a mask.
    """
    shape = (num_rows, num_heads, length, head_width)
    return [
        (
            torch.zeros(shape, dtype=dtype, device=device),
            torch.zeros(shape, dtype=dtype, device=device),
        )
        for _ in range(num_layers)
    ]
