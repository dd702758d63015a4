"""`nonette data scenes`: captions, ground truth and sheets, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nonette.cli.main import main
from nonette.data.scenes import sheet
from nonette.data.scenes.dataset import SceneDataset
from nonette.data.scenes.world import CPU_WORLD
from nonette.provenance import encode


def test_captions_are_those_of_the_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "scenes", "-n", "5", "--seed", "7"]) == 0
    dataset = SceneDataset(world=CPU_WORLD, seed=7)
    assert capsys.readouterr().out.splitlines() == [dataset[i]["caption"] for i in range(5)]


def test_the_ground_truth_comes_as_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "scenes", "-n", "3", "--json", "--world", "full", "--language", "en"]
    assert main(words) == 0
    for line in capsys.readouterr().out.splitlines():
        truth = json.loads(line)
        assert set(truth) == {"caption", "scene", "boxes"}
        counts = [thing["count"] for thing in truth["scene"]["things"]]
        assert len(truth["boxes"]) == sum(counts)


def test_a_sheet_is_saved_and_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sheet.png"
    words = ["data", "scenes", "-n", "6", "--size", "64", "--preview", str(path)]
    assert main(words) == 0
    assert "6 scenes of the cpu world" in capsys.readouterr().out
    content = path.read_bytes()
    record = encode.read(content)["sheet"]
    assert record == {"world": "cpu", "seed": 3_000_000, "size": 64, "split": "train"}
    with Image.open(io.BytesIO(content)) as image:
        assert min(image.size) > 128
    assert main(words) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["-n", "0"], "-n is '0', but it must be a whole number from 1 to 1,024"),
        (["-n", "many"], "-n is 'many', but it must be a whole number from 1 to 1,024"),
        (["-n", "9" * 5000], "it must be a whole number from 1 to 1,024"),
        (["--size", "4096"], "--size is '4096', but it must be a whole number from 32 to 512"),
        (["--seed", "-1"], "--seed is '-1', but it must be a whole number from 0 to"),
        (["--world", "mars"], "--world is 'mars', but it must be one of tiny, cpu, full"),
        (["--language", "la"], "--language is 'la', but it must be one of en, fr, both"),
        (["--split", "test"], "--split is 'test', but it must be one of train, held_out, all"),
        (["--preview", "sheet.jpg"], "--preview is 'sheet.jpg', but it must end in .png"),
        (["--preview", "/proc/x/sheet.png"], "nothing can be written there"),
    ],
)
def test_mistakes_get_one_clear_line(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "scenes", *words]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1


def test_a_sheet_holds_every_picture_and_wraps_its_caption() -> None:
    pictures = [np.full((40, 40, 3), 10 * i, np.uint8) for i in range(5)]
    captions = [
        "un œuf à côté d'un château",
        "a",
        "",
        "a very long word: antidisestablishment",
        "b",
    ]
    composed = sheet.compose(pictures, captions)
    for i in range(1, 5):
        assert np.count_nonzero((composed == 10 * i).all(axis=2)) >= 1600
    plain = sheet._in_latin(captions[0])
    assert plain == "un oeuf à côté d'un château"
    lines = sheet._wrap(plain, sheet.ImageFont.load_default_imagefont(), 60)
    assert " ".join(lines) == plain
    assert len(lines) > 2
