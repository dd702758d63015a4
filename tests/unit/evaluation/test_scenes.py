"""The whole suite without a network: an engine that paints what it is asked, a judge that knows."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from nonette.core.errors import NonetteError
from nonette.core.types import Capabilities, Drawing, Picture, Request
from nonette.data.scenes import painter
from nonette.data.scenes.scene import Render, Scene
from nonette.data.scenes.world import TINY_WORLD
from nonette.evaluation import report
from nonette.evaluation.blind import Agreement
from nonette.evaluation.checks import answers
from nonette.evaluation.drawings import KEPT, Album, Drawn, fingerprint
from nonette.evaluation.prompts import CATEGORIES, Prompt, exam
from nonette.evaluation.reading import Instance, Reading
from nonette.evaluation.scenes import Plan, Suite
from nonette.evaluation.scores import PAIRED

SIZE = 32
CANDIDATES = 12
PLAN = Plan(evaluator_renders=20, training_captions=0, training_renders=0)


class Truth:
    """Remembers every picture that is painted, and reads it without an error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.renders: dict[bytes, Render] = {}
        self.network = SimpleNamespace(config=SimpleNamespace(resolution=SIZE))
        paint = painter.paint

        def remembered(scene: Scene, size: int, seed: int, index: int) -> Render:
            render = paint(scene, size, seed, index)
            self.renders[render.pixels.tobytes()] = render
            return render

        monkeypatch.setattr(painter, "paint", remembered)

    def look(self, pictures) -> tuple[list[Reading], np.ndarray]:
        pictures = np.stack(pictures)
        means = pictures.mean(axis=(1, 2)).astype(np.float32)
        return [self._reading(picture) for picture in pictures], means + 1

    def read(self, pictures) -> list[Reading]:
        return self.look(pictures)[0]

    def features(self, pictures) -> np.ndarray:
        return self.look(pictures)[1]

    def _reading(self, picture: np.ndarray) -> Reading:
        render = self.renders.get(picture.tobytes())
        if render is None:
            return Reading(instances=(), setting=None, time=None, style=None)
        scene = render.scene
        return Reading(
            instances=tuple(
                Instance(
                    name=scene.things[box.thing].name,
                    look=scene.things[box.thing].colour or scene.things[box.thing].material or "",
                    box=(box.x0, box.y0, box.x1, box.y1),
                    visible=box.visible,
                )
                for box in render.boxes
            ),
            setting=scene.setting,
            time=scene.time,
            style=scene.style,
        )


class Painter:
    """An engine that paints the scene of the prompt, save where `spoil` says otherwise.

    The best candidate has the highest seed, so that ranking and order of seeds differ.
    """

    def __init__(self, prompts: list[Prompt], spoil=None) -> None:
        self.scenes = {prompt.text: prompt.scene for prompt in prompts}
        self.spoil = spoil or (lambda scene, place: scene)
        self.num_drawn = 0

    def capabilities(self) -> Capabilities:
        return Capabilities(
            model="painter",
            system="paint",
            tasks=("draw",),
            native_size=(SIZE, SIZE),
            default_candidates=CANDIDATES,
        )

    def draw(self, requests: list[Request], on_progress=None, should_stop=None) -> list[Drawing]:
        return [self._draw(request) for request in requests]

    def _draw(self, request: Request) -> Drawing:
        self.num_drawn += 1
        pictures = []
        for place in range(request.num_pictures):
            seed = request.seed + request.num_pictures - 1 - place
            scene = self.spoil(self.scenes[request.prompt], place)
            pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
            if scene is not None:
                pixels = painter.paint(scene, SIZE, 77, seed).pixels
            score = 1 - place / 100
            pictures.append(
                Picture(pixels=pixels, seed=seed, score=score, model="painter", settings={})
            )
        return Drawing(
            pictures=tuple(pictures),
            unknown_words=(),
            seconds=0.0,
            model="painter",
            prompt=request.prompt,
        )


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    return exam(TINY_WORLD, 0, 4)


def _run(monkeypatch, tmp_path, prompts, spoil=None):
    truth = Truth(monkeypatch)
    suite = Suite(
        reader=truth,
        world=TINY_WORLD,
        exam=prompts,
        album=Album(tmp_path, Painter(prompts, spoil), fingerprint="x"),
        plan=PLAN,
        ranker=None,
    )
    return suite.run("painter", "truth", 0)


def test_a_perfect_model_under_a_perfect_judge_scores_one(monkeypatch, tmp_path, prompts):
    result, failures = _run(monkeypatch, tmp_path, prompts)
    assert failures == []
    asked = {prompt.category for prompt in prompts}
    for score in result.categories:
        if score.name not in asked:
            assert score.ranked is None
            continue
        assert score.ranked.value == score.unranked.value == 1, score.name
        assert score.checks.accepted.value == 1, score.name
        assert score.checks.refused.value > 0.95, score.name
        assert score.reasons == {}
    for evaluator in result.evaluators:
        assert evaluator.all.value > 0.97, evaluator.name
    if asked == {category.name for category in CATEGORIES}:
        assert result.means.ranked.value == 1
    assert result.num_pictures == len(prompts) * KEPT


def test_what_is_spoiled_is_found_where_it_was_spoiled(monkeypatch, tmp_path, prompts):
    """Three of the nine ranked pictures show another thing; the unranked nine begin at the end."""

    def spoil(scene: Scene, place: int) -> Scene:
        if place >= 3:
            return scene
        name = next(n for n in TINY_WORLD.objects if n not in {t.name for t in scene.things})
        first = dataclasses.replace(scene.things[0], name=name)
        return dataclasses.replace(scene, things=(first, *scene.things[1:]))

    result, failures = _run(monkeypatch, tmp_path, prompts, spoil)
    for score in result.categories:
        if score.ranked is None:
            continue
        assert score.ranked.value == pytest.approx(6 / 9), score.name
        assert score.unranked.value == 1, score.name
        assert set(score.reasons) == {"missing"}, score.name
    assert all("seen" in failure.reason for failure in failures)
    sheet = report.failure_sheet(failures)
    assert sheet.dtype == np.uint8 and sheet.ndim == 3


def test_all_black_pictures_have_no_score_but_not_enough_data(monkeypatch, tmp_path, prompts):
    result, _ = _run(monkeypatch, tmp_path, prompts, lambda scene, place: None)
    assert all(score.ranked is None for score in result.categories)
    assert result.means.ranked is result.means.seen is result.frechet is None
    text = report.to_markdown(result, None)
    assert "not enough data" in text
    values = json.loads(report.to_json(result, None))
    assert values["means"]["ranked"] is None
    assert all(category["ranked"] is None for category in values["categories"])


def test_a_missing_category_has_no_score_and_leaves_no_mean(monkeypatch, tmp_path, prompts):
    some = [prompt for prompt in prompts if prompt.category != "counting"]
    result, _ = _run(monkeypatch, tmp_path, some)
    scores = {score.name: score for score in result.categories}
    assert scores["counting"].ranked is None and scores["colours"].ranked is not None
    assert result.means.ranked is None


def test_seen_and_held_out_are_told_apart(monkeypatch, tmp_path):
    from nonette.data.scenes import splits
    from nonette.data.scenes.world import CPU_WORLD

    prompts = [p for p in exam(CPU_WORLD, 0, 4, ("en",)) if p.category in PAIRED]

    def spoil(scene: Scene, place: int) -> Scene | None:
        return None if splits.held_out_pairs(scene) else scene

    truth = Truth(monkeypatch)
    album = Album(tmp_path, Painter(prompts, spoil), fingerprint="x")
    suite = Suite(reader=truth, world=CPU_WORLD, exam=prompts, album=album, plan=PLAN, ranker=None)
    album.draw(prompts)
    judged, _, _ = suite.judge_drawings()
    from nonette.evaluation.scores import means

    found = means(judged, {}, np.random.default_rng(0))
    assert found.seen.value == 1
    assert found.held_out is None, "black pictures are no data"


def test_reports_hold_every_number_and_read_as_json(monkeypatch, tmp_path, prompts):
    result, _ = _run(monkeypatch, tmp_path, prompts)
    agreement = Agreement(num_pictures=3, questions={"objects": None})
    values = json.loads(report.to_json(result, agreement))
    assert values["model"] == "painter"
    assert values["agreement"]["num_pictures"] == 3
    assert len(values["categories"]) == len(CATEGORIES)
    text = report.to_markdown(result, agreement)
    for category in CATEGORIES:
        assert category.name.replace("_", " ") in text
    widths = {line.count("|") for line in text.split("\n\n")[3].splitlines()}
    assert len(widths) == 1, "every row of a table has as many cells"


def test_an_album_draws_once_and_again_only_what_is_missing_or_damaged(tmp_path, prompts):
    some = prompts[:4]
    engine = Painter(prompts)
    album = Album(tmp_path, engine, fingerprint="x")
    album.draw(some)
    assert engine.num_drawn == 4
    first = album[some[0]]
    assert first.pixels.shape == (CANDIDATES, SIZE, SIZE, 3)
    files = sorted(tmp_path.glob("*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:500])
    files[1].unlink()
    again = Album(tmp_path, engine, fingerprint="x")
    again.draw(some)
    assert engine.num_drawn == 6
    np.testing.assert_array_equal(again[some[0]].pixels, first.pixels)
    Album(tmp_path, engine, fingerprint="other weights").draw(some)
    assert engine.num_drawn == 10
    assert not list(tmp_path.glob("*.partial"))


def test_every_scene_has_seeds_of_its_own_and_its_languages_share_them(tmp_path, prompts):
    album = Album(tmp_path, Painter(prompts), fingerprint="x", seed=5)
    album.draw(prompts)
    first: dict[tuple[str, str, int], set[int]] = {}
    for prompt in prompts:
        scene = prompt.category, prompt.split, prompt.place
        first.setdefault(scene, set()).add(int(album[prompt].seeds.min()))
    assert all(len(seeds) == 1 for seeds in first.values())
    assert len({min(seeds) for seeds in first.values()}) == len(first)


def test_the_unranked_nine_are_those_of_the_lowest_seeds():
    drawn = Drawn(
        pixels=np.zeros((12, 2, 2, 3), np.uint8),
        seeds=np.array([7, 3, 11, 0, 5, 1, 9, 2, 10, 4, 8, 6]),
        scores=np.zeros(12, np.float32),
    )
    assert drawn.ranked.tolist() == list(range(9))
    assert drawn.seeds[drawn.unranked].tolist() == list(range(9))


def test_a_fingerprint_is_of_names_and_contents(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"1")
    before = fingerprint([tmp_path])
    assert before == fingerprint([tmp_path])
    (tmp_path / "card.md").write_text("any words")
    assert before == fingerprint([tmp_path])
    (tmp_path / "a.safetensors").write_bytes(b"2")
    assert before != fingerprint([tmp_path])


def test_a_stop_while_drawing_keeps_what_is_done(tmp_path, prompts):
    class Stopping(Painter):
        def draw(self, requests, on_progress=None, should_stop=None):
            if self.num_drawn == 2:
                raise NonetteError("stopped")
            return super().draw(requests)

    engine = Stopping(prompts)
    with pytest.raises(NonetteError):
        Album(tmp_path, engine, fingerprint="x").draw(prompts)
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_evaluators_are_asked_what_the_render_answers(monkeypatch):
    truth = Truth(monkeypatch)
    prompt = next(p for p in exam(TINY_WORLD, 0, 4) if p.category == "position")
    render = painter.paint(prompt.scene, SIZE, 1, 0)
    right = dict(answers(render, truth.read([render.pixels])[0]))
    assert right == dict.fromkeys(("object", "count", "position", "setting", "style"), True)
    nothing = Reading(instances=(), setting=None, time=None, style=None)
    assert not any(is_right for _, is_right in answers(render, nothing))
