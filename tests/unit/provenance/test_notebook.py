"""A drawing shows itself as its grid, and its pictures as themselves."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nonette.core.errors import InputError
from nonette.core.flat import FlatEngine
from nonette.core.types import Drawing, Picture, Request
from nonette.provenance import encode as files
from nonette.provenance.notebook import ShownDrawing, show


@pytest.fixture
def shown() -> ShownDrawing:
    return show(FlatEngine((16, 16)).draw([Request(prompt="a cat", seed=7)])[0])


def test_it_is_still_a_drawing(shown: ShownDrawing) -> None:
    assert isinstance(shown, Drawing)
    assert len(shown) == 9
    assert [picture.seed for picture in shown] == [picture.seed for picture in shown.pictures]
    assert isinstance(shown[0], Picture)


def test_a_notebook_sees_the_grid_and_each_picture(shown: ShownDrawing) -> None:
    with Image.open(io.BytesIO(shown._repr_png_())) as image:
        assert image.size == (48, 48)  # a gap is a thirty-second of 16 pixels: none
    with Image.open(io.BytesIO(shown[2]._repr_png_())) as image:
        assert np.array_equal(np.asarray(image), shown[2].pixels)
    assert files.read(shown._repr_png_())["prompt"] == "a cat"


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.jpg", "a.JPEG"])
def test_it_saves_itself_marked(shown: ShownDrawing, tmp_path: Path, name: str) -> None:
    assert files.read(shown.save(tmp_path / name).read_bytes())["seed"] == 7
    content = shown[0].save(tmp_path / name, with_prompt=False).read_bytes()
    assert "prompt" not in files.read(content)


def test_an_ending_that_is_no_format(shown: ShownDrawing, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in one of \.png"):
        shown.save(tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())
