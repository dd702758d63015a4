import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonette.core.errors import InputError
from nonette.evaluation.enough import NotEnoughData
from nonette.evaluation.intervals import NORMAL_95, mean_over_prompts, share, wilson


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        # Newcombe 1998, "Two-Sided Confidence Intervals for the Single Proportion", table I
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0000),
    ],
)
def test_wilson_gives_the_published_intervals(right, total, low, high):
    assert wilson(right, total) == pytest.approx((low, high), abs=6e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_ends_are_where_the_normal_test_just_fails(counts):
    right, total = counts
    value = right / total
    for end in wilson(right, total):
        assert 0 <= end <= 1
        if 0 < end < 1:
            assert abs(value - end) == pytest.approx(
                NORMAL_95 * math.sqrt(end * (1 - end) / total), abs=1e-9
            )
    low, high = wilson(right, total)
    mirrored = wilson(total - right, total)
    assert (low, high) == pytest.approx((1 - mirrored[1], 1 - mirrored[0]))


@pytest.mark.parametrize(("right", "total"), [(-1, 3), (4, 3), (0, 0)])
def test_a_share_that_cannot_be_is_refused(right, total):
    with pytest.raises(InputError):
        wilson(right, total)


@pytest.mark.parametrize("total", [0, 1])
def test_of_no_or_one_picture_there_is_no_share(total):
    with pytest.raises(NotEnoughData, match="not enough data"):
        share(total, total, "pictures")


def test_the_mean_weighs_categories_alike_and_its_interval_holds_it():
    groups = [[[True] * 9] * 30, [[True] * 3 + [False] * 6] * 5 + [[False] * 9] * 5]
    value, low, high = mean_over_prompts(groups, np.random.default_rng(0))
    assert value == pytest.approx((1 + 1 / 6) / 2)
    assert low < value < high


def test_prompts_that_all_do_alike_leave_no_doubt():
    assert mean_over_prompts([[[True, False]] * 8], np.random.default_rng(0)) == (0.5, 0.5, 0.5)


def test_the_intervals_width_is_that_of_prompts_not_of_pictures():
    """Prompts that are all right or all wrong: 100 of them, however many pictures each has."""
    few = [[[k % 2 == 0] * 2 for k in range(100)]]
    many = [[[k % 2 == 0] * 50 for k in range(100)]]
    widths = []
    for groups in (few, many):
        _, low, high = mean_over_prompts(groups, np.random.default_rng(0))
        widths.append(high - low)
    assert widths[0] == widths[1] == pytest.approx(2 * NORMAL_95 * math.sqrt(0.25 / 100), rel=0.15)


@pytest.mark.parametrize("groups", [[], [[]], [[[True, True]]]])
def test_without_two_prompts_a_category_there_is_no_mean(groups):
    with pytest.raises(NotEnoughData, match="not enough data"):
        mean_over_prompts(groups, np.random.default_rng(0))
