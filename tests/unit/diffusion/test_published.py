"""The published configurations, call by call against the reference library's schedulers.

What the network is asked (its scaled input and its time) and where the drawing ends must agree
within 1e-4 in float32.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from torch import Tensor

from nonette.diffusion import schedules
from nonette.diffusion.denoisers import (
    clipped,
    consistency,
    discrete_time,
    dynamically_clipped,
    flow,
    variance_preserving,
)
from nonette.diffusion.multistep import by_name
from nonette.diffusion.samplers import ancestral_with_variance, noise

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Calls = list[tuple[Tensor, float]]

STABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
LEADING = {"timestep_spacing": "leading", "steps_offset": 1}
UNET = STABLE | LEADING
NO_ONE = {"set_alpha_to_one": False}
STABLE_BETAS = schedules.scaled_linear_betas(0.00085, 0.012)
TABLE = schedules.sigma_table(STABLE_BETAS)
UPSCALER = schedules.sigma_table(schedules.scaled_linear_betas(0.0001, 0.02))
COSINE = schedules.sigma_table(schedules.cosine_betas())
ZERO_SNR = schedules.sigma_table(schedules.rescale_to_zero_snr(STABLE_BETAS))
BATCH = (2, 3, 8, 8)


def answer(x: Tensor, time: Tensor) -> Tensor:
    """A network: smooth in x, and of another strength at every time."""
    strength = 0.6 + 0.3 * torch.cos(time.double() / 300).to(x.dtype).reshape(-1, 1, 1, 1)
    return strength * torch.tanh(0.8 * x + 0.5 * x.roll(1, -1) - 0.2)


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in (5, 6)]


def recorder(calls: Calls, network: Callable[[Tensor, Tensor], Tensor]) -> Any:
    def recorded(x: Tensor, time: Tensor) -> Tensor:
        calls.append((x.clone(), float(time.flatten()[0])))
        return network(x, time)

    return recorded


def theirs(
    scheduler: Any, num_steps: int, network: Any = answer, **steps: Any
) -> tuple[Tensor, Calls]:
    """The reference library's own loop."""
    calls: Calls = []
    own = generators()
    ask = recorder(calls, network)
    scheduler.set_timesteps(num_steps, **steps)
    x = noise(torch.zeros(BATCH), own) * getattr(scheduler, "init_noise_sigma", 1.0)
    scales = getattr(scheduler, "scale_model_input", lambda x, time: x)
    takes_noise = "generator" in scheduler.step.__code__.co_varnames
    for time in scheduler.timesteps:
        said = ask(scales(x, time), time[None])
        extra = {"generator": own} if takes_noise else {}
        x = scheduler.step(said, time, x, **extra).prev_sample
    return x, calls


def ours(
    sampler: Any,
    sigmas: tuple[float, ...],
    time_of: Any,
    *,
    prediction: Any = "epsilon",
    wrap: Any = None,
    starts_at_sigma: bool = False,
    network: Any = answer,
) -> tuple[Tensor, Calls]:
    """The same drawing in x = x0 + sigma·eps, ended as the network would see it."""
    calls: Calls = []
    own = generators()
    denoise = variance_preserving(recorder(calls, network), prediction, time_of)
    if wrap is not None:
        denoise = wrap(denoise)
    first = sigmas[0] if starts_at_sigma else math.sqrt(1 + sigmas[0] ** 2)
    x = first * noise(torch.zeros(BATCH), own)
    x = sampler(denoise, x, sigmas, own)
    return x / math.sqrt(1 + sigmas[-1] ** 2), calls


def assert_agree(found: tuple[Tensor, Calls], wanted: tuple[Tensor, Calls]) -> None:
    assert len(found[1]) == len(wanted[1])
    for (x, time), (their_x, their_time) in zip(found[1], wanted[1], strict=True):
        assert time == pytest.approx(their_time, abs=2e-3)
        assert torch.allclose(x, their_x, atol=1e-4, rtol=1e-4)
    assert torch.allclose(found[0], wanted[0], atol=1e-4, rtol=1e-4)


def leading(
    num_steps: int, table: np.ndarray = TABLE, last: float | None = None, **spacing: Any
) -> Any:
    times = schedules.spaced_times(num_steps, "leading", offset=1, **spacing)
    last = float(table[0]) if last is None else last
    return schedules.grid(schedules.sigmas_of_times(times, table), last)


def spaced(num_steps: int, spacing: Any, table: np.ndarray = TABLE) -> Any:
    times = schedules.spaced_times(num_steps, spacing)
    return schedules.grid(schedules.sigmas_of_times(times, table))


def karras(num_steps: int) -> Any:
    return schedules.grid(schedules.karras(num_steps, TABLE[0], TABLE[-1]))


EXACT = discrete_time(TABLE)
ROUNDED = discrete_time(TABLE, is_rounded=True)

PUBLISHED: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "Stable Diffusion 1.5: PNDM": (
        lambda: ours(by_name("plms"), leading(50), EXACT),
        lambda: theirs(diffusers.PNDMScheduler(**UNET, **NO_ONE, skip_prk_steps=True), 50),
    ),
    "Stable Diffusion inpainting: DDIM": (
        lambda: ours(by_name("ddim"), leading(20), EXACT),
        lambda: theirs(diffusers.DDIMScheduler(**UNET, **NO_ONE, clip_sample=False), 20),
    ),
    "Stable Diffusion 2.1: DDIM, v": (
        lambda: ours(by_name("ddim"), leading(25), EXACT, prediction="v_prediction"),
        lambda: theirs(
            diffusers.DDIMScheduler(
                **UNET, **NO_ONE, clip_sample=False, prediction_type="v_prediction"
            ),
            25,
        ),
    ),
    "Stable Diffusion x4 upscaler: DDIM, v": (
        lambda: ours(
            by_name("ddim"),
            leading(75, UPSCALER),
            discrete_time(UPSCALER),
            prediction="v_prediction",
        ),
        lambda: theirs(
            diffusers.DDIMScheduler(
                beta_schedule="scaled_linear",
                beta_start=0.0001,
                beta_end=0.02,
                clip_sample=False,
                prediction_type="v_prediction",
                **LEADING,
                **NO_ONE,
            ),
            75,
        ),
    ),
    "Stable Diffusion XL: Euler": (
        lambda: ours(by_name("euler"), leading(30, last=0.0), EXACT),
        lambda: theirs(diffusers.EulerDiscreteScheduler(**UNET), 30),
    ),
    "SD-Turbo: Euler, trailing": (
        lambda: ours(by_name("euler"), spaced(4, "trailing"), EXACT, starts_at_sigma=True),
        lambda: theirs(diffusers.EulerDiscreteScheduler(**STABLE, timestep_spacing="trailing"), 4),
    ),
    "SDXL-Turbo: Euler ancestral, trailing": (
        lambda: ours(
            by_name("euler_ancestral"), spaced(4, "trailing"), EXACT, starts_at_sigma=True
        ),
        lambda: theirs(
            diffusers.EulerAncestralDiscreteScheduler(**STABLE, timestep_spacing="trailing"), 4
        ),
    ),
    "LCM": (
        lambda: ours(
            by_name("lcm"),
            schedules.grid(schedules.sigmas_of_times(schedules.consistency_times(4), TABLE)),
            EXACT,
            wrap=functools.partial(consistency, time_of=EXACT),
        ),
        lambda: theirs(diffusers.LCMScheduler(**STABLE, original_inference_steps=50), 4),
    ),
    "zero terminal SNR: DDIM, v, trailing": (
        lambda: ours(
            by_name("ddim"),
            spaced(20, "trailing", schedules.sigma_table(ZERO_BETAS, 1e-12)),
            discrete_time(schedules.sigma_table(ZERO_BETAS, 1e-12)),
            prediction="v_prediction",
        ),
        lambda: theirs(
            diffusers.DDIMScheduler(
                **STABLE,
                clip_sample=False,
                prediction_type="v_prediction",
                timestep_spacing="trailing",
                rescale_betas_zero_snr=True,
            ),
            20,
        ),
    ),
    "zero terminal SNR: Euler, v, trailing": (
        lambda: ours(
            by_name("euler"),
            spaced(20, "trailing", ZERO_SNR),
            discrete_time(ZERO_SNR),
            prediction="v_prediction",
            starts_at_sigma=True,
        ),
        lambda: theirs(
            diffusers.EulerDiscreteScheduler(
                **STABLE,
                prediction_type="v_prediction",
                timestep_spacing="trailing",
                rescale_betas_zero_snr=True,
            ),
            20,
        ),
    ),
    "DPM-Solver++ 2M": (
        lambda: ours(by_name("dpmpp_2m"), leading(20, last=0.0, skips_last=True), EXACT),
        lambda: theirs(diffusers.DPMSolverMultistepScheduler(**UNET), 20),
    ),
    "DPM-Solver++ 2M Karras": (
        lambda: ours(by_name("dpmpp_2m"), karras(20), ROUNDED),
        lambda: theirs(diffusers.DPMSolverMultistepScheduler(**STABLE, use_karras_sigmas=True), 20),
    ),
    "DPM-Solver++ 2M SDE": (
        lambda: ours(by_name("dpmpp_2m_sde"), leading(20, last=0.0, skips_last=True), EXACT),
        lambda: theirs(
            diffusers.DPMSolverMultistepScheduler(**UNET, algorithm_type="sde-dpmsolver++"), 20
        ),
    ),
    "UniPC": (
        lambda: ours(by_name("unipc"), leading(12, last=0.0, skips_last=True), EXACT),
        lambda: theirs(diffusers.UniPCMultistepScheduler(**UNET), 12),
    ),
    "Heun": (
        lambda: ours(by_name("heun"), spaced(12, "linspace"), EXACT, starts_at_sigma=True),
        lambda: theirs(diffusers.HeunDiscreteScheduler(**STABLE), 12),
    ),
    "Karlo's prior": (
        lambda: ours(
            by_name("euler_ancestral"),
            schedules.grid(COSINE[np.round(np.linspace(0, 999, 25)).astype(int)[::-1]]),
            discrete_time(COSINE),
            prediction="sample",
            wrap=lambda denoise: clipped(denoise, 0.3),
        ),
        lambda: theirs(
            UnCLIP(
                prediction_type="sample", clip_sample_range=0.3, variance_type="fixed_small_log"
            ),
            25,
        ),
    ),
}
ZERO_BETAS = schedules.rescale_to_zero_snr(STABLE_BETAS)


class UnCLIP(diffusers.UnCLIPScheduler):
    """With the previous time that its pipeline hands to every step, and a generator each.

    Its first ᾱ are so near 1 that in float32 their complements keep three digits; here they are
    worked out in float64.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.betas = torch.from_numpy(schedules.cosine_betas())
        self.alphas = 1 - self.betas
        self.alphas_cumprod = self.alphas.cumprod(0)

    def step(self, said: Tensor, time: Tensor, x: Tensor, generator: Any = None) -> Any:
        after = int((self.timesteps == time).nonzero()[0]) + 1
        before = self.timesteps[after] if after < len(self.timesteps) else None
        return super().step(said, time, x, prev_timestep=before, generator=generator)


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_agrees_with_the_reference_call_by_call(name: str) -> None:
    found, wanted = PUBLISHED[name]
    assert_agree(found(), wanted())


def with_variance(x: Tensor, time: Tensor) -> Tensor:
    """A network that also says where between two variances its step lies."""
    return torch.cat([answer(x, time), torch.tanh(x.flip(-1))], dim=1)


@pytest.mark.parametrize("name", ["Karlo's decoder", "DeepFloyd IF, first stage"])
def test_learned_variances_agree_too(name: str) -> None:
    said: list[Tensor] = []

    def network(x: Tensor, time: Tensor) -> Tensor:
        both = with_variance(x, time)
        said.append(both[:, 3:])
        return both[:, :3]

    sampler = ancestral_with_variance(lambda: said[-1])
    if name == "Karlo's decoder":
        times = np.round(np.linspace(0, 999, 25)).astype(int)[::-1]
        wrap: Any = clipped
        scheduler: Any = UnCLIP(variance_type="learned_range")
    else:
        times = schedules.spaced_times(20, "leading").astype(int)
        wrap = functools.partial(dynamically_clipped, share=0.95, most=1.5)
        scheduler = diffusers.DDPMScheduler(
            beta_schedule="squaredcos_cap_v2",
            variance_type="learned_range",
            clip_sample=False,
            thresholding=True,
            dynamic_thresholding_ratio=0.95,
            sample_max_value=1.5,
        )
    sigmas = schedules.grid(COSINE[times])
    found = ours(sampler, sigmas, discrete_time(COSINE), wrap=wrap, network=network)
    wanted = theirs(scheduler, len(times), with_variance)
    assert_agree(found, wanted)


def test_stable_diffusion_3_s_straight_path() -> None:
    calls: Calls = []
    own = generators()
    least = float(schedules.shift_times(np.array(1 / 1000), 3.0))
    times = schedules.shift_times(np.linspace(1.0, least, 28), 3.0)
    sigmas = schedules.grid(schedules.flow_sigmas(times))
    x = sigmas[0] * noise(torch.zeros(BATCH), own)
    denoise = flow(recorder(calls, answer), time_scale=1000.0)
    found = by_name("euler")(denoise, x, sigmas, own)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    assert_agree((found, calls), theirs(scheduler, 28))


@pytest.mark.parametrize(
    ("mine", "settings"),
    [
        (lambda: schedules.linear_betas(1e-4, 0.02), {"beta_end": 0.02}),
        (lambda: STABLE_BETAS, STABLE),
        (schedules.cosine_betas, {"beta_schedule": "squaredcos_cap_v2"}),
    ],
)
def test_schedules_agree(mine: Callable[[], np.ndarray], settings: Any) -> None:
    scheduler = diffusers.DDPMScheduler(**settings)
    assert np.allclose(mine(), scheduler.betas.numpy(), rtol=1e-4, atol=1e-7)
    alpha_bar = 1 / (1 + schedules.sigma_table(mine()) ** 2)
    assert np.allclose(alpha_bar, scheduler.alphas_cumprod.numpy(), rtol=1e-3)


def test_tuned_grids_are_the_published_ones() -> None:
    from diffusers.schedulers import AysSchedules

    assert list(schedules.AYS_STABLE_DIFFUSION) == AysSchedules["StableDiffusionSigmas"]
    assert list(schedules.AYS_STABLE_DIFFUSION_XL) == AysSchedules["StableDiffusionXLSigmas"]
    assert np.allclose(schedules.align_your_steps(10), schedules.AYS_STABLE_DIFFUSION[:-1])
