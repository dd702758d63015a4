"""Wear and tear: renders made to look as if a network had drawn them.

A ranking network that has only seen clean renders goes by edges and flat colours that no drawn
picture has. Each chosen picture gets some of what an autoregressive decoder does to pictures:
softness, cells (one code's patch of pixels) that are washed out, shifted or taken from elsewhere, a
drift of colour, and noise. Mild on purpose: what the caption says must stay visible.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CELL = 8  # pixels a side of what one code draws
MOST_SHRINKING = 2.5  # softness: to this share of the resolution and back
MOST_SHIFT = 3  # pixels
DAMAGED_CELLS = 0.12  # at most this share of a picture's cells
MOST_TINT = 0.08  # of the range of 2
MOST_NOISE = 0.08


def degrade(pixels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Wear out a share of the pictures, (B, 3, H, W) in [-1, 1], H and W multiples of `CELL`.

    Args:
        pixels: Clean pictures; left as they are.
        share: Probability that a picture is worn, 0 to 1.
        generator: On the CPU; decides everything, so that the same state gives the same wear on any
            device.
    """
    chosen = (
        (torch.rand(len(pixels), generator=generator) < share).nonzero()[:, 0].to(pixels.device)
    )
    degraded = pixels.clone()
    if len(chosen):
        degraded[chosen] = _wear(pixels[chosen], generator)
    return degraded


def _wear(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Wear out all the pictures: the kind of wear is one for all, its amount each one's own."""
    num_pictures, _, height, width = pixels.shape

    def dice(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(pixels.device)

    shrinking = 1 + (MOST_SHRINKING - 1) * float(torch.rand((), generator=generator))
    small = F.interpolate(
        pixels, (round(height / shrinking), round(width / shrinking)), mode="area"
    )
    soft = F.interpolate(small, (height, width), mode="bilinear")
    worn = torch.lerp(pixels, soft, dice(num_pictures, 1, 1, 1))

    down, across = torch.randint(-MOST_SHIFT, MOST_SHIFT + 1, (2,), generator=generator).tolist()
    moved = torch.roll(soft, (down, across), dims=(2, 3))
    shares = dice(num_pictures, 1, 1, 1) * DAMAGED_CELLS
    damaged = (dice(num_pictures, 1, height // CELL, width // CELL) < shares).to(pixels.dtype)
    damaged = F.interpolate(damaged, scale_factor=CELL, mode="nearest")
    worn = torch.lerp(worn, moved, damaged)

    tint = (2 * dice(num_pictures, 3, 1, 1) - 1) * MOST_TINT
    noise = torch.randn((3, height, width), generator=generator).to(pixels.device)
    worn = worn + tint + noise * dice(num_pictures, 1, 1, 1) * MOST_NOISE
    return worn.clamp(-1, 1)
