"""What an exam in editing asks: painted scenes with a hole, or with a third missing.

Every scene of the exam takes its turn, told in one of its languages. What is erased is grey, so
that the answer cannot leak from where it stood.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nonette.core.types import Request, Task
from nonette.data.scenes import painter
from nonette.data.scenes import world as worlds
from nonette.data.scenes.scene import Box, Render, Thing
from nonette.evaluation.enough import require
from nonette.evaluation.prompts import Prompt

Kind = Literal["fill", "extend"]
Corners = tuple[float, float, float, float]

PAINT_SEED = worlds.PROMPT_SEED + 600_000  # of the renders that are edited
ROOM = 0.15  # around an erased thing, of its own sides
GREY = 128
GIVEN = 2 / 3  # of a picture that is extended by half of that
SIDES = ("right", "left", "bottom", "top")
CROSSING = 0.2  # of a thing's length that lies on either side of a border it crosses
LEAST_VISIBLE = 0.25  # a thing hidden more than this is not asked for
NUM_TRIES = 12  # renders of a scene that are looked through for a thing across the border


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One wish, and what is known of its right answer.

    Attributes:
        kind: What is done.
        prompt: The exam's question whose scene it shows.
        render: The scene as painted: what the picture was before anything was taken from it.
        request: The wish.
        mask: Where the picture may change, bool (S, S).
        area: Where the thing is that is asked for, in pixels; None where there is none.
        thing: What is asked for there, or None.
        side: Of an extension.
    """

    kind: Kind
    prompt: Prompt
    render: Render
    request: Request
    mask: np.ndarray
    area: Corners | None = None
    thing: Thing | None = None
    side: str = ""


def fillings(
    exam: Sequence[Prompt], size: int, number: int, wish: Mapping[str, Any]
) -> list[Trial]:
    """Scenes with one thing erased.

    Args:
        exam: Questions, whose scenes and languages take turns.
        size: Of the pictures in pixels a side, a multiple of 32.
        number: How many.
        wish: Other fields of the requests.
    """
    trials: list[Trial] = []
    for index, prompt in zip(range(NUM_TRIES * number), _in_turn(exam), strict=False):
        if len(trials) == number:
            break
        render = painter.paint(prompt.scene, size, PAINT_SEED, index)
        boxes = [box for box in render.boxes if box.visible >= LEAST_VISIBLE]
        box = boxes[index % len(boxes)]
        area = _with_room(box, size)
        mask = _box_mask(area, size)
        if mask.all():
            continue
        source = render.pixels.copy()
        source[mask] = GREY
        trials.append(
            Trial(
                kind="fill",
                prompt=prompt,
                render=render,
                request=_request("edit", prompt, len(trials), wish, source=source, mask=mask),
                mask=mask,
                area=area,
                thing=prompt.scene.things[box.thing],
            )
        )
    return trials


def extensions(
    exam: Sequence[Prompt], size: int, number: int, wish: Mapping[str, Any]
) -> list[Trial]:
    """Scenes with a third missing at one side, a thing across the border where there can be one.

    Args:
        exam: Questions, whose scenes and languages take turns.
        size: Of the whole pictures in pixels a side, a multiple of 32.
        number: How many.
        wish: Other fields of the requests.
    """
    trials = []
    for index, prompt in zip(range(number), _in_turn(exam), strict=False):
        side = SIDES[index % len(SIDES)]
        mask = missing(side, size)
        render, crossing = _across(prompt, side, size, index)
        rows, columns = np.ix_((~mask).any(axis=1), (~mask).any(axis=0))
        given = render.pixels[rows, columns]
        added = {side: size - round(GIVEN * size)}
        trials.append(
            Trial(
                kind="extend",
                prompt=prompt,
                render=render,
                request=_request("extend", prompt, index, wish, source=given, **added),
                mask=mask,
                area=None if crossing is None else _corners(crossing),
                thing=None if crossing is None else prompt.scene.things[crossing.thing],
                side=side,
            )
        )
    return trials


def missing(side: str, size: int) -> np.ndarray:
    """What is drawn of an extension at that side: bool (size, size)."""
    is_after = np.arange(size) >= border(side, size)
    across = np.broadcast_to(is_after == (side in ("right", "bottom")), (size, size))
    return across if side in ("left", "right") else across.T


def border(side: str, size: int) -> int:
    """The first line, of columns or rows, behind the border of an extension at that side."""
    given = round(GIVEN * size)
    return given if side in ("right", "bottom") else size - given


def crosses(box: Corners, side: str, size: int, least: float = 0.0) -> bool:
    """Whether more than that share of a box's length lies on each side of the border."""
    start, end = (box[1], box[3]) if side in ("top", "bottom") else (box[0], box[2])
    return least < (border(side, size) - start) / max(end - start, 1e-6) < 1 - least


def beyond(box: Corners, side: str, size: int) -> float:
    """Pixels of a box's length that lie in what an extension at that side draws."""
    start, end = (box[1], box[3]) if side in ("top", "bottom") else (box[0], box[2])
    place = border(side, size)
    return max(0.0, end - place if side in ("right", "bottom") else place - start)


def _in_turn(exam: Sequence[Prompt]) -> Iterator[Prompt]:
    """The exam's scenes for ever, those of all categories in turn, and their languages in turn."""
    require("questions", len(exam), 1)
    scenes: dict[tuple[int, str, str], list[Prompt]] = {}
    for prompt in exam:
        scenes.setdefault((prompt.place, prompt.category, prompt.split), []).append(prompt)
    ordered = [scenes[key] for key in sorted(scenes, key=lambda key: key[0])]  # stable
    for turn in itertools.count():
        for number, languages in enumerate(ordered):
            yield languages[(turn + number) % len(languages)]


def _request(
    task: Task, prompt: Prompt, index: int, wish: Mapping[str, Any], **fields: Any
) -> Request:
    """The wish of a trial; every trial has seeds of its own, one after the other."""
    candidates = int(wish.get("candidates", 1))
    return Request(
        prompt=prompt.text,
        task=task,
        num_pictures=1,
        seed=index * candidates,
        ranks=candidates > 1,
        **{"candidates": candidates} | dict(wish) | fields,
    )


def _across(prompt: Prompt, side: str, size: int, index: int) -> tuple[Render, Box | None]:
    """A render of the scene with a thing across the border, or the last one tried."""
    for attempt in range(NUM_TRIES):
        render = painter.paint(prompt.scene, size, PAINT_SEED, index * NUM_TRIES + attempt)
        for box in render.boxes:
            if box.visible >= LEAST_VISIBLE and crosses(_corners(box), side, size, CROSSING):
                return render, box
    return render, None


def _with_room(box: Box, size: int) -> Corners:
    across, down = (box.x1 - box.x0) * ROOM, (box.y1 - box.y0) * ROOM
    return (
        max(0.0, box.x0 - across),
        max(0.0, box.y0 - down),
        min(float(size), box.x1 + across),
        min(float(size), box.y1 + down),
    )


def _box_mask(area: Corners, size: int) -> np.ndarray:
    """The pixels that a box touches: bool (size, size)."""
    left, top = int(np.floor(area[0])), int(np.floor(area[1]))
    right, bottom = int(np.ceil(area[2])), int(np.ceil(area[3]))
    mask = np.zeros((size, size), bool)
    mask[top:bottom, left:right] = True
    return mask


def _corners(box: Box) -> Corners:
    return box.x0, box.y0, box.x1, box.y1
