import dataclasses

import pytest

from nonette.data.scenes import painter, world
from nonette.data.scenes.world import full_world
from nonette.evaluation.reading import Instance
from nonette.evaluation.relations import CATEGORIES, POSITION, directions, holds


def _at(x: float, y: float, size: float = 20) -> Instance:
    return Instance(
        name="cat", look="", box=(x - size / 2, y - size / 2, x + size / 2, y + size / 2)
    )


@pytest.mark.parametrize(
    ("x", "y", "found"),
    [
        (-30, 0, {"left_of"}),
        (30, 0, {"right_of"}),
        (0, -30, {"above"}),
        (0, 30, {"below"}),
        (-30, -30, {"left_of", "above"}),
        (0, 0, set()),
        (4, -4, set()),  # within a tenth of the summed sides, which is 4 pixels
        (4.1, 0, {"right_of"}),
        (-100, -20, {"left_of"}),  # slants less than half of the offset's length
    ],
)
def test_directions_are_genevals(x, y, found):
    assert directions(_at(64 + x, 64 + y), _at(64, 64)) == found


def test_what_floats_above_is_not_on():
    below = _at(64, 90)
    assert holds("on", _at(64, 70), below)
    assert holds("on", _at(64, 76), below), "its foot may reach into the lower thing"
    assert not holds("on", _at(64, 50), below)
    assert not holds("on", _at(90, 70), below)
    assert not holds("on", below, _at(64, 70))


def test_every_relation_of_the_world_has_its_category():
    assert set(full_world().relations) <= set(CATEGORIES)


@pytest.mark.parametrize(
    "relation", [name for name, kind in CATEGORIES.items() if kind == POSITION]
)
def test_rules_agree_with_the_painter(relation):
    """Of painted scenes the relation holds in nearly all, and its reverse in nearly none."""
    narrowed = dataclasses.replace(
        full_world(),
        relations=(relation,),
        plan_shares=(0.0, 0.0, 1.0, 0.0),
        no_relation_share=0.0,
        group_share=0.0,
        contrast_share=0.0,
    )
    num_scenes = num_true = num_reversed = index = 0
    while num_scenes < 60:
        index += 1
        scene = world.draw_scene(narrowed, 5, index, split="all")
        if scene.relation != relation:
            continue
        boxes = painter.paint(scene, 128, 5, index).boxes
        first, second = (
            Instance(
                name=thing.name,
                look="",
                box=(box.x0, box.y0, box.x1, box.y1),
                visible=box.visible,
            )
            for place, thing in enumerate(scene.things)
            for box in boxes
            if box.thing == place
        )
        num_scenes += 1
        num_true += holds(relation, first, second)
        num_reversed += holds(relation, second, first)
    assert num_true >= 0.95 * num_scenes
    if relation != "carrying":  # carrier and carried merely touch
        assert num_reversed <= 0.03 * num_scenes
