"""CLIP score: equation 1, an interval over prompts, and no number from too little."""

from __future__ import annotations

import numpy as np
import pytest

from nonette.evaluation.clip_score import summarise
from nonette.evaluation.enough import NotEnoughData, require_variety


def test_score_is_the_mean_of_clipped_cosines_times_two_and_a_half() -> None:
    cosines = [np.array([0.2, 0.4]), *[np.array([0.3, -0.9])] * 9]
    found = summarise(cosines, np.random.default_rng(0))
    assert found.mean == pytest.approx(2.5 * (0.3 + 9 * 0.15) / 10)
    assert (found.num_prompts, found.num_pictures) == (10, 20)
    assert found.low <= found.mean <= found.high


def test_interval_is_as_wide_as_the_normal_law_says() -> None:
    generator = np.random.default_rng(1)
    cosines = list(generator.normal(0.4, 0.05, size=(400, 1)))
    found = summarise(cosines, generator)
    expected = 2 * 1.96 * 2.5 * 0.05 / np.sqrt(400)
    assert found.high - found.low == pytest.approx(expected, rel=0.15)


def test_pictures_of_one_prompt_do_not_narrow_the_interval() -> None:
    """Nine equal pictures a prompt say no more than one."""
    cosines = np.random.default_rng(1).normal(0.4, 0.05, size=(50, 1))
    one = summarise(list(cosines), np.random.default_rng(2))
    nine = summarise(list(np.repeat(cosines, 9, axis=1)), np.random.default_rng(2))
    assert (nine.low, nine.high) == pytest.approx((one.low, one.high))


@pytest.mark.parametrize("num_prompts", [0, 1, 9])
def test_too_few_prompts_give_no_number(num_prompts: int) -> None:
    with pytest.raises(NotEnoughData, match="not enough data"):
        summarise([np.array([0.5])] * num_prompts, np.random.default_rng(0))


@pytest.mark.parametrize("values", [np.zeros((5, 3)), np.full(4, np.nan), np.ones((1, 2))])
def test_values_that_are_all_alike_say_nothing(values: np.ndarray) -> None:
    with pytest.raises(NotEnoughData, match="not enough data"):
        require_variety("features", values)
