"""Enlarging, measured: how near the large picture an upsampler comes, and how near Lanczos does.

Scenes that nothing was trained on are painted large. Small ones of two kinds are made of them:
well-made ones, and what a model's own autoencoder leaves of these, which is how all that it draws
looks. Each is enlarged by both and held against the large picture by PSNR and by structural
similarity (Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural
Similarity", section III-B). Differences are paired, picture by picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonette.checkpoints.format import Part
from nonette.core.sizes import resized
from nonette.data.scenes.dataset import SceneDataset
from nonette.data.scenes.world import PROMPT_SEED, World
from nonette.evaluation.enough import require
from nonette.evaluation.intervals import NORMAL_95, Share, share
from nonette.models.kl_autoencoder import AutoencoderKL
from nonette.models.vqgan import VQGAN
from nonette.pipelines._steps import to_uint8

Enlarge = Callable[[np.ndarray, tuple[int, int]], np.ndarray]
"""A picture, uint8 (h, w, 3), at a larger width and height."""

SCENE_SEED = PROMPT_SEED + 800_000
WINDOW, SPREAD = 11, 1.5  # of the similarity's Gaussian window, in pixels
STABILISERS = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # C1 and C2
LEAST_PICTURES = 8


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How near enlargements are to the large pictures, on average.

    Attributes:
        psnr: In decibels.
        similarity: Structural similarity, to 1.
    """

    psnr: float
    similarity: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An upsampler beside Lanczos on small pictures of one kind.

    Attributes:
        num_pictures: How many.
        ours: The upsampler.
        lanczos: Lanczos.
        gain: Mean difference in PSNR, in decibels.
        low: Of its 95% interval (normal, over pictures).
        high: Of its 95% interval.
        better: Pictures whose PSNR the upsampler makes higher.
    """

    num_pictures: int
    ours: Quality
    lanczos: Quality
    gain: float
    low: float
    high: float
    better: Share


def large_scenes(world: World, size: int, number: int) -> list[np.ndarray]:
    """Scenes with held-out pairs, uint8 (size, size, 3)."""
    dataset = SceneDataset(world=world, seed=SCENE_SEED, size=size, split="held_out")
    return [dataset[index]["pixels"] for index in range(number)]


def compare(
    large: Sequence[np.ndarray], small: Sequence[np.ndarray], enlarge: Enlarge
) -> Comparison:
    """The upsampler beside Lanczos.

    Args:
        large: What small pictures should become, uint8 (H, W, 3).
        small: uint8 (h, w, 3).
        enlarge: The upsampler.

    Raises:
        NotEnoughData: There are fewer than `LEAST_PICTURES`.
    """
    require("pictures", len(large), LEAST_PICTURES)
    size = large[0].shape[1], large[0].shape[0]
    ours = [quality(enlarge(one, size), whole) for one, whole in zip(small, large, strict=True)]
    theirs = [quality(resized(one, size), whole) for one, whole in zip(small, large, strict=True)]
    gains = np.array([a.psnr - b.psnr for a, b in zip(ours, theirs, strict=True)])
    reach = NORMAL_95 * gains.std(ddof=1) / len(gains) ** 0.5
    return Comparison(
        num_pictures=len(gains),
        ours=_mean(ours),
        lanczos=_mean(theirs),
        gain=float(gains.mean()),
        low=float(gains.mean() - reach),
        high=float(gains.mean() + reach),
        better=share(int((gains > 0).sum()), len(gains), "pictures"),
    )


def shrunk(large: Sequence[np.ndarray], factor: int) -> list[np.ndarray]:
    """Well-made small pictures."""
    height, width = large[0].shape[:2]
    return [resized(picture, (width // factor, height // factor)) for picture in large]


@torch.no_grad()
def remade_each(autoencoder: nn.Module, small: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What an autoencoder leaves of small pictures, uint8 (h, w, 3)."""
    dtype = next(autoencoder.parameters()).dtype
    pictures = []
    for picture in small:
        pixels = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
        pictures.append(to_uint8(remade(autoencoder, pixels.to(dtype)))[0])
    return pictures


def remade(autoencoder: nn.Module, pixels: Tensor) -> Tensor:
    """What an autoencoder leaves of pictures (B, 3, H, W) in [-1, 1], in float32."""
    if isinstance(autoencoder, VQGAN):
        drawn = autoencoder.decode_codes(autoencoder.encode(pixels))
    else:
        assert isinstance(autoencoder, AutoencoderKL), type(autoencoder)
        drawn = autoencoder.decode(autoencoder.encode(pixels))
    return drawn.float().clamp(-1, 1)


def autoencoder_part(parts: Mapping[str, Part]) -> str | None:
    """The name of a checkpoint's part that makes pictures small and large again, if any.

    A VQGAN without its encoder only makes them large.
    """
    names = (name for name in ("autoencoder", "vqgan") if name in parts)
    return next((name for name in names if parts[name].config.get("has_encoder", True)), None)


def quality(picture: np.ndarray, wanted: np.ndarray) -> Quality:
    """How near a picture is to another, uint8 (H, W, 3) each."""
    error = np.square(picture.astype(np.float64) - wanted).mean()
    psnr = 10 * np.log10(255**2 / max(error, 1e-2))  # identical pictures: 68 dB, not infinity
    return Quality(psnr=float(psnr), similarity=similarity(picture, wanted))


def similarity(picture: np.ndarray, wanted: np.ndarray) -> float:
    """The structural similarity of two pictures, uint8 (H, W, 3), channel by channel; -1 to 1."""
    x, y = (
        torch.from_numpy(one.astype(np.float32)).permute(2, 0, 1)[:, None]
        for one in (picture, wanted)
    )  # (3, 1, H, W) each
    mean_x, mean_y = _windowed(x), _windowed(y)
    var_x = _windowed(x * x) - mean_x**2
    var_y = _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    c1, c2 = STABILISERS
    alike = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((alike / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean())


def _windowed(values: Tensor) -> Tensor:
    """Means (3, 1, h, w) of values (3, 1, H, W) under the Gaussian window, where it fits."""
    places = torch.arange(WINDOW) - WINDOW // 2
    line = torch.exp(-0.5 * (places / SPREAD) ** 2)
    line = line / line.sum()
    across = F.conv2d(values, line[None, None, None, :])
    return F.conv2d(across, line[None, None, :, None])


def _mean(qualities: Sequence[Quality]) -> Quality:
    return Quality(
        psnr=float(np.mean([one.psnr for one in qualities])),
        similarity=float(np.mean([one.similarity for one in qualities])),
    )
