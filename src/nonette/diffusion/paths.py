"""What a checkpoint says of its diffusion: how its network was trained, and which grid suits it.

A path makes the grid of sigmas for a number of steps, the picture of pure noise at its beginning,
and a denoiser of the network. Two kinds are known: the straight one of rectified flow, and the
variance-preserving one of published diffusion with its table of timesteps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from torch import Tensor

from nonette.core.config import from_dict
from nonette.core.errors import InputError
from nonette.diffusion import denoisers, schedules
from nonette.diffusion.denoisers import Denoise, Network, Prediction
from nonette.diffusion.schedules import Spacing

SKIPS_LAST = ("dpmpp_2m", "dpmpp_2m_sde", "unipc")  # samplers whose published grids do


class Path(Protocol):
    """The two kinds below."""

    @property
    def sampler(self) -> str:
        """The name of the sampler that suits it, where nobody says."""
        ...

    def grid(self, num_steps: int, sampler: str) -> tuple[float, ...]:
        """The sigmas of a whole drawing, num_steps + 1 of them, falling."""
        ...

    def sigma(self, time: float) -> float:
        """The sigma at a time as the network reads it."""
        ...

    def begin(self, noise: Tensor, sigma: float) -> Tensor:
        """Unit noise as the picture that a whole drawing starts from."""
        ...

    def denoiser(self, network: Network) -> Denoise:
        """What samplers want of the network."""
        ...


@dataclass(frozen=True, kw_only=True)
class Straight:
    """Rectified flow; the network says eps - x0.

    Attributes:
        shift: Of the times towards noise; see `schedules.shift_times`.
        time_scale: What t in 0 to 1 is multiplied with for the network.
    """

    shift: float = 1.0
    time_scale: float = 1.0

    @property
    def sampler(self) -> str:
        """Second order at one call a step."""
        return "dpmpp_2m"

    def grid(self, num_steps: int, sampler: str) -> tuple[float, ...]:
        """Times in equal steps from 1 to 0, then shifted."""
        times = schedules.shift_times(np.linspace(1, 0, num_steps + 1)[:-1], self.shift)
        most = schedules.MOST_SIGMA
        if sampler in ("heun", "plms"):  # see their docstrings
            most = schedules.flow_sigmas(times)[1] * 2 if num_steps > 1 else 100.0
        return schedules.grid(schedules.flow_sigmas(times, most))

    def sigma(self, time: float) -> float:
        """T / (1 - t)."""
        return float(schedules.flow_sigmas(np.array(time / self.time_scale)))

    def begin(self, noise: Tensor, sigma: float) -> Tensor:
        """Nothing but noise."""
        return sigma * noise

    def denoiser(self, network: Network) -> Denoise:
        """x0 of a velocity."""
        return denoisers.flow(network, time_scale=self.time_scale)


@dataclass(frozen=True, kw_only=True)
class Tabled:
    """Diffusion with T timesteps of rising noise.

    Attributes:
        prediction: What the network says.
        betas: Whether √β rises linearly, as in latent diffusion, or ᾱ falls as a squared cosine,
            as where pixels are diffused.
        first_beta: Of √β rising linearly.
        last_beta: The other end.
        spacing: Which timesteps a drawing visits.
        offset: Of "leading" ones.
        has_zero_snr: Whether the last timestep holds no signal.
        ends_clean: Whether the last step goes to sigma 0, or to that of timestep 0, as the first
            published configurations of DDIM and PNDM do.
        is_consistent: Whether the network was distilled to consistency, with its boundary.
    """

    prediction: Prediction = "epsilon"
    betas: Literal["scaled_linear", "cosine"] = "scaled_linear"
    first_beta: float = 0.00085
    last_beta: float = 0.012
    spacing: Spacing = "leading"
    offset: int = 1
    has_zero_snr: bool = False
    ends_clean: bool = True
    is_consistent: bool = False

    @property
    def sampler(self) -> str:
        """What it was distilled for, where it was; "trailing" times mark models of few steps."""
        if self.is_consistent:
            return "lcm"
        is_for_few_steps = self.spacing == "trailing" and not self.has_zero_snr
        return "euler_ancestral" if is_for_few_steps else "dpmpp_2m"

    @cached_property
    def table(self) -> np.ndarray:
        """The sigma of every timestep."""
        betas = schedules.scaled_linear_betas(self.first_beta, self.last_beta)
        if self.betas == "cosine":
            betas = schedules.cosine_betas()
        if self.has_zero_snr:
            betas = schedules.rescale_to_zero_snr(betas)
        return schedules.sigma_table(betas)

    def grid(self, num_steps: int, sampler: str) -> tuple[float, ...]:
        """As the published configurations space them for this sampler."""
        if self.is_consistent:
            times = schedules.consistency_times(num_steps)
        else:
            times = schedules.spaced_times(
                num_steps,
                self.spacing,
                offset=self.offset,
                skips_last=sampler in SKIPS_LAST,
            )
        ends_early = not self.ends_clean and sampler in ("ddim", "plms")
        last = float(self.table[0]) if ends_early else 0.0
        return schedules.grid(schedules.sigmas_of_times(times, self.table), last)

    def sigma(self, time: float) -> float:
        """By the table."""
        return float(schedules.sigmas_of_times(np.array(time), self.table))

    def begin(self, noise: Tensor, sigma: float) -> Tensor:
        """Noise of unit variance as the network sees it."""
        return math.sqrt(1 + sigma**2) * noise

    def denoiser(self, network: Network) -> Denoise:
        """x0 of whatever the network says."""
        time_of = denoisers.discrete_time(self.table)
        denoise = denoisers.variance_preserving(network, self.prediction, time_of)
        return denoisers.consistency(denoise, time_of) if self.is_consistent else denoise


PATHS: Mapping[str, type[Straight] | type[Tabled]] = {"straight": Straight, "tabled": Tabled}


def path_of(settings: Mapping[str, Any]) -> Path:
    """The path of a checkpoint's `diffusion` setting: its kind, and whatever that kind has.

    Raises:
        InputError: There is no such kind, or it has no such setting.
    """
    values = dict(settings.get("diffusion", {"kind": "straight"}))
    kind = values.pop("kind", None)
    if kind not in PATHS:
        raise InputError("diffusion.kind", kind, f"it must be one of {', '.join(PATHS)}")
    return from_dict(PATHS[kind], values, "diffusion")


def remaining(grid: tuple[float, ...], strength: float) -> tuple[float, ...]:
    """The last part of a grid, for a picture that keeps something of its source.

    Args:
        grid: Of a whole drawing.
        strength: Share of the steps that are left to do, above 0; at least one step is.
    """
    num_steps = len(grid) - 1
    return grid[num_steps - max(1, round(num_steps * strength)) :]
