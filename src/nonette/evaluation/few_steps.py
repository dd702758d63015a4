"""A model in few steps against another in many, on the same sentences and seeds.

What is asked of a distilled model is how much its teacher draws right that it does not. Pictures of
one sentence and seed are pairs, so the difference is known far better than either score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nonette.core.types import Progress
from nonette.evaluation.drawings import Album
from nonette.evaluation.intervals import mean_over_prompts
from nonette.evaluation.prompts import Prompt
from nonette.evaluation.reader import Reader
from nonette.evaluation.report import table
from nonette.evaluation.scores import Mean
from nonette.evaluation.verdicts import judge

RESAMPLING_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Row:
    """One model in so many steps.

    Attributes:
        model: Its name.
        steps: Of every drawing.
        accuracy: Scene accuracy, nothing ranked.
        lost: By how much the first row's is higher, picture by picture.
    """

    model: str
    steps: int
    accuracy: Mean
    lost: Mean


def verdicts(
    album: Album,
    exam: Sequence[Prompt],
    reader: Reader,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[list[bool]]:
    """For each prompt whether each of its pictures is right, in the order of their seeds."""
    album.draw(exam, on_progress)
    right = []
    for prompt in exam:
        drawn = album[prompt]
        readings = reader.read(drawn.pixels[drawn.unranked])
        right.append([judge(one, prompt.key, prompt.category).is_right for one in readings])
    return right


def rows(
    exam: Sequence[Prompt], drawn: Sequence[tuple[str, int, Sequence[Sequence[bool]]]]
) -> list[Row]:
    """All rows of a comparison with the first.

    Args:
        exam: The prompts.
        drawn: Model, steps and what `verdicts` said of them, of the one that is compared with
            first.

    Raises:
        NotEnoughData: A category has fewer than two prompts.
    """
    first = drawn[0][2]
    return [
        Row(
            model=model,
            steps=steps,
            accuracy=_mean(exam, right),
            lost=_mean(exam, [_difference(*pair) for pair in zip(first, right, strict=True)]),
        )
        for model, steps, right in drawn
    ]


def to_markdown(found: Sequence[Row]) -> str:
    """The comparison as a table."""
    told = [
        (row.model, str(row.steps), _text(row.accuracy), _text(row.lost) if place else "–")
        for place, row in enumerate(found)
    ]
    return table(("model", "steps", "scene accuracy", "lost to the first"), told)


def _difference(first: Sequence[bool], second: Sequence[bool]) -> list[int]:
    return [int(one) - int(other) for one, other in zip(first, second, strict=True)]


def _mean(exam: Sequence[Prompt], values: Sequence[Sequence[int]]) -> Mean:
    """The mean over categories; every row's prompts are resampled alike."""
    names = dict.fromkeys(prompt.category for prompt in exam)
    groups = [
        [value for prompt, value in zip(exam, values, strict=True) if prompt.category == name]
        for name in names
    ]
    value, low, high = mean_over_prompts(groups, np.random.default_rng(RESAMPLING_SEED))
    return Mean(value=value, low=low, high=high)


def _text(mean: Mean) -> str:
    return f"{mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]"
