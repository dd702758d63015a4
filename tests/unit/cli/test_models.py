"""`nonette models`: what is there, what it is, and one damaged folder that hides nothing."""

import json

import pytest

import tiny_model
from nonette.checkpoints import store
from nonette.cli.main import main


@pytest.fixture
def models(tmp_path, monkeypatch):
    """The folder of models, with two of them and none bundled."""
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path))
    monkeypatch.setattr(store, "BUNDLED", tmp_path / "nothing")
    tiny_model.write(tmp_path / "models")
    return tmp_path / "models"


def printed(capsys, *argv):
    """What a command that succeeds prints."""
    assert main(argv) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_the_list_names_every_model_with_its_system(models, capsys):
    lines = printed(capsys, "models", "list").splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["tiny-ar", "dalle_mini"],
        ["tiny-clip", "clip"],
    ]


def test_the_default_model_is_marked(models, capsys, monkeypatch):
    monkeypatch.setattr(store, "DEFAULT", "tiny-ar")
    lines = printed(capsys, "models", "list").splitlines()
    assert [line.startswith("* ") for line in lines] == [True, False]


def test_the_list_for_programs(models, capsys):
    rows = json.loads(printed(capsys, "models", "list", "--json"))
    assert [row["name"] for row in rows] == ["tiny-ar", "tiny-clip"]
    size = sum(path.stat().st_size for path in (models / "tiny-ar").glob("*.safetensors"))
    assert rows[0] == {
        "name": "tiny-ar",
        "system": "dalle_mini",
        "folder": str(models / "tiny-ar"),
        "bytes": size,
        "is_default": False,
        "error": None,
    }


def test_a_damaged_model_does_not_hide_the_others(models, capsys):
    (models / "tiny-clip" / "config.json").write_text("{")
    rows = json.loads(printed(capsys, "models", "list", "--json"))
    assert [row["error"] is None for row in rows] == [True, False]
    assert "config.json is damaged" in printed(capsys, "models", "list")


def test_without_models_the_list_says_where_to_put_them(models, capsys, monkeypatch):
    monkeypatch.setenv("NONETTE_HOME", str(models / "empty"))
    assert str(models / "empty" / "models") in printed(capsys, "models", "list")
    assert json.loads(printed(capsys, "models", "list", "--json")) == []


@pytest.mark.parametrize("by", ["name", "path"])
def test_a_model_is_shown_by_name_and_by_path(models, capsys, by):
    name = "tiny-ar" if by == "name" else str(models / "tiny-ar")
    shown = printed(capsys, "models", "show", name)
    assert shown.startswith("tiny-ar: dalle_mini, ")
    assert '"image_length": 4' in shown and "# Tiny" in shown
    assert tiny_model.CAPTIONS[0] in shown
    facts = json.loads(printed(capsys, "models", "show", name, "--json"))
    assert facts["settings"] == tiny_model.SETTINGS
    assert facts["networks"]["bart"]["network"] == "bart"
    assert facts["examples"] == list(tiny_model.CAPTIONS[:2])


@pytest.mark.parametrize(
    "name", ["tiny-art", "", "../models/tiny-ar\0", "x" * 10_000, "\x1b[31m", "/", "\ud800"]
)
def test_an_unknown_model_is_one_line_and_status_2(models, capsys, name):
    assert main(["models", "show", name]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and captured.err.strip().isprintable()
