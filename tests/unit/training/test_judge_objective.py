import math

import numpy as np
import pytest
import torch

from nonette.data.scenes import painter, world
from nonette.data.scenes.scene import Box, Render, Scene, Thing
from nonette.evaluation.reader import Reader, Thresholds
from nonette.models.judge import CELL, Answers, Config
from nonette.training.objectives.judge import (
    JudgeObjective,
    Settings,
    centre_loss,
    losses,
    scramble,
    targets,
    words_of,
)
from nonette.training.wobble import wobble

CONFIG = Config(
    resolution=128,
    **words_of(world.TINY_WORLD),
    stem_width=8,
    widths=(16, 32, 48),
    depths=(1, 1, 1),
    head_width=32,
    feature_width=32,
)
SETTINGS = Settings(
    network=CONFIG,
    world=world.TINY_WORLD,
    seed=world.EVALUATOR_SEED,
    worn_share=0.0,
    scrambled_share=0.0,
)


def _render(*boxes: Box) -> Render:
    scene = Scene(
        things=(Thing(name="cat", colour="red"), Thing(name="house", material="cheese")),
        relation="left_of",
        setting="moon",
        style="pencil",
    )
    return Render(pixels=np.zeros((128, 128, 3), np.uint8), boxes=boxes, scene=scene)


def _perfect(batch: dict[str, torch.Tensor]) -> Answers:
    """Answers that say just what the targets want, as sure as can be."""

    def sure(places: torch.Tensor, num_words: int) -> torch.Tensor:
        logits = torch.nn.functional.one_hot(places, num_words).float() * 40
        return logits.movedim(-1, 1)

    is_centre = batch["bumps"] == 1
    return Answers(
        centres=torch.where(is_centre, 20.0, -20.0),
        objects=sure(batch["object"], len(CONFIG.objects)),
        looks=sure(batch["look"], len(CONFIG.looks)),
        boxes=batch["box"],
        visible=torch.where(batch["visible"] > 0.5, 20.0, -20.0),
        settings=sure(batch["setting"], len(CONFIG.settings)),
        times=sure(batch["time"], len(CONFIG.times)),
        styles=sure(batch["style"], len(CONFIG.styles)),
        features=torch.zeros(len(is_centre), 1),
    )


def _batch(render: Render) -> dict[str, torch.Tensor]:
    rows = targets(render, CONFIG)
    return {name: torch.from_numpy(np.asarray(row))[None] for name, row in rows.items()}


def test_a_centre_is_the_cell_in_which_the_boxs_middle_lies():
    rows = targets(_render(Box(thing=0, x0=10, y0=20, x1=50, y1=70)), CONFIG)
    assert np.argwhere(rows["bumps"] == 1).tolist() == [[45 // CELL, 30 // CELL]]
    row, column = 45 // CELL, 30 // CELL
    assert CONFIG.objects[rows["object"][row, column]] == "cat"
    assert CONFIG.looks[rows["look"][row, column]] == "red"
    x, y, width, height = rows["box"][:, row, column]
    assert (column + 0.5 + x) * CELL == pytest.approx(30)
    assert (row + 0.5 + y) * CELL == pytest.approx(45)
    assert math.exp(width) * CELL == pytest.approx(40, rel=1e-5)
    assert math.exp(height) * CELL == pytest.approx(50, rel=1e-5)
    assert CONFIG.settings[rows["setting"]] == "moon"
    assert CONFIG.styles[rows["style"]] == "pencil"


def test_every_taught_cell_of_a_thing_knows_the_same_box():
    rows = targets(_render(Box(thing=1, x0=8, y0=8, x1=120, y1=100)), CONFIG)
    places = np.argwhere(rows["weights"] > 0)
    assert len(places) > 4
    for row, column in places:
        x, y, _, _ = rows["box"][:, row, column]
        assert ((column + 0.5 + x) * CELL, (row + 0.5 + y) * CELL) == pytest.approx((64, 54))


def test_where_two_things_meet_the_one_in_front_answers():
    rear, front = (
        Box(thing=0, x0=20, y0=20, x1=60, y1=60, visible=0.4),
        Box(thing=1, x0=20, y0=20, x1=60, y1=60),
    )
    rows = targets(_render(rear, front), CONFIG)
    assert CONFIG.objects[rows["object"][10, 10]] == "house"


def test_a_thing_that_is_hardly_visible_is_not_asked_for():
    rows = targets(_render(Box(thing=0, x0=20, y0=20, x1=60, y1=60, visible=0.1)), CONFIG)
    assert not (rows["bumps"] == 1).any()
    assert rows["bumps"][10, 10] == -1
    assert not rows["weights"].any()


def test_perfect_answers_cost_nothing_and_are_all_right():
    batch = _batch(
        _render(
            Box(thing=0, x0=10, y0=20, x1=50, y1=70), Box(thing=1, x0=70, y0=60, x1=120, y1=120)
        )
    )
    parts, figures = losses(_perfect(batch), batch, smoothing=0.0)
    for name, value in parts.items():
        assert float(value) == pytest.approx(0, abs=1e-3), name
    assert all(float(value) == 1 for value in figures.values())


def test_a_batch_without_any_thing_has_a_finite_loss():
    batch = _batch(_render())
    parts, _ = losses(_perfect(batch), batch, smoothing=0.1)
    assert all(torch.isfinite(value) for value in parts.values())


def test_the_centre_loss_is_the_papers_formula():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 5, generator=generator)
    bumps = torch.rand(2, 5, 5, generator=generator) * 0.9
    bumps[0, 1, 1] = bumps[1, 2, 3] = 1
    bumps[0, 4, 4] = -1
    total = 0.0
    for y, yes in zip(bumps.flatten().tolist(), logits.sigmoid().flatten().tolist(), strict=True):
        if y == 1:
            total -= (1 - yes) ** 2 * math.log(yes)
        elif y >= 0:
            total -= (1 - y) ** 4 * yes**2 * math.log(1 - yes)
    assert float(centre_loss(logits, bumps)) == pytest.approx(total / 2, rel=1e-5)


def test_batches_depend_on_their_indices_alone():
    objective = JudgeObjective(SETTINGS)
    once, again = objective.batch(range(3, 6)), objective.batch(range(3, 6))
    single = objective.batch(range(4, 5))
    for name, tensor in once.items():
        assert torch.equal(tensor, again[name])
        assert torch.equal(tensor[1:2], single[name])


def test_scrambling_hides_one_free_thing_and_moves_only_its_pixels():
    scene = Scene(things=(Thing(name="cat", count=2),))
    render = painter.paint(scene, 128, 5, 0)
    pixels, hidden = scramble(render, np.random.Generator(np.random.Philox(key=1)))
    assert hidden in (0, 1)
    box = render.boxes[hidden]
    outside = np.ones((128, 128), bool)
    outside[int(box.y0) - 4 : int(box.y1) + 4, int(box.x0) - 4 : int(box.x1) + 4] = False
    assert (pixels == render.pixels)[outside].all()
    assert (pixels != render.pixels).any()
    assert np.array_equal(
        np.sort(pixels.reshape(-1, 3), 0), np.sort(render.pixels.reshape(-1, 3), 0)
    )
    rows = targets(render, CONFIG, hidden)
    assert (rows["bumps"] == 1).sum() == 1


def test_wobble_is_small_repeatable_and_leaves_its_share_alone():
    edge = (torch.arange(64) < 32).float().expand(32, 3, 64, 64) * 2 - 1
    once = wobble(edge, 0.5, torch.Generator().manual_seed(7))
    assert torch.equal(once, wobble(edge, 0.5, torch.Generator().manual_seed(7)))
    num_untouched = sum(torch.equal(one, other) for one, other in zip(once, edge, strict=True))
    assert 6 < num_untouched < 26
    for far_off in (slice(None, 28), slice(36, None)):  # outlines wander by less than four pixels
        torch.testing.assert_close(once[..., far_off], edge[..., far_off])


def test_a_tiny_judge_learns_a_handful_of_renders_by_heart_and_reads_them():
    torch.manual_seed(0)
    objective = JudgeObjective(SETTINGS)
    assert sum(parameter.numel() for parameter in objective.parameters()) < 1_000_000
    optimiser = torch.optim.AdamW(objective.parameters(), 4e-3)
    batch = objective.batch(range(8))
    for step in range(60):
        optimiser.zero_grad()
        loss, _ = objective.loss("main", batch, step, 0.0)
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        for _ in range(
            60
        ):  # let batch norm's running statistics arrive at what the weights are now
            objective.loss("main", batch, 0, 1.0)
    readings = Reader(objective.networks["judge"], Thresholds()).read(batch["pixels"].numpy())
    for index, reading in enumerate(readings):
        scene = world.draw_scene(SETTINGS.world, SETTINGS.seed, index, split="all")
        want = sorted(
            (t.name, t.colour or t.material or "") for t in scene.things for _ in range(t.count)
        )
        assert sorted((seen.name, seen.look) for seen in reading.instances) == want
        assert (reading.setting, reading.style) == (scene.setting, scene.style)
