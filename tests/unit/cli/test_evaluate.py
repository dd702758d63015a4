"""`nonette evaluate` through the real command line, with a tiny model and a tiny judge."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import tiny_model
from nonette.checkpoints import format as checkpoints
from nonette.checkpoints import store
from nonette.cli import _progress
from nonette.cli import main as frame
from nonette.data.scenes import world as _exam_worlds
from nonette.data.scenes.world import TINY_WORLD
from nonette.evaluation import scenes as suites
from nonette.evaluation.prompts import CATEGORIES
from nonette.models.judge import Config, Judge
from nonette.models.upsampler import Upsampler, UpsamplerConfig
from nonette.provenance import encode as files
from nonette.training.objectives.judge import words_of

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    settings = tiny_model.SETTINGS | {"world": TINY_WORLD.name, "candidates": 9}
    tiny_model.write(home / "models", settings=settings)
    config = Config(
        resolution=32,
        **words_of(TINY_WORLD),
        stem_width=4,
        widths=(8, 8, 8),
        depths=(0, 0, 0),
        head_width=8,
        feature_width=8,
    )
    torch.manual_seed(0)
    checkpoints.write(
        home / "models" / "scenes-judge",
        name="scenes-judge",
        system="judge",
        networks={"judge": Judge(config)},
        registry_names={"judge": "judge"},
        settings={"thresholds": {"centre": 0.001}},
        files={},
        card="# Judge\n",
        dtype=torch.bfloat16,
    )
    return home


@pytest.fixture
def run(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs `nonette evaluate` with the tiny model as the default, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NONETTE_HOME", str(home))
    monkeypatch.setattr(store, "DEFAULT", "tiny-ar")
    monkeypatch.setattr(store, "BUNDLED", home / "none")
    monkeypatch.setattr(_progress, "LINE_EVERY", 1e9)
    small = suites.Plan(evaluator_renders=8, training_captions=40, training_renders=20)
    monkeypatch.setattr(suites, "QUICK", small)

    def call(*words: str) -> tuple[int, str, str]:
        status = frame.main(["evaluate", *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def test_a_whole_evaluation_writes_its_reports_and_goes_on_from_its_drawings(run, tmp_path):
    words = ("scenes", "--quick", "--pictures", "36", "-o", "out", "--threads", "1")
    status, out, err = run(*words, "--json")
    assert status == 0, err
    values = json.loads(out)
    assert values["model"] == "tiny-ar"
    assert values["candidates"] == 9
    assert [score["name"] for score in values["categories"]] == [c.name for c in CATEGORIES]
    assert values == json.loads((tmp_path / "out" / "report.json").read_text())
    assert values["memorisation"] is None
    assert any("training renders" in note for note in values["notes"])
    assert (tmp_path / "out" / "report.md").read_text().startswith("# Scene accuracy of tiny-ar")
    record = files.read((tmp_path / "out" / "failures.png").read_bytes())
    assert record["model"] == "tiny-ar"

    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert "--force" in err and len(err.splitlines()) == 1
    drawings = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.npz")}
    status, out, err = run(*words, "--force")
    assert status == 0, err
    assert "one object" in out and "report.md" in out
    assert drawings == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.npz")}

    pages(run, tmp_path)


def pages(run: Run, place: Path) -> None:
    """The blind look at the same drawings; the answers say what the judge says of nothing."""
    words = ("blind", "--pictures", "36", "-o", "out", "--threads", "1")
    status, out, err = run(*words)
    assert status == 0, err
    blind = place / "out" / "blind"
    assert len(list(blind.glob("page-*.png"))) == 8
    table = (blind / "answers.csv").read_text()
    assert len(list(csv.DictReader(table.splitlines()))) == 200
    assert "kangaroo" not in table
    assert "kangaroo" in (blind / "words.txt").read_text()
    status, out, err = run(*words, "--answers", str(blind / "answers.csv"), "--json")
    assert status == 0, err
    assert json.loads(out)["num_pictures"] == 200
    assert (blind / "agreement.json").is_file()
    status, _, err = run(*words, "--seed", "3", "--answers", str(blind / "answers.csv"))
    assert status == 2 and "another exam" in err
    (blind / "half.csv").write_text("\n".join(table.splitlines()[:9]))
    status, _, err = run(*words, "--answers", str(blind / "half.csv"))
    assert status == 2 and "is missing" in err
    status, _, err = run(*words)
    assert status == 2 and "--force" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--pictures", "0"), "not enough data"),
        (("--pictures", "1"), "not enough data"),
        (("--pictures", "1000000"), "--pictures is 1000000"),
        (("--seed", "-1", "--pictures", "36"), "seed is -1"),
        (("--model", "nothing-of-that-name"), "model is 'nothing-of-that-name'"),
        (("--judge", "nothing-of-that-name"), "--judge is 'nothing-of-that-name'"),
        (("--judge", "tiny-clip"), "not a judge"),
        (("--model", "tiny-clip"), "it does not draw"),
        (("--threads", "0"), "threads is 0"),
        (("-o", "/dev/null/out"), "--output"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run, words, told):
    status, out, err = run("scenes", *words)
    assert (status, out) == (2, ""), err
    assert told in err
    assert len(err.splitlines()) == 1
    assert list(Path().iterdir()) == []


def test_edits_of_a_model_that_can_are_judged_and_kept(run, tmp_path, monkeypatch):
    monkeypatch.setattr(_exam_worlds, "CPU_WORLD", TINY_WORLD)
    words = ("edits", "--model", "flat", "--trials", "8", "--feather", "2", "-o", "out")
    status, out, err = run(*words, "--json")
    assert status == 0, err
    values = json.loads(out)
    assert (values["model"], values["feather"]) == ("flat", 2)
    assert values["filling"]["exact"]["value"] == values["extending"]["exact"]["value"] == 1
    assert values["extending"]["num_trials"] == 8
    assert values == json.loads((tmp_path / "out" / "edits.json").read_text())
    assert (tmp_path / "out" / "edits.md").read_text().startswith("# Edits of flat")
    for name in ("filled.png", "extended.png"):
        assert files.read((tmp_path / "out" / name).read_bytes())["model"] == "flat"
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.npz")}
    assert len(kept) == 16
    status, out, err = run(*words)
    assert (status, out) == (2, "") and "--force" in err
    status, out, err = run(*words, "--force")
    assert status == 0 and "outside kept exactly     1.000 of 8" in out
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.npz")}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--model is 'tiny-ar', but it can only draw and enlarge, not edit"),
        (("--trials", "7"), "not enough data"),
        (("--candidates", "0"), "--candidates"),
        (("--feather", "65"), "--feather"),
    ],
)
def test_edits_that_cannot_be_examined_are_refused(run, words, told):
    status, out, err = run("edits", *words)
    assert (status, out) == (2, ""), err
    assert told in err
    assert not list(Path().rglob("*.npz"))


def test_steps_are_compared_on_the_same_sentences_and_seeds(run, tmp_path, monkeypatch):
    monkeypatch.setattr(_exam_worlds, "CPU_WORLD", TINY_WORLD)
    words = ("steps", "--model", "flat", "--teacher", "flat", "--pictures", "36", "-o", "out")
    words += ("--teacher-steps", "2", "--steps", "1")
    status, out, err = run(*words, "--json")
    assert status == 0, err
    teacher, student = json.loads(out)
    assert (teacher["steps"], student["steps"]) == (2, 1)
    assert student["lost"] == {"value": 0, "low": 0, "high": 0}
    assert json.loads(out) == json.loads((tmp_path / "out" / "steps.json").read_text())
    kept = list((tmp_path / "out").rglob("*.npz"))
    assert len(kept) == 2 * 34, "a drawing for each sentence and number of steps"
    status, out, err = run("steps", "--teacher", "none", "-o", "other")
    assert status == 2 and "there is no model of that name" in err


def upsampler(home: Path) -> None:
    """Put an upsampler that is bicubic enlargement beside the other models."""
    checkpoints.write(
        home / "models" / "scenes-upsampler",
        name="scenes-upsampler",
        system="upsampler",
        networks={"upsampler": Upsampler(UpsamplerConfig(factor=2, width=8, num_blocks=1))},
        registry_names={"upsampler": "upsampler"},
        settings={"world": TINY_WORLD.name, "resolution": 32},
        files={},
        card="# Upsampler\n",
        dtype=torch.bfloat16,
        is_replacing=True,
    )


def test_enlarging_is_held_against_lanczos(run, home, tmp_path):
    upsampler(home)
    words = ("enlarging", "--pictures", "8", "--threads", "1", "-o", "out")
    status, out, err = run(*words, "--json")
    assert status == 0, err
    values = json.loads(out)
    assert set(values["kinds"]) == {"well made", "remade by tiny-ar"}
    assert values["kinds"]["well made"]["num_pictures"] == 8
    assert abs(values["kinds"]["well made"]["gain"]) < 2, "bicubic is no better"
    assert values["seconds"] > 0
    assert values == json.loads((tmp_path / "out" / "enlarging.json").read_text())
    assert (tmp_path / "out" / "enlarged.png").is_file()
    assert run(*words)[0] == 2
    status, out, _ = run(*words, "--force")
    assert status == 0 and "well made: PSNR" in out and "9 pictures of 128 pixels" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--pictures", "3"), "not enough data"),
        (("--upsampler", "tiny-clip"), "--upsampler is 'tiny-clip', but it does not enlarge"),
        (("--upsampler", "nowhere"), "--upsampler is 'nowhere'"),
        (("--model", "nowhere"), "model is 'nowhere'"),
        (("--model", "tiny-clip"), "it has no autoencoder that reads pictures"),
    ],
)
def test_what_does_not_enlarge_is_refused(run, home, words, told):
    upsampler(home)
    status, out, err = run("enlarging", *words)
    assert (status, out) == (2, ""), err
    assert told in err and len(err.splitlines()) == 1
