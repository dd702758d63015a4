"""Numbers as vectors that networks can read."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_PERIOD = 10_000.0


def sinusoids(
    values: Tensor, width: int, *, is_sine_first: bool = False, is_end_included: bool = False
) -> Tensor:
    """Cosines and sines of `values` at frequencies from 1 down to 1 / 10,000.

    Vaswani et al. 2017, "Attention Is All You Need", section 3.5, in the halves that diffusion
    networks use (Ho et al. 2020 and their successors).

    Args:
        values: (B,), such as time steps; taken in float32 whatever their type.
        width: Of a vector, even.
        is_sine_first: Whether the sines are the first half; published UNets put the cosines there.
        is_end_included: Whether the last frequency is 1 / 10,000 itself or the one that would
            follow.

    Returns:
        (B, width), float32.
    """
    half = width // 2
    assert width % 2 == 0, f"{width} is odd"
    steps = torch.arange(half, dtype=torch.float32, device=values.device)
    frequencies = torch.exp(-math.log(MAX_PERIOD) * steps / (half - is_end_included))
    angles = values.float()[:, None] * frequencies  # (B, width / 2)
    halves = (angles.cos(), angles.sin())
    return torch.cat(halves[::-1] if is_sine_first else halves, dim=1)
