"""The frame of the command line: statuses, one-line errors, lazy verbs, readers that leave."""

import sys
from types import ModuleType
from typing import Annotated

import pytest
import typer

from nonette.cli import main as frame
from nonette.core.errors import CheckpointError, InputError, NonetteError, Stopped


def bare(message: str) -> Exception:
    return FileNotFoundError(2, "No such file or directory", message)


@pytest.fixture
def verb(monkeypatch):
    """Makes a function the one verb there is, `probe`."""

    def install(function):
        module = ModuleType("probe_module")
        module.probe = function
        monkeypatch.setitem(sys.modules, "probe_module", module)
        monkeypatch.setattr(frame, "VERBS", {"probe": frame.Verb("probe_module:probe", "Probe.")})

    return install


@pytest.fixture
def run_verb(run_python, tmp_path):
    """Runs `nonette probe` in a process of its own; the body of `probe` is given as source."""

    def run(body, before=""):
        (tmp_path / "probe_module.py").write_text(
            f"import os, signal\ndef probe() -> None:\n{body}"
        )
        return run_python(
            "-c",
            f"{before}\nimport sys\nfrom nonette.cli import main as frame\n"
            "frame.VERBS = {'probe': frame.Verb('probe_module:probe', 'Probe.')}\n"
            "sys.exit(frame.main(['probe']))",
        )

    return run


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (
            InputError("seed", -1, "it must be at least 0"),
            2,
            "seed is -1, but it must be at least 0",
        ),
        (CheckpointError("model.safetensors is damaged"), 2, "model.safetensors is damaged"),
        (NonetteError("the disk\nis full"), 1, "the disk is full"),
        (Stopped("stopped at step 3"), 130, "stopped at step 3"),
        (bare("grid.png"), 1, "grid.png: No such file or directory"),
        (OSError("odd"), 1, "odd"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_becomes_one_line_and_a_status(verb, capsys, error, status, line):
    def fail() -> None:
        raise error

    verb(fail)
    assert frame.main(["probe"]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (f"nonette: {line}\n" if line else "")


def test_a_debugger_may_see_the_traceback(verb, monkeypatch):
    def fail() -> None:
        raise InputError("seed", -1, "no")

    verb(fail)
    monkeypatch.setenv("NONETTE_DEBUG", "1")
    with pytest.raises(InputError):
        frame.main(["probe"])


def test_a_bug_is_not_dressed_up_as_a_mistake(verb):
    def fail() -> None:
        raise ValueError("a bug")

    verb(fail)
    with pytest.raises(ValueError, match="a bug"):
        frame.main(["probe"])


def test_a_verb_gets_its_words(verb, capsys):
    def probe(prompt: str, count: Annotated[int, typer.Option("-n")] = 9) -> None:
        """Probe."""
        typer.echo(f"{prompt!r} {count}")

    verb(probe)
    assert frame.main(["probe", "-n", "3", 'it\'s $5 "now" `id`']) == 0
    assert capsys.readouterr().out == "'it\\'s $5 \"now\" `id`' 3\n"


@pytest.mark.parametrize(
    "argv", [[], ["nonsense"], ["--nonsense"], ["probe", "--count", "x"], ["probe", "y"]]
)
def test_words_that_are_not_understood_end_with_2(verb, capsys, argv):
    def probe(count: int = 9) -> None:
        raise AssertionError("must not run")

    verb(probe)
    assert frame.main(argv) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_almost_right_verb_is_suggested(capsys):
    assert frame.main(["drow"]) == 2
    assert "Did you mean 'draw'?" in capsys.readouterr().err


def test_the_version_is_shown(capsys):
    assert frame.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("nonette ")


def test_python_dash_m_is_the_same_command(run_python):
    done = run_python("-m", "nonette.cli", "models", "list")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_leaves_is_no_error(run_verb):
    """As `nonette … | head -1` does: the pipe breaks while the verb still writes, or after it."""
    nobody_reads = "import os; reader, pipe = os.pipe(); os.dup2(pipe, 1); os.close(reader)"
    for body in ("    while True: print('word ' * 1000)", "    print('word')"):
        done = run_verb(body, before=nobody_reads)
        assert (done.returncode, done.stderr) == (1, "")


def test_a_terminal_of_few_letters_gets_question_marks(run_python, tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text(
        '{"format": 1, "name": "tiny", "system": "none", "networks": {}, "settings": {}}'
    )
    (tmp_path / "tiny" / "card.md").write_text("a 狐 b", encoding="utf-8")
    words = ["-m", "nonette.cli", "models", "show", "./tiny"]
    done = run_python(*words, PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("a ? b\n")


def test_interrupting_a_verb_ends_with_130_and_no_traceback(run_verb):
    done = run_verb("    os.kill(os.getpid(), signal.SIGINT); signal.pause()")
    assert (done.returncode, done.stderr) == (130, "")
