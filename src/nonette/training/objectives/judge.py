"""Training the evaluator: things at cells; setting, time and style of the picture.

The loss on centres is CenterNet's (Zhou et al. 2019, "Objects as Points", equation 1: a focal loss
with bumps of leniency around each centre), normalised by the number of things. Names, looks, boxes
and visibility are learned at every cell near a centre, weighted by the bump, so that each thing
teaches with several cells.

Notable choices: evaluators train on every pair, held-out ones included, from their own range of
seeds; some renders wobble or are worn, so that the judge goes by things and not by a drawing's
finish; now and then one thing's patches are shuffled and it stops being a thing, which teaches the
judge to answer "none" to shapes that are only nearly there.

B batch, H W pixels, h w cells of the grid, N cells in all pictures that lie near a centre
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from nonette.data.scenes import painter, world
from nonette.data.scenes.scene import Render
from nonette.evaluation import calibration, sheet
from nonette.evaluation.reader import Reader, Thresholds
from nonette.models.judge import CELL, Answers, Config, Judge
from nonette.training.degrade import degrade
from nonette.training.objective import Batch, Export, Objective
from nonette.training.wobble import wobble

MIN_VISIBLE = 0.25  # a thing hidden more than this is neither asked for nor counted wrong
BUMP = 0.11  # standard deviation of a centre's bump, of the box's side
MIN_BUMP = 0.7  # cells
NEAR = 0.5  # a cell whose bump reaches this belongs to the thing
TILE = 4  # pixels a side of the patches that scrambling shuffles
SHEET_PICTURES = 32
CALIBRATION_PICTURES = 2048
HELD_BACK = 10_000_000  # from this index on renders are never trained on


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a judge is trained on and how.

    Attributes:
        network: Sizes and words; `words_of(world)` gives the words.
        world: Where scenes are drawn from, usually richer in attributes than the generator's.
        seed: Of the scenes; evaluators use 1,000,000 and above.
        worn_share: Of pictures that wobble, and of pictures that are worn, 0 to 1.
        scrambled_share: Of pictures with one thing scrambled, 0 to 1.
        smoothing: Label smoothing of all softmax answers, 0 to 1.
        weights: Of each part of the loss by name; parts without one weigh 1.
    """

    network: Config
    world: world.World
    seed: int
    worn_share: float = 0.4
    scrambled_share: float = 0.08
    smoothing: float = 0.05
    weights: dict[str, float] = dataclasses.field(default_factory=dict)


def words_of(scene_world: world.World) -> dict[str, tuple[str, ...]]:
    """The words a judge of this world must know, as fields of its config."""
    return {
        "objects": tuple(scene_world.objects),
        "colours": tuple(scene_world.colours),
        "materials": tuple(scene_world.materials),
        "settings": (*scene_world.settings, *scene_world.plain_settings),
        "times": tuple(scene_world.times),
        "styles": tuple(scene_world.styles),
    }


class JudgeObjective(Objective):
    """The loss of one judge on the renders of one world."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        judge = Judge(settings.network)
        judge.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.networks = nn.ModuleDict({"judge": judge})
        self.optimised = {"main": list(self.networks.parameters())}

    def batch(self, indices: range) -> Batch:
        """Renders, "pixels" uint8 (B, H, W, 3), and their stacked `targets`."""
        rows = [self._sample(index) for index in indices]
        return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of all parts; figures are each part and the share of right answers."""
        generator = torch.Generator().manual_seed(self.settings.seed + step)
        pixels = batch["pixels"].permute(0, 3, 1, 2).float() / 127.5 - 1  # (B, 3, H, W)
        pixels = wobble(pixels, self.settings.worn_share, generator)
        pixels = degrade(pixels, self.settings.worn_share, generator)
        answers = self.networks["judge"](pixels.contiguous(memory_format=torch.channels_last))
        parts, figures = losses(answers, batch, self.settings.smoothing)
        total = sum(
            (self.settings.weights.get(part, 1.0) * value for part, value in parts.items()),
            torch.zeros(()),
        )
        return total, {**{part: value.detach() for part, value in parts.items()}, **figures}

    def sheet(self, networks: nn.ModuleDict) -> Image.Image:
        """Renders never trained on, each with what the judge reads in it."""
        pictures = [self._render(HELD_BACK + index).pixels for index in range(SHEET_PICTURES)]
        readings = Reader(_judge(networks), Thresholds()).read(pictures)
        return Image.fromarray(sheet.compose(pictures, readings))

    def export(self, networks: nn.ModuleDict) -> Export:
        """The judge with thresholds calibrated on renders never trained on."""
        renders = [
            self._render(HELD_BACK + SHEET_PICTURES + index)
            for index in range(CALIBRATION_PICTURES)
        ]
        thresholds = calibration.calibrate(_judge(networks), renders)
        return Export(
            system="judge",
            networks=dict(networks.items()),
            registry_names={"judge": "judge"},
            settings={"thresholds": dataclasses.asdict(thresholds)},
        )

    def _render(self, index: int) -> Render:
        settings = self.settings
        scene = world.draw_scene(settings.world, settings.seed, index, split="all")
        return painter.paint(scene, settings.network.resolution, settings.seed, index)

    def _sample(self, index: int) -> dict[str, np.ndarray]:
        render = self._render(index)
        generator = np.random.Generator(np.random.Philox(key=(self.settings.seed << 64) + index))
        pixels, hidden = render.pixels, -1
        if generator.random() < self.settings.scrambled_share:
            pixels, hidden = scramble(render, generator)
        return {"pixels": pixels, **targets(render, self.settings.network, hidden)}


def _judge(networks: nn.ModuleDict) -> Judge:
    judge = networks["judge"]
    assert isinstance(judge, Judge), type(judge)
    return judge


def scramble(render: Render, generator: np.random.Generator) -> tuple[np.ndarray, int]:
    """Shuffle the patches of one thing that stands free, so that nothing can be seen in its place.

    Returns:
        The pixels and the index of the scrambled box, or -1 where every thing touches another.
    """
    boxes = render.boxes
    free = [
        index
        for index, box in enumerate(boxes)
        if all(other is box or _is_apart(box, other) for other in boxes)
    ]
    if not free:
        return render.pixels, -1
    chosen = int(generator.choice(free))
    size = render.pixels.shape[0]
    box = boxes[chosen]
    x0, y0 = (max(0, math.floor(low / TILE)) for low in (box.x0, box.y0))
    x1, y1 = (min(size // TILE, math.ceil(high / TILE)) for high in (box.x1, box.y1))
    pixels = render.pixels.copy()
    inside = pixels[y0 * TILE : y1 * TILE, x0 * TILE : x1 * TILE]
    tiles = (
        inside.reshape(y1 - y0, TILE, x1 - x0, TILE, 3).swapaxes(1, 2).reshape(-1, TILE, TILE, 3)
    )
    tiles = generator.permutation(tiles).reshape(y1 - y0, x1 - x0, TILE, TILE, 3)
    inside[:] = tiles.swapaxes(1, 2).reshape(inside.shape)
    return pixels, chosen


def _is_apart(first: Any, second: Any) -> bool:
    return bool(
        first.x1 <= second.x0
        or second.x1 <= first.x0
        or first.y1 <= second.y0
        or second.y1 <= first.y0
    )


def targets(render: Render, config: Config, hidden: int = -1) -> dict[str, np.ndarray]:
    """What the judge should answer of a render.

    Args:
        render: A painted scene at the judge's resolution.
        config: The judge's sizes and words.
        hidden: Index of a box that is no thing any more, or -1.

    Returns:
        "bumps" float32 (h, w), 1 at each centre and falling off around it, -1 where no answer is
        wrong; "weights" float32 (h, w), how much a cell teaches about the thing it belongs to;
        "object", "look" int64 (h, w); "box" float32 (4, h, w); "visible" float32 (h, w); "setting",
        "time", "style" int64 ().
    """
    size = config.grid_size
    scene = render.scene
    bumps = np.zeros((size, size), np.float32)
    owner_bumps = np.zeros((size, size), np.float32)
    names = np.zeros((size, size), np.int64)
    looks = np.zeros((size, size), np.int64)
    boxes = np.zeros((4, size, size), np.float32)
    visible = np.zeros((size, size), np.float32)
    columns, rows = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    for index, box in enumerate(render.boxes):
        if index == hidden:
            continue
        x, y = (box.x0 + box.x1) / 2 / CELL, (box.y0 + box.y1) / 2 / CELL
        width, height = (box.x1 - box.x0) / CELL, (box.y1 - box.y0) / CELL
        column, row = (min(size - 1, max(0, int(place))) for place in (x, y))
        spreads = [max(MIN_BUMP, BUMP * side) for side in (width, height)]
        bump = np.exp(
            -(((columns - column - 0.5) / spreads[0]) ** 2 + ((rows - row - 0.5) / spreads[1]) ** 2)
            / 2
        ).astype(np.float32)
        if box.visible < MIN_VISIBLE:
            bumps[(bump > NEAR) & (bumps < 1)] = -1
            continue
        np.copyto(bumps, bump, where=bump > bumps)
        is_mine = (bump >= NEAR) & (
            bump >= owner_bumps
        )  # of equals, the one painted later, which is in front
        thing = scene.things[box.thing]
        owner_bumps[is_mine] = bump[is_mine]
        names[is_mine] = config.objects.index(thing.name)
        looks[is_mine] = config.looks.index(thing.colour or thing.material or "")
        boxes[:, is_mine] = np.stack(
            [
                x - columns[is_mine],
                y - rows[is_mine],
                np.full(is_mine.sum(), math.log(max(width, 0.1))),
                np.full(is_mine.sum(), math.log(max(height, 0.1))),
            ]
        )
        visible[is_mine] = box.visible
    return {
        "bumps": bumps,
        "weights": owner_bumps,
        "object": names,
        "look": looks,
        "box": boxes,
        "visible": visible,
        "setting": np.asarray(config.settings.index(scene.setting)),
        "time": np.asarray(config.times.index(scene.time)),
        "style": np.asarray(config.styles.index(scene.style)),
    }


def losses(
    answers: Answers, batch: Batch, smoothing: float
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Each part of the loss, a mean over things or pictures, and shares of right answers.

    Args:
        answers: Of B pictures.
        batch: The stacked `targets` of those pictures.
        smoothing: Label smoothing, 0 to 1.
    """
    parts = {"centre": centre_loss(answers.centres, batch["bumps"])}
    figures = {}
    is_taught = batch["weights"] > 0  # (B, h, w), N cells in all
    weights = batch["weights"][is_taught]  # (N,)
    is_centre = weights == 1
    weights = weights / weights.sum().clamp(min=1)
    for name, logits in (("object", answers.objects), ("look", answers.looks)):
        rows = logits.permute(0, 2, 3, 1)[is_taught]  # (N, words)
        wanted = batch[name][is_taught]
        parts[name] = (
            F.cross_entropy(rows, wanted, reduction="none", label_smoothing=smoothing) * weights
        ).sum()
        figures[f"{name}_right"] = _share_right(rows[is_centre], wanted[is_centre])
    boxes = answers.boxes.permute(0, 2, 3, 1)[is_taught]  # (N, 4)
    wanted_boxes = batch["box"].permute(0, 2, 3, 1)[is_taught]
    parts["box"] = (
        F.smooth_l1_loss(boxes, wanted_boxes, reduction="none", beta=0.1).mean(1) * weights
    ).sum()
    visible = F.binary_cross_entropy_with_logits(
        answers.visible[is_taught], batch["visible"][is_taught], reduction="none"
    )
    parts["visible"] = (visible * weights).sum()
    for name, logits in (
        ("setting", answers.settings),
        ("time", answers.times),
        ("style", answers.styles),
    ):
        parts[name] = F.cross_entropy(logits, batch[name], label_smoothing=smoothing)
        figures[f"{name}_right"] = _share_right(logits, batch[name])
    return parts, figures


def centre_loss(logits: Tensor, bumps: Tensor) -> Tensor:
    """CenterNet's focal loss (equation 1, alpha 2, beta 4), a mean over centres.

    Args:
        logits: (B, h, w).
        bumps: (B, h, w), 1 at centres, between 0 and 1 around them, -1 where no answer is wrong.
    """
    log_yes, log_no = F.logsigmoid(logits), F.logsigmoid(-logits)
    is_centre = bumps == 1
    at_centres = (1 - log_yes.exp()).square() * log_yes * is_centre
    elsewhere = (
        (1 - bumps).pow(4) * (1 - log_no.exp()).square() * log_no * (~is_centre & (bumps >= 0))
    )
    return -(at_centres + elsewhere).sum() / is_centre.sum().clamp(min=1)


def _share_right(logits: Tensor, wanted: Tensor) -> Tensor:
    """The share of rows (N, words) whose likeliest word is wanted (N,); 0 of 0 is 0."""
    return (logits.argmax(1) == wanted).float().sum() / max(1, len(wanted))
