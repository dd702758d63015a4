"""When the judge should say "none": thresholds chosen on renders that it was never trained on.

The threshold of centres is the one that gets most counts exactly right. Every other threshold is as
high as it can be while costing at most one right answer in a hundred: below it the judge is less
sure than it ever is of a clear picture, and says so.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from nonette.data.scenes.scene import Render
from nonette.evaluation.reader import Reader, Thresholds
from nonette.evaluation.reading import Reading, look_of, matches
from nonette.models.judge import Judge

CENTRES = tuple(
    round(0.1 + 0.025 * step, 3) for step in range(21)
)  # tried for the threshold of centres
LOST = 0.01  # of right answers that a threshold may cost
FEWEST = 20  # right answers below which a threshold is not chosen but left as it is
UNSURE = Thresholds(centre=CENTRES[0], object=0.0, look=0.0, setting=0.0, time=0.0, style=0.0)


def calibrate(network: Judge, renders: Sequence[Render]) -> Thresholds:
    """Thresholds for this judge.

    Args:
        network: The judge.
        renders: Painted scenes at the judge's resolution, never trained on; a thousand are plenty.
    """
    readings = Reader(network, UNSURE).read([render.pixels for render in renders])
    pairs = list(zip(renders, readings, strict=True))
    exact = [
        sum(_has_count(render, reading, least) for render, reading in pairs) for least in CENTRES
    ]
    best = [least for least, right in zip(CENTRES, exact, strict=True) if right == max(exact)]
    thresholds = Thresholds(centre=best[len(best) // 2])
    sure: dict[str, list[float]] = {
        name: [] for name in ("object", "look", "setting", "time", "style")
    }
    for render, reading in pairs:
        scene = render.scene
        for name in ("setting", "time", "style"):
            if getattr(reading, name) == getattr(scene, name):
                sure[name].append(getattr(reading, f"{name}_confidence"))
        for thing, instance in matches(render, reading):
            if instance is not None and instance.name == scene.things[thing].name:
                sure["object"].append(instance.name_confidence)
            if instance is not None and instance.look == look_of(scene.things[thing]):
                sure["look"].append(instance.look_confidence)
    chosen = {
        name: float(np.quantile(values, LOST))
        for name, values in sure.items()
        if len(values) >= FEWEST
    }
    return dataclasses.replace(thresholds, **{name: _floor(chosen[name]) for name in chosen})


def _has_count(render: Render, reading: Reading, least: float) -> bool:
    return sum(instance.confidence >= least for instance in reading.instances) == len(render.boxes)


def _floor(value: float) -> float:
    """Four digits, never rounded up: an answer as sure as the threshold must still pass."""
    return math.floor(value * 10_000) / 10_000
