"""How far a share can be trusted: Wilson's interval, and one that resamples whole prompts.

Wilson (1927, "Probable Inference, the Law of Succession, and Statistical Inference") inverts the
normal test of a share, so that the interval stays within 0 to 1 and is honest at few pictures and
at shares near 0 or 1. It takes pictures for independent. Those of one prompt are not: the interval
of a mean over prompts therefore also comes by drawing prompts anew with replacement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nonette.core.errors import InputError
from nonette.evaluation.enough import require

NORMAL_95 = 1.959963984540054  # the normal distribution's 97.5% point
LEAST_PICTURES = 2  # one picture has a share of 0 or 1 and says nothing
LEAST_PROMPTS = 2
NUM_RESAMPLES = 2_000


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of right ones with its 95% interval: `right` of `total`, `value`, `low`, `high`."""

    right: int
    total: int
    value: float
    low: float
    high: float


def wilson(right: int, total: int, z: float = NORMAL_95) -> tuple[float, float]:
    """Wilson's score interval of a share, low and high, both 0 to 1.

    Args:
        right: How many, 0 to `total`.
        total: Out of how many, at least 1.
        z: Width in standard deviations of the normal distribution; 95% by default.
    """
    if not 0 <= right <= total or total < 1:
        raise InputError("right of total", f"{right} of {total}", "0 <= right <= total is needed")
    share = right / total
    centre = share + z * z / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    low = 0.0 if right == 0 else (centre - reach) / scale
    high = 1.0 if right == total else (centre + reach) / scale
    return low, high


def share(right: int, total: int, what: str, least: int = LEAST_PICTURES) -> Share:
    """The share of right ones with Wilson's interval.

    Args:
        right: How many are right.
        total: How many there are.
        what: What is counted, for the error.
        least: How many there must be.

    Raises:
        NotEnoughData: There are fewer than `least`.
    """
    require(what, total, least)
    low, high = wilson(right, total)
    return Share(right=right, total=total, value=right / total, low=low, high=high)


def mean_over_prompts(
    groups: Sequence[Sequence[Sequence[int]]], generator: np.random.Generator
) -> tuple[float, float, float]:
    """The mean over groups of their share of right pictures, with its 95% interval over prompts.

    Args:
        groups: For each group (a category) its prompts, and for each prompt whether each picture is
            right, or what it gained over its pair: -1, 0 or 1.
        generator: Draws prompts anew, each group's among themselves.

    Returns:
        The mean, and the 2.5% and 97.5% points of it under `NUM_RESAMPLES` resamplings.

    Raises:
        NotEnoughData: There is no group, or one has fewer than `LEAST_PROMPTS` prompts.
    """
    require("categories", len(groups), 1)
    means, resampled = [], []
    for prompts in groups:
        require("prompts of a category", len(prompts), LEAST_PROMPTS)
        right = np.array([sum(pictures) for pictures in prompts], float)
        total = np.array([len(pictures) for pictures in prompts], float)
        draws = generator.integers(len(prompts), size=(NUM_RESAMPLES, len(prompts)))
        means.append(right.sum() / total.sum())
        resampled.append(right[draws].sum(axis=1) / total[draws].sum(axis=1))
    low, high = np.quantile(np.mean(resampled, axis=0), [0.025, 0.975])
    return float(np.mean(means)), float(low), float(high)
