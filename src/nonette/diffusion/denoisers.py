"""From what a network predicts, of whatever time it reads, to `denoise(x, sigma) -> x0`.

Networks of the variance-preserving kind see x / √(1 + sigma²), of unit variance, and say epsilon,
v or x0. Flow networks see (1 - t) x0 + t eps = x / (1 + sigma) with t = sigma / (1 + sigma), and
say the velocity eps - x0. Time is what they were trained on: an index of a table, or any function
of sigma.

    B pictures; x and x0 (B, C, H, W), float32; sigma and t one number for all of them
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nonette.diffusion.schedules import times_of_sigmas

Denoise = Callable[[Tensor, float], Tensor]
"""(x (B, C, H, W) = x0 + sigma·eps, sigma > 0) -> the expected x0 (B, C, H, W)."""

Network = Callable[[Tensor, Tensor], Tensor]
"""(scaled x (B, C, H, W), time (B,) float32) -> prediction (B, C, H, W), of any float type."""

Prediction = Literal["epsilon", "v_prediction", "sample"]
"""The names that published configurations use; "sample" is x0 itself."""

TimeOf = Callable[[float], float]
"""sigma -> the time a network was trained to read."""


def discrete_time(table: np.ndarray, *, is_rounded: bool = False) -> TimeOf:
    """Timesteps 0 to T - 1 of a schedule's sigmas, (T,), rising.

    Args:
        table: As `schedules.sigma_table` makes it.
        is_rounded: Whether the network only ever sees whole timesteps, as some published samplers
            have it; otherwise what lies between two entries is between their times.
    """

    def time_of(sigma: float) -> float:
        time = float(times_of_sigmas(sigma, table))
        return float(round(time)) if is_rounded else time

    return time_of


def cosine_time(sigma: float) -> float:
    """Continuous time in 0 to 1 with ᾱ = cos²(πt/2); Salimans and Ho (2022), section 2."""
    return math.atan(sigma) * 2 / math.pi


def variance_preserving(network: Network, prediction: Prediction, time_of: TimeOf) -> Denoise:
    """A denoiser of a network trained on √ᾱ x0 + √(1 - ᾱ) eps.

    v is √ᾱ eps - √(1 - ᾱ) x0; Salimans and Ho (2022), appendix D.
    """

    def denoise(x: Tensor, sigma: float) -> Tensor:
        root = math.sqrt(1 + sigma**2)  # 1 / √ᾱ
        said = network(x / root, _times(time_of(sigma), x)).to(x.dtype)
        if prediction == "epsilon":
            return x - sigma * said
        if prediction == "v_prediction":
            return x / root**2 - sigma / root * said
        assert prediction == "sample", prediction
        return said

    return denoise


def flow(network: Network, *, time_scale: float = 1.0) -> Denoise:
    """A denoiser of a rectified-flow network, which says eps - x0; Liu et al. (2023).

    Args:
        network: Reads t times `time_scale`.
        time_scale: 1, or 1000 as Stable Diffusion 3 has it.
    """

    def denoise(x: Tensor, sigma: float) -> Tensor:
        t = sigma / (1 + sigma)
        mixed = x / (1 + sigma)  # (1 - t) x0 + t eps
        return mixed - t * network(mixed, _times(t * time_scale, x)).to(x.dtype)

    return denoise


def consistency(
    denoise: Denoise, time_of: TimeOf, *, time_scale: float = 10.0, sigma_data: float = 0.5
) -> Denoise:
    """With the boundary condition of latent consistency models: at time 0 a picture is itself.

    Luo et al. (2023), "Latent Consistency Models", section 4.1; the constants are the published
    model's. The picture it mixes in is the scaled one, as there.
    """

    def bounded(x: Tensor, sigma: float) -> Tensor:
        time = time_scale * time_of(sigma)
        skip = sigma_data**2 / (time**2 + sigma_data**2)
        out = time / math.sqrt(time**2 + sigma_data**2)
        return out * denoise(x, sigma) + skip * x / math.sqrt(1 + sigma**2)

    return bounded


def clipped(denoise: Denoise, most: float = 1.0) -> Denoise:
    """With every x0 clamped to -most to most: for pixels, and Karlo's picture embeddings."""
    return lambda x, sigma: denoise(x, sigma).clamp(-most, most)


def dynamically_clipped(denoise: Denoise, share: float = 0.995, most: float = 1.0) -> Denoise:
    """With dynamic thresholding: saturated pictures are pulled back into range as a whole.

    Saharia et al. (2022), "Imagen", section 2.3: x0 is clamped at the `share` quantile s of its
    picture's |x0| and divided by s, where s is at least 1.

    Args:
        denoise: A denoiser of pixels in [-1, 1].
        share: In 0 to 1.
        most: The largest s, at least 1; 1.5 in DeepFloyd IF's first stage.
    """

    def bounded(x: Tensor, sigma: float) -> Tensor:
        x0 = denoise(x, sigma)
        s = torch.stack([one.abs().flatten().quantile(share) for one in x0.float()])
        s = s.clamp(1, max(1.0, most)).to(x0.dtype)[:, None, None, None]  # (B, 1, 1, 1)
        return x0.clamp(-s, s) / s

    return bounded


def keeping(denoise: Denoise, source: Tensor, is_drawn: Tensor) -> Denoise:
    """With the picture known where `is_drawn` is 0: there x0 is the source's.

    Started from source + sigma·eps, a sampler without noise of its own then carries the known part
    along its one straight line, and any sampler ends on it: for networks that were not trained to
    fill masks (the replacement of Song et al. 2021, section 5, on x0 instead of x).

    Args:
        denoise: Of the whole picture.
        source: The known picture in the denoiser's space, (B, C, H, W).
        is_drawn: 1 where something new is drawn, 0 where the source stays, (B, 1, H, W); between
            them a mixture.
    """
    return lambda x, sigma: torch.lerp(source, denoise(x, sigma), is_drawn.to(source))


def _times(time: float, x: Tensor) -> Tensor:
    """The time for every picture: (B,), float32."""
    return torch.full((len(x),), time, dtype=torch.float32, device=x.device)
