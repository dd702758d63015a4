"""Soft seams: a ramp inside the mask, and nothing at all outside it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nonette.core import seams


def test_the_ramp_rises_inwards_in_equal_steps() -> None:
    mask = np.zeros((12, 20), bool)
    mask[:, 6:] = True
    shares = seams.ramp(mask, 3)
    assert np.allclose(shares, [0] * 6 + [0.25, 0.5, 0.75] + [1] * 11)
    assert np.array_equal(seams.ramp(mask, 0), mask)


def test_corners_are_no_sharper_than_sides() -> None:
    mask = np.zeros((15, 15), bool)
    mask[4:11, 4:11] = True
    shares = seams.ramp(mask, 2)
    assert np.allclose(np.diagonal(shares)[4:7], [1 / 3, 2 / 3, 1])
    assert np.array_equal(shares, shares.T) and np.array_equal(shares, shares[::-1])


@given(st.integers(0, 2**32 - 1), st.integers(0, 9))
def test_what_is_not_marked_comes_back_to_the_byte(seed: int, feather: int) -> None:
    dice = np.random.default_rng(seed)
    picture, drawn = dice.integers(0, 256, (2, 9, 11, 3), dtype=np.uint8)
    mask = dice.random((9, 11)) < dice.random()
    shares = seams.ramp(mask, feather)
    mixed = seams.blended(picture, drawn, shares)
    assert mixed.dtype == np.uint8
    assert np.array_equal(mixed[~mask], picture[~mask])
    assert np.array_equal(mixed[shares == 1], drawn[shares == 1])
    assert (mixed >= np.minimum(picture, drawn)).all()
    assert (mixed <= np.maximum(picture, drawn)).all()
