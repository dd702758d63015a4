"""What few steps lose is told picture by picture."""

from __future__ import annotations

import pytest

from nonette.data.scenes.world import TINY_WORLD
from nonette.evaluation import few_steps, prompts


@pytest.fixture(scope="module")
def exam() -> list[prompts.Prompt]:
    return prompts.exam(TINY_WORLD, 0, 4)


def test_pairs_tell_a_small_loss_that_the_scores_alone_would_not(exam) -> None:
    many = [[index % 2 == 0] * 9 for index, _ in enumerate(exam)]  # half of all sentences
    few = [[*right[:8], False] for right in many]  # one picture in nine of those
    first, second = few_steps.rows(exam, [("teacher", 50, many), ("student", 4, few)])
    assert (first.model, first.steps, second.steps) == ("teacher", 50, 4)
    assert first.lost.value == first.lost.low == first.lost.high == 0
    assert first.accuracy.value == 0.5
    assert second.lost.value == pytest.approx(0.5 / 9)
    assert second.lost.value == pytest.approx(first.accuracy.value - second.accuracy.value)
    assert 0 < second.lost.low < second.lost.high < 1 / 9
    assert second.accuracy.high - second.accuracy.low > 5 * (second.lost.high - second.lost.low)


def test_the_table_has_a_line_a_row(exam) -> None:
    right = [[True] * 9 for _ in exam]
    found = few_steps.rows(exam, [("teacher", 50, right), ("student", 8, right)])
    lines = few_steps.to_markdown(found).splitlines()
    assert lines[2] == "| teacher | 50 | 1.000 [1.000, 1.000] | – |"
    assert lines[3] == "| student | 8 | 1.000 [1.000, 1.000] | 0.000 [0.000, 0.000] |"
