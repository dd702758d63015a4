"""How systems of diffusion walk from noise to pictures: who walks together, from where, how far.

Jobs that are sampled alike share a walk and are drawn together, a row a seat (see `_steps`). What a
job starts from is laid under its noise, and what an edit keeps is held there by the sampler.

    R rows, C channels of whatever is diffused, h w its sides
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from nonette.diffusion.denoisers import Denoise, keeping
from nonette.diffusion.multistep import by_name
from nonette.diffusion.paths import Path, remaining
from nonette.pipelines._steps import Candidate, Job, generator, seat_candidates

STEPS = 25  # where neither the request nor the checkpoint's settings say
NUM_SEATS = 9  # candidates drawn together, where the checkpoint's settings do not say
MAX_PREVIEWS = 9
NOBODY = Job(prompt="", seeds=())

Parts = TypeVar("Parts", bound=tuple)
"""A named tuple of tensors."""


class Walk(NamedTuple):
    """How a job is sampled; jobs that share one can be drawn together.

    Attributes:
        sampler: By name.
        num_steps: Of a whole walk.
        num_left: What is left of them after the source.
        num_chunks: Of text, to draw towards and away from.
    """

    sampler: str
    num_steps: int
    num_left: int
    num_chunks: tuple[int, int] = (1, 1)


class Row(NamedTuple):
    """Who sits at a seat.

    Attributes:
        place: The job's number, -1 for nobody.
        job: The job.
        seed: The candidate's.
    """

    place: int
    job: Job
    seed: int


def walk_of(job: Job, path: Path, settings: Mapping[str, Any], strength: float) -> Walk:
    """How the job is sampled, and how many of its steps are left after its source.

    Args:
        job: What to draw.
        path: Of the network.
        settings: Of the checkpoint; read here are `sampler` and `steps`.
        strength: 0 for the source itself, 1 for a whole drawing.

    Raises:
        InputError: The path has no such sampler or number of steps.
    """
    sampler = job.sampler or str(settings.get("sampler", path.sampler))
    num_steps = job.steps or int(settings.get("steps", STEPS))
    by_name(sampler)
    grid = path.grid(num_steps, sampler)
    return Walk(sampler, num_steps, len(remaining(grid, strength)) - 1 if strength > 0 else 0)


def grouped(
    jobs: Sequence[Job], walks: Sequence[Walk], num_seats: int
) -> list[tuple[Walk, list[Candidate]]]:
    """The candidates of all jobs in groups of one walk each; walks stand beside their jobs."""
    return [
        (walk, group)
        for walk in sorted(set(walks))
        for group in seat_candidates(
            [job if own == walk else NOBODY for job, own in zip(jobs, walks, strict=True)],
            num_seats,
        )
    ]


def rows_of(jobs: Sequence[Job], group: Sequence[Candidate], num_seats: int) -> list[Row]:
    """Every seat of a group, the empty ones too."""
    rows = [Row(-1, NOBODY, 0)] * num_seats
    for one in group:
        rows[one.seat] = Row(one.job, jobs[one.job], one.seed)
    return rows


def placed(
    groups: Sequence[tuple[Walk, Sequence[Candidate]]], drawn: Sequence[Tensor]
) -> dict[tuple[int, int], Tensor]:
    """What was drawn in each group's seats, (R, ...), by job and by place among its pictures."""
    return {
        (one.job, one.index): pixels[one.seat]
        for (_, group), pixels in zip(groups, drawn, strict=True)
        for one in group
    }


def texts_of(jobs: Sequence[Job]) -> list[str]:
    """Everything that is to be read, each text once: prompts, and what to draw away from."""
    seconds = {job.second_prompt for job in jobs if job.second_prompt is not None}
    firsts = {text for job in jobs for text in (job.prompt, job.negative_prompt)}
    return sorted(firsts | seconds | {""})


def to_pixels(picture: np.ndarray, device: torch.device) -> Tensor:
    """A uint8 picture (H, W, 3) as (1, 3, H, W) in [-1, 1]."""
    levels = torch.from_numpy(picture.astype(np.float32)).to(device)
    return rearrange(levels / 127.5 - 1, "h w c -> 1 c h w")


def to_mask(mask: np.ndarray, device: torch.device) -> Tensor:
    """A bool mask (H, W) as (1, 1, H, W), 1 where it is true."""
    return torch.from_numpy(mask.astype(np.float32))[None, None].to(device)


def stacked(parts: Sequence[Parts]) -> Parts:
    """Tuples of tensors (1, ...) or (n, ...) as one tuple of tensors, row after row."""
    return type(parts[0])(*(torch.cat(one) for one in zip(*parts, strict=True)))


def noise_of(generators: Sequence[torch.Generator], like: Tensor) -> Tensor:
    """Unit noise (R, C, h, w), each row from its own CPU generator."""
    rows = [torch.randn(like.shape[1:], generator=one) for one in generators]
    return torch.stack(rows).to(like)


def generators_of(rows: Sequence[Row]) -> list[torch.Generator]:
    """A generator a row."""
    return [generator(row.seed) for row in rows]


def start(
    path: Path, walk: Walk, noise: Tensor, source: Tensor
) -> tuple[tuple[float, ...], Tensor]:
    """The sigmas that are left to walk, and where the walk begins.

    Args:
        path: Of the network.
        walk: How far.
        noise: (R, C, h, w).
        source: What it starts from, of the same shape; not looked at in a whole walk.
    """
    grid = path.grid(walk.num_steps, walk.sampler)
    grid = grid[len(grid) - 1 - walk.num_left :]
    if walk.num_left == walk.num_steps:
        return grid, path.begin(noise, grid[0])
    return grid, source + grid[0] * noise


def held(
    denoise: Denoise, x: Tensor, sigma: float, noise: Tensor, source: Tensor, mask: Tensor
) -> tuple[Denoise, Tensor]:
    """With the source held where nothing is drawn, for networks that do not read masks.

    Args:
        denoise: Of the whole picture.
        x: Where the walk begins, (R, C, h, w), at `sigma`.
        sigma: Its first one.
        noise: (R, C, h, w).
        source: (R, C, h, w).
        mask: 1 where something is drawn, (R, 1, h, w).

    Returns:
        The denoiser, and x on its way to the source where that stays.
    """
    return keeping(denoise, source, mask), torch.where(mask > 0, x, source + sigma * noise)


def previewed(
    group: Sequence[Candidate], x0: Tensor, paint: Callable[[Tensor], np.ndarray]
) -> np.ndarray | None:
    """The first job's candidates as they look so far: uint8 (at most 9, H, W, 3).

    Args:
        group: Who sits at which seat.
        x0: A row a seat.
        paint: Rows of x0 → pictures.

    Returns:
        None where this group holds none of them.
    """
    shown = sorted((one.index, one.seat) for one in group if one.job == 0)[:MAX_PREVIEWS]
    return paint(x0[[seat for _, seat in shown]]) if shown else None


def pasted(picture: np.ndarray, job: Job) -> np.ndarray:
    """The picture, uint8 (H, W, 3), with the source back where an edit was not to change it."""
    if job.mask is None or job.source is None:
        return picture
    return np.where(job.mask[..., None], picture, job.source)
