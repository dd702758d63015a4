"""How far the judge itself can be trusted: its answers on real renders, where the truth is known.

Two tables. `evaluator_scores` asks each evaluator its own question (which object, which colour, how
many, ...) on renders of the model's world, with and without held-out pairs, and style by style.
`category_checks` puts renders through the whole exam: the share of true renders called right is the
ceiling of every score, the share of false sentences refused says what a score is worth.

Renders come from seeds that neither judge nor model was trained on.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nonette.core.errors import NonetteError
from nonette.data.scenes import alterations, painter
from nonette.data.scenes import world as worlds
from nonette.data.scenes.dice import Dice
from nonette.data.scenes.scene import Render, Scene
from nonette.data.scenes.world import World
from nonette.evaluation import relations
from nonette.evaluation.enough import NotEnoughData
from nonette.evaluation.intervals import Share, share
from nonette.evaluation.prompts import CATEGORIES, Prompt
from nonette.evaluation.reading import Reading, matches
from nonette.evaluation.scores import Checks, share_of
from nonette.evaluation.verdicts import Verdict, has_look, judge

EVALUATORS = ("object", "colour", "material", "count", "position", "setting", "style")
LEAST_VISIBLE = 0.25  # a thing hidden more than this is not asked for
PAINT_SEED = worlds.PROMPT_SEED + 500_000  # of the renders of exam scenes

Read = Callable[[Sequence[np.ndarray]], list[Reading]]
Outcomes = dict[str, list[bool]]


@dataclass(frozen=True, kw_only=True)
class EvaluatorScore:
    """One evaluator's share of right answers on renders; None where there is not enough data.

    Attributes:
        name: One of `EVALUATORS`.
        all: On all renders.
        seen: On renders without held-out pairs.
        held_out: On renders with them.
        styles: On all renders, by style.
    """

    name: str
    all: Share | None
    seen: Share | None
    held_out: Share | None
    styles: Mapping[str, Share | None]


def evaluator_scores(
    read: Read, world: World, size: int, num_renders: int
) -> tuple[EvaluatorScore, ...]:
    """Each evaluator on `num_renders` renders without and as many with held-out pairs.

    Args:
        read: Reads pictures, as `Reader.read` does.
        world: The model's world.
        size: Pixels a side of the renders.
        num_renders: Of each split.
    """
    outcomes: dict[str, Outcomes] = defaultdict(lambda: defaultdict(list))
    for split in ("train", "held_out"):
        renders = [
            painter.paint(
                worlds.draw_scene(world, worlds.PROMPT_SEED, index, split=split),
                size,
                worlds.PROMPT_SEED,
                index,
            )
            for index in range(num_renders)
        ]
        readings = read([render.pixels for render in renders])
        for render, reading in zip(renders, readings, strict=True):
            for name, is_right in answers(render, reading):
                for group in ("all", split, f"style {render.scene.style}"):
                    outcomes[name][group].append(is_right)
    return tuple(
        EvaluatorScore(
            name=name,
            all=_share(outcomes[name]["all"]),
            seen=_share(outcomes[name]["train"]),
            held_out=_share(outcomes[name]["held_out"]),
            styles={style: _share(outcomes[name][f"style {style}"]) for style in world.styles},
        )
        for name in EVALUATORS
    )


def answers(render: Render, reading: Reading) -> Iterator[tuple[str, bool]]:
    """Every question that the render answers: the evaluator's name, and whether it is right."""
    scene = render.scene
    found = matches(render, reading)
    for box, (place, instance) in zip(render.boxes, found, strict=True):
        if box.visible < LEAST_VISIBLE:
            continue
        thing = scene.things[place]
        yield "object", instance is not None and instance.name == thing.name
        if thing.colour or thing.material:
            kind = "colour" if thing.colour else "material"
            yield kind, instance is not None and has_look(instance, thing)
    num_visible = sum(box.visible >= LEAST_VISIBLE for box in render.boxes)
    yield "count", len(reading.instances) == num_visible
    if relations.CATEGORIES[scene.relation] == relations.POSITION:
        pair = {place: instance for place, instance in found if instance is not None}
        yield (
            "position",
            len(pair) == 2
            and relations.holds(scene.relation, pair[0], pair[1])
            and not relations.holds(scene.relation, pair[1], pair[0]),
        )
    yield "setting", reading.setting == scene.setting
    yield "style", reading.style == scene.style


def category_checks(
    read: Read, prompts: Sequence[Prompt], world: World, size: int, renders_per_scene: int
) -> dict[str, Checks]:
    """The exam on real renders, by category.

    Args:
        read: Reads pictures, as `Reader.read` does.
        prompts: The exam; of each scene one language is enough.
        world: The model's world, which false sentences stay in.
        size: Pixels a side of the renders.
        renders_per_scene: How often each scene is painted.
    """
    accepted: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    refused: dict[str, list[bool]] = defaultdict(list)
    for prompt, renders in scene_renders(prompts, size, renders_per_scene):
        for number, reading in enumerate(read(renders)):
            accepted[prompt.category, prompt.split].append(
                judge(reading, prompt.key, prompt.category)
            )
            dice = Dice("refused", prompt.category, prompt.split, prompt.place, number)
            try:
                false_key = alterations.alter(prompt.key, dice, world)
            except NonetteError:  # a small world may leave nothing to change
                continue
            refused[prompt.category].append(not judge(reading, false_key, prompt.category).is_right)
    return {
        category.name: Checks(
            accepted=share_of(
                accepted[category.name, "seen"] + accepted[category.name, "held_out"], "renders"
            ),
            accepted_seen=share_of(accepted[category.name, "seen"], "renders"),
            accepted_held_out=share_of(accepted[category.name, "held_out"], "renders"),
            refused=_share(refused[category.name]),
        )
        for category in CATEGORIES
    }


def scene_renders(
    prompts: Sequence[Prompt], size: int, renders_per_scene: int
) -> Iterator[tuple[Prompt, list[np.ndarray]]]:
    """Every scene of the exam once, with fresh renders of it, uint8 (size, size, 3)."""
    done: set[tuple[str, str, int]] = set()
    for prompt in prompts:
        scene = prompt.category, prompt.split, prompt.place
        if scene not in done:
            first = len(done) * renders_per_scene
            done.add(scene)
            yield (
                prompt,
                [
                    painter.paint(prompt.scene, size, PAINT_SEED, first + number).pixels
                    for number in range(renders_per_scene)
                ],
            )


def _false_key(prompt: Prompt, dice: Dice, world: World) -> Scene | None:
    """The prompt's key made false in one respect; None where there is nothing to change."""
    try:
        altered = alterations.alter(prompt.scene, dice, world)
    except NonetteError:
        return None
    if altered.setting == prompt.scene.setting:  # as untold as it was
        altered = dataclasses.replace(altered, setting=prompt.key.setting)
    return altered


def _share(results: Sequence[bool]) -> Share | None:
    try:
        return share(sum(results), len(results), "answers")
    except NotEnoughData:
        return None
