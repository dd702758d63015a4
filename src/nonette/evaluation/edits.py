"""Editing, measured: is what was named for a masked area there, and does an extension go on?

    scenes → pictures with a hole, or with a third missing → drawn → read by the judge → shares

*Filling in*: of a painted scene one thing is erased (a grey box with some room around it), the
sentence tells the whole scene, and the judge, which sees no sentence, says what it sees in the
box. *Extending*: of a painted scene two thirds are given and the last third, half the width of
what is given, is drawn, at each of the four sides in turn. The step across the border (the mean
absolute difference of the two lines of pixels beside it) is held against the same lines of real
renders, and things that cross the border must still be found there.

Beside every share stands what the judge says of the real renders, where all is as it should be.
What the model was not to touch must come back to the byte.

It does not know how trials are made (`edit_trials`), how reports look (`edit_report`), and where
models come from (`cli`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nonette.data.scenes import painter
from nonette.data.scenes import world as worlds
from nonette.evaluation.edit_trials import (
    GREY,
    SIDES,
    Corners,
    Trial,
    beyond,
    border,
    crosses,
)
from nonette.evaluation.enough import NotEnoughData
from nonette.evaluation.intervals import Share, share
from nonette.evaluation.prompts import Prompt
from nonette.evaluation.reading import Reading
from nonette.evaluation.verdicts import has_look, judge

Read = Callable[[Sequence[np.ndarray]], list[Reading]]

BORDER_SEED = worlds.PROMPT_SEED + 700_000  # of the renders that borders are held against
GOES_ON = 0.5  # of a thing's real length beyond a border that must be seen there
BORDERS = 8  # real renders of each scene that borders are held against
RANGE = (0.025, 0.975)  # quantiles of the real borders' steps


@dataclass(frozen=True, kw_only=True)
class Found:
    """How many right answers there are; None where there is not enough data.

    Attributes:
        drawn: In what the model drew.
        render: In the real renders: what the judge itself is worth.
        source: In the pictures that the model was given, where it must not be.
    """

    drawn: Share | None
    render: Share | None
    source: Share | None = None


@dataclass(frozen=True, kw_only=True)
class Filling:
    """What came of filling in.

    Attributes:
        num_trials: Pictures drawn.
        exact: Of them, those whose every pixel outside the mask is as it was.
        object: The thing that was named for the masked area is there.
        look: And has the colour or material that the sentence tells.
        scene: The whole picture shows what the sentence tells.
        groups: `object` in what was drawn, by category, split and language.
    """

    num_trials: int
    exact: Share | None
    object: Found
    look: Found
    scene: Found
    groups: Mapping[str, Share | None]


@dataclass(frozen=True, kw_only=True)
class Border:
    """Steps across the borders at one side, in levels of 0 to 255.

    Attributes:
        drawn: Mean of the extensions.
        render: Mean of real renders at the same place.
        low: 2.5% quantile of real renders.
        high: 97.5% quantile of real renders.
        inside: Extensions whose step lies within these.
    """

    drawn: float
    render: float
    low: float
    high: float
    inside: Share | None


@dataclass(frozen=True, kw_only=True)
class Extending:
    """What came of extending.

    Attributes:
        num_trials: Pictures drawn.
        exact: Of them, those that keep every pixel of what was given.
        inside: Those whose step across the border is within the 95% range of real renders.
        objects: Things across the border that are found there.
        borders: By side.
    """

    num_trials: int
    exact: Share | None
    inside: Share | None
    objects: Found
    borders: Mapping[str, Border]


def filling(trials: Sequence[Trial], drawn: Sequence[np.ndarray], read: Read) -> Filling:
    """Judge what was filled in.

    Args:
        trials: As `fillings` made them.
        drawn: Their pictures, uint8 (S, S, 3).
        read: Reads pictures, as `Reader.read` does, with boxes in pixels of these pictures.
    """
    readings = {
        "drawn": read(drawn),
        "render": read([trial.render.pixels for trial in trials]),
        "source": read([_source(trial) for trial in trials]),
    }
    objects = {kind: _is_there(trials, of_kind) for kind, of_kind in readings.items()}
    looks = {kind: _is_there(trials, of_kind, True) for kind, of_kind in readings.items()}
    scenes = {
        kind: [
            judge(reading, trial.prompt.key, trial.prompt.category).is_right
            for trial, reading in zip(trials, of_kind, strict=True)
        ]
        for kind, of_kind in readings.items()
    }
    groups: dict[str, list[bool]] = {}
    for group_of in (_category, _split, _language):
        for trial, is_right in zip(trials, objects["drawn"], strict=True):
            groups.setdefault(group_of(trial.prompt), []).append(is_right)
    return Filling(
        num_trials=len(trials),
        exact=_share(keeps(trials, drawn)),
        object=_found(objects),
        look=_found(looks),
        scene=_found(scenes),
        groups={group: _share(results) for group, results in groups.items()},
    )


def extending(trials: Sequence[Trial], drawn: Sequence[np.ndarray], read: Read) -> Extending:
    """Judge what was extended; arguments as of `filling`, trials as `extensions` made them."""
    crossed = [(trial, picture) for trial, picture in zip(trials, drawn, strict=True) if trial.area]
    asked = [trial for trial, _ in crossed]
    objects = {
        "drawn": _is_across(asked, read([picture for _, picture in crossed])),
        "render": _is_across(asked, read([trial.render.pixels for trial in asked])),
        "source": _is_across(asked, read([_given(trial) for trial in asked])),
    }
    borders, inside = {}, []
    for side in SIDES:
        steps = [
            step(picture, side)
            for trial, picture in zip(trials, drawn, strict=True)
            if trial.side == side
        ]
        real = _real_steps([trial for trial in trials if trial.side == side], side)
        if not steps:
            continue
        low, high = (float(value) for value in np.quantile(real, RANGE))
        is_inside = [low <= value <= high for value in steps]
        inside += is_inside
        borders[side] = Border(
            drawn=float(np.mean(steps)),
            render=float(np.mean(real)),
            low=low,
            high=high,
            inside=_share(is_inside),
        )
    return Extending(
        num_trials=len(trials),
        exact=_share(keeps(trials, drawn)),
        inside=_share(inside),
        objects=_found(objects),
        borders=borders,
    )


def keeps(trials: Sequence[Trial], drawn: Sequence[np.ndarray]) -> list[bool]:
    """Whether each picture is to the byte what it was wherever it was not to change."""
    return [
        bool(np.array_equal(picture[~trial.mask], trial.render.pixels[~trial.mask]))
        for trial, picture in zip(trials, drawn, strict=True)
    ]


def _is_there(
    trials: Sequence[Trial], readings: Sequence[Reading], needs_look: bool = False
) -> list[bool]:
    """Whether the thing asked for is seen with its middle in the area, and in its look."""
    answers = []
    for trial, reading in zip(trials, readings, strict=True):
        thing, area = trial.thing, trial.area
        assert thing is not None and area is not None
        answers.append(
            any(
                instance.name == thing.name
                and _is_inside(area, _middle(instance.box))
                and (not needs_look or has_look(instance, thing))
                for instance in reading.instances
            )
        )
    return answers


def _is_across(trials: Sequence[Trial], readings: Sequence[Reading]) -> list[bool]:
    """Whether the thing asked for is seen across the border, and goes on for half of its way."""
    answers = []
    for trial, reading in zip(trials, readings, strict=True):
        assert trial.thing is not None and trial.area is not None
        side, size = trial.side, len(trial.mask)
        least = GOES_ON * beyond(trial.area, side, size)
        answers.append(
            any(
                instance.name == trial.thing.name
                and crosses(instance.box, side, size)
                and beyond(instance.box, side, size) >= least
                for instance in reading.instances
            )
        )
    return answers


def _category(prompt: Prompt) -> str:
    return prompt.category


def _split(prompt: Prompt) -> str:
    return f"{prompt.split} pairs"


def _language(prompt: Prompt) -> str:
    return f"prompts in {prompt.language}"


def _found(answers: Mapping[str, Sequence[bool]]) -> Found:
    return Found(**{kind: _share(results) for kind, results in answers.items()})


def _share(results: Sequence[bool]) -> Share | None:
    try:
        return share(sum(results), len(results), "pictures")
    except NotEnoughData:
        return None


def step(pixels: np.ndarray, side: str) -> float:
    """The mean absolute difference of the two lines beside an extension's border, 0 to 255.

    Args:
        pixels: uint8 (S, S, 3), the whole picture.
        side: Where it was extended.
    """
    place = border(side, len(pixels))
    lines = pixels if side in ("top", "bottom") else pixels.transpose(1, 0, 2)
    before, after = lines[place - 1 : place + 1].astype(np.float64)
    return float(np.abs(before - after).mean())


def _real_steps(trials: Sequence[Trial], side: str) -> list[float]:
    """Steps at the same place of other renders of the same scenes."""
    return [
        step(painter.paint(trial.prompt.scene, len(trial.mask), BORDER_SEED, number).pixels, side)
        for index, trial in enumerate(trials)
        for number in range(index * BORDERS, (index + 1) * BORDERS)
    ]


def _given(trial: Trial) -> np.ndarray:
    """What was given, with grey in place of what is to be drawn."""
    given = trial.render.pixels.copy()
    given[trial.mask] = GREY
    return given


def _source(trial: Trial) -> np.ndarray:
    assert trial.request.source is not None
    return trial.request.source


def _middle(box: Corners) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _is_inside(area: Corners, place: tuple[float, float]) -> bool:
    return area[0] <= place[0] <= area[2] and area[1] <= place[1] <= area[3]


def in_pixels_of(size: int, readings: Sequence[Reading], resolution: int) -> list[Reading]:
    """Readings with their boxes in pixels of pictures of that size.

    Args:
        size: Of the pictures, a side.
        readings: With boxes in the judge's own pixels.
        resolution: The judge's, a side.
    """
    scale = size / resolution
    return [
        dataclasses.replace(
            reading,
            instances=tuple(
                dataclasses.replace(
                    instance,
                    box=tuple(value * scale for value in instance.box),  # type: ignore[arg-type]
                )
                for instance in reading.instances
            ),
        )
        for reading in readings
    ]
