"""Imagen: a language model reads the sentence, and a cascade of diffusions draws it in pixels.

Saharia et al. (2022), "Photorealistic Text-to-Image Diffusion Models with Deep Language
Understanding": T5's encoder reads, a first stage diffuses a small picture under strong guidance,
which dynamic thresholding keeps from burning out (section 2.3), and upsamplers enlarge it, each
trained to forgive a noisy small picture (section 2.4). A negative prompt takes the place of the
empty one in the unconditional branch. Ranking is `rerank`'s.

`edit` draws anew where the mask is, holds the source elsewhere on every step of both stages, and
gives every other pixel back as it was; `vary` goes part of the way back into noise.

Same seed, same bytes: texts and sources are read one at a time, candidates drawn in groups of fixed
size, each in the seat its seed names (see `_steps`), and pictures painted one at a time.

    R rows of a group, L text tokens, D width of their states, h w pixels of the first stage, H W of
    the upsampler, or of the first stage where there is none
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from nonette.core.types import Progress, Task
from nonette.diffusion import guidance
from nonette.diffusion.denoisers import Denoise, dynamically_clipped
from nonette.models.pixel_unet import PixelUNet
from nonette.models.t5 import T5Encoder
from nonette.pipelines._cascade import PIXELS, Cascade, Small, check_unet, pixel_network
from nonette.pipelines._stages import Staged, device_of
from nonette.pipelines._steps import Candidate, Job, Meter
from nonette.pipelines._walks import (
    NOBODY,
    NUM_SEATS,
    Row,
    Walk,
    grouped,
    placed,
    rows_of,
    stacked,
    texts_of,
)

TEXT_LENGTH = 77  # tokens, where the settings do not say
THRESHOLD = 0.995  # share of a picture's values that dynamic thresholding leaves in range
MOST_RANGE = 1.5  # how far beyond 1 it looks for them


class Encoder(Protocol):
    """What drawing needs of a tokenizer."""

    def encode(self, text: str, length: int) -> list[int]:
        """Exactly `length` ids: start, words, end, padding; cut where too long."""
        ...

    def count(self, text: str) -> int:
        """How many ids the text has, the ends included."""
        ...


class View(NamedTuple):
    """A job's pictures; every tensor (1, ...) or, of a group, (R, ...).

    Attributes:
        source: What it starts from, (1, 3, H, W), or 0 where it starts from nothing.
        mask: 1 where something is drawn, (1, 1, H, W).
    """

    source: Tensor
    mask: Tensor


class Imagen(Staged):
    """The system as one callable.

    Args:
        denoiser: The first stage.
        text_encoder: Reads for all stages.
        tokenizer: Text to ids.
        upsampler: Enlarges; none where the first stage draws the native size.
        settings: Of the checkpoint. Read here are `size` in pixels, `diffusion` (see
            `diffusion.paths`), `steps` and `sampler` of the first stage, `text_length` in tokens,
            `threshold` and `most_range` of dynamic thresholding, `upsampler` (see
            `_cascade.Upsampler`); and `num_seats`, how many candidates are drawn together (always
            computed, even for one picture). Pictures belong to its value.

    Raises:
        ValueError: The parts do not fit each other.
    """

    tasks: ClassVar[tuple[Task, ...]] = ("draw", "edit", "vary")
    knobs: ClassVar[tuple[str, ...]] = ("guidance", "steps", "sampler")
    stages: ClassVar[Mapping[str, str]] = {
        "denoiser": "denoiser",
        "upsampler": "cascade.upsampler.unet",
    }

    def __init__(
        self,
        *,
        denoiser: PixelUNet,
        text_encoder: T5Encoder,
        tokenizer: Encoder,
        settings: Mapping[str, Any],
        upsampler: PixelUNet | None = None,
    ) -> None:
        self.denoiser, self.text_encoder = denoiser, text_encoder
        self.tokenizer = tokenizer
        self.settings = settings
        self.num_seats = int(settings.get("num_seats", NUM_SEATS))
        self.text_length = int(settings.get("text_length", TEXT_LENGTH))
        self.cascade = Cascade(settings, upsampler)
        self._check_fit()

    @property
    def native_size(self) -> tuple[int, int]:
        """Width and height of every picture, in pixels."""
        return self.cascade.native_size

    @torch.no_grad()
    def read(self, jobs: Sequence[Job]) -> dict[str, Tensor]:
        """What every text of the jobs says; text encoders are asked here and nowhere else.

        Raises:
            InputError: As a call, before anything is read.
        """
        for job in jobs:
            self.cascade.walk(job)
        return {text: self._read(text) for text in texts_of(jobs)}

    @torch.no_grad()
    def __call__(
        self,
        jobs: Sequence[Job],
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        *,
        preview_every: int = 0,
        memory: Mapping[str, Tensor] | None = None,
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
            InputError: A job's sampler or number of steps is none this model has.
            Stopped: `should_stop` said so.
        """
        walks = [self.cascade.walk(job) for job in jobs]
        groups = grouped(jobs, walks, self.num_seats)
        num_pictures = sum(len(job.seeds) for job in jobs)
        total = sum(self.cascade.num_steps(walk) for walk, _ in groups) + num_pictures
        meter = Meter(total, on_progress, should_stop)

        # Read each text once: prompts, and what to draw away from.
        memory = self.read(jobs) if memory is None else memory

        # Look at each picture to start from; empty seats have none.
        views = [self._look(job, memory[""].device) for job in (*jobs, NOBODY)]

        # Draw small, one group after another, then enlarge.
        rows = [rows_of(jobs, group, self.num_seats) for _, group in groups]
        with self.at_hand("denoiser"):
            small = [
                self._draw(walk, group, own, memory, views, meter, preview_every)
                for (walk, group), own in zip(groups, rows, strict=True)
            ]
        with self.at_hand("upsampler"):
            pairs = zip(small, rows, strict=True)
            drawn = [self._enlarge(*pair, memory, views, meter) for pair in pairs]
        pixels = placed(groups, drawn)

        # Paint pictures, one at a time.
        pictures: list[list[np.ndarray]] = [[] for _ in jobs]
        for job, index in sorted(pixels):
            meter.check()
            pictures[job].append(self.cascade.paint(pixels[job, index], jobs[job]))
            meter.advance("painting")
        return [np.stack(drawn) for drawn in pictures]

    def _read(self, text: str) -> Tensor:
        """The states of one text, (1, L, D)."""
        ids = self.tokenizer.encode(text, self.text_length)
        place = torch.arange(self.text_length)
        is_word = (place < self.tokenizer.count(text))[None]
        device = next(self.text_encoder.parameters()).device
        return self.text_encoder(torch.tensor([ids], device=device), is_word.to(device))

    def _look(self, job: Job, device: torch.device) -> View:
        """The job's pictures as pixels."""
        return View(*self.cascade.look(job, device))

    def _draw(
        self,
        walk: Walk,
        group: Sequence[Candidate],
        rows: Sequence[Row],
        memory: Mapping[str, Tensor],
        views: Sequence[View],
        meter: Meter,
        preview_every: int,
    ) -> Small:
        """One group in the first stage, a row a seat. Empty seats draw nothing."""
        view = stacked([views[row.place] for row in rows])
        return self.cascade.draw(
            self._guided(rows, memory),
            walk,
            group,
            rows,
            view.source,
            view.mask,
            meter,
            preview_every,
        )

    def _enlarge(
        self,
        small: Small,
        rows: Sequence[Row],
        memory: Mapping[str, Tensor],
        views: Sequence[View],
        meter: Meter,
    ) -> Tensor:
        """The pixels of one group, a row a seat: (R, 3, H, W)."""
        view = stacked([views[row.place] for row in rows])
        context = torch.cat([memory[row.job.prompt] for row in rows])
        return self.cascade.enlarge(small, view.source, view.mask, meter, context)

    def _guided(self, rows: Sequence[Row], memory: Mapping[str, Tensor]) -> Denoise:
        """The first stage of a group's rows with their prompts and guidance, thresholded."""

        def denoiser_of(texts: Sequence[str]) -> Denoise:
            states = torch.cat([memory[text] for text in texts])  # (R, L, D)
            return self.cascade.path.denoiser(pixel_network(self.denoiser, states))

        scale = [float(row.job.guidance) for row in rows]
        return dynamically_clipped(
            guidance.classifier_free(
                denoiser_of([row.job.prompt for row in rows]),
                denoiser_of([row.job.negative_prompt for row in rows]),
                torch.tensor(scale, device=device_of(self.denoiser)),
            ),
            float(self.settings.get("threshold", THRESHOLD)),
            float(self.settings.get("most_range", MOST_RANGE)),
        )

    def _check_fit(self) -> None:
        num_ids = getattr(self.tokenizer, "vocabulary_size", 0)
        text, config = self.text_encoder.config, self.denoiser.config
        if self.num_seats < 1:
            raise ValueError(f"num_seats is {self.num_seats}, but a group holds at least 1")
        if num_ids > text.vocabulary_size:
            raise ValueError(f"the tokenizer has {num_ids} ids, but T5 {text.vocabulary_size}")
        reads = config.text_width or config.context_width
        if reads != text.width:
            raise ValueError(f"T5's states are {text.width} wide, but the first stage's {reads}")
        check_unet("denoiser", self.denoiser, self.cascade.size, in_channels=PIXELS)
