import dataclasses
import math

import numpy as np
import pytest
import torch

from nonette.checkpoints import format as checkpoints
from nonette.core.errors import CheckpointError, InputError
from nonette.data.scenes.scene import Box, Render, Scene, Thing
from nonette.data.scenes.world import CPU_WORLD, TINY_WORLD
from nonette.evaluation import calibration
from nonette.evaluation.reader import Reader, Thresholds, open_judge, peaks, to_pixels
from nonette.evaluation.reading import Instance, Reading, containment, matches, overlap
from nonette.models.judge import CELL, Answers, Config, Judge
from nonette.training.objectives.judge import words_of

CONFIG = Config(
    resolution=64,
    **words_of(TINY_WORLD),
    stem_width=4,
    widths=(8, 8, 8),
    depths=(0, 0, 0),
    head_width=8,
    feature_width=8,
)
CELLS = CONFIG.grid_size


class Said(Judge):
    """A judge that answers what it was told to."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(CONFIG)
        self.answers = answers

    def forward(self, pixels: torch.Tensor) -> Answers:
        return Answers(*(row[: len(pixels)] for row in self.answers))


def _answers(*things: tuple[int, int, str, str, float]) -> Answers:
    """Things of 16 pixels at (row, column), with name, look and the centre's probability."""
    centres = torch.full((1, CELLS, CELLS), -20.0)
    objects = torch.zeros(1, len(CONFIG.objects), CELLS, CELLS)
    looks = torch.zeros(1, len(CONFIG.looks), CELLS, CELLS)
    boxes = torch.zeros(1, 4, CELLS, CELLS)
    boxes[:, 2:] = math.log(4)
    for row, column, name, look, probability in things:
        centres[0, row, column] = math.log(probability / (1 - probability))
        objects[0, CONFIG.objects.index(name), row, column] = 12
        looks[0, CONFIG.looks.index(look), row, column] = 12
    settings = torch.zeros(1, len(CONFIG.settings))
    settings[0, CONFIG.settings.index("moon")] = 12
    return Answers(
        centres=centres,
        objects=objects,
        looks=looks,
        boxes=boxes,
        visible=torch.full((1, CELLS, CELLS), 20.0),
        settings=settings,
        times=torch.zeros(1, len(CONFIG.times)),
        styles=torch.zeros(1, len(CONFIG.styles)),
        features=torch.ones(1, 8),
    )


def _read(answers: Answers, thresholds: Thresholds | None = None) -> Reading:
    picture = np.zeros((64, 64, 3), np.uint8)
    (reading,) = Reader(Said(answers), thresholds or Thresholds(style=0.6)).read([picture])
    return reading


def test_peaks_become_instances_with_names_looks_and_boxes():
    reading = _read(_answers((3, 4, "cat", "red", 0.9), (9, 10, "house", "cheese", 0.7)))
    assert [(seen.name, seen.look) for seen in reading.instances] == [
        ("cat", "red"),
        ("house", "cheese"),
    ]
    assert reading.instances[0].box == pytest.approx((10, 6, 26, 22), abs=1e-4)
    assert reading.instances[0].confidence == pytest.approx(0.9)


def test_below_a_threshold_the_answer_is_none():
    answers = _answers((3, 4, "cat", "red", 0.9), (9, 10, "house", "cheese", 0.2))
    answers.objects[:, :, 3, 4] = 0
    reading = _read(answers)
    assert [seen.name for seen in reading.instances] == [None]
    assert reading.setting == "moon"
    assert reading.style is None, "two styles of one half each"
    assert _read(_answers()).instances == ()


def test_neighbouring_cells_of_one_thing_are_one_instance_and_close_things_are_two():
    assert len(_read(_answers((3, 4, "cat", "", 0.9), (3, 5, "cat", "", 0.8))).instances) == 1
    assert len(_read(_answers((3, 4, "cat", "", 0.9), (4, 6, "cat", "", 0.8))).instances) == 2
    nearly_one = _answers((3, 4, "cat", "", 0.9), (3, 6, "cat", "", 0.8))
    nearly_one.boxes[0, 0, 3, 6] = -2  # its box is the same as the other's
    assert len(_read(nearly_one).instances) == 1


def test_a_part_is_no_second_thing_unless_it_is_another_thing():
    for part, num_seen in (("cat", 1), ("house", 2)):
        answers = _answers((6, 6, "cat", "", 0.9), (8, 8, part, "", 0.6))
        answers.boxes[0, 2:, 6, 6] = math.log(10)  # the second lies wholly within the first
        assert len(_read(answers).instances) == num_seen
        answers.objects[:, :, 8, 8] = 0
        assert len(_read(answers).instances) == 1, "an unclear part"


def test_peaks_come_highest_first_and_ties_by_place():
    centres = torch.zeros(6, 6)
    centres[1, 1], centres[4, 4], centres[1, 4] = 0.5, 0.9, 0.5
    rows, columns, values = peaks(centres, 0.3)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(4, 4), (1, 1), (1, 4)]
    assert values == pytest.approx([0.9, 0.5, 0.5])


def test_pictures_of_any_size_come_at_the_judges():
    pictures = [np.full((100, 80, 3), 255, np.uint8), np.zeros((64, 64, 3), np.uint8)]
    pictures[0].setflags(write=False)
    pixels = to_pixels(pictures, 64)
    assert pixels.shape == (2, 3, 64, 64)
    assert pixels[0].min() == pytest.approx(1) and pixels[1].max() == pytest.approx(-1)


def test_no_picture_has_no_reading_and_no_features():
    reader = Reader(Said(_answers()), Thresholds())
    assert reader.read([]) == []
    assert reader.features([]).shape == (0, 8)


@pytest.mark.parametrize(
    ("first", "second", "want"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0),
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),
        ((0, 0, 2, 2), (2, 0, 4, 2), 0.0),
    ],
)
def test_overlap_is_intersection_over_union(first, second, want):
    assert overlap(first, second) == pytest.approx(want)


def test_containment_is_of_the_smaller_box():
    assert containment((0, 0, 8, 8), (6, 0, 10, 4)) == pytest.approx(1 / 2)
    assert containment((2, 2, 3, 3), (0, 0, 8, 8)) == 1
    assert containment((0, 0, 1, 1), (1, 0, 2, 1)) == 0


def _render(*columns: int) -> Render:
    scene = Scene(things=(Thing(name="cat", colour="red", count=len(columns)),), setting="moon")
    boxes = tuple(
        Box(thing=0, x0=CELL * (c - 1.5), y0=6, x1=CELL * (c + 2.5), y1=22) for c in columns
    )
    return Render(pixels=np.zeros((64, 64, 3), np.uint8), boxes=boxes, scene=scene)


def test_every_painted_thing_is_matched_once():
    instance = Instance(name="cat", look="red", box=(10, 6, 26, 22))
    reading = Reading(instances=(instance,), setting="moon", time="day", style="plain")
    assert matches(_render(4, 10), reading) == [(0, instance), (0, None)]
    assert matches(_render(4, 4), reading) == [(0, instance), (0, None)]


def test_calibration_finds_the_threshold_that_counts_best():
    """Real things at 0.8, ghosts at 0.3: anything between gets every count right."""
    answers = _answers((3, 4, "cat", "red", 0.8), (3, 10, "cat", "red", 0.3))
    many = Answers(*(row.expand(40, *row.shape[1:]) for row in answers))
    renders = [_render(4)] * 40
    thresholds = calibration.calibrate(Said(many), renders)
    assert 0.3 < thresholds.centre < 0.8
    assert 0.9 < thresholds.object <= 1 and 0.9 < thresholds.setting <= 1
    assert _read(answers, dataclasses.replace(thresholds, style=0)).instances[0].name == "cat"


def _write(place, name="tiny-judge", **changes):
    network = Judge(CONFIG)
    arguments = {
        "name": name,
        "system": "judge",
        "networks": {"judge": network},
        "registry_names": {"judge": "judge"},
        "settings": {"thresholds": {"centre": 0.5}},
        "files": {},
        "card": "# Judge\n",
        "dtype": torch.bfloat16,
    }
    return checkpoints.read(checkpoints.write(place / name, **(arguments | changes)))


def test_a_judge_comes_back_from_its_folder_with_its_thresholds(tmp_path):
    reader = open_judge(_write(tmp_path), TINY_WORLD)
    assert reader.thresholds == Thresholds(centre=0.5)
    assert reader.network.config == CONFIG


def test_a_judge_that_does_not_know_the_world_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not know objects of the world cpu"):
        open_judge(_write(tmp_path), CPU_WORLD)


def test_a_model_that_is_no_judge_is_refused(tmp_path):
    checkpoint = _write(
        tmp_path, networks={"other": Judge(CONFIG)}, registry_names={"other": "judge"}
    )
    with pytest.raises(CheckpointError, match="not a judge"):
        open_judge(checkpoint, TINY_WORLD)
