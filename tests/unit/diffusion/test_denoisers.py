"""Every way a network may speak of a picture comes to the same x0; guidance does what it says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nonette.core.errors import InputError
from nonette.diffusion import denoisers, guidance, schedules

TABLE = schedules.sigma_table(schedules.scaled_linear_betas(0.00085, 0.012))
X0 = torch.linspace(-1, 1, 96).reshape(2, 3, 4, 4)
EPS = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
SIGMAS = [0.05, 1.0, 14.0]


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_what_a_network_says_becomes_the_picture(prediction: Any, sigma: float) -> None:
    """A network that knows the answer, told in the papers' letters."""
    alpha_bar = 1 / (1 + sigma**2)
    truth = {
        "epsilon": EPS,
        "v_prediction": math.sqrt(alpha_bar) * EPS - math.sqrt(1 - alpha_bar) * X0,
        "sample": X0,
    }

    def network(x: Tensor, time: Tensor) -> Tensor:
        assert torch.allclose(
            x, math.sqrt(alpha_bar) * X0 + math.sqrt(1 - alpha_bar) * EPS, atol=1e-6
        )
        assert time.shape == (2,) and time.dtype == torch.float32
        return truth[prediction].bfloat16()

    denoise = denoisers.variance_preserving(network, prediction, denoisers.discrete_time(TABLE))
    found = denoise(X0 + sigma * EPS, sigma)
    assert found.dtype == torch.float32
    assert torch.allclose(found, X0, atol=0.02 * max(1, sigma))  # bfloat16's rounding


@pytest.mark.parametrize("sigma", [*SIGMAS, schedules.MOST_SIGMA])
def test_what_a_flow_network_says_becomes_the_picture(sigma: float) -> None:
    t = sigma / (1 + sigma)

    def network(x: Tensor, time: Tensor) -> Tensor:
        assert torch.allclose(x, (1 - t) * X0 + t * EPS, atol=1e-5)
        assert torch.allclose(time, torch.full((2,), 1000 * t))
        return EPS - X0

    denoise = denoisers.flow(network, time_scale=1000.0)
    assert torch.allclose(denoise(X0 + sigma * EPS, sigma), X0, atol=1e-5)


def test_times_and_sigmas_are_each_other_s_inverse() -> None:
    times = np.array([0.0, 1.0, 500.0, 998.0, 999.0])
    sigmas = schedules.sigmas_of_times(times, TABLE)
    assert np.allclose(schedules.times_of_sigmas(sigmas, TABLE), times, atol=1e-9)
    assert denoisers.discrete_time(TABLE)(1e6) == 999 and denoisers.discrete_time(TABLE)(0) == 0
    half = math.sqrt(TABLE[10] * TABLE[11])
    assert denoisers.discrete_time(TABLE)(half) == pytest.approx(10.5)
    assert denoisers.discrete_time(TABLE, is_rounded=True)(half * 1.01) == 11
    for time in (0.1, 0.5, 0.9):
        alpha_bar = math.cos(math.pi * time / 2) ** 2
        sigma = math.sqrt((1 - alpha_bar) / alpha_bar)
        assert denoisers.cosine_time(sigma) == pytest.approx(time)


def test_grids_fall_between_their_ends() -> None:
    for sigmas in (schedules.karras(8, 0.03, 14.6), schedules.exponential(8, 0.03, 14.6)):
        assert sigmas[0] == pytest.approx(14.6) and sigmas[-1] == pytest.approx(0.03)
        assert len(schedules.grid(sigmas)) == 9
    assert schedules.spaced_times(4, "trailing").tolist() == [999, 749, 499, 249]
    assert schedules.spaced_times(4, "leading", offset=1).tolist() == [751, 501, 251, 1]
    assert schedules.spaced_times(4, "linspace").tolist() == [999, 666, 333, 0]
    for steps in (0, 1001):
        with pytest.raises(InputError, match=f"steps is {steps}, but this model draws in 1 to"):
            schedules.spaced_times(steps, "leading")
    with pytest.raises(AssertionError, match="must fall"):
        schedules.grid(np.array([1.0, 2.0]))
    times = np.linspace(0.05, 0.95, 7)
    shifted = schedules.flow_sigmas(schedules.shift_times(times, 3.0))
    assert np.allclose(shifted, 3 * schedules.flow_sigmas(times))
    snr = 1 / schedules.sigma_table(
        schedules.rescale_to_zero_snr(schedules.scaled_linear_betas(0.00085, 0.012))
    )
    assert snr[-1] < 1e-3 and snr[0] == pytest.approx(1 / TABLE[0])


def test_a_consistent_picture_is_itself_where_there_is_no_noise() -> None:
    wrong = denoisers.consistency(lambda x, sigma: x * 0, lambda sigma: 0.0)
    assert torch.equal(wrong(X0, 0.0), X0)


def test_thresholds_bring_pictures_back_into_range() -> None:
    loud = torch.stack([X0[0] * 0.5, X0[1] * 9])
    plain = denoisers.clipped(lambda x, sigma: x)(loud, 1.0)
    assert torch.equal(plain, loud.clamp(-1, 1))
    dynamic = denoisers.dynamically_clipped(lambda x, sigma: x, 0.9, 20.0)(loud, 1.0)
    assert torch.equal(dynamic[0], loud[0]), "already within the range"
    assert dynamic[1].abs().max() == 1 and dynamic[1].abs().mean() < plain[1].abs().mean()
    alone = denoisers.dynamically_clipped(lambda x, sigma: x, 0.9, 20.0)(loud[1:], 1.0)
    assert torch.equal(alone[0], dynamic[1])


class Counted:
    """A denoiser that says a constant, and counts how often it is asked."""

    def __init__(self, says: Tensor) -> None:
        self.says, self.num_calls = says, 0

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        self.num_calls += 1
        return self.says


def test_guidance_goes_past_the_conditional_answer() -> None:
    towards, away = Counted(X0), Counted(EPS)
    scale = torch.tensor([1.0, 4.0])
    found = guidance.classifier_free(towards, away, scale)(X0, 1.0)
    assert torch.equal(found[0], X0[0]), "the very bytes of a picture without guidance"
    assert torch.allclose(found[1], EPS[1] + 4 * (X0[1] - EPS[1]))
    assert (towards.num_calls, away.num_calls) == (1, 1)
    assert torch.equal(guidance.classifier_free(towards, away, torch.ones(2))(X0, 1.0), X0)
    assert away.num_calls == 1


def test_guidance_may_be_limited_to_an_interval() -> None:
    towards, away = Counted(X0), Counted(EPS)
    denoise = guidance.classifier_free(towards, away, torch.full((2,), 3.0), interval=(0.3, 5.0))
    for sigma, num_calls in ((0.2, 0), (0.3, 1), (2.0, 2), (5.0, 3), (5.1, 3)):
        denoise(X0, sigma)
        assert away.num_calls == num_calls


def test_rescaled_guidance_keeps_the_contrast_of_v() -> None:
    """Lin et al. (2023), equations 15 and 16, with v for their x."""
    sigma, x = 2.0, X0 + 2.0 * EPS
    root = math.sqrt(1 + sigma**2)

    def v_of(x0: Tensor) -> Tensor:
        return eps_of(x, x0, sigma) / root - sigma / root * x0

    towards, away = X0 * 0.9, X0 * 0.5 + 0.1
    found = guidance.classifier_free(
        Counted(towards), Counted(away), torch.full((2,), 7.0), rescale=0.7
    )(x, sigma)
    v = v_of(away) + 7.0 * (v_of(towards) - v_of(away))
    rescaled = v * (v_of(towards).std((1, 2, 3)) / v.std((1, 2, 3)))[:, None, None, None]
    wanted = 0.7 * rescaled + 0.3 * v
    assert torch.allclose(v_of(found), wanted, atol=1e-5)


def eps_of(x: Tensor, x0: Tensor, sigma: float) -> Tensor:
    return (x - x0) / sigma


def test_distilled_guidance_is_an_input() -> None:
    def network(x: Tensor, sigma: float, scale: Tensor) -> Tensor:
        return x * scale[:, None, None, None]

    found = guidance.distilled(network, torch.tensor([1.0, 2.0]))(X0, 1.0)
    assert torch.equal(found[1], 2 * X0[1])
