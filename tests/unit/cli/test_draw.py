"""`nonette draw` through the real command line: what it writes, prints and refuses."""

import io
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny_model
from nonette.checkpoints import store
from nonette.cli import _files, _progress
from nonette.core.errors import InputError
from nonette.core.types import MAX_RANDOM_SEED, MAX_SEED, Progress
from nonette.provenance import encode as files

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    tiny_model.write(home / "models")
    return home


@pytest.fixture
def run(home: Path, call: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `nonette draw` with the tiny model as the default, in an empty folder."""
    monkeypatch.setenv("NONETTE_HOME", str(home))
    monkeypatch.setattr(store, "DEFAULT", "tiny-ar")
    return lambda *words: call("draw", *words)


def refused(run: Run, *words: str, status: int = 2) -> str:
    """The one line that refuses the command; nothing is written and nothing printed."""
    before = sorted(Path().rglob("*"))
    got, out, err = run(*words)
    assert (got, out) == (status, ""), err
    assert err.startswith("nonette: ")
    assert err.count("\n") == 1
    assert len(err) < 500
    assert sorted(Path().rglob("*")) == before
    return err


def names() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


def test_a_grid_of_nine_and_what_is_told(run: Run) -> None:
    status, out, err = run("a red cat by the Eiffel Tower", "--seed", "5")
    assert (status, err) == (0, "")
    assert names() == ["grid.png"]
    with Image.open("grid.png") as image:
        assert image.size == (48, 48)
    record = files.read(Path("grid.png").read_bytes())
    assert (record["prompt"], record["seed"]) == ("a red cat by the Eiffel Tower", 5)
    seeds = [picture["seed"] for picture in record["pictures"]]
    assert len(seeds) == 9
    first, *told, again, unknown = out.splitlines()
    assert first.startswith("grid.png: 9 pictures by tiny-ar, best first, in ")
    assert [int(line.split()[1]) for line in told] == seeds
    assert all("score" in line for line in told)
    assert again == "the same again: --seed 5"
    assert unknown == "never seen in training: by, Eiffel, Tower"


def test_json_is_all_that_is_printed(run: Run) -> None:
    status, out, err = run("un chat à Paris", "-n", "2", "--seed", "5", "--json", "--each", "all")
    assert (status, err) == (0, "")
    result = json.loads(out)
    assert list(result) == ["model", "prompt", "grid", "seconds", "unknown_words", "pictures"]
    assert result["model"] == "tiny-ar"
    assert result["prompt"] == "un chat à Paris"
    assert result["grid"] == "grid.png"
    assert result["seconds"] > 0
    assert result["unknown_words"] == ["Paris"]
    assert [list(picture) for picture in result["pictures"]] == [["seed", "score", "path"]] * 2
    scores = [picture["score"] for picture in result["pictures"]]
    assert scores == sorted(scores, reverse=True)
    for picture in result["pictures"]:
        assert picture["path"] == os.path.join("all", f"{picture['seed']}.png")
        assert files.read(Path(picture["path"]).read_bytes())["seed"] == picture["seed"]
    assert len(names()) == 3


def test_each_picture_is_the_one_in_the_grid(run: Run) -> None:
    _, out, _ = run("a cat", "-n", "2", "--seed", "5", "--json", "--each", ".")
    with Image.open("grid.png") as image:
        sheet = np.asarray(image)
    for i, picture in enumerate(json.loads(out)["pictures"]):
        with Image.open(picture["path"]) as image:
            assert np.array_equal(np.asarray(image), sheet[:, 16 * i : 16 * (i + 1)])


def test_the_same_seed_is_the_same_file(run: Run) -> None:
    for name in ("a.png", "b.png", "c.webp"):
        assert run("a cat", "-o", name, "--seed", "12", "--guidance", "3", "--top-k", "9")[0] == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    with Image.open("a.png") as png, Image.open("c.webp") as webp:
        assert np.array_equal(np.asarray(png), np.asarray(webp))


def test_a_seed_by_lot_is_told_and_draws_again(run: Run) -> None:
    _, out, _ = run("a cat", "-n", "1")
    seed = int(out.split("--seed ")[1].split()[0])
    assert 0 <= seed < MAX_RANDOM_SEED
    run("a cat", "-n", "1", "--seed", str(seed))
    assert Path("grid.png").read_bytes() == Path("grid-2.png").read_bytes()
    _, out, _ = run("a cat", "-n", "1")
    assert int(out.split("--seed ")[1].split()[0]) != seed


def test_the_sentence_may_come_from_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = 'it\'s $5 "now" `id` $(id) \\ 100% a;b'
    monkeypatch.setenv("PROMPT", prompt)
    _, out, _ = run("-n", "1", "--json")
    assert json.loads(out)["prompt"] == prompt
    _, out, _ = run("a cat", "-n", "1", "--json")  # an argument goes first
    assert json.loads(out)["prompt"] == "a cat"


def test_without_metadata_the_sentence_stays_out_and_the_mark_in(run: Run) -> None:
    run("a secret cat", "--negative", "hidden dogs", "--no-metadata", "--each", "all")
    for name in names():
        content = Path(name).read_bytes()
        assert b"secret" not in content
        assert b"hidden" not in content
        assert b"trainedAlgorithmicMedia" in content
        assert "prompt" not in files.read(content)


def test_without_ranking_pictures_come_in_the_order_of_seeds(run: Run) -> None:
    _, out, _ = run("a cat", "--no-rank", "--seed", "3", "-n", "4", "--json")
    pictures = json.loads(out)["pictures"]
    assert [(picture["seed"], picture["score"]) for picture in pictures] == [
        (seed, None) for seed in range(3, 7)
    ]


def test_every_option_reaches_the_request(run: Run) -> None:
    words = "--negative moon --candidates 7 --guidance 3 --temperature 0.5 --top-k 4 --top-p 0.9"
    run("a cat", *words.split(), "--seed", "1", "--threads", "1", "-n", "3", "--model", "tiny-ar")
    record = files.read(Path("grid.png").read_bytes())
    wanted = {
        "negative_prompt": "moon",
        "candidates": 7,
        "guidance": 3.0,
        "temperature": 0.5,
        "top_k": 4,
        "top_p": 0.9,
        "seed": 1,
        "num_pictures": 3,
        "model": "tiny-ar",
    }
    assert {key: record[key] for key in wanted} == wanted


def test_a_setting_without_effect_is_told_on_stderr(run: Run) -> None:
    status, _, err = run("a cat", "-n", "1", "--steps", "20", "--sampler", "euler")
    assert status == 0
    assert err.splitlines() == [
        f"nonette: {knob} has no effect: tiny-ar is a dalle_mini model"
        for knob in ("steps", "sampler")
    ]


def test_the_flat_engine_draws_without_weights(run: Run) -> None:
    status, out, _ = run("a cat", "--model", "flat", "--json")
    assert (status, json.loads(out)["model"]) == (0, "flat")
    with Image.open("grid.png") as image:
        assert image.size == (392, 392)


def test_default_names_go_on_and_given_names_are_kept(run: Run) -> None:
    for expected in ("grid.png", "grid-2.png", "grid-3.png"):
        _, out, _ = run("a cat", "-n", "1")
        assert out.startswith(f"{expected}: 1 picture by")
    old = Path("grid.png").read_bytes()
    assert "already" in refused(run, "a cat", "-n", "1", "-o", "grid.png")
    assert Path("grid.png").read_bytes() == old
    assert run("a cat", "-n", "1", "-o", "grid.png", "--force")[0] == 0
    assert run("a cat", "-n", "1", "--force")[0] == 0
    assert Path("grid.png").read_bytes() != old
    assert names() == ["grid-2.png", "grid-3.png", "grid.png"]


def test_folders_are_made_when_there_is_something_to_put_there(run: Run) -> None:
    assert run("a cat", "-n", "1", "-o", "new/deep/grid.jpg", "--each", "new/each")[0] == 0
    assert Path("new/deep/grid.jpg").is_file()
    assert len(list(Path("new/each").iterdir())) == 1


def test_each_overwrites_only_when_forced(run: Run) -> None:
    words = ("a cat", "-n", "2", "--seed", "5", "--each", "all")
    assert run(*words)[0] == 0
    line = refused(run, *words)
    assert "--each" in line
    assert "already" in line
    assert run(*words, "--force")[0] == 0


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], ("prompt is ''", "at least one letter or digit")),
        ([""], ("prompt is ''", "at least one letter or digit")),
        ([" \t\n\u3000"], ("prompt is", "at least one letter or digit")),
        (["\u200b\u200d"], ("prompt is", "at least one letter or digit")),
        (["\x1b[!"], ("prompt is", "letter or digit")),
        (["x" * 1_000_000], ("prompt is", "1,000,000 characters", "2,000")),
        (["a\0b"], ("prompt is", "NUL")),
        (["a\ud800"], ("prompt is", "surrogates")),
        (["a", "--negative", "a\0"], ("--negative is", "NUL")),
        (["a", "-n", "0"], ("-n is 0", "from 1 to 64")),
        (["a", "-n", "-1"], ("-n is -1", "from 1 to 64")),
        (["a", "-n", "1000000000"], ("-n is 1000000000", "from 1 to 64")),
        (["a", "--candidates", "8"], ("--candidates is 8", "from 9 to 512")),
        (["a", "--guidance", "nan"], ("--guidance is nan", "a number from 0 to 100")),
        (["a", "--guidance", "inf"], ("--guidance is inf", "a number from 0 to 100")),
        (["a", "--guidance", "1e308"], ("--guidance is 1e+308", "from 0 to 100")),
        (["a", "--temperature", "0"], ("--temperature is 0", "from 0.001 to 10")),
        (["a", "--top-k", "0"], ("--top-k is 0", "from 1")),
        (["a", "--top-p", "1.5"], ("--top-p is 1.5", "to 1")),
        (["a", "--steps", "0"], ("--steps is 0", "from 1 to 1,000")),
        (["a", "--seed", "-1"], ("--seed is -1", "from 0 to 9,007,199,254,740")),
        (["a", "--seed", str(2**64)], (f"--seed is {2**64}", "from 0 to 9,007,199,254,740")),
        (["a", "--seed", str(MAX_SEED)], ("--seed is", "from 0 to 9,007,199,254,740")),
        (["a", "--seed", "1.5"], ("--seed is '1.5'", "a whole number")),
        (["a", "--seed", "abc"], ("--seed is 'abc'", "a whole number")),
        (["a", "--seed", "9" * 9999], ("--seed is '999", "a whole number")),
        (["a", "-n", "many"], ("-n is 'many'", "a whole number")),
        (["a", "--guidance", "much"], ("--guidance is 'much'", "a number")),
        (["a", "--threads", "0"], ("--threads is 0", "from 1 to 1,024")),
        (["a", "--threads", "1000000"], ("--threads is 1000000", "from 1 to 1,024")),
        (["a", "--device", "openvino"], ("--device is 'openvino'", "Stable Diffusion", "tiny-ar")),
        (["a", "--device", "gpu"], ("--device is 'gpu'", "'cpu' or 'auto'")),
        (["a", "--model", "tiny-at"], ("--model is 'tiny-at'", "did you mean 'tiny-ar'")),
        (["a", "--model", "../../etc"], ("--model is '../../etc'", "choices: ")),
        (["a", "--model", "m\0"], ("--model is", "NUL")),
        (["a", "--model", "x" * 10_000], ("--model is", "10,000 characters")),
        (["a", "--model", "tiny-clip"], ("--model is 'tiny-clip'", "does not draw")),
        (["a", "-o", "grid.gif"], ("--output is 'grid.gif'", ".png, .webp")),
        (["a", "-o", "grid"], ("--output is 'grid'", ".png, .webp")),
        (["a", "-o", ""], ("--output is", "")),
        (["a", "-o", "taken/grid.png"], ("--output is", "Not a directory")),
        (["a", "-o", "/proc/grid.png"], ("--output is '/proc/grid.png'", "No such file")),
        (["a", "-o", "x" * 300 + ".png"], ("--output is", "File name too long")),
        (["a", "-o", "folder.png"], ("--output is 'folder.png'", "not a file")),
        (["a", "-o", "folder.png", "--force"], ("--output is 'folder.png'", "not a file")),
        (["a", "--each", "taken"], ("--each is 'taken'", "Not a directory")),
        (["a", "--each", "/proc/all"], ("--each is '/proc/all'", "No such file")),
    ],
    ids=lambda words: " ".join(words)[:40].encode("ascii", "backslashreplace").decode(),
)
def test_bad_input_is_one_line(run: Run, words: list[str], parts: tuple[str, ...]) -> None:
    Path("taken").write_text("a file")
    Path("folder.png").mkdir()
    line = refused(run, *words)
    for part in parts:
        assert part in line


def damage(home: Path, tmp_path: Path, change: Callable[[Path], None]) -> str:
    """A copy of the tiny model with one weights file changed; its path."""
    folder = tiny_model.write(tmp_path / "models")
    change(folder)
    return str(folder)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (
            lambda f: os.truncate(f / "bart.safetensors", 5_000),
            ("bart.safetensors is damaged",),
        ),
        (
            lambda f: os.truncate(f / "vqgan.safetensors", 0),
            ("vqgan.safetensors is damaged", "0 bytes"),
        ),
        (
            lambda f: (f / "vqgan.safetensors").write_bytes(pickle.dumps([1.0] * 99)),
            ("vqgan.safetensors is a pickle", "only safetensors"),
        ),
        (
            lambda f: (f / "vqgan.safetensors").write_bytes(b"\xff" * 7 + b"\x7f{" + bytes(99)),
            ("vqgan.safetensors is damaged", "header claims"),
        ),
        (lambda f: (f / "config.json").write_text("{"), ("config.json", "JSON")),
        (lambda f: (f / "config.json").unlink(), ("config.json is missing",)),
        (lambda f: (f / "tokenizer.json").write_text("{}"), ("tokenizer.json",)),
        (lambda f: (f / "vocabulary.json").write_text("[]"), ("vocabulary.json",)),
        (
            lambda f: os.truncate(f.parent / "tiny-clip" / "clip.safetensors", 900),
            ("clip.safetensors is damaged",),
        ),
    ],
)
def test_a_damaged_model_is_one_line(
    run: Run, home: Path, tmp_path: Path, change: Callable[[Path], None], parts: tuple[str, ...]
) -> None:
    line = refused(run, "a cat", "--model", damage(home, tmp_path, change))
    for part in parts:
        assert part in line


@pytest.mark.parametrize("failing_call", [1, 2, 3, 4, 5])
def test_a_full_disk_leaves_nothing_half_written(
    run: Run, monkeypatch: pytest.MonkeyPatch, failing_call: int
) -> None:
    Path("grid.png").write_bytes(b"old")
    calls = 0
    original = os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing_call:
            raise OSError(28, "No space left on device")
        original(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    words = ("a cat", "-n", "2", "--seed", "1", "-o", "grid.png", "--force", "--each", ".")
    status, out, err = run(*words)
    assert status in (1, 2)
    assert (out, err.count("\n")) == ("", 1)
    assert "No space left" in err
    assert names() == ["grid.png"]
    assert Path("grid.png").read_bytes() == b"old"


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    _files.check(tmp_path / "a.png", "--output", is_forced=False)
    (tmp_path / "a.png").write_bytes(b"a stranger's")
    with pytest.raises(InputError, match="already"):
        _files.write_all({tmp_path / "a.png": b"ours"}, "--output", is_forced=False)
    assert (tmp_path / "a.png").read_bytes() == b"a stranger's"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_system_without_links_is_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*paths: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    _files.write_all({tmp_path / "a.png": b"ours"}, "--output", is_forced=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


INTERRUPTED = """
import os, signal, sys
from nonette import engine
original = engine.LocalEngine.draw
def draw(self, requests, on_progress=None, should_stop=None):
    def interrupt(event):
        if event.phase == {phase!r}:
            os.kill(os.getpid(), signal.SIGINT)
    return original(self, requests, interrupt, should_stop)
engine.LocalEngine.draw = draw
from nonette.cli.main import main
sys.exit(main(["draw", "a cat", "--model", {model!r}, "--each", "all"]))
"""


@pytest.mark.parametrize("phase", ["drawing", "ranking"])
def test_interrupting_ends_with_130_and_leaves_nothing(
    run_python, home: Path, tmp_path: Path, phase: str
) -> None:
    model = str(home / "models" / "tiny-ar")
    done = run_python("-c", INTERRUPTED.format(phase=phase, model=model))
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_real_command_in_a_process_of_its_own(run_python, home: Path, tmp_path: Path) -> None:
    model = str(home / "models" / "tiny-ar")
    done = run_python(
        "-m", "nonette.cli", "draw", "--model", model, "--json", PROMPT="it's $5 `id`"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prompt"] == "it's $5 `id`"
    assert (tmp_path / "grid.png").is_file()
    bad = run_python(
        "-m", "nonette.cli", "draw", b"caf\xe9 \xff".decode("utf-8", "surrogateescape")
    )
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "surrogates" in bad.stderr
    assert bad.stderr.count("\n") == 1


def test_bad_words_are_refused_before_torch_is_imported(run_python) -> None:
    code = (
        "import sys; from nonette.cli.main import main; "
        "print(main(['draw', 'a', '--seed', '-1']), main(['draw', 'a', '--model', 'none']), "
        "'torch' in sys.modules)"
    )
    assert run_python("-c", code).stdout.split() == ["2", "2", "False"]


def test_help_tells_every_option_and_its_default(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    for word in ("PROMPT", "--output", "--each", "[default: 9]", "grid.png", "default: scenes]"):
        assert word in out


def test_progress_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(_progress.time, "monotonic", lambda: float(next(clock)))
    with _progress.ProgressBar() as bar:
        for done in range(1, 9):
            bar(Progress(done=done, total=8, phase="drawing" if done < 7 else "painting"))
        bar(Progress(done=1, total=1, phase="ranking"))
    assert capsys.readouterr().err.splitlines() == [
        "drawing: 3 of 8, 10 s left",
        "drawing: 6 of 8, 4 s left",
        "ranking: 1 of 1",
    ]


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with _progress.ProgressBar() as bar:
        for done in range(1, 5):
            bar(Progress(done=done, total=4, phase="drawing"))
            bar._bar.refresh()
    assert "loading" in terminal.getvalue()
    assert "drawing" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
