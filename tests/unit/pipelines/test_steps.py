"""Shared steps: seats, grids of codes, bytes, progress."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nonette.core.errors import Stopped
from nonette.core.types import Progress
from nonette.pipelines._steps import (
    Job,
    Meter,
    blocks_to_codes,
    codes_to_blocks,
    seat_candidates,
    to_uint8,
)

some_seeds = st.lists(st.integers(0, 2**53), min_size=1, max_size=12).map(tuple)


@given(st.lists(some_seeds, max_size=5), st.integers(1, 7))
def test_every_candidate_has_the_seat_of_its_seed(seeds: list[tuple[int, ...]], seats: int) -> None:
    jobs = [Job(prompt="a", seeds=own) for own in seeds]
    groups = seat_candidates(jobs, seats)
    seated = [one for group in groups for one in group]
    assert sorted((one.job, one.index, one.seed) for one in seated) == [
        (j, i, seed) for j, own in enumerate(seeds) for i, seed in enumerate(own)
    ]
    assert all(one.seat == one.seed % seats for one in seated)
    for group in groups:
        assert group and len({one.seat for one in group}) == len(group)


@given(st.integers(0, 10**9), st.integers(1, 9), st.integers(1, 4))
def test_consecutive_seeds_fill_groups_whole(first: int, seats: int, num_groups: int) -> None:
    job = Job(prompt="a", seeds=tuple(range(first, first + seats * num_groups)))
    assert [len(group) for group in seat_candidates([job], seats)] == [seats] * num_groups


def test_blocks_are_squares_in_reading_order_and_come_back() -> None:
    codes = torch.arange(2 * 16).view(2, 4, 4)
    blocks = codes_to_blocks(codes, 4)
    assert blocks[0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    assert blocks_to_codes(blocks).equal(codes)
    singles = codes_to_blocks(codes, 1)
    assert singles[:, :, 0].equal(codes.flatten(1))
    assert blocks_to_codes(singles).equal(codes)
    with pytest.raises(AssertionError, match="not a square"):
        codes_to_blocks(codes, 2)


def test_pixels_become_the_nearest_byte() -> None:
    levels = torch.arange(256) / 127.5 - 1
    pixels = levels.view(1, 1, 16, 16).expand(1, 3, 16, 16)
    bytes_ = to_uint8(pixels)
    assert bytes_.shape == (1, 16, 16, 3)
    assert bytes_[0, :, :, 1].flatten().tolist() == list(range(256))
    assert (to_uint8(pixels + 0.49 / 127.5) == bytes_).all()
    assert to_uint8(torch.tensor([-9.0, 0.0, 9.0]).view(1, 3, 1, 1)).flatten().tolist() == [
        0,
        128,
        255,
    ]


def test_the_meter_counts_and_stops() -> None:
    events: list[Progress] = []
    meter = Meter(2, events.append, lambda: len(events) == 2)
    for _ in range(2):
        meter.check()
        meter.advance("drawing")
    assert [(one.done, one.total, one.phase) for one in events] == [
        (1, 2, "drawing"),
        (2, 2, "drawing"),
    ]
    with pytest.raises(Stopped, match="2 of 2"):
        meter.check()
    silent = Meter(1, None, None)
    silent.check()
    silent.advance("drawing")
    assert silent.done == 1
