"""Steps that pipelines share: jobs, who is drawn with whom, progress, codes as grids, bytes.

Same seed, same bytes. A matrix product's rounding may depend on how many rows it has and on which
row a candidate is, so both are made functions of nothing but the seed: candidates are drawn in
groups of a fixed number of seats, empty seats included, and seed s always takes seat s mod that
number. Whoever sits beside it changes nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from nonette.core.errors import Stopped
from nonette.core.types import Progress, Task


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """One prompt and the candidates to draw of it. Pictures have the system's native size.

    Attributes:
        prompt: What to draw.
        negative_prompt: What to draw away from; blank for nothing.
        seeds: One a candidate.
        guidance: How strongly the prompt pulls; 1 is no guidance.
        temperature: Above 0.
        top_k: Keep the k likeliest codes; None keeps all.
        top_p: Keep the likeliest codes up to this probability; None keeps all.
        steps: Of diffusion; None for the system's own number.
        sampler: Of diffusion, by name; None for the system's own.
        task: What to do, one of the system's own; extending is an `edit` of what is added.
        source: What to start from: uint8, (H, W, 3).
        mask: Of `edit`, where to repaint: bool, (H, W). What comes back elsewhere is not looked at.
        strength: Of `edit` and `vary`, from 0, the source itself, to 1, nothing of it.
        second_source: Of `blend`, the picture to go towards.
        second_prompt: Of `blend`, the prompt to go towards.
        mix: Of `blend`, from 0, the first alone, to 1, the second.
    """

    prompt: str
    seeds: tuple[int, ...]
    negative_prompt: str = ""
    guidance: float = 1.0
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    steps: int | None = None
    sampler: str | None = None
    task: Task = "draw"
    source: np.ndarray | None = None
    mask: np.ndarray | None = None
    strength: float = 1.0
    second_source: np.ndarray | None = None
    second_prompt: str | None = None
    mix: float = 0.5


@dataclass(frozen=True)
class Candidate:
    """Candidate `index` of `job`, which sits at `seat` of its group."""

    job: int
    index: int
    seat: int
    seed: int


class Meter:
    """Tells how far the work is, and stops it when it is no longer wanted.

    Args:
        total: Steps in all.
        on_progress: Told after every step.
        should_stop: Asked before every step.
    """

    def __init__(
        self,
        total: int,
        on_progress: Callable[[Progress], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self.done = 0
        self.total = total
        self.is_watched = on_progress is not None
        self._on_progress = on_progress
        self._should_stop = should_stop

    def should_stop(self) -> bool:
        """Whether the next step is no longer wanted."""
        return self._should_stop is not None and self._should_stop()

    def check(self) -> None:
        """Raise `Stopped` if the next step is no longer wanted."""
        if self.should_stop():
            raise Stopped(f"stopped after {self.done} of {self.total} steps")

    def advance(self, phase: str, previews: np.ndarray | None = None) -> None:
        """One more step is done."""
        self.done += 1
        if self._on_progress is not None:
            self._on_progress(
                Progress(done=self.done, total=self.total, phase=phase, previews=previews)
            )


def seat_candidates(jobs: Sequence[Job], num_seats: int) -> list[list[Candidate]]:
    """Candidates of all jobs in groups, each at seat `seed mod num_seats`, at most one a seat.

    Consecutive seeds fill a group whole, so jobs of `num_seats` candidates waste nothing.
    """
    groups: list[list[Candidate]] = []
    num_taken: Counter[int] = Counter()
    for j, job in enumerate(jobs):
        for index, seed in enumerate(job.seeds):
            seat = seed % num_seats
            if num_taken[seat] == len(groups):
                groups.append([])
            groups[num_taken[seat]].append(Candidate(j, index, seat, seed))
            num_taken[seat] += 1
    return groups


def generator(seed: int) -> torch.Generator:
    """A CPU generator of its own for one picture."""
    return torch.Generator().manual_seed(seed)


def codes_to_blocks(codes: Tensor, codes_per_position: int) -> Tensor:
    """A grid of codes as the decoder's positions: square blocks in reading order.

    Args:
        codes: (B, h, w); sides divisible by the block's.
        codes_per_position: K, a square number.

    Returns:
        (B, N, K) with N = h·w / K; inside a block also in reading order.
    """
    side = math.isqrt(codes_per_position)
    assert side**2 == codes_per_position, f"{codes_per_position} is not a square number"
    return rearrange(codes, "b (h i) (w j) -> b (h w) (i j)", i=side, j=side)


def blocks_to_codes(blocks: Tensor) -> Tensor:
    """The square grid of codes (B, h, w) of positions (B, N, K); `codes_to_blocks` backwards."""
    height, side = math.isqrt(blocks.shape[1]), math.isqrt(blocks.shape[2])
    return rearrange(blocks, "b (h w) (i j) -> b (h i) (w j)", h=height, i=side)


def to_uint8(pixels: Tensor) -> np.ndarray:
    """Pixels (B, 3, H, W) in [-1, 1] as uint8 (B, H, W, 3): the nearest byte, halves to even."""
    levels = ((pixels.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return rearrange(levels, "b c h w -> b h w c").cpu().numpy()
