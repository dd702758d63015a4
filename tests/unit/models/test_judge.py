import dataclasses

import pytest
import torch

from nonette.core.errors import InputError
from nonette.models.judge import CELL, Answers, Config, Judge

SMALL = Config(
    resolution=32,
    objects=("cat", "dog", "house"),
    colours=("red", "blue"),
    materials=("cheese",),
    settings=("moon", "white"),
    times=("day", "night"),
    styles=("plain", "pencil"),
    stem_width=4,
    widths=(8, 8, 8),
    depths=(1, 0, 1),
    head_width=8,
    feature_width=8,
)


def _judge() -> Judge:
    torch.manual_seed(0)
    return Judge(SMALL).eval()


def _pictures(num: int, size: int = 32) -> torch.Tensor:
    return torch.rand(num, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_answers_have_the_shapes_they_promise():
    answers = _judge()(_pictures(2))
    cells = SMALL.resolution // CELL
    shapes = {name: tuple(tensor.shape) for name, tensor in answers._asdict().items()}
    assert shapes == {
        "centres": (2, cells, cells),
        "objects": (2, 3, cells, cells),
        "looks": (2, 4, cells, cells),
        "boxes": (2, 4, cells, cells),
        "visible": (2, cells, cells),
        "settings": (2, 2),
        "times": (2, 2),
        "styles": (2, 2),
        "features": (2, 8),
    }
    assert (answers.features >= 0).all()


def test_looks_are_none_then_colours_then_materials():
    assert SMALL.looks == ("", "red", "blue", "cheese")


def test_a_picture_is_judged_alike_alone_and_among_others():
    judge, pictures = _judge(), _pictures(5)
    together = judge(pictures)
    for index in range(5):
        alone = judge(pictures[index : index + 1])
        for name in Answers._fields:
            torch.testing.assert_close(getattr(alone, name)[0], getattr(together, name)[index])


def test_answers_move_with_the_picture_by_whole_coarse_cells():
    """A convolutional judge sees a thing alike wherever it stands, away from the frame."""
    config = dataclasses.replace(SMALL, resolution=96, depths=(0, 0, 0))
    torch.manual_seed(0)
    judge = Judge(config).eval()
    with torch.no_grad():
        judge.picture_in.weight.zero_()  # the frame, which does not move, is in it
    here, there = torch.zeros(1, 3, 96, 96), torch.zeros(1, 3, 96, 96)
    patch = _pictures(1, 16)
    here[:, :, 32:48, 32:48] = patch
    there[:, :, 48:64, 32:48] = patch
    first, second = judge(here).objects, judge(there).objects
    step = 16 // CELL
    moved = second[:, :, 6 + step : 12 + step, 6:14]
    torch.testing.assert_close(first[:, :, 6:12, 6:14], moved)


@pytest.mark.parametrize("resolution", [0, 24, -16])
def test_a_resolution_that_does_not_halve_is_refused(resolution):
    with pytest.raises(InputError, match="resolution"):
        dataclasses.replace(SMALL, resolution=resolution)
