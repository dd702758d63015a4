"""When there is too little to measure: an error that says so, never a number.

A score of one picture, of all-black pictures or of a class that does not occur looks like any other
number in a report and means nothing. Every measure here asks first, so that a report prints "not
enough data" instead.
"""

from __future__ import annotations

import numpy as np

from nonette.core.errors import NonetteError


class NotEnoughData(NonetteError):
    """There is too little to measure; the message begins "not enough data" and says of what."""


def require(what: str, count: int, least: int) -> None:
    """Raise `NotEnoughData` unless there are at least `least` of `what`."""
    if count < least:
        raise NotEnoughData(
            f"not enough data: {what}: {count:,} given, at least {least:,} are needed"
        )


def require_variety(what: str, values: np.ndarray) -> None:
    """Raise `NotEnoughData` where the rows of `values` (N, ...) are not all finite or all the same.

    Pictures that are all black, and features of a network that answers everything alike, end here.
    """
    if not np.isfinite(values).all():
        raise NotEnoughData(f"not enough data: {what}: some values are not finite numbers")
    if (values == values[:1]).all():
        raise NotEnoughData(f"not enough data: {what}: all {len(values):,} are the same")
