"""Wobble: renders whose outlines wander by a pixel or two, as those of drawn pictures do.

The warp is smooth over the patch that one code of a drawing model spans, so that straight edges
bend, but nothing moves far or is torn. Softness, noise and wrong patches are `degrade`'s.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SPACING = 8  # pixels between the knots of the warp
MOST = 1.5  # pixels, standard deviation of the knots' offsets


def wobble(pixels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Warp a share of the pictures, (B, 3, H, W), H and W multiples of `SPACING`.

    Args:
        pixels: Left as they are.
        share: Probability that a picture is warped, 0 to 1; mild warps are commoner than strong.
        generator: On the CPU; decides everything.
    """
    num_pictures, _, height, width = pixels.shape
    is_chosen = torch.rand(num_pictures, 1, 1, 1, generator=generator) < share
    strengths = torch.rand(num_pictures, 1, 1, 1, generator=generator).square() * MOST
    knots = torch.randn(num_pictures, 2, height // SPACING, width // SPACING, generator=generator)
    offsets = (knots.clamp(-2, 2) * strengths * is_chosen).to(pixels)
    offsets = F.interpolate(offsets, (height, width), mode="bilinear")  # (B, 2, H, W), pixels
    identity = torch.eye(2, 3).to(pixels).expand(num_pictures, 2, 3)
    grid = F.affine_grid(identity, list(pixels.shape), align_corners=False)  # (B, H, W, 2)
    to_grid = torch.tensor([2 / width, 2 / height]).to(pixels)
    grid = grid + offsets.permute(0, 2, 3, 1) * to_grid
    warped = F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    return torch.where(is_chosen.to(pixels.device), warped, pixels)
