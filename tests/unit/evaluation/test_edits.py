"""Edits examined without a network: engines that know the answer or nothing, a judge that knows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
import pytest

from nonette.core.flat import FlatEngine
from nonette.core.types import Drawing, Request
from nonette.data.scenes.world import TINY_WORLD
from nonette.evaluation import edit_report, edit_trials, edits
from nonette.evaluation.drawings import Shelf
from nonette.evaluation.edit_trials import SIDES, Trial
from nonette.evaluation.enough import NotEnoughData
from nonette.evaluation.prompts import Prompt, exam
from nonette.evaluation.reading import Instance, Reading

SIZE = 64
NUMBER = 24
NOTHING = Reading(instances=(), setting=None, time=None, style=None)


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    return exam(TINY_WORLD, 0, 4)


@pytest.fixture(scope="module")
def fills(prompts: list[Prompt]) -> list[Trial]:
    return edit_trials.fillings(prompts, SIZE, NUMBER, {})


@pytest.fixture(scope="module")
def extensions(prompts: list[Prompt]) -> list[Trial]:
    return edit_trials.extensions(prompts, SIZE, NUMBER, {})


def truth(trials: Sequence[Trial]) -> list[np.ndarray]:
    return [trial.render.pixels for trial in trials]


def knowing(*many: Sequence[Trial]) -> edits.Read:
    """A judge that sees what was painted in whole renders, and nothing in other pictures."""
    known = {trial.render.pixels.tobytes(): trial.render for trials in many for trial in trials}

    def read(pictures: Sequence[np.ndarray]) -> list[Reading]:
        readings = []
        for picture in pictures:
            render = known.get(picture.tobytes())
            if render is None:
                readings.append(NOTHING)
                continue
            scene = render.scene
            instances = tuple(
                Instance(
                    name=scene.things[box.thing].name,
                    look=scene.things[box.thing].colour or scene.things[box.thing].material or "",
                    box=(box.x0, box.y0, box.x1, box.y1),
                )
                for box in render.boxes
            )
            readings.append(
                Reading(
                    instances=instances, setting=scene.setting, time=scene.time, style=scene.style
                )
            )
        return readings

    return read


def test_a_hole_is_grey_and_all_around_it_is_the_scene(fills: list[Trial]) -> None:
    assert len(fills) == NUMBER
    for trial in fills:
        source, mask = trial.request.source, trial.request.mask
        assert source is not None and mask is not None
        assert mask.any() and not mask.all() and np.array_equal(mask, trial.mask)
        assert (source[mask] == edit_trials.GREY).all()
        assert np.array_equal(source[~mask], trial.render.pixels[~mask])
        assert trial.thing in trial.prompt.scene.things and trial.area is not None
        assert any(
            trial.area[0] <= (box.x0 + box.x1) / 2 <= trial.area[2]
            for box in trial.render.boxes
            if trial.prompt.scene.things[box.thing] == trial.thing
        )
    assert len({trial.prompt.category for trial in fills}) > 4
    assert {trial.prompt.language for trial in fills} == {"en", "fr"}
    assert len({trial.request.seed for trial in fills}) == NUMBER


def test_an_extension_gives_two_thirds_and_draws_half_of_that(extensions: list[Trial]) -> None:
    assert [trial.side for trial in extensions] == [SIDES[i % 4] for i in range(NUMBER)]
    for trial in extensions:
        assert trial.request.kept_size == (SIZE, SIZE)
        assert sorted(trial.request.sides) == [0, 0, 0, 21]
        given, (left, top, *_) = trial.request.source, trial.request.sides
        assert given is not None
        height, width = given.shape[:2]
        here = np.s_[top : top + height, left : left + width]
        assert np.array_equal(given, trial.render.pixels[here])
        assert not trial.mask[here].any() and trial.mask.sum() == 21 * SIZE
    assert sum(trial.thing is not None for trial in extensions) > NUMBER / 2


@pytest.mark.parametrize("side", SIDES)
def test_the_step_is_taken_right_beside_the_border(side: str) -> None:
    mask = edit_trials.missing(side, SIZE)
    pixels = np.where(mask[..., None], 30, 10).repeat(3, axis=2).astype(np.uint8)
    assert edits.step(pixels, side) == 20
    elsewhere = {edits.step(pixels, other) for other in SIDES if other != side}
    assert elsewhere & {0.0} and 20 not in elsewhere
    border = edit_trials.border(side, SIZE)
    along = (0.0, border - 4.0, 9.0, border + 6.0)
    box = along if side in ("top", "bottom") else (along[1], 0.0, along[3], 9.0)
    assert edit_trials.crosses(box, side, SIZE, 0.3)
    assert not edit_trials.crosses(box, side, SIZE, 0.45)
    assert edit_trials.beyond(box, side, SIZE) == (6 if side in ("right", "bottom") else 4)


def test_what_is_drawn_as_it_was_is_all_right(fills: list[Trial], extensions: list[Trial]) -> None:
    read = knowing(fills, extensions)
    filled = edits.filling(fills, truth(fills), read)
    for found in (filled.object, filled.look, filled.scene):
        assert found.drawn is not None and found.drawn.value == 1
        assert found.render == found.drawn
        assert found.source is not None and found.source.value == 0
    assert filled.exact is not None and filled.exact.value == 1
    assert list(filled.groups)[-3:] == ["held_out pairs", "prompts in en", "prompts in fr"]
    assert {"seen pairs", "one_object"} < set(filled.groups)
    extended = edits.extending(extensions, truth(extensions), read)
    assert extended.exact is not None and extended.exact.value == 1
    assert extended.objects.drawn is not None and extended.objects.drawn.value == 1
    assert extended.objects.source is not None and extended.objects.source.value == 0
    assert extended.inside is not None and extended.inside.value > 0.75, "about 95%"
    assert set(extended.borders) == set(SIDES)
    for border in extended.borders.values():
        assert border.low <= border.render <= border.high


def test_what_is_not_there_is_missed_and_a_hard_border_seen(
    fills: list[Trial], extensions: list[Trial]
) -> None:
    def spoiled(trial: Trial) -> np.ndarray:
        pixels = trial.render.pixels.copy()
        pixels[trial.mask] = 255 - pixels[trial.mask] // 2
        return pixels

    read = knowing(fills, extensions)
    filled = edits.filling(fills, [spoiled(trial) for trial in fills], read)
    assert filled.object.drawn is not None and filled.object.drawn.value == 0
    assert filled.object.render is not None and filled.object.render.value == 1
    assert filled.exact is not None and filled.exact.value == 1
    extended = edits.extending(extensions, [spoiled(trial) for trial in extensions], read)
    assert extended.objects.drawn is not None and extended.objects.drawn.value == 0
    assert extended.inside is not None and extended.inside.value < 0.5


def test_a_single_pixel_outside_is_noticed(fills: list[Trial]) -> None:
    drawn = truth(fills)
    drawn[3] = drawn[3].copy()
    row, column = np.argwhere(~fills[3].mask)[0]
    drawn[3][row, column, 2] ^= 1
    kept = edits.keeps(fills, drawn)
    assert kept == [index != 3 for index in range(NUMBER)]


def test_the_thing_must_be_in_the_area_and_in_its_look(fills: list[Trial]) -> None:
    trial = next(trial for trial in fills if trial.thing and trial.thing.colour)
    assert trial.thing is not None and trial.area is not None
    right = Instance(name=trial.thing.name, look=trial.thing.colour, box=trial.area)
    far = dataclasses.replace(right, box=(-90.0, -90.0, -80.0, -80.0))
    other = dataclasses.replace(right, look="no such look")
    for instance, is_there, has_look in (
        (right, True, True),
        (far, False, False),
        (other, True, False),
        (dataclasses.replace(right, name="no such thing"), False, False),
    ):
        reading = dataclasses.replace(NOTHING, instances=(instance,))
        assert edits._is_there([trial], [reading]) == [is_there]
        assert edits._is_there([trial], [reading], True) == [has_look]


def test_a_thing_must_go_on_beyond_the_border(extensions: list[Trial]) -> None:
    trial = next(trial for trial in extensions if trial.side == "right" and trial.area)
    assert trial.thing is not None and trial.area is not None
    left, top, right, bottom = trial.area
    border = edit_trials.border("right", SIZE)
    for share, goes_on in ((1.0, True), (0.6, True), (0.4, False), (0.0, False)):
        reaches = border + share * (right - border)
        seen = Instance(name=trial.thing.name, look="", box=(left, top, reaches, bottom))
        reading = dataclasses.replace(NOTHING, instances=(seen,))
        assert edits._is_across([trial], [reading]) == [goes_on], share
    apart = dataclasses.replace(seen, box=(border + 1.0, top, right + 9, bottom))
    reading = dataclasses.replace(NOTHING, instances=(apart,))
    assert edits._is_across([trial], [reading]) == [False], "another thing of that name"


def test_readings_are_brought_to_the_pixels_of_the_pictures() -> None:
    instance = Instance(name="cat", look="", box=(2.0, 4.0, 8.0, 16.0))
    (reading,) = edits.in_pixels_of(64, [dataclasses.replace(NOTHING, instances=(instance,))], 32)
    assert reading.instances[0].box == (4.0, 8.0, 16.0, 32.0)


def test_an_engine_draws_once_and_its_pictures_are_kept(tmp_path, fills, extensions) -> None:
    class Counting(FlatEngine):
        num_drawn = 0

        def draw(self, requests, *rest) -> list[Drawing]:
            Counting.num_drawn += len(requests)
            return super().draw(requests, *rest)

    wishes: list[Request] = [trial.request for trial in (*fills, *extensions)]
    shelf = Shelf(tmp_path, Counting(native_size=(SIZE, SIZE)), fingerprint="x")
    drawn = shelf.draw(wishes)
    assert Counting.num_drawn == len(wishes) == 2 * NUMBER
    assert all(edits.keeps([*fills, *extensions], drawn))
    files = sorted(tmp_path.glob("*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:90])
    again = shelf.draw(wishes)
    assert Counting.num_drawn == len(wishes) + 1
    assert all(np.array_equal(one, other) for one, other in zip(drawn, again, strict=True))
    Shelf(tmp_path, Counting(), fingerprint="other weights").draw(wishes[:3])
    assert Counting.num_drawn == len(wishes) + 4


def test_reports_hold_every_number_and_read_as_json(fills, extensions) -> None:
    read = knowing(fills, extensions)
    result = edit_report.Result(
        model="painter",
        judge="truth",
        world="tiny",
        exam_seed=0,
        candidates=1,
        feather=4,
        filling=edits.filling(fills, truth(fills), read),
        extending=edits.extending(extensions, truth(extensions), read),
        seconds=1.0,
    )
    values = json.loads(edit_report.to_json(result))
    assert values["filling"]["object"]["drawn"]["value"] == 1
    assert values["extending"]["borders"]["left"]["low"] >= 0
    text = edit_report.to_markdown(result)
    assert "# Edits of painter" in text and "seams are 4 pixels soft" in text
    for part in text.split("\n\n"):
        if part.startswith("|"):
            assert len({line.count("|") for line in part.splitlines()}) == 1, part
    sheet = edit_report.trial_sheet(fills, truth(fills))
    assert sheet.dtype == np.uint8 and sheet.ndim == 3


def test_without_questions_there_is_not_enough_data() -> None:
    for make in (edit_trials.fillings, edit_trials.extensions):
        with pytest.raises(NotEnoughData):
            make([], SIZE, 4, {})
