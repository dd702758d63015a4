"""Wear and tear: renders made to look as if a network had drawn them.

A ranking network that has only seen clean renders goes by edges and flat colours that no drawn
picture has. Each chosen picture gets some of what an autoregressive decoder does to pictures:
softness, cells (one code's patch of pixels) that are washed out, shifted or taken from elsewhere, a
drift of colour, and noise. Mild on purpose: what the caption says must stay visible.

An upsampler that has only seen well-made small pictures makes every flaw of others larger. `shrink`
makes small pictures of large ones as Real-ESRGAN does (Wang et al. 2021, "Real-ESRGAN: Training
Real-World Blind Super-Resolution with Pure Synthetic Data", section 3), in one round: blur, one of
several ways to resample, ringing, noise.
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

MOST_BLUR = 1.2  # standard deviation of a small picture's blur, in its own pixels
BLUR_REACH = 3  # pixels to each side that it looks at
MOST_RINGING = 0.8  # of what the blur took away, once more: halos beside edges
MOST_GRAIN = 0.06
SHRINKERS = ("area", "bilinear", "bicubic")


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


def shrink(pixels: Tensor, factor: int, share: float, generator: torch.Generator) -> Tensor:
    """Small pictures of large ones, a share of them with flaws.

    Args:
        pixels: (B, 3, H, W) in [-1, 1], H and W multiples of `factor`.
        factor: How many times smaller they become.
        share: Probability that a picture has flaws, 0 to 1; the others are only resampled.
        generator: On the CPU; decides everything.

    Returns:
        (B, 3, H / factor, W / factor) in [-1, 1].
    """
    mode = SHRINKERS[int(torch.randint(len(SHRINKERS), (), generator=generator))]
    size = (pixels.shape[2] // factor, pixels.shape[3] // factor)
    is_smooth = mode != "area"
    small = F.interpolate(pixels, size, mode=mode, antialias=is_smooth).clamp(-1, 1)

    def dice(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(pixels.device)

    soft = _blurred(small, dice(len(pixels)) * MOST_BLUR)
    blur = dice(len(pixels), 1, 1, 1) * (1 + MOST_RINGING) - MOST_RINGING  # below 0 it overshoots
    grain = dice(len(pixels), 1, 1, 1).square() * MOST_GRAIN  # squared: most have little of it
    noise = torch.randn(small.shape, generator=generator).to(pixels.device)
    flawed = torch.lerp(small, soft, blur) + noise * grain
    is_flawed = dice(len(pixels), 1, 1, 1) < share
    return torch.where(is_flawed, flawed, small).clamp(-1, 1)


def _blurred(pixels: Tensor, spreads: Tensor) -> Tensor:
    """Pictures (B, 3, H, W), each blurred by a Gaussian of its own spread (B,) in pixels."""
    places = torch.arange(-BLUR_REACH, BLUR_REACH + 1, device=pixels.device)
    kernels = torch.exp(-0.5 * (places / spreads.clamp_min(0.1)[:, None]) ** 2)  # (B, K)
    kernels = kernels / kernels.sum(dim=1, keepdim=True)
    weights = kernels[:, :, None, None, None].unbind(1)  # (B, 1, 1, 1) each
    height, width = pixels.shape[2:]
    padded = F.pad(pixels, [BLUR_REACH] * 4, mode="replicate")
    across = sum(w * padded[..., k : k + width] for k, w in enumerate(weights))
    assert isinstance(across, Tensor)
    down = sum(w * across[..., k : k + height, :] for k, w in enumerate(weights))
    assert isinstance(down, Tensor)
    return down
