"""Reading a picture: what the judge sees in it, or "none" where it is not sure.

Peaks of the map of centres become instances (Zhou et al. 2019, "Objects as Points", section 4); two
peaks whose boxes nearly coincide are one, and so are a thing and a like or unclear part of it. An
answer whose probability lies below its calibrated threshold is None: a picture that shows nothing
clear is never given a name by force.

It does not know prompts or verdicts: nothing here ever sees what a picture was meant to show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nonette.checkpoints.format import Checkpoint
from nonette.core import config as configs
from nonette.core.errors import CheckpointError, InputError
from nonette.data.scenes.world import World
from nonette.evaluation.reading import Instance, Reading, containment, overlap
from nonette.models.judge import CELL, Answers, Judge

SAME_BOX = 0.6  # overlap (intersection over union) from which two peaks are one instance
SAME_PART = 0.6  # share of a box within another's from which it is a part of that thing
BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The least probability of an answer; below it the answer is "none" (see `calibration`)."""

    centre: float = 0.3
    object: float = 0.4
    look: float = 0.4
    setting: float = 0.4
    time: float = 0.4
    style: float = 0.4


class Reader:
    """A judge with its thresholds; reads pictures of the judge's own resolution.

    Args:
        network: The judge; it is put into eval mode.
        thresholds: When an answer is "none".
    """

    def __init__(self, network: Judge, thresholds: Thresholds) -> None:
        self.network = network.eval()
        self.thresholds = thresholds

    def read(self, pictures: Sequence[np.ndarray] | np.ndarray) -> list[Reading]:
        """A reading of each picture; uint8, (H, W, 3), sRGB, of any size."""
        return self.look(pictures)[0]

    def features(self, pictures: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Pooled features of each picture, float32 (N, D); Fréchet distances are taken in them."""
        return self.look(pictures)[1]

    def look(self, pictures: Sequence[np.ndarray] | np.ndarray) -> tuple[list[Reading], np.ndarray]:
        """Readings and features at once."""
        readings: list[Reading] = []
        features = [np.zeros((0, self.network.config.feature_width), np.float32)]
        for answers in self._answers(pictures):
            readings += self._readings(answers)
            features.append(answers.features.numpy())
        return readings, np.concatenate(features)

    def _answers(self, pictures: Sequence[np.ndarray] | np.ndarray) -> Iterator[Answers]:
        for start in range(0, len(pictures), BATCH):
            with torch.inference_mode():
                pixels = to_pixels(pictures[start : start + BATCH], self.network.config.resolution)
                yield self.network(pixels)

    def _readings(self, answers: Answers) -> list[Reading]:
        config, least = self.network.config, self.thresholds
        wholes = [
            _likeliest(logits, words, threshold)
            for logits, words, threshold in (
                (answers.settings, config.settings, least.setting),
                (answers.times, config.times, least.time),
                (answers.styles, config.styles, least.style),
            )
        ]
        return [
            Reading(
                instances=self._instances(answers, index),
                setting=setting,
                time=time,
                style=style,
                setting_confidence=setting_confidence,
                time_confidence=time_confidence,
                style_confidence=style_confidence,
            )
            for index, (
                (setting, setting_confidence),
                (time, time_confidence),
                (style, style_confidence),
            ) in (enumerate(zip(*wholes, strict=True)))
        ]

    def _instances(self, answers: Answers, index: int) -> tuple[Instance, ...]:
        config, least = self.network.config, self.thresholds
        centres = answers.centres[index].sigmoid()  # (h, w)
        rows, columns, confidences = peaks(centres, least.centre)
        names = _likeliest(answers.objects[index][:, rows, columns].T, config.objects, least.object)
        looks = _likeliest(answers.looks[index][:, rows, columns].T, config.looks, least.look)
        boxes = to_boxes(answers.boxes[index][:, rows, columns].T, rows, columns)
        visible = answers.visible[index][rows, columns].sigmoid().tolist()
        kept: list[Instance] = []
        for place, confidence in enumerate(confidences):
            instance = Instance(
                name=names[place][0],
                look=looks[place][0],
                box=boxes[place],
                visible=visible[place],
                confidence=confidence,
                name_confidence=names[place][1],
                look_confidence=looks[place][1],
            )
            if not any(_is_part_of(instance, other) for other in kept):
                kept.append(instance)
        return tuple(kept)


def open_judge(checkpoint: Checkpoint, world: World) -> Reader:
    """The judge of a checkpoint, with its calibrated thresholds.

    Args:
        checkpoint: Whose part "judge" it is.
        world: What it will be asked about; it must know every word of it.

    Raises:
        CheckpointError: It is no judge, or damaged.
        InputError: It does not know the world.
    """
    if "judge" not in checkpoint.manifest.networks:
        raise CheckpointError(f"{checkpoint.folder} is a {checkpoint.system}, not a judge")
    network = checkpoint.network("judge")
    assert isinstance(network, Judge), type(network)
    known = network.config
    for kind, wanted, words in (
        ("objects", world.objects, known.objects),
        ("colours", world.colours, known.colours),
        ("materials", world.materials, known.materials),
        ("settings", (*world.settings, *world.plain_settings), known.settings),
        ("times", world.times, known.times),
        ("styles", world.styles, known.styles),
    ):
        unknown = sorted(set(wanted) - set(words))
        if unknown:
            limit = f"it does not know {kind} of the world {world.name}: {', '.join(unknown[:5])}"
            raise InputError("judge", checkpoint.name, limit)
    thresholds = configs.from_dict(
        Thresholds, checkpoint.settings.get("thresholds", {}), "settings.thresholds"
    )
    return Reader(network, thresholds)


def to_pixels(pictures: Sequence[np.ndarray] | np.ndarray, resolution: int) -> Tensor:
    """Pictures (uint8, (H, W, 3)) as one tensor (N, 3, resolution, resolution) in [-1, 1]."""
    rows = []
    for picture in pictures:
        values = torch.tensor(picture, dtype=torch.float32) / 127.5 - 1  # (H, W, 3)
        pixels = values.permute(2, 0, 1)[None]
        if pixels.shape[2:] != (resolution, resolution):
            pixels = F.interpolate(
                pixels, (resolution, resolution), mode="bilinear", antialias=True
            )
        rows.append(pixels)
    return torch.cat(rows)


def peaks(centres: Tensor, least: float) -> tuple[Tensor, Tensor, list[float]]:
    """Cells that no neighbour exceeds and that reach `least`: rows, columns, values, highest first.

    Args:
        centres: Probabilities (h, w).
        least: Between 0 and 1.
    """
    is_peak = (centres >= F.max_pool2d(centres[None, None], 3, stride=1, padding=1)[0, 0]) & (
        centres >= least
    )
    rows, columns = is_peak.nonzero(as_tuple=True)
    values = centres[rows, columns]
    order = values.argsort(descending=True, stable=True)
    return rows[order], columns[order], values[order].tolist()


def to_boxes(
    answers: Tensor, rows: Tensor, columns: Tensor
) -> list[tuple[float, float, float, float]]:
    """Boxes in pixels of the judge's answers (N, 4), in units of `Answers.boxes`, at N cells."""
    x = (columns + 0.5 + answers[:, 0]) * CELL
    y = (rows + 0.5 + answers[:, 1]) * CELL
    half_width, half_height = (answers[:, 2:].clamp(-3, 5).exp() * CELL / 2).unbind(1)
    boxes = torch.stack([x - half_width, y - half_height, x + half_width, y + half_height], dim=1)
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in boxes.tolist()]


def _is_part_of(instance: Instance, other: Instance) -> bool:
    """Whether a surer instance is the same thing, or one that this is a part of."""
    if overlap(instance.box, other.box) > SAME_BOX:
        return True
    is_alike = instance.name in (None, other.name)
    return is_alike and containment(instance.box, other.box) > SAME_PART


def _likeliest(
    logits: Tensor, words: Sequence[str], least: float
) -> list[tuple[str | None, float]]:
    """Of each row (N, words) the likeliest word, None below `least`, and its probability."""
    values, places = logits.softmax(dim=1).max(dim=1)
    return [
        (words[place] if value >= least else None, value)
        for place, value in zip(places.tolist(), values.tolist(), strict=True)
    ]
