"""What the tests of verbs share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nonette.cli import _progress
from nonette.cli import main as frame

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Runs `nonette` in an empty folder: exit status, standard output and error."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PROMPT", raising=False)
    monkeypatch.setattr(_progress, "LINE_EVERY", 1e9)  # a busy machine prints no lines either

    def run(*words: str) -> tuple[int, str, str]:
        status = frame.main(list(words))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run
