"""DALL·E 2: a sentence is imagined as CLIP's view of a picture, and that view becomes a picture.

Ramesh et al. (2022), "Hierarchical Text-Conditional Image Generation with CLIP Latents" (unCLIP):
a prior diffuses the embedding that CLIP would give the picture, a decoder diffuses pixels that have
that embedding, and upsamplers enlarge them. A negative prompt takes the place of the empty one in
both unconditional branches. Ranking is `rerank`'s.

Whatever has an embedding can be drawn: `vary` takes the source's own instead of an imagined one and
goes part of the way back into noise, all of it at strength 1; `blend` goes along the great circle
between the embeddings of two pictures, or of two sentences as the prior imagined them; `edit`
draws what the sentence is imagined as where the mask is, and gives every other pixel back.

Same seed, same bytes: texts and sources are read one at a time, candidates drawn in groups of fixed
size, each in the seat its seed names (see `_steps`), and pictures painted one at a time.

    R rows of a group, L text tokens, E CLIP's embedding, K extra tokens, h w pixels of the decoder,
    H W of the upsampler, or of the decoder where there is none
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nonette.core.errors import InputError
from nonette.core.types import Progress, Task
from nonette.diffusion import guidance
from nonette.diffusion.denoisers import Denoise, clipped
from nonette.diffusion.multistep import by_name
from nonette.models.clip import ImageEncoder, TextEncoder
from nonette.models.pixel_unet import PixelUNet
from nonette.models.unclip import Prior, TextProjection
from nonette.pipelines._cascade import PIXELS, Cascade, Small, check_unet, pixel_network, pixel_path
from nonette.pipelines._stages import Staged, device_of
from nonette.pipelines._steps import Candidate, Job, Meter, generator
from nonette.pipelines._walks import (
    NOBODY,
    NUM_SEATS,
    Row,
    Walk,
    grouped,
    noise_of,
    placed,
    rows_of,
    stacked,
    start,
    texts_of,
    to_pixels,
    walk_of,
)

PRIOR: Mapping[str, Any] = {
    "guidance": 4.0,
    "steps": 25,
    "sampler": "ddim",
}  # where the settings do not say
PRIOR_PATH = {"kind": "tabled", "betas": "cosine", "spacing": "linspace", "prediction": "sample"}
PRIOR_STREAM = 2**53  # beyond every seed: the prior has generators of its own
MOST_EMBEDDING = 5.0  # standard deviations, of a published prior's answers


class Encoder(Protocol):
    """What drawing needs of a tokenizer."""

    def encode(self, text: str, length: int) -> list[int]:
        """Exactly `length` ids: start, words, end, padding; cut where too long."""
        ...


class Text(NamedTuple):
    """A text as CLIP reads it; every tensor (1, ...) or, of a group, (R, ...).

    Attributes:
        states: Of its tokens, (1, L, E).
        sentence: Its embedding, (1, E).
        is_word: Where it has tokens, (1, L).
    """

    states: Tensor
    sentence: Tensor
    is_word: Tensor


class View(NamedTuple):
    """A job's pictures; every tensor (1, ...).

    Attributes:
        source: What pixels start from, (1, 3, H, W), or 0 where they start from nothing.
        mask: 1 where something is drawn, (1, 1, H, W).
        embedding: CLIP's of the picture to draw, (1, E); 0 where it is to be imagined.
        is_given: Whether it is not to be, (1, 1).
    """

    source: Tensor
    mask: Tensor
    embedding: Tensor
    is_given: Tensor


class Dalle2(Staged):
    """The system as one callable.

    Args:
        prior: Sentences to picture embeddings; without, only pictures can be varied and blended.
        decoder: Draws pixels.
        text_projection: What the decoder is told.
        text_encoder: CLIP's text tower.
        image_encoder: Its image tower; without, only sentences can be drawn.
        tokenizer: Text to ids.
        upsampler: Enlarges; none where the decoder draws the native size.
        last_upsampler: Does its last step.
        settings: Of the checkpoint. Read here are `size` in pixels, `diffusion` (see
            `diffusion.paths`), `steps` and `sampler` of the decoder; `prior`, with the same three
            and `guidance`; `upsampler` (see `_cascade.Upsampler`); and `num_seats`, how many
            candidates are drawn together (always computed, even for one picture). Pictures belong
            to its value.

    Raises:
        ValueError: The parts do not fit each other.
    """

    tasks: ClassVar[tuple[Task, ...]] = ("draw", "edit", "vary", "blend")
    knobs: ClassVar[tuple[str, ...]] = ("guidance", "steps", "sampler")
    stages: ClassVar[Mapping[str, str]] = {
        "image_encoder": "image_encoder",
        "prior": "prior",
        "decoder": "decoder",
        "upsampler": "cascade.upsampler.unet",
        "last_upsampler": "cascade.upsampler.last",
    }

    def __init__(
        self,
        *,
        decoder: PixelUNet,
        text_projection: TextProjection,
        text_encoder: TextEncoder,
        tokenizer: Encoder,
        settings: Mapping[str, Any],
        prior: Prior | None = None,
        image_encoder: ImageEncoder | None = None,
        upsampler: PixelUNet | None = None,
        last_upsampler: PixelUNet | None = None,
    ) -> None:
        self.prior, self.decoder = prior, decoder
        self.text_projection = text_projection
        self.text_encoder, self.image_encoder = text_encoder, image_encoder
        self.tokenizer = tokenizer
        self.settings = settings
        self.num_seats = int(settings.get("num_seats", NUM_SEATS))
        self.prior_settings = dict(PRIOR) | dict(settings.get("prior", {}))
        self.prior_path = pixel_path({"diffusion": PRIOR_PATH} | self.prior_settings)
        self.prior_walk = walk_of(NOBODY, self.prior_path, self.prior_settings, 1.0)
        self.cascade = Cascade(settings, upsampler, last_upsampler)
        self._check_fit()

    @property
    def native_size(self) -> tuple[int, int]:
        """Width and height of every picture, in pixels."""
        return self.cascade.native_size

    @torch.no_grad()
    def read(self, jobs: Sequence[Job]) -> dict[str, Text]:
        """What every text of the jobs says; text encoders are asked here and nowhere else.

        Raises:
            InputError: As a call, before anything is read.
        """
        for job in jobs:
            self._walk(job)
        return {text: self._read(text) for text in texts_of(jobs)}

    @torch.no_grad()
    def __call__(
        self,
        jobs: Sequence[Job],
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        *,
        preview_every: int = 0,
        memory: Mapping[str, Text] | None = None,
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
            InputError: A job's sampler or number of steps is none this model has, or it needs a
                part that this model does not have.
            Stopped: `should_stop` said so.
        """
        walks = [self._walk(job) for job in jobs]
        groups = grouped(jobs, walks, self.num_seats)
        num_pictures = sum(len(job.seeds) for job in jobs)
        total = sum(self._num_steps(walk) for walk, _ in groups) + num_pictures
        meter = Meter(total, on_progress, should_stop)

        # Read each text once: prompts, and what to draw away from.
        memory = self.read(jobs) if memory is None else memory

        # Look at each picture to start from; empty seats have none.
        with self.at_hand("image_encoder"):
            views = [self._look(job) for job in (*jobs, NOBODY)]

        # Imagine and draw small, one group after another, then enlarge.
        rows = [rows_of(jobs, group, self.num_seats) for _, group in groups]
        with self.at_hand("prior"):
            imagined = [self._imagine(own, memory, views, meter) for own in rows]  # (R, E) each
        with self.at_hand("decoder"):
            small = [
                self._draw(walk, group, own, memory, views, picture, meter, preview_every)
                for (walk, group), own, picture in zip(groups, rows, imagined, strict=True)
            ]
        with self.at_hand("upsampler", "last_upsampler"):
            drawn = [self._enlarge(*pair, views, meter) for pair in zip(small, rows, strict=True)]
        pixels = placed(groups, drawn)

        # Paint pictures, one at a time.
        pictures: list[list[np.ndarray]] = [[] for _ in jobs]
        for job, index in sorted(pixels):
            meter.check()
            pictures[job].append(self.cascade.paint(pixels[job, index], jobs[job]))
            meter.advance("painting")
        return [np.stack(drawn) for drawn in pictures]

    def _walk(self, job: Job) -> Walk:
        """How the job is sampled, and how many of its steps are left after its source."""
        is_imagined = job.task == "edit" or job.source is None
        if is_imagined and self.prior is None and job.seeds:
            raise InputError("task", job.task, "this model has no prior; it can vary and blend")
        if not is_imagined and self.image_encoder is None:
            raise InputError("task", job.task, "this model cannot look at pictures; it can draw")
        return self.cascade.walk(job)

    def _num_steps(self, walk: Walk) -> int:
        """Steps of a group in all its stages."""
        return self.prior_walk.num_left + self.cascade.num_steps(walk)

    def _read(self, text: str) -> Text:
        """What CLIP makes of one text."""
        tower = self.text_encoder.config.text
        device = next(self.text_encoder.parameters()).device
        ids = torch.tensor([self.tokenizer.encode(text, tower.length)], device=device)
        states, sentence = self.text_encoder(ids)
        return Text(states, sentence, words_of(ids, tower.end_token))

    def _look(self, job: Job) -> View:
        """The job's pictures as pixels and as CLIP sees them."""
        device = self._device()
        source, mask = self.cascade.look(job, device)
        embedding = torch.zeros(1, self.text_projection.config.embedding_size, device=device)
        if job.source is not None and job.task != "edit":
            embedding = self._see(job.source)
        if job.second_source is not None:
            embedding = slerp(embedding, self._see(job.second_source), job.mix)
        is_imagined = job.seeds and (job.task == "edit" or job.source is None)
        return View(source, mask, embedding, torch.tensor([[not is_imagined]], device=device))

    def _see(self, picture: np.ndarray) -> Tensor:
        """CLIP's embedding of a picture, (1, E), of any length."""
        assert self.image_encoder is not None
        side = self.image_encoder.config.image.size
        pixels = to_pixels(picture, self._device())
        if pixels.shape[-1] != side:
            pixels = F.interpolate(pixels, (side, side), mode="bicubic", antialias=True)
        dtype = next(self.image_encoder.parameters()).dtype
        return self.image_encoder(pixels.clamp(-1, 1).to(dtype)).float()

    def _imagine(
        self, rows: Sequence[Row], memory: Mapping[str, Text], views: Sequence[View], meter: Meter
    ) -> Tensor:
        """The picture embeddings of a group, (R, E): the sources' own, or what the prior gives."""
        view = stacked([views[row.place] for row in rows])
        if self.prior is None or bool(view.is_given.all()):
            for _ in range(self.prior_walk.num_left):
                meter.check()
                meter.advance("imagining")
            return view.embedding
        first = self._diffuse(rows, [row.job.prompt for row in rows], memory, meter)
        if any(row.job.second_prompt is not None for row in rows):
            silent = Meter(0, None, meter.should_stop)
            prompts = [row.job.second_prompt or row.job.prompt for row in rows]
            second = self._diffuse(rows, prompts, memory, silent)
            mix = torch.tensor([[row.job.mix] for row in rows], device=first.device)
            is_blend = torch.tensor([[row.job.second_prompt is not None] for row in rows])
            between = slerp(first, second, mix)
            first = torch.where(is_blend.to(first.device), between, first)
        return torch.where(view.is_given, view.embedding, first)

    def _diffuse(
        self, rows: Sequence[Row], prompts: Sequence[str], memory: Mapping[str, Text], meter: Meter
    ) -> Tensor:
        """Embeddings (R, E) that the prior imagines of the rows' prompts, by the rows' seeds."""
        assert self.prior is not None
        prior, dtype = self.prior, self.prior.positions.dtype
        generators = [generator(row.seed + PRIOR_STREAM) for row in rows]
        shape = (len(rows), prior.config.embedding_size, 1, 1)
        noise = noise_of(generators, torch.zeros(shape, device=self._device()))

        def denoiser_of(prompts: Sequence[str]) -> Denoise:
            text = stacked([memory[prompt] for prompt in prompts])

            def ask(x: Tensor, time: Tensor) -> Tensor:
                embedding = x[:, :, 0, 0].to(dtype)
                said = prior(embedding, time, text.sentence, text.states, text.is_word)
                return said[:, :, None, None]

            return clipped(self.prior_path.denoiser(ask), MOST_EMBEDDING)

        pull = float(self.prior_settings["guidance"])
        scale = [1.0 if row.job.guidance == 1 else pull for row in rows]
        denoise = guidance.classifier_free(
            denoiser_of(prompts),
            denoiser_of([row.job.negative_prompt for row in rows]),
            torch.tensor(scale, device=self._device()),
        )
        grid, x = start(self.prior_path, self.prior_walk, noise, noise)
        sampled = by_name(self.prior_walk.sampler)(
            denoise,
            x,
            grid,
            generators,
            on_step=lambda done, x0: meter.advance("imagining"),
            should_stop=meter.should_stop,
        )
        return prior.denormalise(sampled[:, :, 0, 0])

    def _draw(
        self,
        walk: Walk,
        group: Sequence[Candidate],
        rows: Sequence[Row],
        memory: Mapping[str, Text],
        views: Sequence[View],
        imagined: Tensor,
        meter: Meter,
        preview_every: int,
    ) -> Small:
        """One group in the decoder, a row a seat. Empty seats draw nothing."""
        view = stacked([views[row.place] for row in rows])
        denoise = self._guided(rows, memory, imagined)
        return self.cascade.draw(
            denoise, walk, group, rows, view.source, view.mask, meter, preview_every
        )

    def _enlarge(
        self, small: Small, rows: Sequence[Row], views: Sequence[View], meter: Meter
    ) -> Tensor:
        """The pixels of one group, a row a seat: (R, 3, H, W)."""
        view = stacked([views[row.place] for row in rows])
        return self.cascade.enlarge(small, view.source, view.mask, meter)

    def _guided(self, rows: Sequence[Row], memory: Mapping[str, Text], imagined: Tensor) -> Denoise:
        """The decoder of a group's rows with their embeddings, prompts and guidance."""

        def denoiser_of(texts: Sequence[Text], picture: Tensor | None) -> Denoise:
            text = stacked(texts)
            dtype = self.text_projection.no_picture.dtype
            context, vector = self.text_projection(
                None if picture is None else picture.to(dtype), text.sentence, text.states
            )  # (R, K + L, C), (R, T)
            is_word = F.pad(text.is_word, (context.shape[1] - text.is_word.shape[1], 0), value=True)
            network = pixel_network(self.decoder, context, mask=is_word, vector=vector)
            return self.cascade.path.denoiser(network)

        towards = [_between(memory[row.job.prompt], memory, row.job) for row in rows]
        away = [memory[row.job.negative_prompt] for row in rows]
        scale = [float(row.job.guidance) for row in rows]
        return clipped(
            guidance.classifier_free(
                denoiser_of(towards, imagined),
                denoiser_of(away, None),
                torch.tensor(scale, device=self._device()),
            )
        )

    def _check_fit(self) -> None:
        size = self.text_projection.config.embedding_size
        num_ids = getattr(self.tokenizer, "vocabulary_size", 0)
        text = self.text_encoder.config.text
        if self.num_seats < 1:
            raise ValueError(f"num_seats is {self.num_seats}, but a group holds at least 1")
        if num_ids > text.vocabulary_size:
            raise ValueError(f"the tokenizer has {num_ids} ids, but CLIP {text.vocabulary_size}")
        towers = (self.text_encoder.config, self.image_encoder and self.image_encoder.config)
        for part in (*towers, self.prior and self.prior.config):
            if part is not None and part.embedding_size != size:
                raise ValueError(
                    f"an embedding has {part.embedding_size} numbers, but the decoder reads {size}"
                )
        if self.prior is not None and self.prior.config.length != text.length:
            raise ValueError(
                f"the prior reads {self.prior.config.length} tokens, but CLIP {text.length}"
            )
        check_unet("decoder", self.decoder, self.cascade.size, in_channels=PIXELS)

    def _device(self) -> torch.device:
        return device_of(self.text_projection)


def words_of(ids: Tensor, end_token: int) -> Tensor:
    """Where texts (B, L) have tokens, their first end included: bool (B, L)."""
    is_end = ids == end_token
    return is_end.cumsum(dim=1) - is_end.int() == 0


def slerp(first: Tensor, second: Tensor, mix: float | Tensor) -> Tensor:
    """Along the great circle from one vector to another; lengths change evenly.

    Shoemake (1985), "Animating rotation with quaternion curves", as in the paper's section 3.2.

    Args:
        first: (B, E).
        second: (B, E).
        mix: 0 for the first, 1 for the second; one number, or (B, 1).
    """
    length, other = (one.norm(dim=1, keepdim=True).clamp_min(1e-8) for one in (first, second))
    here, there = first / length, second / other
    angle = (here * there).sum(dim=1, keepdim=True).clamp(-1, 1).acos()  # (B, 1)
    mix = torch.as_tensor(mix, dtype=first.dtype, device=first.device)
    straight = torch.lerp(here, there, mix)
    sine = angle.sin()
    curved = (((1 - mix) * angle).sin() * here + (mix * angle).sin() * there) / sine.clamp_min(1e-8)
    direction = torch.where(sine < 1e-4, straight, curved)
    return direction * torch.lerp(length, other, mix)


def _between(text: Text, memory: Mapping[str, Text], job: Job) -> Text:
    """The prompt as CLIP reads it, or a blend of two."""
    if job.second_prompt is None:
        return text
    second = memory[job.second_prompt]
    words = {0.0: text.is_word, 1.0: second.is_word}
    return Text(
        torch.lerp(text.states.float(), second.states.float(), job.mix).to(text.states),
        torch.lerp(text.sentence.float(), second.sentence.float(), job.mix).to(text.sentence),
        words.get(job.mix, text.is_word | second.is_word),
    )
