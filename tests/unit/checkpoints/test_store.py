"""Names become folders in the store and nowhere else."""

from pathlib import Path

import pytest

from nonette.checkpoints import store
from nonette.core.errors import InputError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with one bundled model and two of the person's own, one of them of the same name."""
    bundled, home = tmp_path / "bundled", tmp_path / "home"
    for folder in (bundled / "scenes", home / "models" / "scenes", home / "models" / "mine"):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    (home / "models" / "empty").mkdir()
    (home / "config.json").write_text("{}")
    monkeypatch.setattr(store, "BUNDLED", bundled)
    monkeypatch.setenv("NONETTE_HOME", str(home))
    return home


def test_names_and_order(home: Path) -> None:
    assert store.names() == ("mine", "scenes")
    assert store.find("mine") == home / "models" / "mine"
    assert store.find("scenes") == store.BUNDLED / "scenes"
    assert store.find("") == store.find(store.DEFAULT)


def test_a_path_is_a_model_where_paths_are_allowed(home: Path, tmp_path: Path) -> None:
    assert store.find(str(home / "models" / "mine")) == home / "models" / "mine"
    with pytest.raises(InputError):
        store.find(str(home / "models" / "mine"), allows_paths=False)


@pytest.mark.parametrize(
    "name",
    [
        "../home",
        "..",
        ".",
        "/etc",
        "mine/../../home",
        "models\\mine",
        "mine\0",
        "CON:",
        "a" * 5000,
        "mine\n",
    ],
)
def test_names_never_leave_the_store(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(home / "models")
    with pytest.raises(InputError) as caught:
        store.find(name, allows_paths=False)
    assert caught.value.field == "model"
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["nowhere/at/all", "mine\0", "\ud800", "a" * 5000, "\x1b[2J"])
def test_a_path_that_is_none_is_refused(home: Path, path: str) -> None:
    with pytest.raises(InputError, match="model is "):
        store.find(path)


def test_a_near_name_is_suggested(home: Path) -> None:
    with pytest.raises(InputError, match=r"model is 'scene', .* did you mean 'scenes'"):
        store.find("scene")
    with pytest.raises(InputError, match="choices: mine, scenes"):
        store.find("stable-diffusion")
