"""Masks to learn filling in: by number, never everything and never nothing, of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from nonette.training.masks import draw_mask, is_chosen

THING = (10.0, 12.0, 20.0, 24.0)


def test_a_mask_follows_from_its_number_alone() -> None:
    for index in range(50):
        assert (draw_mask(1, index, 32, [THING]) == draw_mask(1, index, 32, [THING])).all()
    masks = {draw_mask(1, index, 32, [THING]).tobytes() for index in range(200)}
    assert len(masks) > 150
    assert any((draw_mask(1, i, 32, []) != draw_mask(2, i, 32, [])).any() for i in range(5))


def test_something_is_masked_and_something_is_known() -> None:
    shares = [draw_mask(1, index, 32, [THING]).mean() for index in range(500)]
    assert 0 < min(shares) and max(shares) < 1
    assert 0.2 < np.mean(shares) < 0.6


def test_one_mask_in_four_holds_the_whole_thing_with_room_around_it() -> None:
    holds, sides = 0, 0
    for index in range(800):
        mask = draw_mask(3, index, 32, [THING])
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        is_box = mask.sum() == len(rows) * len(columns)
        near = rows[0] >= 7 and rows[-1] <= 28 and columns[0] >= 6 and columns[-1] <= 24
        holds += bool(is_box and near and mask[12:24, 10:20].all())
        is_strip = len(rows) == 32 or len(columns) == 32
        sides += bool(is_box and is_strip)
    assert holds / 800 == pytest.approx(0.25, abs=0.06)
    assert sides / 800 == pytest.approx(0.25, abs=0.06)


def test_a_thing_beyond_the_frame_or_as_large_as_it_leaves_something_known() -> None:
    for index in range(100):
        for thing in ((-50.0, -50.0, 90.0, 90.0), (40.0, 40.0, 50.0, 50.0)):
            mask = draw_mask(1, index, 32, [thing])
            assert mask.any() and not mask.all()


def test_a_share_is_chosen() -> None:
    chosen = [is_chosen(1, index, 5, 0.3) for index in range(2000)]
    assert np.mean(chosen) == pytest.approx(0.3, abs=0.03)
    assert chosen != [is_chosen(1, index, 6, 0.3) for index in range(2000)]
    assert not any(is_chosen(1, index, 5, 0.0) for index in range(50))
    assert all(is_chosen(1, index, 5, 1.0) for index in range(50))
