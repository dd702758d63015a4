"""Samplers against closed forms: for Gaussian pictures the ideal denoiser is known, and the ODE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from nonette.core.errors import InputError, Stopped
from nonette.diffusion import samplers, schedules
from nonette.diffusion.denoisers import keeping
from nonette.diffusion.multistep import SAMPLERS, by_name

MEAN, DEVIATION = 0.7, 2.0  # of the Gaussian pictures
MOST, LEAST = 20.0, 0.05
ORDERS = {"ddim": 1, "euler": 1, "heun": 2, "dpmpp_2m": 2, "unipc": 3, "plms": 3}
"""UniPC-2 with its corrector gains one (Zhao et al. 2023, theorem 3.1)."""
GRID = schedules.grid(schedules.karras(6, LEAST, MOST))


def ideal(x: Tensor, sigma: float) -> Tensor:
    """E[x0 | x] for x0 ~ N(MEAN, DEVIATION²)."""
    return (DEVIATION**2 * x + sigma**2 * MEAN) / (DEVIATION**2 + sigma**2)


def solution(x: Tensor, s: float, t: float) -> Tensor:
    """Where the probability-flow ODE takes x from sigma s to sigma t."""
    return MEAN + (x - MEAN) * math.sqrt((DEVIATION**2 + t**2) / (DEVIATION**2 + s**2))


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def start(seeds: Sequence[int], side: int = 4) -> tuple[Tensor, list[torch.Generator]]:
    """Noise of the grids' first sigma, and the generators that go on from there."""
    own = generators(seeds)
    return MOST * samplers.noise(torch.zeros(len(seeds), 1, side, side), own), own


def tangled(x: Tensor, sigma: float) -> Tensor:
    """Some denoiser that is not linear."""
    return torch.tanh(x / (1 + sigma) + 0.3 * x.roll(1, -1) / (1 + sigma**2))


def error(name: str, num_steps: int) -> float:
    """How far from the ODE's solution a sampler ends."""
    if name == "plms":  # Adams and Bashforth's weights are made for equal steps
        grid = np.linspace(2.0, 0.5, num_steps + 1)
    else:
        grid = np.geomspace(MOST, LEAST, num_steps + 1)
    x = start([0])[0].double()
    drawn = by_name(name)(ideal, x, grid.tolist())
    return float((drawn - solution(x, grid[0], grid[-1])).abs().max())


@pytest.mark.parametrize("name", ORDERS)
def test_the_order_of_convergence_is_that_of_theory(name: str) -> None:
    errors = [error(name, num_steps) for num_steps in (40, 80, 160)]
    measured = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert measured[-1] == pytest.approx(ORDERS[name], abs=0.2), measured


@pytest.mark.parametrize(("name", "num_steps"), [("euler_ancestral", 400), ("dpmpp_2m_sde", 60)])
def test_samplers_with_noise_give_the_pictures_distribution(name: str, num_steps: int) -> None:
    grid = schedules.grid(schedules.exponential(num_steps, LEAST, 100.0))
    own = generators(range(4))
    x = 100.0 * samplers.noise(torch.zeros(4, 1, 100, 100, dtype=torch.float64), own)
    drawn = by_name(name)(ideal, x, grid, own)
    assert float(drawn.mean()) == pytest.approx(MEAN, abs=0.05)
    assert float(drawn.std()) == pytest.approx(DEVIATION, rel=0.03)


def test_a_consistent_network_needs_one_step() -> None:
    """For it, x0 is the end of the ODE itself, from whatever sigma it is asked."""

    def consistent(x: Tensor, sigma: float) -> Tensor:
        return solution(x, sigma, 0.0)

    own = generators(range(2))
    x = 100.0 * samplers.noise(torch.zeros(2, 1, 100, 100, dtype=torch.float64), own)
    for sigmas in ((100.0, 0.0), (100.0, 5.0, 1.0, 0.0)):
        drawn = by_name("lcm")(consistent, x, sigmas, own)
        assert float(drawn.mean()) == pytest.approx(MEAN, abs=0.05)
        assert float(drawn.std()) == pytest.approx(DEVIATION, rel=0.03)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_picture_is_the_same_alone_and_in_company(name: str) -> None:
    sampler = by_name(name)
    x, own = start(range(9))
    nine = sampler(tangled, x, GRID, own)
    assert len({picture.numpy().tobytes() for picture in nine}) == 9
    for seeds in ([4], [8, 0, 3]):
        x, own = start(seeds)
        drawn = sampler(tangled, x, GRID, own)
        assert (drawn == nine[seeds]).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_step_is_told_and_may_be_the_last(name: str) -> None:
    told: list[int] = []
    x, own = start([0, 1])

    def on_step(num_done: int, x0: Tensor) -> None:
        told.append(num_done)
        assert x0.shape == x.shape

    drawn = by_name(name)(tangled, x, GRID, own, on_step=on_step)
    assert drawn.shape == x.shape and told == [1, 2, 3, 4, 5, 6]
    for most in (0, 2, 5):
        told.clear()
        with pytest.raises(Stopped, match=f"after {most} of 6"):
            stop = lambda most=most: len(told) == most  # noqa: E731
            by_name(name)(tangled, x, GRID, own, on_step=on_step, should_stop=stop)
        assert len(told) == most


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_grid_may_begin_where_nothing_of_the_picture_is_left(name: str) -> None:
    times = np.linspace(1, 0, 9)[:-1]
    own = generators([0])
    x = schedules.MOST_SIGMA * samplers.noise(torch.zeros(1, 1, 8, 8), own)
    drawn = by_name(name)(tangled, x, schedules.grid(schedules.flow_sigmas(times)), own)
    assert drawn.isfinite().all()
    if name not in ("heun", "plms"):  # second-order in sigma itself, they need an ordinary grid
        assert drawn.abs().max() <= 1


@pytest.mark.parametrize("name", SAMPLERS)
def test_what_is_kept_comes_back_as_it_was(name: str) -> None:
    source = torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4)
    is_drawn = torch.zeros(1, 1, 4, 4)
    is_drawn[..., 2:] = 1
    x, own = start([0])
    drawn = by_name(name)(keeping(tangled, source, is_drawn), source + x, GRID, own)
    assert torch.allclose(drawn[..., :2], source[..., :2], atol=1e-5)
    assert not torch.allclose(drawn[..., 2:], source[..., 2:], atol=0.1)


def test_an_unknown_sampler_is_refused_with_the_choices() -> None:
    with pytest.raises(InputError, match="sampler is 'k_lms', but it must be one of ddim, "):
        by_name("k_lms")
