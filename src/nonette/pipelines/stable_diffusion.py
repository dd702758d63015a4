"""Stable Diffusion: noise in latents becomes a picture of a sentence, step by step.

Rombach et al. (2022), "High-Resolution Image Synthesis with Latent Diffusion Models": a text is
read, a network guided by it takes the noise out of latents, and the autoencoder paints them. The
network is the published UNet with its CLIP, or our transformer, which reads by itself and may be
distilled to few steps that hold the guidance already. A negative prompt takes the place of the
empty one in the unconditional branch. Ranking is `rerank`'s.

A picture to start from is put into latents once: `edit` draws anew where the mask is, with what is
around it in view, and gives every other pixel back as it was; `vary` goes part of the way back
into noise (Meng et al. 2022, "SDEdit"); `blend` draws between two sentences, two pictures, or both.

Same seed, same bytes: texts and sources are read one at a time, candidates drawn in groups of fixed
size, each in the seat its seed names (see `_steps`), and pictures painted one at a time.

    T texts, C candidates of a group, D latent channels, h w latents
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nonette.core.errors import InputError
from nonette.core.types import MAX_GUIDANCE, Progress, Task
from nonette.diffusion import guidance
from nonette.diffusion.denoisers import Denoise
from nonette.diffusion.multistep import by_name
from nonette.diffusion.paths import path_of
from nonette.models.clip import ImageEncoder, TextEncoder
from nonette.models.dit import DiT
from nonette.models.kl_autoencoder import AutoencoderKL
from nonette.models.taesd import TAESD
from nonette.models.unet import UNet
from nonette.nn import packed
from nonette.pipelines._latents import Denoiser, Published, Rows, Seeing, Transformer, Words
from nonette.pipelines._prompt import Encoder, lengthened
from nonette.pipelines._steps import Candidate, Job, Meter, to_uint8
from nonette.pipelines._walks import (
    NOBODY,
    NUM_SEATS,
    Row,
    Walk,
    generators_of,
    grouped,
    held,
    noise_of,
    pasted,
    previewed,
    rows_of,
    stacked,
    start,
    texts_of,
    to_mask,
    to_pixels,
    walk_of,
)

BLEND_STRENGTH = 0.6  # how far two pictures go back into noise to become one
LONG_STEPS = (by_name("euler"), by_name("ddim"))  # samplers whose step is one straight line


class View(NamedTuple):
    """A job's pictures as latents; every tensor (1, ..., h, w).

    Attributes:
        source: What it starts from, or 0 where it starts from nothing.
        mask: 1 where something is drawn.
        known: The latents around it, as the network wants them.
    """

    source: Tensor
    mask: Tensor
    known: Tensor


class StableDiffusion:
    """The system as one callable.

    Args:
        denoiser: The network that takes noise out of latents.
        autoencoder: Pictures to latents and back.
        tokenizer: Text to ids; None where the network looks at pictures alone.
        settings: Of the checkpoint. Read here are `diffusion` (see `diffusion.paths`), `steps`,
            `sampler`, `size` in pixels (of a UNet), `is_distilled` (guidance is an input and the
            steps are long ones), `most_guidance` that it learned, `guidance_interval` in sigmas,
            `guidance_rescale`, `deep_every`, at every which call the deeper part of a UNet is
            worked out, `words`, the ids of those that textual inversions taught,
            `second_padding`, the id that fills up XL's second text, `empty_is_zero`, whether no
            text at all is zeros, and `num_seats`, how many candidates are drawn together (always
            computed, even for one picture). Pictures belong to its value.
        text_encoder: What reads for a UNet.
        text_encoder_2: What reads beside it for XL's.
        image_encoder: What looks at a picture for a UNet that reads no words.
        previewer: A tiny decoder for previews; without, the autoencoder paints them.
        **others: Parts that no model drawn here has; refused.

    Raises:
        ValueError: The parts do not fit each other.
    """

    tasks: ClassVar[tuple[Task, ...]] = ("draw", "edit", "vary", "blend")
    knobs: ClassVar[tuple[str, ...]] = ("guidance", "steps", "sampler")
    accelerated: ClassVar[tuple[str, ...]] = ("unet",)  # the networks that `accelerate` is for

    def __init__(
        self,
        *,
        denoiser: DiT | UNet,
        autoencoder: AutoencoderKL,
        tokenizer: Encoder | None,
        settings: Mapping[str, Any],
        text_encoder: TextEncoder | None = None,
        text_encoder_2: TextEncoder | None = None,
        image_encoder: ImageEncoder | None = None,
        previewer: TAESD | None = None,
        **others: Any,
    ) -> None:
        if others:
            raise ValueError(f"it has {', '.join(sorted(others))}, which no such model has")
        if isinstance(denoiser, UNet):  # its convolutions and norms are quicker so, and tokens free
            for network in (denoiser, autoencoder):
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.autoencoder = autoencoder
        self.previewer = previewer
        self.tokenizer = tokenizer
        self.settings = settings
        self.denoiser: Denoiser
        self.num_seats = int(settings.get("num_seats", NUM_SEATS))
        self.path = path_of(settings)
        channels = autoencoder.config.latent_channels
        readers = [one for one in (text_encoder, text_encoder_2) if one is not None]
        if image_encoder is None:
            self.denoiser = _denoiser(denoiser, readers, tokenizer, channels, settings)
        elif isinstance(denoiser, UNet) and not readers:
            self.denoiser = Seeing(denoiser, image_encoder, channels, settings)
        else:
            raise ValueError(
                "an image encoder is for a UNet that reads no words, but this one does"
            )
        self.has_long_steps = self.denoiser.takes_steps and bool(settings.get("is_distilled"))
        self.most_guidance = float(settings.get("most_guidance", MAX_GUIDANCE))
        self.side = self._latent_side()
        self.asks_both = False  # whether the sides of the guidance are one call
        self.lets_go = False  # whether nothing is drawn once this is: only painting is left then
        self._check_fit()

    def hurry(self) -> None:
        """Make a UNet and its decoder ready to draw here, where they stay; they learn no more.

        Both sides of the guidance become one call. On the CPU oneDNN gets the weights in its own
        layout; on a GPU the UNet's calls are recorded and replayed.
        """
        if not isinstance(self.denoiser, Published):
            return
        if self._device().type == "cuda":
            self.denoiser.record()
            self.asks_both = True
        if self._device().type != "cpu" or not packed.can_pack():
            return
        if isinstance(self.denoiser.unet, UNet):
            unet = self.denoiser.unet
            halves_evenly = self.side % 2 ** (len(unet.config.channels) - 1) == 0
            for name in ("down", "middle", "up"):
                packed.pack(unet.get_submodule(name), doubles=halves_evenly)
            packed.pack(self.autoencoder.decoder)
            self.asks_both = True

    def accelerate(self) -> None:
        """Let OpenVINO work out a UNet on the CPU; it cannot learn any more."""
        if isinstance(self.denoiser, Published):
            self.denoiser.accelerate()

    @property
    def native_size(self) -> tuple[int, int]:
        """Width and height of every picture, in pixels."""
        side = self.side * self.autoencoder.config.downsampling
        return side, side

    @torch.no_grad()
    def read(self, jobs: Sequence[Job]) -> dict[str, Words]:
        """What every text of the jobs says; text encoders are asked here and nowhere else.

        Raises:
            InputError: As a call, before anything is read.
        """
        for job in jobs:
            self._walk(job)
        return {text: self.denoiser.read(text) for text in texts_of(jobs)}

    @torch.no_grad()
    def __call__(
        self,
        jobs: Sequence[Job],
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        *,
        preview_every: int = 0,
        memory: Mapping[str, Words] | None = None,
    ) -> list[np.ndarray]:
        """Draw every candidate of every job.

        Args:
            jobs: Prompts with their seeds, and pictures of the native size to start from.
            on_progress: Called after every step of a group and every picture.
            should_stop: Asked before each of them.
            preview_every: Steps between previews of the first job's candidates; 0 for none.
            memory: What `read` made of these jobs' texts; by itself this reads them first.

        Returns:
            uint8 (candidates, H, W, 3) a job, in the order of its seeds.

        Raises:
            InputError: A job's sampler, number of steps or guidance is none this model has.
            Stopped: `should_stop` said so.
        """
        walks = [self._walk(job) for job in jobs]
        groups = grouped(jobs, walks, self.num_seats)
        num_pictures = sum(len(job.seeds) for job in jobs)
        total = sum(walk.num_left for walk, _ in groups) + num_pictures
        meter = Meter(total, on_progress, should_stop)

        # Read each text once: prompts, and what to draw away from.
        memory = self.read(jobs) if memory is None else memory

        # Look at each picture to start from; empty seats have none.
        views = [self._look(job) for job in (*jobs, NOBODY)]

        # Draw latents, one group after another.
        latents: dict[tuple[int, int], Tensor] = {}
        for walk, group in groups:
            rows = rows_of(jobs, group, self.num_seats)
            drawn = self._draw(walk, group, rows, memory, views, meter, preview_every)
            latents |= {(one.job, one.index): drawn[one.seat] for one in group}

        if self.lets_go:
            del self.denoiser

        # Paint pictures, one at a time.
        pictures: list[list[np.ndarray]] = [[] for _ in jobs]
        for job, index in sorted(latents):
            meter.check()
            pictures[job].append(self._paint(latents[job, index], jobs[job], walks[job]))
            meter.advance("painting")
        return [np.stack(drawn) for drawn in pictures]

    def _walk(self, job: Job) -> Walk:
        """How the job is sampled, and how many of its steps are left after its source."""
        sampler = job.sampler or str(self.settings.get("sampler", self.path.sampler))
        if by_name(sampler) not in LONG_STEPS and self.has_long_steps:
            raise InputError("sampler", sampler, "this model, made for few long steps, has euler")
        if self.has_long_steps and not 1 <= job.guidance <= self.most_guidance:
            limit = f"this model learned to hold 1 to {self.most_guidance:g}"
            raise InputError("guidance", job.guidance, limit)
        if self.denoiser.sees and job.source is None and job is not NOBODY:
            limit = "this model reads no words; give it a picture to vary, edit or blend"
            raise InputError("task", job.task, limit)
        strength = BLEND_STRENGTH if job.task == "blend" else job.strength
        walk = walk_of(job, self.path, self.settings, strength if job.source is not None else 1.0)
        towards = max(self.denoiser.num_chunks(text) for text in (job.prompt, *_seconds(job)))
        away = self.denoiser.num_chunks(job.negative_prompt)
        return walk._replace(num_chunks=(towards, away))

    def _look(self, job: Job) -> View:
        """The job's pictures as latents."""
        width, height = self.native_size
        device, channels = self._device(), self.denoiser.latent_channels
        mask = torch.ones(1, 1, height, width, device=device)
        pixels = torch.zeros(1, 3, height, width, device=device)
        source = torch.zeros(1, channels, self.side, self.side, device=device)
        if job.source is not None:
            pixels = to_pixels(job.source, device)
            source = self._encode(pixels)
        if job.second_source is not None:
            second = self._encode(to_pixels(job.second_source, device))
            source = torch.lerp(source, second, job.mix)
        if job.mask is not None:
            mask = to_mask(job.mask, device)
        return View(source, *self.denoiser.surroundings(self._encode, pixels, mask, self.side))

    def _draw(
        self,
        walk: Walk,
        group: Sequence[Candidate],
        rows: Sequence[Row],
        memory: Mapping[str, Words],
        views: Sequence[View],
        meter: Meter,
        preview_every: int,
    ) -> Tensor:
        """The latents of one group, a row a seat: (C, D, h, w). Empty seats draw nothing."""
        view = stacked([views[row.place] for row in rows])
        generators = generators_of(rows)
        noise = noise_of(generators, view.source)
        grid, x = start(self.path, walk, noise, view.source)
        denoise = self._guided([row.job for row in rows], walk, memory, view)
        if not self.denoiser.takes_masks:
            denoise, x = held(denoise, x, grid[0], noise, view.source, view.mask)

        def on_step(num_done: int, x0: Tensor) -> None:
            wants = meter.is_watched and preview_every > 0 and num_done % preview_every == 0
            meter.advance("drawing", previewed(group, x0, self._show) if wants else None)

        return by_name(walk.sampler)(
            denoise, x, grid, generators, on_step=on_step, should_stop=meter.should_stop
        )

    def _guided(
        self, jobs: Sequence[Job], walk: Walk, memory: Mapping[str, Words], view: View
    ) -> Denoise:
        """The denoiser of a group's rows with their prompts and guidance."""
        scale = torch.tensor([float(job.guidance) for job in jobs], device=self._device())
        is_away = torch.tensor([bool(job.negative_prompt.strip()) for job in jobs])
        inside = torch.zeros_like(scale)  # the guidance that the network's own answer holds
        if self.has_long_steps or self.denoiser.takes_guidance:
            inside = torch.where(is_away.to(scale.device), 0.0, scale - 1)
            scale = torch.where(is_away.to(scale.device), scale, 1.0)

        def denoiser_of(words: Words) -> Denoise:
            step = 1 / walk.num_steps if self.has_long_steps else 0.0
            sides = len(words.states) // len(jobs)  # of the guidance
            mask, known = (one.repeat(sides, 1, 1, 1) for one in (view.mask, view.known))
            rows = Rows(words, mask, known, step, inside.repeat(sides))
            return self.path.denoiser(self.denoiser.network(rows))

        towards = [
            self._seen(job)
            if self.denoiser.sees and job.source is not None
            else _between(memory, job, walk.num_chunks[0])
            for job in jobs
        ]
        away = [_long(memory, job.negative_prompt, walk.num_chunks[1]) for job in jobs]
        both = None
        if self.asks_both and walk.num_chunks[0] == walk.num_chunks[1]:
            joined = denoiser_of(_stacked([*towards, *away]))

            def both(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
                first, second = joined(torch.cat([x, x]), sigma).chunk(2)
                return first, second

        return guidance.classifier_free(
            denoiser_of(_stacked(towards)),
            denoiser_of(_stacked(away)),
            scale,
            interval=tuple(self.settings.get("guidance_interval", guidance.EVERYWHERE)),
            rescale=float(self.settings.get("guidance_rescale", 0.0)),
            both=both,
        )

    def _seen(self, job: Job) -> Words:
        """The job's picture, or what is between its two, in place of words."""
        pictures = [one for one in (job.source, job.second_source) if one is not None]
        first, *others = (self.denoiser.see(to_pixels(one, self._device())) for one in pictures)
        for second in others:
            first = Words(_mixed(first.states, second.states, job.mix))
        return first

    def _paint(self, latents: Tensor, job: Job, walk: Walk) -> np.ndarray:
        """One picture, uint8 (H, W, 3), of latents (D, h, w); what was not to change is pasted."""
        if job.source is not None and walk.num_left == 0:
            return job.source
        dtype = self.autoencoder.post_quant_conv.weight.dtype
        return pasted(
            to_uint8(self.autoencoder.decode(latents[None].to(dtype).contiguous()))[0], job
        )

    def _show(self, x0: Tensor) -> np.ndarray:
        """Previews (N, H, W, 3) of latents (N, D, h, w)."""
        painter = self.previewer or self.autoencoder
        return to_uint8(painter.decode(x0.to(next(painter.parameters()).dtype).contiguous()))

    def _encode(self, pixels: Tensor) -> Tensor:
        """Latents (1, D, h, w), float32, of pixels (1, 3, H, W) in [-1, 1]: the likeliest ones."""
        dtype = self.autoencoder.quant_conv.weight.dtype
        return self.autoencoder.encode(pixels.to(dtype)).float().contiguous()

    def _latent_side(self) -> int:
        if self.denoiser.grid_size is not None:
            return self.denoiser.grid_size
        size, factor = self.settings.get("size", 512), self.autoencoder.config.downsampling
        if type(size) is not int or size < factor or size % factor:
            raise ValueError(f"size is {size}, but it must be a multiple of {factor} pixels")
        return size // factor

    def _check_fit(self) -> None:
        channels = self.autoencoder.config.latent_channels
        num_ids = 0 if self.denoiser.sees else getattr(self.tokenizer, "vocabulary_size", 0)
        if self.num_seats < 1:
            raise ValueError(f"num_seats is {self.num_seats}, but a group holds at least 1")
        if self.denoiser.latent_channels != channels:
            raise ValueError(
                f"the denoiser has {self.denoiser.latent_channels} latent channels, but the "
                f"autoencoder {channels}"
            )
        if num_ids > self.denoiser.num_words:
            raise ValueError(
                f"the tokenizer has {num_ids} ids, but the text {self.denoiser.num_words}"
            )
        self._walk(NOBODY)  # refuses settings that cannot be drawn with

    def _device(self) -> torch.device:
        return self.autoencoder.post_quant_conv.weight.device


def _denoiser(
    network: DiT | UNet,
    readers: Sequence[TextEncoder],
    tokenizer: Encoder | None,
    channels: int,
    settings: Mapping[str, Any],
) -> Denoiser:
    """The network that reads words, as this pipeline asks it."""
    if tokenizer is None:
        raise ValueError("a network that reads words needs a tokenizer, but there is none")
    if isinstance(network, DiT):
        if readers:
            raise ValueError("a transformer reads by itself, but there is a text encoder beside it")
        return Transformer(network, tokenizer)
    if not readers:
        raise ValueError("a UNet needs a text encoder, but there is none")
    return Published(network, readers, tokenizer, channels, settings)


def _seconds(job: Job) -> tuple[str, ...]:
    return () if job.second_prompt is None else (job.second_prompt,)


def _between(memory: Mapping[str, Words], job: Job, num_chunks: int) -> Words:
    """The prompt, or a blend of two."""
    first, *others = (_long(memory, text, num_chunks) for text in (job.prompt, *_seconds(job)))
    for second in others:
        sentence = None
        if first.sentence is not None and second.sentence is not None:
            sentence = _mixed(first.sentence, second.sentence, job.mix)
        first = Words(_mixed(first.states, second.states, job.mix), sentence)
    return first


def _mixed(first: Tensor, second: Tensor, mix: float) -> Tensor:
    return torch.lerp(first.float(), second.float(), mix).to(first)


def _long(memory: Mapping[str, Words], text: str, num_chunks: int) -> Words:
    """A text with nothing behind it, up to so many chunks."""
    return memory[text]._replace(
        states=lengthened(memory[text].states, memory[""].states, num_chunks)
    )


def _stacked(words: Sequence[Words]) -> Words:
    """Several texts as rows."""
    sentences = [one.sentence for one in words if one.sentence is not None]
    return Words(
        torch.cat([one.states for one in words]), torch.cat(sentences) if sentences else None
    )
