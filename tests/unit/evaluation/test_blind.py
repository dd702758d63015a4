import csv
import io

import numpy as np
import pytest

from nonette.core.errors import InputError
from nonette.data.scenes.scene import Scene, Thing
from nonette.data.scenes.world import CPU_WORLD
from nonette.evaluation import blind
from nonette.evaluation.blind import COLUMNS, Pick, agreement, choose, pages, read_answers, template
from nonette.evaluation.prompts import Prompt
from nonette.evaluation.reading import Instance, Reading


def _prompt(category: str, number: int, **key) -> Prompt:
    scene = Scene(**({"things": (Thing(name="cat"),)} | key))
    return Prompt(
        category=category,
        split="seen",
        language="en",
        text=f"sentence {number}",
        scene=scene,
        key=scene,
        place=number,
    )


def _filled(**cells: str) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerow({"number": "1"} | cells)
    return out.getvalue()


def _reading(*instances: Instance, setting="white", style="plain") -> Reading:
    return Reading(instances=instances, setting=setting, time="day", style=style)


CAT = Instance(name="cat", look="red", box=(10, 40, 40, 70))
DOG = Instance(name="dog", look="", box=(80, 40, 110, 70))


def test_pictures_are_chosen_by_lot_evenly_and_once():
    exam = [_prompt(name, n) for name in ("colours", "style", "counting") for n in range(10)]
    picks = choose(exam, 9, 60, seed=0)
    assert len(set(picks)) == 60
    assert picks == choose(exam, 9, 60, seed=0) != choose(exam, 9, 60, seed=1)
    categories = [exam[pick.prompt].category for pick in picks]
    assert all(categories.count(name) == 20 for name in ("colours", "style", "counting"))
    assert categories[:20] != ["colours"] * 20, "the order tells nothing"
    assert choose(exam[:1], 2, 60, seed=0) in (
        [Pick(prompt=0, picture=0), Pick(prompt=0, picture=1)],
        [Pick(prompt=0, picture=1), Pick(prompt=0, picture=0)],
    )


def test_pages_hold_all_pictures_and_no_words():
    made = pages([np.full((16, 16, 3), 40, np.uint8)] * 30)
    assert len(made) == 2
    assert made[0].shape[1] == made[1].shape[1] or made[1].shape[1] > 0


def test_an_empty_table_says_that_nothing_was_seen():
    readings = read_answers(template(3), 3)
    assert readings == [Reading(instances=(), setting=None, time="day", style=None)] * 3


def test_answers_become_readings():
    text = _filled(
        object_1="Hot dog",
        count_1="2",
        look_1="cheese",
        object_2="?",
        look_2="?",
        relation="left of",
        setting="moon",
        style="pixel art",
    )
    (reading,) = read_answers(text, 1)
    assert [(seen.name, seen.look) for seen in reading.instances] == [
        ("hot_dog", "cheese"),
        ("hot_dog", "cheese"),
        (None, None),
    ]
    assert (reading.setting, reading.style) == ("moon", "pixel_art")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "columns"),
        ("number,what\n1,cat\n", "columns"),
        (template(1), "number 2 is missing"),
        (_filled(object_1="cat", count_1="many"), "whole number"),
        (_filled(object_1="cat", relation="beneath"), "must be one of"),
    ],
)
def test_tables_that_cannot_be_read_are_refused(text, match):
    with pytest.raises(InputError, match=match):
        read_answers(text, 2 if "missing" in match else 1)


def test_agreement_counts_questions_where_they_can_be_asked():
    position = _prompt("position", 0, things=(Thing(name="cat"), Thing(name="dog")))
    position = _prompt("position", 0, things=position.key.things, relation="left_of")
    (person,) = read_answers(
        _filled(
            object_1="dog",
            object_2="cat",
            look_2="red",
            relation="right_of",
            setting="white",
            style="plain",
        ),
        1,
    )
    same = agreement([person] * 2, [_reading(CAT, DOG)] * 2, [position] * 2).questions
    assert {name: share.value for name, share in same.items()} == dict.fromkeys(blind.QUESTIONS, 1)
    other = agreement([person] * 2, [_reading(CAT, style="pencil")] * 2, [position] * 2).questions
    assert other["objects"].value == other["style"].value == other["verdict"].value == 0
    assert other["setting"].value == 1
    assert other["counts"] is other["looks"] is other["position"] is None


def test_one_picture_is_not_enough():
    found = agreement([_reading(CAT)], [_reading(CAT)], [_prompt("colours", 0)])
    assert set(found.questions.values()) == {None}


def test_words_tell_all_that_may_be_written():
    text = blind.words(CPU_WORLD)
    for word in ("kangaroo", "cheese", "purple", "moon", "pixel_art", "left_of"):
        assert word in text
