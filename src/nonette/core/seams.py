"""Soft seams: how much of what is repainted shows beside the border of what is not."""

from __future__ import annotations

import numpy as np


def ramp(mask: np.ndarray, feather: int) -> np.ndarray:
    """How much of the repainted picture shows at each pixel: float32 (H, W), 0 to 1.

    Outside the mask nothing of it. Inside it rises in equal steps over `feather` pixels, and is 1
    from there on; beyond the picture's own borders is nothing to blend with.

    Args:
        mask: bool, (H, W), true where the picture is repainted.
        feather: Pixels, 0 for a hard border.
    """
    inside, total = mask, mask.astype(np.float32)
    for _ in range(feather):
        inside = _shrunk(inside)
        total += inside
    shares: np.ndarray = total / (feather + 1)
    return shares


def blended(picture: np.ndarray, drawn: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Two pictures of one size in one, uint8 (H, W, 3).

    Args:
        picture: uint8 (H, W, 3), what comes back exactly where the share is 0.
        drawn: uint8 (H, W, 3), what comes back exactly where it is 1.
        shares: Of `drawn`, float32 (H, W), 0 to 1.
    """
    mixed = picture + (drawn.astype(np.float32) - picture) * shares[..., None]
    levels: np.ndarray = np.rint(mixed).astype(np.uint8)
    return levels


def _shrunk(mask: np.ndarray) -> np.ndarray:
    """The mask without the pixels that have an unmarked neighbour above, below or beside them."""
    around = np.pad(mask, 1, mode="edge")
    upright = around[:-2, 1:-1] & around[2:, 1:-1]
    shrunk: np.ndarray = mask & upright & around[1:-1, :-2] & around[1:-1, 2:]
    return shrunk
