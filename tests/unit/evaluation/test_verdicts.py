import dataclasses

import pytest

from nonette.data.scenes.scene import Scene, Thing
from nonette.evaluation.reading import Instance, Reading
from nonette.evaluation.verdicts import judge, resembles


def _seen(*instances: tuple, **whole: str) -> Reading:
    """A reading of (name, look) instances side by side from left to right."""
    return Reading(
        instances=tuple(
            Instance(name=name, look=look, box=(40 * place, 40, 40 * place + 30, 70))
            for place, (name, look) in enumerate(instances)
        ),
        **({"setting": "white", "time": "day", "style": "plain"} | whole),
    )


def _asked(*things: Thing, **whole: str) -> Scene:
    return Scene(things=things, **whole)


CAT, DOG = Thing(name="cat"), Thing(name="dog")


@pytest.mark.parametrize(
    ("category", "key", "reading", "kinds", "text"),
    [
        ("one_object", _asked(CAT), _seen(("cat", "")), [], ""),
        ("one_object", _asked(CAT), _seen(("cat", "red"), ("dog", "")), [], ""),
        ("one_object", _asked(CAT), _seen(("dog", "")), ["missing"], "no cat seen"),
        ("one_object", _asked(CAT), _seen((None, "")), ["missing"], "no cat seen"),
        ("one_object", _asked(CAT), _seen(), ["missing"], "no cat seen"),
        ("two_objects", _asked(CAT, DOG), _seen(("cat", "")), ["missing"], "no dog seen"),
        (
            "counting",
            _asked(dataclasses.replace(CAT, count=3)),
            _seen(("cat", ""), ("cat", "")),
            ["number"],
            "2 of cat seen, asked for 3",
        ),
        (
            "counting",
            _asked(dataclasses.replace(CAT, count=2)),
            _seen(("cat", ""), ("cat", ""), ("cat", "")),
            ["number"],
            "3 of cat seen, asked for 2",
        ),
        ("one_object", _asked(CAT), _seen(("cat", ""), ("cat", "")), [], ""),
        (
            "colours",
            _asked(Thing(name="cat", colour="blue")),
            _seen(("cat", "red")),
            ["look"],
            "cat is red, asked for blue",
        ),
        (
            "colours",
            _asked(Thing(name="cat", colour="blue")),
            _seen(("cat", None)),
            ["look"],
            "cat is unclear, asked for blue",
        ),
        (
            "material",
            _asked(Thing(name="cat", material="cheese")),
            _seen(("cat", "")),
            ["look"],
            "cat is in its own colours, asked for cheese",
        ),
        ("colours", _asked(Thing(name="heart", colour="red")), _seen(("heart", "")), [], ""),
        (
            "attribute_binding",
            _asked(Thing(name="cat", colour="red"), Thing(name="dog", colour="blue")),
            _seen(("cat", "blue"), ("dog", "red")),
            ["look", "look"],
            "cat is blue, asked for red; dog is red, asked for blue",
        ),
        ("position", _asked(CAT, DOG, relation="left_of"), _seen(("cat", ""), ("dog", "")), [], ""),
        (
            "position",
            _asked(CAT, DOG, relation="right_of"),
            _seen(("cat", ""), ("dog", "")),
            ["place"],
            "cat is left of dog, asked for right of",
        ),
        (
            "position",
            _asked(CAT, DOG, relation="left_of"),
            _seen(("cat", ""), ("dog", ""), ("cat", "")),
            ["place"],
            "cat is right of dog, asked for left of",
        ),
        (
            "setting",
            _asked(CAT, setting="moon"),
            _seen(("cat", ""), setting="beach"),
            ["setting"],
            "setting is beach, asked for moon",
        ),
        (
            "style",
            _asked(CAT, style="pencil"),
            dataclasses.replace(_seen(("cat", "")), style=None),
            ["style"],
            "style is unclear, asked for pencil",
        ),
        ("style", _asked(CAT, style="pencil"), _seen(("cat", ""), style="pencil"), [], ""),
        ("one_object", _asked(CAT), _seen(("cat", ""), setting="moon", style="pencil"), [], ""),
    ],
)
def test_a_verdict_gives_the_right_reason(category, key, reading, kinds, text):
    verdict = judge(reading, key, category)
    assert [reason.kind for reason in verdict.reasons] == kinds
    assert verdict.text == text
    assert verdict.is_right == (not kinds)


def test_a_thing_whose_own_colour_is_asked_for_has_it():
    assert resembles("heart", "red")
    assert not resembles("heart", "blue")
    assert not resembles("elephant", "pink")
