"""Samplers that remember earlier answers of the network: higher order at one call a step.

Their mathematics runs in λ = -log sigma, half the log-SNR: over a step of h = log(s / t) the exact
solution for a constant x0 is e^-h x + (1 - e^-h) x0, and what is remembered estimates how x0
changes meanwhile. All of it holds for any variance schedule, since x = x0 + sigma·eps is a scaled
copy of each.

    B pictures; x (B, C, H, W); s, t the sigmas before and after a step
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from nonette.core.errors import InputError
from nonette.diffusion import samplers
from nonette.diffusion.denoisers import Denoise
from nonette.diffusion.samplers import OnStep, Sampler, ShouldStop, noise, steps

UNIPC_ORDER = 2


def dpmpp_2m(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    generators: Sequence[torch.Generator] = (),
    *,
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
) -> Tensor:
    """DPM-Solver++(2M), order 2; Lu et al. (2022), "DPM-Solver++", algorithm 2.

    The first step is of order 1, and so is a last one to sigma 0, as there is no λ for it.
    """
    before: Tensor | None = None
    h_before = 0.0
    for i, s, t in steps(sigmas, should_stop):
        x0 = denoise(x, s)
        h = _span(s, t)
        if before is None or t == 0:
            aim = x0
        else:
            aim = x0 + (h / h_before) / 2 * (x0 - before)
        x = (t / s) * x - math.expm1(-h) * aim
        before, h_before = x0, h
        if on_step is not None:
            on_step(i + 1, x0)
    return x


def dpmpp_2m_sde(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    generators: Sequence[torch.Generator] = (),
    *,
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
) -> Tensor:
    """DPM-Solver++(2M) of the reverse SDE: half of each step's way is noise.

    Lu et al. (2022), section 5; the multistep form is the published library's (its "midpoint").
    """
    before: Tensor | None = None
    h_before = 0.0
    for i, s, t in steps(sigmas, should_stop):
        x0 = denoise(x, s)
        h = _span(s, t)
        if before is None or t == 0:
            aim = x0
        else:
            aim = x0 + (h / h_before) / 2 * (x0 - before)
        x = (t / s) * math.exp(-h) * x - math.expm1(-2 * h) * aim
        x = x + t * math.sqrt(-math.expm1(-2 * h)) * noise(x, generators)
        before, h_before = x0, h
        if on_step is not None:
            on_step(i + 1, x0)
    return x


def unipc(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    generators: Sequence[torch.Generator] = (),
    *,
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
) -> Tensor:
    """UniPC-2 in its B2 form; Zhao et al. (2023), "UniPC", algorithms 5 and 6, for x0.

    What the network says after a step also corrects that step, at no cost. The last step is of
    order 1, as published.
    """
    past: list[tuple[float, Tensor]] = []  # (sigma, x0), newest first
    x_before = x
    order = 0
    for i, s, t in steps(sigmas, should_stop):
        x0 = denoise(x, s)
        if i > 0:
            x = _unipc_step(x_before, past[:order], s, x0)
        past = [(s, x0), *past[: UNIPC_ORDER - 1]]
        order = min(len(past), len(sigmas) - 1 - i)
        x_before = x
        x = _unipc_step(x, past[:order], t)
        if on_step is not None:
            on_step(i + 1, x0)
    return x


def plms(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    generators: Sequence[torch.Generator] = (),
    *,
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
) -> Tensor:
    """Pseudo linear multistep, of order 3 with its start; Liu et al. (2022), "PNDM", equation 12.

    Adams and Bashforth's weights on dx/dsigma, begun with a step of Heun instead of Runge-Kutta, as
    Stable Diffusion's first configurations have it: one network call more than steps.
    """
    slopes: list[Tensor] = []  # newest first
    for i, s, t in steps(sigmas, should_stop):
        x0 = denoise(x, s)
        slopes = [(x - x0) / s, *slopes[:3]]
        slope = slopes[0]
        if i == 0 and t > 0:
            ahead = x + (t - s) * slope
            slope = (slope + (ahead - denoise(ahead, t)) / t) / 2
        elif i > 0:
            weights = ADAMS_BASHFORTH[len(slopes)]
            slope = torch.stack([w * one for w, one in zip(weights, slopes, strict=True)]).sum(0)
        x = x + (t - s) * slope
        if on_step is not None:
            on_step(i + 1, x0)
    return x


ADAMS_BASHFORTH = {
    1: (1.0,),
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


SAMPLERS: Mapping[str, Sampler] = {
    "ddim": samplers.ddim,
    "dpmpp_2m": dpmpp_2m,
    "dpmpp_2m_sde": dpmpp_2m_sde,
    "euler": samplers.euler,
    "euler_ancestral": samplers.euler_ancestral,
    "heun": samplers.heun,
    "lcm": samplers.lcm,
    "plms": plms,
    "unipc": unipc,
}
"""Every sampler by the name a request asks for."""


def by_name(name: str) -> Sampler:
    """The sampler of that name.

    Raises:
        InputError: There is none.
    """
    if name not in SAMPLERS:
        raise InputError("sampler", name, f"it must be one of {', '.join(SAMPLERS)}")
    return SAMPLERS[name]


def _span(s: float, t: float) -> float:
    """h, how far λ rises from sigma s to sigma t."""
    return math.log(s / t) if t > 0 else math.inf


def _unipc_step(
    x: Tensor, past: Sequence[tuple[float, Tensor]], t: float, x0_ahead: Tensor | None = None
) -> Tensor:
    """Take x at the newest sigma of `past` to sigma t, as the predictor or the corrector.

    Args:
        x: At the newest sigma.
        past: (sigma, x0), newest first.
        t: Where to.
        x0_ahead: What the network said at t, for the corrector.
    """
    (s, x0), *older = past
    h = _span(s, t)
    ratios = [math.log(s / sigma) / h for sigma, _ in older]  # r_m, negative
    changes = [(said - x0) / r for r, (_, said) in zip(ratios, older, strict=True)]  # D_m / r_m
    if x0_ahead is not None:
        ratios.append(1.0)
        changes.append(x0_ahead - x0)
    aim = x0
    for weight, change in zip(_unipc_weights(ratios, h), changes, strict=True):
        aim = aim + weight * change
    return (t / s) * x - math.expm1(-h) * aim


def _unipc_weights(ratios: Sequence[float], h: float) -> Sequence[float]:
    """The a_m of equation 9 with B(h) = e^-h - 1; one half where there is one, as published."""
    if len(ratios) <= 1:
        return (0.5,) * len(ratios)
    phi = math.expm1(-h) / -h - 1  # h φ_2(-h), and so on below
    wanted = []
    factorial = 1
    for power in range(1, len(ratios) + 1):
        wanted.append(phi * factorial / math.expm1(-h))
        factorial *= power + 1
        phi = phi / -h - 1 / factorial
    powers = np.array(ratios)[None, :] ** np.arange(len(ratios))[:, None]
    return tuple(float(weight) for weight in np.linalg.solve(powers, np.array(wanted)))
