"""Small damages that make renders look like drawn pictures: soft, wavy, noisy, off in tone.

An evaluator that has only seen clean renders trips over the first blurred edge; one that has seen
these judges the thing, not the drawing's finish. None of them moves a thing by more than two pixels
or a colour across its name.

B batch, H W pixels
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WAVE_SPACING = 8  # pixels between the knots of a warp: the span of one code of a drawing model
MAX_WAVE = 1.5  # pixels
MAX_NOISE = 0.08  # standard deviation, of a range of 2
MAX_TONE = 0.12  # contrast, brightness and colour cast
MAX_SHRINKING = 2.0  # resolution lost to blur


def damage(pixels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Damage a share of the pictures, each in its own way and strength; leave the others.

    Args:
        pixels: (B, 3, H, W) in [-1, 1].
        share: Of pictures that are damaged, 0 to 1.
        generator: On the CPU; the same state damages alike.

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    num_pictures = len(pixels)
    is_damaged = (torch.rand(num_pictures, generator=generator) < share).to(pixels)
    strengths = (
        torch.rand(4, num_pictures, 1, 1, 1, generator=generator).to(pixels) ** 2
    )  # mild ones are commoner
    waves, blur, noise, tone = strengths * is_damaged.view(1, -1, 1, 1, 1)
    pixels = _wave(pixels, waves * MAX_WAVE, generator)
    pixels = _blur(pixels, blur, generator)
    casts = (
        (torch.rand(2, num_pictures, 3, 1, 1, generator=generator) * 2 - 1).to(pixels)
        * tone
        * MAX_TONE
    )
    common = (
        (torch.rand(2, num_pictures, 1, 1, 1, generator=generator) * 2 - 1).to(pixels)
        * tone
        * MAX_TONE
    )
    pixels = pixels * (1 + common[0] + casts[0] / 4) + common[1] + casts[1] / 4
    pixels = pixels + torch.randn(pixels.shape, generator=generator).to(pixels) * noise * MAX_NOISE
    return pixels.clamp(-1, 1)


def _wave(pixels: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each place by a smooth random offset of about `strength` (B, 1, 1, 1) pixels."""
    num_pictures, _, height, width = pixels.shape
    knots = torch.randn(
        num_pictures, 2, height // WAVE_SPACING, width // WAVE_SPACING, generator=generator
    )
    offsets = F.interpolate(
        knots.clamp(-2, 2).to(pixels) / 2 * strength, (height, width), mode="bilinear"
    )
    identity = torch.eye(2, 3).to(pixels).expand(num_pictures, 2, 3)
    grid = F.affine_grid(
        identity, list(pixels.shape), align_corners=False
    )  # (B, H, W, 2) in [-1, 1]
    scale = torch.tensor([2 / width, 2 / height]).to(pixels)
    grid = grid + offsets.permute(0, 2, 3, 1) * scale
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _blur(pixels: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    """Mix each picture with a softened copy by `strength` (B, 1, 1, 1), 0 to 1."""
    factor = 1 + (MAX_SHRINKING - 1) * float(torch.rand((), generator=generator))
    size = [max(1, round(side / factor)) for side in pixels.shape[2:]]
    small = F.interpolate(pixels, size, mode="bilinear", antialias=True)
    soft = F.interpolate(small, pixels.shape[2:], mode="bilinear")
    return pixels + (soft - pixels) * strength
