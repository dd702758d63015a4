"""One-object accuracy: every object is asked for once, enlarged, judged and counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nonette.core.flat import FlatEngine
from nonette.data.scenes.world import SMALL_WORLD
from nonette.evaluation import objects
from nonette.evaluation.reading import Instance, Reading


def reading(name: str) -> Reading:
    instance = Instance(
        name=name,
        look="",
        box=(0.0, 0.0, 9.0, 9.0),
        visible=1.0,
        confidence=1.0,
        name_confidence=1.0,
        look_confidence=1.0,
    )
    return Reading(
        instances=(instance,),
        setting="beach",
        time="day",
        style="plain",
        setting_confidence=1.0,
        time_confidence=1.0,
        style_confidence=1.0,
    )


def test_pictures_of_every_object_are_enlarged_judged_and_counted() -> None:
    asked: list[tuple[int, ...]] = []

    def read(pictures: Sequence[np.ndarray]) -> list[Reading]:
        asked.extend(picture.shape for picture in pictures)
        return [reading("cat") for _ in pictures]

    pictures = objects.rendered(SMALL_WORLD, 2, 64)
    assert set(pictures) == set(SMALL_WORLD.objects)
    assert not np.array_equal(*pictures["cat"])
    found = objects.accuracy(read, pictures, SMALL_WORLD, 128)
    assert asked == [(128, 128, 3)] * 40
    assert found.all.value == 2 / 40 and found.objects["cat"].value == 1
    assert found.objects["car"].value == 0


def test_a_model_draws_every_object_by_its_own_seeds() -> None:
    pictures = objects.drawn(FlatEngine(), SMALL_WORLD, 2, seed=5)
    assert all(len(drawn) == 2 for drawn in pictures.values())
    assert objects.sentence(objects.keys(SMALL_WORLD)["cat"], "en") == "a cat"


def test_pictures_of_the_judge_s_size_are_left_alone() -> None:
    picture = np.zeros((128, 128, 3), dtype=np.uint8)
    assert objects.enlarged(picture, 128) is picture
