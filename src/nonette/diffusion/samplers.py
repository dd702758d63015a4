"""Samplers: from noise to pictures along a falling grid of sigmas, one picture a generator.

Plain functions of one signature. In the convention x = x0 + sigma·eps the probability-flow ODE is
dx/dsigma = (x - x0) / sigma, and Euler's step from s to t is x0 + (t / s)(x - x0), which stays
exact where sigma is in the millions. Noise comes from each picture's own CPU generator, one draw a
step, so a picture is the same alone or in any company. `multistep` holds those that remember.

    B pictures; x (B, C, H, W); s, t the sigmas before and after a step
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from nonette.core.errors import Stopped
from nonette.diffusion.denoisers import Denoise

OnStep = Callable[[int, Tensor], None]
"""(steps done, x0 as the step saw it): for progress and previews."""

ShouldStop = Callable[[], bool]


class Sampler(Protocol):
    """What every sampler is."""

    def __call__(
        self,
        denoise: Denoise,
        x: Tensor,
        sigmas: Sequence[float],
        generators: Sequence[torch.Generator] = (),
        *,
        on_step: OnStep | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Tensor:
        """Draw.

        Args:
            denoise: The model.
            x: Where to start, x0 + sigmas[0]·eps: (B, C, H, W), float32 or float64.
            sigmas: Falling; the last one may be 0, and is where x ends.
            generators: One a picture, on the CPU, for samplers that add noise.
            on_step: Told after every step.
            should_stop: Asked before every step.

        Returns:
            (B, C, H, W) at noise level sigmas[-1].

        Raises:
            Stopped: `should_stop` said so.
        """
        ...


def steps(
    sigmas: Sequence[float], should_stop: ShouldStop | None
) -> Iterator[tuple[int, float, float]]:
    """(index, s, t) of every step, unless it is no longer wanted.

    Raises:
        Stopped: `should_stop` said so.
    """
    for i, (s, t) in enumerate(pairwise(sigmas)):
        if should_stop is not None and should_stop():
            raise Stopped(f"stopped after {i} of {len(sigmas) - 1} steps")
        yield i, s, t


def noise(
    like: Tensor, generators: Sequence[torch.Generator], shape: Sequence[int] | None = None
) -> Tensor:
    """Unit noise for B pictures, each from its own CPU generator, in the type and place of `like`.

    Args:
        like: (B, C, H, W).
        generators: B of them.
        shape: Of one picture; (C, H, W) of `like` where not given.
    """
    assert len(generators) == len(like), f"{len(generators)} generators, {len(like)} pictures"
    shape = tuple(shape or like.shape[1:])
    return torch.stack([torch.randn(shape, generator=one) for one in generators]).to(like)


def ddim(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    generators: Sequence[torch.Generator] = (),
    *,
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
) -> Tensor:
    """DDIM without noise; Song et al. (2021), "Denoising diffusion implicit models", equation 12.

    In x = x0 + sigma·eps it is Euler's method to the letter. The published configurations that name
    it differ by their grids.
    """
    return euler(denoise, x, sigmas, generators, on_step=on_step, should_stop=should_stop)


def euler(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    generators: Sequence[torch.Generator] = (),
    *,
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
) -> Tensor:
    """Euler's method, order 1; Karras et al. (2022), algorithm 2 without churn and second order."""
    for i, s, t in steps(sigmas, should_stop):
        x0 = denoise(x, s)
        x = x0 + (t / s) * (x - x0)
        if on_step is not None:
            on_step(i + 1, x0)
    return x


def euler_ancestral(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    generators: Sequence[torch.Generator] = (),
    *,
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
) -> Tensor:
    """Ancestral sampling: a step of Euler beyond t, then noise back up to it.

    DDPM's step with the smaller variance (Ho et al. 2020, section 3.2) and DDIM's with eta 1 (Song
    et al. 2021, equation 16), which are the same in x = x0 + sigma·eps.
    """
    for i, s, t in steps(sigmas, should_stop):
        x0 = denoise(x, s)
        up = t / s * math.sqrt(s**2 - t**2)
        down = math.sqrt(t**2 - up**2)
        x = x0 + (down / s) * (x - x0) + up * noise(x, generators)
        if on_step is not None:
            on_step(i + 1, x0)
    return x


def ancestral_with_variance(fraction: Callable[[], Tensor]) -> Sampler:
    """DDPM's ancestral sampling for networks that also say how noisy each step should be.

    Nichol and Dhariwal (2021), equation 15: the logarithm of the variance lies between those of
    the posterior's and of the forward step's. Karlo's decoder and DeepFloyd IF need it.

    Args:
        fraction: What the network last said of it, (B, C, H, W), -1 (smallest) to 1 (largest).
    """

    def sampler(
        denoise: Denoise,
        x: Tensor,
        sigmas: Sequence[float],
        generators: Sequence[torch.Generator] = (),
        *,
        on_step: OnStep | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Tensor:
        for i, s, t in steps(sigmas, should_stop):
            x0 = denoise(x, s)
            x = x0 + (t / s) ** 2 * (x - x0)
            if t > 0:
                least = (t / s) ** 2 * (s**2 - t**2)
                most = (s**2 - t**2) * (1 + t**2) / (1 + s**2)
                share = (fraction().to(x) + 1) / 2
                variance = torch.exp(share * math.log(most) + (1 - share) * math.log(least))
                x = x + variance.sqrt() * noise(x, generators)
            if on_step is not None:
                on_step(i + 1, x0)
        return x

    return sampler


def heun(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    generators: Sequence[torch.Generator] = (),
    *,
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
) -> Tensor:
    """Heun's method, order 2, two network calls a step; Karras et al. (2022), algorithm 1.

    A grid that begins in the millions, for a flow network, makes its first step useless.
    """
    for i, s, t in steps(sigmas, should_stop):
        x0 = denoise(x, s)
        slope = (x - x0) / s
        ahead = x0 + (t / s) * (x - x0)
        if t > 0:
            slope_ahead = (ahead - denoise(ahead, t)) / t
            x = x + (t - s) * (slope + slope_ahead) / 2
        else:
            x = ahead
        if on_step is not None:
            on_step(i + 1, x0)
    return x


def lcm(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    generators: Sequence[torch.Generator] = (),
    *,
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
) -> Tensor:
    """Consistency sampling: guess the picture, make it noisy again, guess anew.

    Song et al. (2023), "Consistency models", algorithm 1; for networks distilled to it only.
    """
    for i, s, t in steps(sigmas, should_stop):
        x0 = denoise(x, s)
        x = x0 + t * noise(x, generators) if t > 0 else x0
        if on_step is not None:
            on_step(i + 1, x0)
    return x
