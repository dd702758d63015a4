"""Which noise levels a network was trained on, and which of them a drawing visits.

A training schedule becomes a table: the sigma of each of its T timesteps, rising. A drawing visits
a falling grid of sigmas, which the functions below `spaced` make from a table, or from two ends.
All of it is plain float64 on the CPU: a few numbers, worked out once.

In the papers' letters: x_t = √ᾱ_t x0 + √(1 - ᾱ_t) eps, hence sigma_t = √((1 - ᾱ_t) / ᾱ_t). On
the straight path of rectified flow x_t = (1 - t) x0 + t eps, hence sigma = t / (1 - t).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from nonette.core.errors import InputError

Spacing = Literal["leading", "linspace", "trailing"]

LEAST_ALPHA = 2.0**-24
"""Of ᾱ at the end of a schedule without signal there: its sigma, 4096, stays finite."""

MOST_SIGMA = 1e6
"""Of a straight path at time 1, where sigma would be infinite: nothing of x0 is left to see."""

# fmt: off
AYS_STABLE_DIFFUSION = (
    14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.0,
)
AYS_STABLE_DIFFUSION_XL = (
    14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.0,
)
# fmt: on
"""Ten steps of Sabour, Fidler and Kreis (2024), "Align Your Steps", as its project page lists them
for Stable Diffusion 1.5 and XL."""


def linear_betas(first: float, last: float, num_steps: int = 1000) -> np.ndarray:
    """β rising linearly; Ho et al. (2020), section 4, with 1e-4 to 0.02."""
    return np.linspace(first, last, num_steps)


def scaled_linear_betas(first: float, last: float, num_steps: int = 1000) -> np.ndarray:
    """√β rising linearly, as in latent diffusion; Stable Diffusion's are 0.00085 to 0.012."""
    return np.linspace(math.sqrt(first), math.sqrt(last), num_steps) ** 2


def cosine_betas(num_steps: int = 1000, most: float = 0.999) -> np.ndarray:
    """ᾱ falling as a squared cosine; Nichol and Dhariwal (2021), equation 17, β at most `most`."""

    def alpha_bar(time: np.ndarray) -> np.ndarray:
        return np.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2

    time = np.arange(num_steps) / num_steps
    return np.minimum(1 - alpha_bar(time + 1 / num_steps) / alpha_bar(time), most)


def rescale_to_zero_snr(betas: np.ndarray) -> np.ndarray:
    """The schedule stretched until its last step holds no signal; its last β is 1.

    Lin et al. (2023), "Common diffusion noise schedules and sample steps are flawed", algorithm 1.
    """
    root = np.sqrt(np.cumprod(1 - betas))  # √ᾱ
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    alpha_bar = root**2
    return 1 - alpha_bar / np.concatenate([[1.0], alpha_bar[:-1]])


def sigma_table(betas: np.ndarray, least_alpha: float = LEAST_ALPHA) -> np.ndarray:
    """The sigma of every timestep, (T,), rising.

    Args:
        betas: Of the timesteps, (T,), in 0 to 1.
        least_alpha: What stands for ᾱ where it is 0, after `rescale_to_zero_snr`.
    """
    alpha_bar = np.cumprod(1 - np.asarray(betas, dtype=np.float64))
    alpha_bar = np.where(alpha_bar > 0, alpha_bar, least_alpha)
    return np.sqrt((1 - alpha_bar) / alpha_bar)


def spaced_times(
    num_steps: int,
    spacing: Spacing,
    *,
    num_train_steps: int = 1000,
    offset: int = 0,
    skips_last: bool = False,
) -> np.ndarray:
    """The timesteps that a drawing of `num_steps` steps visits, (num_steps,), falling.

    Lin et al. (2023), table 2; rounded as the published configurations have it.

    Args:
        num_steps: Steps of the drawing, 1 to `num_train_steps`.
        spacing: "leading" counts from 0 and leaves out the noisiest, "linspace" holds both ends,
            "trailing" counts from the noisiest and leaves out 0.
        num_train_steps: T.
        offset: Added to "leading" times, Stable Diffusion's `steps_offset` of 1.
        skips_last: Whether these are all but the last of one step more, "trailing" excepted: the
            published grid of DPM-Solver++ and UniPC.

    Raises:
        InputError: There are fewer than 1 or more than T steps.
    """
    if not 1 <= num_steps <= num_train_steps:
        raise InputError("steps", num_steps, f"this model draws in 1 to {num_train_steps:,} steps")
    if skips_last and spacing != "trailing":
        return spaced_times(num_steps + 1, spacing, num_train_steps=num_train_steps, offset=offset)[
            :-1
        ]
    if spacing == "leading":
        times = np.arange(num_steps)[::-1] * float(num_train_steps // num_steps) + offset
    elif spacing == "linspace":
        times = np.linspace(0, num_train_steps - 1, num_steps)[::-1]
    else:
        ratio = num_train_steps / num_steps
        times = np.round(np.arange(num_train_steps, 0, -ratio)[:num_steps]) - 1
    return np.minimum(times, num_train_steps - 1)


def consistency_times(
    num_steps: int, *, num_train_steps: int = 1000, num_distilled: int = 50
) -> np.ndarray:
    """The timesteps that latent consistency models visit, falling; Luo et al. (2023), section 4.3.

    Args:
        num_steps: Steps of the drawing, 1 to `num_distilled`.
        num_train_steps: T.
        num_distilled: Of the grid it was distilled on, of which these are a part.

    Raises:
        InputError: There are fewer than 1 or more than `num_distilled` steps.
    """
    if not 1 <= num_steps <= num_distilled:
        raise InputError("steps", num_steps, f"this model draws in 1 to {num_distilled} steps")
    chosen = np.floor(np.linspace(0, num_distilled, num_steps, endpoint=False))
    return (num_distilled - chosen) * (num_train_steps // num_distilled) - 1


def sigmas_of_times(times: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The sigmas of timesteps 0 to T - 1; between two of them as linear in sigma."""
    return np.interp(times, np.arange(len(table)), table)


def times_of_sigmas(sigmas: float | np.ndarray, table: np.ndarray) -> np.ndarray:
    """The timesteps of sigmas, clamped to 0 to T - 1; between two of them as linear in log sigma.

    The inverse of the table at its own entries, and monotone between them.
    """
    times = np.arange(len(table), dtype=np.float64)
    return np.interp(np.log(np.maximum(sigmas, 1e-10)), np.log(table), times)


def karras(num_steps: int, least: float, most: float, rho: float = 7.0) -> np.ndarray:
    """`num_steps` sigmas from `most` to `least`; Karras et al. (2022), equation 5."""
    ramp = np.linspace(0, 1, num_steps)
    return (most ** (1 / rho) + ramp * (least ** (1 / rho) - most ** (1 / rho))) ** rho


def exponential(num_steps: int, least: float, most: float) -> np.ndarray:
    """`num_steps` sigmas from `most` to `least` in equal ratios: equal steps of log-SNR."""
    return np.exp(np.linspace(math.log(most), math.log(least), num_steps))


def align_your_steps(num_steps: int, sigmas: Sequence[float] = AYS_STABLE_DIFFUSION) -> np.ndarray:
    """`num_steps` sigmas along a tuned grid, without its final 0: log-linear between its points."""
    tuned = np.asarray(sigmas)[:-1]
    where = np.linspace(0, len(tuned) - 1, num_steps)
    return np.exp(np.interp(where, np.arange(len(tuned)), np.log(tuned)))


def shift_times(times: np.ndarray, shift: float) -> np.ndarray:
    """Times in 0 to 1 of a straight path moved towards noise, as larger pictures need.

    Esser et al. (2024), "Scaling rectified flow transformers", equation 23. In sigmas it is a
    product: sigma of the shifted time is `shift` times sigma.
    """
    return shift * times / (1 + (shift - 1) * times)


def flow_sigmas(times: np.ndarray, most: float = MOST_SIGMA) -> np.ndarray:
    """The sigmas t / (1 - t) of times in 0 to 1 on a straight path, at most `most`."""
    times = np.asarray(times, dtype=np.float64)
    return np.minimum(times / np.maximum(1 - times, 1e-12), most)


def grid(sigmas: np.ndarray, last: float = 0.0) -> tuple[float, ...]:
    """The sigmas a sampler walks along: these, then `last`; num_steps + 1 floats, falling."""
    walked = (*(float(sigma) for sigma in sigmas), float(last))
    falls = all(here > there for here, there in pairwise(walked))
    assert falls and last >= 0, f"sigmas must fall: {walked}"
    return walked
