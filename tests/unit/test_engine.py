"""The engine keeps its word: same seed same bytes, best first, stopped and refused in time."""

import json
import sys
import typing
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import nonette
import tiny_model
from nonette import engine as engines
from nonette.checkpoints.format import Checkpoint
from nonette.core import sizes
from nonette.core.errors import (
    CheckpointError,
    InputError,
    NonetteError,
    SettingIgnored,
    Stopped,
)
from nonette.core.flat import FlatEngine
from nonette.core.types import Drawing, Picture, Progress, Request, Task
from nonette.engine import LocalEngine
from nonette.pipelines._steps import Job
from nonette.pipelines.dalle_mini import DalleMini
from nonette.provenance import encode as files
from nonette.provenance.notebook import ShownDrawing


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.write(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> LocalEngine:
    return LocalEngine(str(folder), threads=1)


def reconfigured(folder: Path, tmp_path: Path, **settings: object) -> Path:
    """A copy of the tiny model with other settings, its ranker beside it."""
    copy = tiny_model.write(tmp_path / "models")
    values = json.loads((copy / "config.json").read_text())
    values["settings"] |= settings
    (copy / "config.json").write_text(json.dumps(values))
    return copy


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def same(one: Drawing, other: Drawing) -> bool:
    return len(one) == len(other) and all(
        a.seed == b.seed and a.score == b.score and np.array_equal(a.pixels, b.pixels)
        for a, b in zip(one, other, strict=True)
    )


def test_capabilities_come_from_the_checkpoint(engine: LocalEngine) -> None:
    can = engine.capabilities()
    assert (can.model, can.system, can.tasks) == ("tiny-ar", "dalle_mini", ("draw", "enlarge"))
    assert can.native_size == tiny_model.SIZE
    assert can.default_candidates == tiny_model.CANDIDATES
    assert can.languages == ("en", "fr")
    assert can.example_prompts == tiny_model.CAPTIONS[:2]


def test_the_best_candidates_come_best_first(engine: LocalEngine) -> None:
    request = Request(prompt="a red cat", num_pictures=4, seed=7)
    (drawing,) = engine.draw([request])
    (everything,) = engine.draw([Request(prompt="a red cat", num_pictures=6, seed=7)])
    assert len(drawing) == 4
    assert {picture.seed for picture in everything} == set(range(7, 13))
    assert [picture.seed for picture in drawing] == [p.seed for p in everything][:4]
    scores = [picture.score for picture in everything]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 6
    assert scores == engine.score([p.pixels for p in everything], "a red cat")
    width, height = tiny_model.SIZE
    for picture in drawing:
        assert (picture.pixels.shape, picture.pixels.dtype) == ((height, width, 3), np.uint8)
    assert len({picture.pixels.tobytes() for picture in everything}) == 6


def test_without_ranking_the_first_come_in_order_and_no_more_are_drawn(engine: LocalEngine) -> None:
    seen: list[Progress] = []
    request = Request(prompt="a red cat", num_pictures=2, candidates=5, seed=7, ranks=False)
    (drawing,) = engine.draw([request], on_progress=seen.append)
    assert [(picture.seed, picture.score) for picture in drawing] == [(7, None), (8, None)]
    assert drawing[0].settings["candidates"] == 2
    (ranked,) = engine.draw([Request(prompt="a red cat", num_pictures=6, seed=7)])
    by_seed = {picture.seed: picture.pixels for picture in ranked}
    assert all(np.array_equal(by_seed[picture.seed], picture.pixels) for picture in drawing)


def test_a_drawing_is_the_same_alone_and_among_strangers(engine: LocalEngine) -> None:
    wanted = Request(prompt="a red cat", num_pictures=3, seed=4, guidance=3.0, temperature=0.7)
    strangers = [
        Request(prompt="deux chiens bleus", num_pictures=5, candidates=9, seed=100),
        Request(prompt="x", num_pictures=1, seed=5, top_k=3, negative_prompt="moon", ranks=False),
    ]
    (alone,) = engine.draw([wanted])
    assert same(engine.draw([wanted])[0], alone)
    assert same(engine.draw([strangers[0], wanted, strangers[1]])[1], alone)
    assert same(engine.draw([wanted, *strangers])[0], alone)


def test_every_picture_is_drawn_again_from_its_own_record(engine: LocalEngine) -> None:
    request = Request(
        prompt="a red cat", num_pictures=3, seed=40, negative_prompt="a dog", top_p=0.9
    )
    (drawing,) = engine.draw([request])
    for picture in drawing:
        record = files.read(files.encode(picture, with_prompt=True))
        (again,) = engine.draw([files.recall(record)])
        assert len(again) == 1
        assert np.array_equal(again[0].pixels, picture.pixels)
    record = files.read(files.encode_grid(drawing, with_prompt=True))
    assert same(engine.draw([files.recall(record)])[0], drawing)


def test_what_is_left_open_is_decided_and_recorded(engine: LocalEngine) -> None:
    (drawing,) = engine.draw([Request(prompt="a red cat", num_pictures=9)])
    settings = drawing[0].settings
    json.dumps(settings, allow_nan=False)
    assert settings["model"] == "tiny-ar"
    assert settings["candidates"] == 9  # at least as many as pictures
    assert (settings["guidance"], settings["temperature"]) == (2.0, 1.0)
    assert "top_k" not in settings


def test_settings_change_the_picture(engine: LocalEngine) -> None:
    plain = {"prompt": "a red cat", "num_pictures": 1, "candidates": 1, "seed": 3}
    changes = [
        {},
        {"prompt": "two blue dogs"},
        {"seed": 4},
        {"guidance": 9.0},
        {"temperature": 3.0},
        {"top_k": 1},
        {"negative_prompt": "moon"},
    ]
    drawings = engine.draw([Request(**(plain | change)) for change in changes])
    assert len({drawing[0].pixels.tobytes() for drawing in drawings}) == len(changes)


def test_words_never_seen_are_named(engine: LocalEngine) -> None:
    (drawing,) = engine.draw([Request(prompt="A cat at the Eiffel Tower", num_pictures=1)])
    assert drawing.unknown_words == ("Eiffel", "Tower")
    assert (drawing.prompt, drawing.model) == ("A cat at the Eiffel Tower", "tiny-ar")
    assert drawing.seconds > 0


def test_progress_grows_to_its_total(engine: LocalEngine) -> None:
    seen: list[Progress] = []
    engine.draw([Request(prompt="a cat"), Request(prompt="a dog")], on_progress=seen.append)
    assert list(dict.fromkeys(event.phase for event in seen)) == ["drawing", "painting", "ranking"]
    for phases in (("drawing", "painting"), ("ranking",)):
        done = [event.done for event in seen if event.phase in phases]
        assert done == sorted(set(done))
        assert done[-1] == [event.total for event in seen if event.phase in phases][-1]
    assert all(event.previews is None for event in seen)


def test_previews_come_when_asked_for(folder: Path) -> None:
    seen: list[Progress] = []
    engine = LocalEngine(str(folder), threads=1, preview_every=2)
    engine.draw([Request(prompt="a cat", num_pictures=2)], on_progress=seen.append)
    previews = [event.previews for event in seen if event.previews is not None]
    assert len(previews) == 2
    assert previews[0].shape == (6, 16, 16, 3)


def test_stopping_is_honoured_within_one_step(engine: LocalEngine) -> None:
    num_steps = 0

    def count() -> bool:
        nonlocal num_steps
        num_steps += 1
        return False

    engine.draw([Request(prompt="a cat")], should_stop=count)
    assert num_steps == 2 * 4 + 9 + 1  # positions of two groups, pictures, one ranking
    for last in range(num_steps):
        answers = iter([False] * last + [True])
        with pytest.raises(Stopped):
            engine.draw([Request(prompt="a cat")], should_stop=lambda a=answers: next(a))
        assert next(answers, None) is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"size": "513x512"}, "size"),
        ({"size": "16x32"}, "size"),
        ({"model": "scenes-ar"}, "model"),
        ({"task": "vary", "source": np.zeros((16, 16, 3), np.uint8)}, "task"),
    ],
)
def test_what_it_cannot_do_is_refused_before_drawing(
    engine: LocalEngine, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InputError, match=r"tiny-ar") as caught:
        engine.draw([Request(prompt="a cat", **fields)], on_progress=lambda event: pytest.fail())
    assert caught.value.field == field


def test_the_native_size_is_no_other_size(engine: LocalEngine) -> None:
    (auto,) = engine.draw([Request(prompt="a cat", num_pictures=1)])
    (native,) = engine.draw([Request(prompt="a cat", num_pictures=1, size="16x16")])
    assert same(auto, native)


def test_another_size_is_the_native_one_resampled_and_told(engine: LocalEngine) -> None:
    (native,) = engine.draw([Request(prompt="a cat", num_pictures=2)])
    for size in ("64x64", "1024x1024"):
        (other,) = engine.draw([Request(prompt="a cat", num_pictures=2, size=size)])
        for one, two in zip(native, other, strict=True):
            assert (one.seed, one.score) == (two.seed, two.score)
            wanted = sizes.resized(one.pixels, sizes.parse(size))
            assert np.array_equal(two.pixels, wanted)
            told = {"size": size, "drawn_size": "16x16", "enlarged": "lanczos"}
            assert told.items() <= two.settings.items()
            assert "drawn_size" not in one.settings


def test_any_model_enlarges_and_loads_no_network_for_it(folder: Path) -> None:
    engine, source = LocalEngine(str(folder), threads=1), noise(20, 16)
    request = Request(prompt="", task="enlarge", source=source, num_pictures=1, factor=2)
    (drawing,) = engine.draw([request])
    assert np.array_equal(drawing[0].pixels, sizes.resized(source, (40, 32)))
    told = {"task": "enlarge", "model": "tiny-ar", "drawn_size": "20x16", "enlarged": "lanczos"}
    assert told.items() <= drawing[0].settings.items()
    assert (drawing[0].score, len(drawing), drawing.unknown_words) == (None, 1, ())
    assert "_pipeline" not in vars(engine)
    with pytest.raises(Stopped):
        engine.draw([request], should_stop=lambda: True)


def test_a_task_it_cannot_do_is_refused_with_the_models_that_can(
    folder: Path, engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NONETTE_HOME", str(folder.parents[1]))
    request = Request(prompt="a cat", task="edit", source=noise(16, 16))
    told = "tiny-ar can only draw and enlarge; models that can edit: flat, scenes$"
    with pytest.raises(InputError, match=told):
        engine.draw([request])
    monkeypatch.setattr(DalleMini, "tasks", ("draw", "vary"))
    told = "tiny-ar can only draw and vary and enlarge; models that can extend: flat, scenes$"
    with pytest.raises(InputError, match=told):
        engine.draw([Request(prompt="a cat", task="extend", source=noise(16, 16), left=1)])


class Painter:
    """A system of every task, in miniature: it paints one colour a seed and notes its jobs."""

    tasks = ("draw", "edit", "vary", "blend")
    knobs = ("guidance",)
    native_size = (16, 16)
    jobs: ClassVar[list[Job]] = []

    def __init__(self, **parts: object) -> None:
        pass

    def __call__(
        self, jobs: list[Job], on_progress: object, should_stop: object, *, preview_every: int
    ) -> list[np.ndarray]:
        self.jobs[:] = jobs
        return [
            np.stack([np.full((16, 16, 3), seed % 256, np.uint8) for seed in job.seeds])
            for job in jobs
        ]


@pytest.fixture
def painter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
    monkeypatch.setattr(LocalEngine, "_system", Painter)
    return LocalEngine(str(folder), threads=1)


def test_edits_reach_a_system_that_does_them_at_its_own_size(painter: LocalEngine) -> None:
    assert set(painter.capabilities().tasks) == set(typing.get_args(Task))
    source, mask = noise(100, 60), np.zeros((60, 100), bool)
    mask[20:26, 40:47] = True
    edit = Request(prompt="a cat", task="edit", source=source, mask=mask, num_pictures=2)
    extend = Request(prompt="a cat", task="extend", source=noise(16, 16), top=8, feather=0)
    enlarge = Request(prompt="", task="enlarge", source=source, num_pictures=1)
    edited, enlarged, extended = painter.draw([edit, enlarge, extend])
    for job in Painter.jobs:
        assert (job.task, job.strength) == ("edit", 1.0)
        assert job.source is not None and job.mask is not None
        assert (job.source.shape, job.mask.shape) == ((16, 16, 3), (16, 16))
    assert Painter.jobs[0].mask is not None and Painter.jobs[0].mask.sum() == 6 * 7
    for picture in edited:
        assert (picture.pixels[mask] == picture.seed).all()
        assert np.array_equal(picture.pixels[~mask], source[~mask])
        assert picture.settings["strength"] == 1.0
    for picture in extended:
        assert picture.pixels.shape == (24, 16, 3)
        assert (picture.pixels[:8] == picture.seed).all()
        assert np.array_equal(picture.pixels[8:], noise(16, 16))
    assert enlarged[0].pixels.shape == (120, 200, 3)


def test_variations_and_blends_reach_their_system_too(painter: LocalEngine) -> None:
    vary = Request(prompt="", task="vary", source=noise(32, 16), strength=0.25, size="32x32")
    pictures = {"source": noise(16, 16), "second_source": noise(16, 32)}
    blend = Request(prompt="", task="blend", mix=0.75, **pictures)
    words = Request(prompt="a cat", task="blend", second_prompt="a dog", guidance=3)
    varied, *_ = painter.draw([vary, blend, words])
    one, two, three = Painter.jobs
    assert one.source is not None and np.array_equal(one.source, noise(32, 16)[:, 8:24])
    assert (one.task, one.strength) == ("vary", 0.25)
    assert two.second_source is not None
    assert np.array_equal(two.second_source, noise(16, 32)[8:24])
    assert (two.task, two.mix, two.source is not None) == ("blend", 0.75, True)
    assert (three.second_prompt, three.mix, three.guidance) == ("a dog", 0.5, 3)
    assert varied[0].pixels.shape == (32, 32, 3)
    assert varied[0].score is None  # without words nothing ranks


def test_a_setting_without_effect_warns(engine: LocalEngine) -> None:
    with pytest.warns(SettingIgnored, match="steps has no effect: tiny-ar is a dalle_mini model"):
        engine.draw([Request(prompt="a cat", num_pictures=1, steps=10)])


def test_networks_load_once_and_only_when_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    original = Checkpoint.network

    def network(self: Checkpoint, part: str, *rest: object) -> object:
        loaded.append(part)
        return original(self, part, *rest)

    monkeypatch.setattr(Checkpoint, "network", network)
    engine = LocalEngine(str(folder), threads=1)
    assert loaded == []
    engine.draw([Request(prompt="a cat", num_pictures=1, ranks=False)])
    assert sorted(loaded) == ["bart", "vqgan"]
    for _ in range(2):
        engine.draw([Request(prompt="a cat", num_pictures=1)])
    assert sorted(loaded) == ["bart", "clip", "vqgan"]


def test_a_model_without_a_ranker_draws_in_the_order_of_seeds(folder: Path, tmp_path: Path) -> None:
    engine = LocalEngine(str(reconfigured(folder, tmp_path, ranker="")), threads=1)
    (drawing,) = engine.draw([Request(prompt="a cat", num_pictures=2, seed=3)])
    assert [(picture.seed, picture.score) for picture in drawing] == [(3, None), (4, None)]
    with pytest.raises(NonetteError, match="nothing can score"):
        engine.score([drawing[0].pixels], "a cat")


def test_a_ranker_that_is_not_there_is_said_before_drawing(folder: Path, tmp_path: Path) -> None:
    for name in ("no-such-clip", "../models/tiny-clip"):
        engine = LocalEngine(str(reconfigured(folder, tmp_path / name[:2], ranker=name)), threads=1)
        with pytest.raises(InputError, match=r"ranker is '.*', but there is no"):
            engine.draw([Request(prompt="a cat")], on_progress=lambda event: pytest.fail())


@pytest.mark.parametrize(
    "settings", [{"guidance": "much"}, {"candidates": 10**9}, {"temperature": -1}, {"top_k": 0.5}]
)
def test_damaged_settings_are_the_models_fault(
    folder: Path, tmp_path: Path, settings: dict[str, object]
) -> None:
    with pytest.raises(CheckpointError, match=rf"config.json: settings.{next(iter(settings))}"):
        LocalEngine(str(reconfigured(folder, tmp_path, **settings)))


def test_a_model_that_does_not_draw_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"tiny-clip.* does not draw"):
        LocalEngine(str(folder.parent / "tiny-clip"))


def test_parts_that_do_not_make_a_system(folder: Path, tmp_path: Path) -> None:
    copy = reconfigured(folder, tmp_path)
    values = json.loads((copy / "config.json").read_text())
    del values["networks"]["vqgan"]
    (copy / "config.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=r"parts do not fit.*vqgan"):
        LocalEngine(str(copy), threads=1).capabilities()


def test_threads_are_its_own_business(folder: Path) -> None:
    before = torch.get_num_threads()
    LocalEngine(str(folder), threads=1).draw([Request(prompt="a cat", num_pictures=1)])
    assert torch.get_num_threads() == before
    for threads in (0, -1, 10**9):
        with pytest.raises(InputError, match="threads is"):
            LocalEngine(str(folder), threads=threads)


def test_openvino_is_for_imported_stable_diffusion(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in (str(folder), "scenes", "flat"):
        with pytest.raises(InputError, match="device is 'openvino', but it is for imported Stable"):
            nonette.load(model, device="openvino")
    for model in (str(folder), "flat"):
        with pytest.raises(InputError, match=r"device is 'nowhere', but .*try 'cpu'"):
            nonette.load(model, device="nowhere")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"pip install 'nonette\[openvino\]'"):
        nonette.load(str(folder), device="openvino")


def test_the_public_surface(folder: Path) -> None:
    assert sorted(nonette.__all__) == dir(nonette)
    assert (nonette.Request, nonette.Picture, nonette.Drawing) == (Request, Picture, Drawing)
    assert isinstance(nonette.__version__, str)
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        _ = nonette.paint
    assert isinstance(nonette.load("flat"), FlatEngine)
    drawing = nonette.draw("a red cat", num_pictures=2, seed=7, model=str(folder))
    assert isinstance(drawing, ShownDrawing)
    (same_one,) = nonette.load(str(folder)).draw(
        [Request(prompt="a red cat", num_pictures=2, seed=7)]
    )
    assert same(drawing, same_one)
    assert drawing._repr_png_().startswith(b"\x89PNG")


def test_the_model_stays_loaded_between_draws(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nonette.draw("a cat", num_pictures=1, model=str(folder))
    monkeypatch.setattr(engines, "load", lambda model: pytest.fail("loaded again"))
    first = nonette.draw("a cat", num_pictures=1, model=str(folder))
    other = nonette.draw("a cat", num_pictures=1, model=str(folder))
    assert first[0].seed != other[0].seed  # seeds are drawn by lot


def test_importing_imports_nothing_heavy(run_python) -> None:
    code = (
        "import sys, nonette; nonette.Request; "
        "print([name for name in ('torch', 'PIL', 'typer', 'tokenizers') if name in sys.modules])"
    )
    assert run_python("-c", code).stdout.strip() == "[]"
