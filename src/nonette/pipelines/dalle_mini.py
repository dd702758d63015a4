"""DALL·E mini: a sentence becomes picture codes, and the codes become pictures.

Dayma et al., "DALL·E mini" (2021): a BART-like network reads the prompt and writes VQGAN codes one
after another, pulled towards the prompt by super conditioning; VQGAN's decoder paints them. A
negative prompt takes the place of the empty caption in the unconditional branch. Ranking is
`rerank`'s.

Same seed, same bytes: texts are read one at a time, candidates drawn in groups of fixed size, each
in the seat its seed names (see `_steps`), and pictures painted one at a time.

    T texts, C candidates of a group, N positions, K codes a position
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from nonette.core.types import Progress, Task
from nonette.decoding.cache import static_cache
from nonette.decoding.sample import Controls, draw_uniforms, sample
from nonette.models.bart import Bart, SingleCode
from nonette.models.vqgan import VQGAN
from nonette.nn import packed
from nonette.nn.text_memory import TextMemory
from nonette.pipelines._steps import (
    Candidate,
    Job,
    Meter,
    blocks_to_codes,
    generator,
    seat_candidates,
    to_uint8,
)

MAX_PREVIEWS = 9
GREY = 128  # of what is not drawn yet, in previews
NUM_SEATS = 18  # candidates drawn together, where the checkpoint's settings do not say


class Encoder(Protocol):
    """What drawing needs of a tokenizer."""

    def encode(self, text: str, length: int) -> list[int]:
        """Exactly `length` ids: start, words, end, padding; cut where too long."""
        ...


class DalleMini:
    """The system as one callable.

    Args:
        bart: Text ids to codes.
        vqgan: Codes to pictures.
        tokenizer: Text to ids.
        settings: Of the checkpoint; read here is only `num_seats`, how many candidates are drawn
            together (always computed, even for one picture). Pictures belong to its value.

    Raises:
        ValueError: The parts do not fit each other.
    """

    tasks: ClassVar[tuple[Task, ...]] = ("draw",)
    knobs: ClassVar[tuple[str, ...]] = ("guidance", "temperature", "top_k", "top_p")

    def __init__(
        self, *, bart: Bart, vqgan: VQGAN, tokenizer: Encoder, settings: Mapping[str, Any]
    ) -> None:
        self.bart = bart
        self.vqgan = vqgan
        self.tokenizer = tokenizer
        self.num_seats = int(settings.get("num_seats", NUM_SEATS))
        self.cache_dtype = bart.decoder.positions.dtype
        self._check_fit()

    def hurry(self) -> None:
        """Lay out the weights for drawing on this processor; the networks cannot learn any more.

        The linears of the encoder and decoder keep the type of their weights. Where that is
        bfloat16, what lies between them becomes float32, which takes hardly more time and errs
        less; the cache of keys and values stays bfloat16.

        On other devices than the CPU, and without oneDNN, this does nothing.
        """
        if self._device().type != "cpu" or not packed.can_pack():
            return
        parts: list[nn.Module] = [self.bart.encoder, *self.bart.decoder.layers]
        if isinstance(self.bart.decoder.codes, SingleCode):
            parts.append(self.bart.decoder.codes)
        for part in parts:
            packed.pack(part)
        self.bart.float()
        self.vqgan.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        packed.pack(self.vqgan.decoder)

    @property
    def native_size(self) -> tuple[int, int]:
        """Width and height of every picture, in pixels."""
        return self.vqgan.config.resolution, self.vqgan.config.resolution

    @torch.no_grad()
    def __call__(
        self,
        jobs: Sequence[Job],
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        *,
        preview_every: int = 0,
    ) -> list[np.ndarray]:
        """Draw every candidate of every job.

        Args:
            jobs: Prompts with their seeds.
            on_progress: Called after every position of a group and every picture.
            should_stop: Asked before each of them.
            preview_every: Positions between previews of the first job's candidates; 0 for none.

        Returns:
            uint8 (candidates, H, W, 3) a job, in the order of its seeds.

        Raises:
            Stopped: `should_stop` said so.
        """
        groups = seat_candidates(jobs, self.num_seats)
        num_pictures = sum(len(job.seeds) for job in jobs)
        total = len(groups) * self.bart.config.image_length + num_pictures
        meter = Meter(total, on_progress, should_stop)

        # Read each text once: prompts, and what to draw away from.
        texts = sorted({text for job in jobs for text in (job.prompt, job.negative_prompt)} | {""})
        memory = self._read(texts)

        # Write codes, one group after another.
        codes: dict[tuple[int, int], Tensor] = {}
        for group in groups:
            written = self._write(jobs, group, texts, memory, meter, preview_every)  # (C, N, K)
            codes |= {(one.job, one.index): written[one.seat] for one in group}

        # Paint pictures, one at a time.
        pictures: list[list[np.ndarray]] = [[] for _ in jobs]
        for job, index in sorted(codes):
            meter.check()
            pictures[job].append(self._paint(codes[job, index]))
            meter.advance("painting")
        return [np.stack(drawn) for drawn in pictures]

    def _read(self, texts: Sequence[str]) -> TextMemory:
        """What the decoder sees of T texts, each read alone."""
        device, length = self._device(), self.bart.config.text_length
        memories = []
        for text in texts:
            words = "" if text.isspace() else text
            ids = torch.tensor([self.tokenizer.encode(words, length)], device=device)
            memories.append(self.bart.cross_cache(self.bart.encode(ids), ids))
        return TextMemory.join(memories)

    def _write(
        self,
        jobs: Sequence[Job],
        group: Sequence[Candidate],
        texts: Sequence[str],
        memory: TextMemory,
        meter: Meter,
        preview_every: int,
    ) -> Tensor:
        """The codes of one group, a row a seat: (C, N, K). Empty seats draw the empty prompt."""
        config, device = self.bart.config, self._device()
        seated = {one.seat: one for one in group}
        nobody = Job(prompt="", seeds=())
        seats = [
            (jobs[seated[seat].job], seated[seat].seed) if seat in seated else (nobody, 0)
            for seat in range(self.num_seats)
        ]
        row_texts = [job.prompt for job, _ in seats] + [job.negative_prompt for job, _ in seats]
        rows = memory.rows(torch.tensor([texts.index(text) for text in row_texts], device=device))
        cache = static_cache(
            num_layers=config.num_decoder_layers,
            num_rows=len(row_texts),
            num_heads=config.num_heads,
            length=config.image_length,
            head_width=config.width // config.num_heads,
            dtype=self.cache_dtype,
            device=device,
        )
        uniforms = draw_uniforms(
            [generator(seed) for _, seed in seats], config.image_length, config.codes_per_position
        )
        num_codes = self.vqgan.config.codebook_size
        controls = Controls(
            guidance=torch.tensor([float(job.guidance) for job, _ in seats], device=device),
            temperature=torch.tensor([float(job.temperature) for job, _ in seats], device=device),
            top_k=torch.tensor([int(job.top_k or num_codes) for job, _ in seats], device=device),
            top_p=torch.tensor([float(job.top_p or 1) for job, _ in seats], device=device),
            uniforms=uniforms.to(device),
        )

        def on_position(num_done: int, codes: Tensor) -> None:
            wants = meter.is_watched and preview_every > 0 and num_done % preview_every == 0
            meter.advance("drawing", self._preview(group, codes, num_done) if wants else None)

        return sample(
            lambda previous, position: self.bart.step(previous, position, cache, rows),
            self.bart.code_logits,
            controls,
            num_codes=num_codes,
            on_position=on_position,
            should_stop=meter.should_stop,
        )

    def _paint(self, blocks: Tensor) -> np.ndarray:
        """One picture, uint8 (H, W, 3), of codes (N, K)."""
        return to_uint8(self.vqgan.decode_codes(blocks_to_codes(blocks[None])))[0]

    def _preview(
        self, group: Sequence[Candidate], codes: Tensor, position: int
    ) -> np.ndarray | None:
        """The first job's candidates so far: uint8 (at most 9, H, W, 3), grey where nothing is yet.

        None where this group holds none of them.
        """
        shown = sorted((one.index, one.seat) for one in group if one.job == 0)[:MAX_PREVIEWS]
        if not shown:
            return None
        k = codes.shape[2]
        is_drawn = torch.zeros(1, codes.shape[1], k, dtype=torch.bool)
        is_drawn[:, :position] = True
        grid = blocks_to_codes(is_drawn)[0].cpu().numpy()  # (h, w)
        previews = []
        for _, seat in shown:
            picture = self._paint(codes[seat])
            scale = picture.shape[0] // grid.shape[0]
            is_there = grid.repeat(scale, axis=0).repeat(scale, axis=1)  # (H, W)
            previews.append(np.where(is_there[..., None], picture, np.uint8(GREY)))
        return np.stack(previews)

    def _check_fit(self) -> None:
        text, image = self.bart.config, self.vqgan.config
        side = math.isqrt(text.codes_per_position)
        num_ids = getattr(self.tokenizer, "vocabulary_size", 0)
        if self.num_seats < 1:
            raise ValueError(f"num_seats is {self.num_seats}, but a group holds at least 1")
        if side**2 != text.codes_per_position or image.grid_size % side:
            raise ValueError(
                f"bart writes {text.codes_per_position} codes a position, but these are no squares "
                f"that fill vqgan's {image.grid_size}×{image.grid_size} codes"
            )
        if image.grid_size**2 != text.image_length * text.codes_per_position:
            raise ValueError(
                f"bart writes {text.image_length}×{text.codes_per_position} codes a picture, but "
                f"vqgan reads {image.grid_size}×{image.grid_size}"
            )
        if image.codebook_size > text.image_vocab_size:
            raise ValueError(
                f"vqgan has {image.codebook_size} codes, but bart knows {text.image_vocab_size}"
            )
        if num_ids > text.text_vocab_size:
            raise ValueError(f"the tokenizer has {num_ids} ids, but bart {text.text_vocab_size}")

    def _device(self) -> torch.device:
        return self.bart.decoder.positions.device
