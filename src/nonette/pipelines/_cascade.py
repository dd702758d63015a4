"""Diffusion of pixels in stages: what a network that draws them is told, and how stages follow.

The first stage draws small, as a system guides it. An upsampler is a diffusion of its own at a
larger size, which reads the small picture beside its noise. Where it was trained on small pictures
that were noised first and was told how much (Saharia et al. 2022, "Imagen", section 2.4), it
forgives what the first stage got wrong.

    R rows, h w pixels of the small picture, H W of the large, L text tokens, D width of their
    states, T width of a network's time
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nonette.diffusion.denoisers import Denoise, Network, clipped
from nonette.diffusion.multistep import by_name
from nonette.diffusion.paths import Path, path_of
from nonette.diffusion.samplers import OnStep, ShouldStop
from nonette.models.pixel_unet import PixelUNet
from nonette.pipelines._steps import Candidate, Job, Meter, to_uint8
from nonette.pipelines._walks import (
    NOBODY,
    Row,
    Walk,
    generators_of,
    held,
    noise_of,
    pasted,
    previewed,
    start,
    to_mask,
    to_pixels,
    walk_of,
)

PIXELS = 3  # channels of a picture
PUBLISHED = {"kind": "tabled", "betas": "cosine", "spacing": "linspace"}
"""How the published networks that draw pixels were trained: on epsilon, as a path's own default."""

UPSAMPLER_STEPS = 7


def pixel_path(settings: Mapping[str, Any]) -> Path:
    """The path that settings state under `diffusion`, or that of the published networks."""
    return path_of({"diffusion": PUBLISHED} | dict(settings))


def pixel_network(
    unet: PixelUNet,
    context: Tensor | None = None,
    *,
    mask: Tensor | None = None,
    vector: Tensor | None = None,
    joined: Tensor | None = None,
    noise_level: Tensor | None = None,
) -> Network:
    """The network as diffusion wants it, with everything it is told beside picture and time.

    What it may say of the variance is left out: our samplers have no use for it.

    Args:
        unet: Draws pixels.
        context: (R, L, D).
        mask: (R, L).
        vector: (R, T).
        joined: Read beside the noisy picture, (R, C, h, w).
        noise_level: (R,).
    """
    dtype = unet.norm_out.weight.dtype
    told = {
        "mask": mask,
        "vector": None if vector is None else vector.to(dtype),
        "noise_level": noise_level,
    }

    def ask(x: Tensor, time: Tensor) -> Tensor:
        read = x if joined is None else torch.cat([x, joined], dim=1)
        said = unet(
            read.to(dtype), time, None if context is None else context.to(dtype), **told
        )  # (R, C or 2·C, h, w)
        return said[:, : x.shape[1]]

    return ask


def downscaled(large: Tensor, size: int) -> Tensor:
    """(R, 3, H, W) → (R, 3, size, size), as the first stage draws."""
    return F.interpolate(large, (size, size), mode="bicubic", antialias=True).clamp(-1, 1)


def upscaled(small: Tensor, size: int) -> Tensor:
    """(R, 3, h, w) → (R, 3, size, size), as upsamplers read small pictures."""
    return F.interpolate(small, (size, size), mode="bicubic", antialias=True)


def augmented(large: Tensor, sigma: float | Tensor, noise: Tensor) -> Tensor:
    """An upscaled picture as an upsampler reads it: with noise, of unit variance together."""
    root = (1 + torch.as_tensor(sigma).to(large) ** 2).sqrt()
    return (large + torch.as_tensor(sigma).to(large) * noise) / root


class Upsampler:
    """The stage that enlarges.

    Args:
        unet: Reads six channels: the noisy picture and the upscaled one.
        settings: Its own. Read are `size` in pixels, `diffusion`, `steps`, `sampler`, and
            `noise_level`, the timestep whose noise the small picture gets.
        last: A network that does the last step; none where the first does all.

    Raises:
        ValueError: The network or the settings cannot be drawn with.
    """

    def __init__(
        self, unet: PixelUNet, settings: Mapping[str, Any], last: PixelUNet | None = None
    ) -> None:
        self.unet, self.last = unet, last
        self.size = int(settings.get("size", 256))
        self.path = pixel_path(settings)
        self.level = float(settings.get("noise_level", 0))
        self.walk: Walk = walk_of(
            NOBODY, self.path, {"steps": UPSAMPLER_STEPS} | dict(settings), 1.0
        )
        check_unet("upsampler", unet, self.size, in_channels=2 * PIXELS)

    @property
    def num_steps(self) -> int:
        """Steps of every enlargement."""
        return self.walk.num_left

    def __call__(
        self,
        small: Tensor,
        generators: Sequence[torch.Generator],
        source: Tensor,
        mask: Tensor,
        context: Tensor | None = None,
        *,
        on_step: OnStep | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Tensor:
        """Enlarge.

        Args:
            small: (R, 3, h, w) in [-1, 1].
            generators: One a row.
            source: What stays where nothing is drawn, (R, 3, H, W).
            mask: 1 where something is drawn, (R, 1, H, W).
            context: States of the texts, (R, L, D), where the network reads any.
            on_step: Told after every step.
            should_stop: Asked before every step.

        Returns:
            (R, 3, H, W).

        Raises:
            Stopped: `should_stop` said so.
        """
        large = upscaled(small, self.size)
        is_told = self.unet.config.told == "noise_level"
        if is_told:
            large = augmented(large, self.path.sigma(self.level), noise_of(generators, large))
        noise = noise_of(generators, large)
        grid, x = start(self.path, self.walk, noise, large)
        level = torch.full((len(x),), self.level, device=x.device) if is_told else None
        denoise = self._denoiser(grid, large, context, level)
        denoise, x = held(denoise, x, grid[0], noise, source, mask)
        sampler = by_name(self.walk.sampler)
        return sampler(denoise, x, grid, generators, on_step=on_step, should_stop=should_stop)

    def _denoiser(
        self, grid: Sequence[float], large: Tensor, context: Tensor | None, level: Tensor | None
    ) -> Denoise:
        """Of the first network, and for the last step of the last one."""
        first, last = (
            clipped(
                self.path.denoiser(
                    pixel_network(
                        unet,
                        context if unet.config.context_width is not None else None,
                        joined=large,
                        noise_level=level,
                    )
                )
            )
            for unet in (self.unet, self.last or self.unet)
        )
        return lambda x, sigma: last(x, sigma) if sigma <= grid[-2] else first(x, sigma)


class Small(NamedTuple):
    """What the first stage made of a group: pixels (R, 3, h, w), and each row's later numbers."""

    pixels: Tensor
    generators: Sequence[torch.Generator]


class Cascade:
    """The first stage, whose denoiser the system makes, and the upsampler where there is one.

    Args:
        settings: Of the checkpoint. Read are `size` in pixels, `diffusion` (see `diffusion.paths`),
            `steps` and `sampler` of the first stage, and `upsampler` (see `Upsampler`).
        upsampler: None where the first stage draws the native size.
        last: The upsampler's last step; see there.

    Raises:
        ValueError: The settings or networks cannot be drawn with.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        upsampler: PixelUNet | None = None,
        last: PixelUNet | None = None,
    ) -> None:
        self.settings = settings
        self.size = int(settings.get("size", 64))
        self.path = pixel_path(settings)
        self.upsampler: Upsampler | None = None
        if upsampler is not None:
            self.upsampler = Upsampler(upsampler, settings.get("upsampler", {}), last)
        self.walk(NOBODY)  # refuses settings that cannot be drawn with

    @property
    def native_size(self) -> tuple[int, int]:
        """Width and height of every picture, in pixels."""
        side = self.size if self.upsampler is None else self.upsampler.size
        return side, side

    def walk(self, job: Job) -> Walk:
        """How the job is sampled, and how many of its steps are left after its source."""
        has_start = job.source is not None and job.task != "blend"
        return walk_of(job, self.path, self.settings, job.strength if has_start else 1.0)

    def num_steps(self, walk: Walk) -> int:
        """Steps of a group in all stages."""
        return walk.num_left + (0 if self.upsampler is None else self.upsampler.num_steps)

    def look(self, job: Job, device: torch.device) -> tuple[Tensor, Tensor]:
        """What the job starts from (1, 3, H, W), 0 for nothing; where it draws (1, 1, H, W)."""
        side, _ = self.native_size
        source = torch.zeros(1, PIXELS, side, side, device=device)
        mask = torch.ones(1, 1, side, side, device=device)
        if job.source is not None and job.task != "blend":
            source = to_pixels(job.source, device)
        if job.mask is not None:
            mask = to_mask(job.mask, device)
        return source, mask

    def draw(
        self,
        denoise: Denoise,
        walk: Walk,
        group: Sequence[Candidate],
        rows: Sequence[Row],
        source: Tensor,
        mask: Tensor,
        meter: Meter,
        preview_every: int,
    ) -> Small:
        """What the first stage draws of one group.

        Args:
            denoise: The first stage's, guided, of (R, 3, h, w).
            walk: Of the group.
            group: Who sits at which seat.
            rows: All seats.
            source: As `look` gives it, (R, 3, H, W).
            mask: (R, 1, H, W).
            meter: Told after every step.
            preview_every: Steps between previews; 0 for none.

        Raises:
            Stopped: The meter's `should_stop` said so.
        """
        small = downscaled(source, self.size)
        coarse = F.adaptive_max_pool2d(mask, self.size)
        generators = generators_of(rows)
        noise = noise_of(generators, small)
        grid, x = start(self.path, walk, noise, small)
        denoise, x = held(denoise, x, grid[0], noise, small, coarse)

        def on_step(num_done: int, x0: Tensor) -> None:
            wants = meter.is_watched and preview_every > 0 and num_done % preview_every == 0
            meter.advance("drawing", previewed(group, x0, self._show) if wants else None)

        drawn = by_name(walk.sampler)(
            denoise, x, grid, generators, on_step=on_step, should_stop=meter.should_stop
        )
        return Small(drawn, generators)

    def enlarge(
        self,
        small: Small,
        source: Tensor,
        mask: Tensor,
        meter: Meter,
        context: Tensor | None = None,
    ) -> Tensor:
        """The pixels of one group, (R, 3, H, W).

        Args:
            small: What the first stage drew.
            source: As `look` gives it, (R, 3, H, W).
            mask: (R, 1, H, W).
            meter: Told after every step.
            context: States of the texts, for an upsampler that reads any, (R, L, D).

        Raises:
            Stopped: The meter's `should_stop` said so.
        """
        if self.upsampler is None:
            return small.pixels
        return self.upsampler(
            small.pixels,
            small.generators,
            source,
            mask,
            context,
            on_step=lambda done, x0: meter.advance("enlarging"),
            should_stop=meter.should_stop,
        )

    def paint(self, pixels: Tensor, job: Job) -> np.ndarray:
        """One picture, uint8 (H, W, 3), of pixels (3, H, W); what was not to change is pasted."""
        if job.source is not None and self.walk(job).num_left == 0:
            return job.source
        return pasted(to_uint8(pixels[None])[0], job)

    def _show(self, x0: Tensor) -> np.ndarray:
        """Previews (N, H, W, 3) of what the first stage sees, (N, 3, h, w)."""
        return to_uint8(F.interpolate(x0, self.native_size, mode="nearest"))


def check_unet(name: str, unet: PixelUNet, size: int, *, in_channels: int) -> None:
    """Whether a network draws pictures of this size.

    Raises:
        ValueError: It does not.
    """
    config = unet.config
    if config.in_channels != in_channels:
        raise ValueError(f"the {name} reads {config.in_channels} channels, but has {in_channels}")
    if config.out_channels not in (PIXELS, 2 * PIXELS):
        raise ValueError(f"the {name} says {config.out_channels} channels, not 3, or 6 with those")
    if size < config.side_step or size % config.side_step:
        limit = f"it must be a multiple of {config.side_step} pixels"
        raise ValueError(f"the {name}'s size is {size}, but {limit}")
