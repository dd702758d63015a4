"""Places: relations are true in them, counts are kept, and the frame cuts nothing off."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonette.data.scenes import layout
from nonette.data.scenes.layout import Outline, Place
from nonette.data.scenes.lots import Lot
from nonette.data.scenes.scene import Scene, Thing

EDGE = 1e-9
Rectangle = tuple[float, float, float, float]  # x0, y0, x1, y1

sides = st.floats(0.2, 1.0)
outlines = st.builds(
    lambda short, is_wide, seat, foot: Outline(
        width=1.0 if is_wide else short,
        height=short if is_wide else 1.0,
        seat=seat,
        foot=foot,
    ),
    sides,
    st.booleans(),
    st.floats(0, 0.5),
    st.floats(0, 0.3),
)
lots = st.integers(0, 10_000).map(lambda index: Lot(1, index, 2))


def rectangle(place: Place, outline: Outline) -> Rectangle:
    width, height = place.size * outline.width, place.size * outline.height
    return (
        place.x - width / 2,
        place.y - height / 2,
        place.x + width / 2,
        place.y + height / 2,
    )


def arranged(
    relation: str | None, first: Outline, second: Outline, lot: Lot
) -> tuple[Rectangle, Rectangle, list[Place]]:
    """The rectangles of both things, and the places in painting order."""
    scene = Scene(things=(Thing(name="a"), Thing(name="b")), relation=relation)
    places = layout.arrange(scene, (first, second), lot)
    assert sorted(place.thing for place in places) == [0, 1]
    by_thing = {place.thing: place for place in places}
    return rectangle(by_thing[0], first), rectangle(by_thing[1], second), places


def overlap(first: Rectangle, second: Rectangle) -> bool:
    return (
        first[0] < second[2] - EDGE
        and second[0] < first[2] - EDGE
        and first[1] < second[3] - EDGE
        and second[1] < first[3] - EDGE
    )


@pytest.mark.parametrize("relation", layout.ARRANGEMENTS)
@given(first=outlines, second=outlines, lot=lots)
def test_nothing_is_cut_off(
    relation: str | None, first: Outline, second: Outline, lot: Lot
) -> None:
    for x0, y0, x1, y1 in arranged(relation, first, second, lot)[:2]:
        assert min(x0, y0) >= 0
        assert max(x1, y1) <= 1


@given(first=outlines, second=outlines, lot=lots)
def test_left_right_above_and_below_are_true(first: Outline, second: Outline, lot: Lot) -> None:
    a, b, _ = arranged("left_of", first, second, lot)
    assert a[2] <= b[0]
    a, b, _ = arranged("right_of", first, second, lot)
    assert a[0] >= b[2]
    a, b, _ = arranged("above", first, second, lot)
    assert a[3] <= b[1]
    a, b, _ = arranged("below", first, second, lot)
    assert a[1] >= b[3]


@given(first=outlines, second=outlines, lot=lots)
def test_things_beside_each_other_share_a_height(first: Outline, second: Outline, lot: Lot) -> None:
    for relation in (None, "next_to", "left_of", "right_of"):
        a, b, _ = arranged(relation, first, second, lot)
        assert not overlap(a, b)
        assert (a[1] + a[3]) / 2 == pytest.approx((b[1] + b[3]) / 2)


@given(first=outlines, second=outlines, lot=lots)
def test_what_stands_on_something_touches_it_from_above(
    first: Outline, second: Outline, lot: Lot
) -> None:
    a, b, places = arranged("on", first, second, lot)
    foot = a[3] - first.foot * (a[3] - a[1])
    seat = b[1] + second.seat * (b[3] - b[1])
    assert foot == pytest.approx(seat, abs=0.02)
    assert a[1] + a[3] < b[1] + b[3]
    assert [place.thing for place in places] == [1, 0]


@given(first=outlines, second=outlines, lot=lots)
def test_a_rider_overlaps_what_it_rides_and_sits_higher(
    first: Outline, second: Outline, lot: Lot
) -> None:
    a, b, places = arranged("riding", first, second, lot)
    assert overlap(a, b)
    assert a[1] + a[3] < b[1] + b[3]
    assert (a[0] + a[2]) / 2 == pytest.approx((b[0] + b[2]) / 2)
    assert [place.thing for place in places] == [1, 0]


@given(first=outlines, second=outlines, lot=lots)
def test_a_container_hides_the_lower_part_of_what_is_inside(
    first: Outline, second: Outline, lot: Lot
) -> None:
    a, b, places = arranged("inside", first, second, lot)
    assert overlap(a, b)
    assert a[0] >= b[0]
    assert a[2] <= b[2]
    assert a[1] < b[3] - 0.5 * (b[3] - b[1])
    assert [place.thing for place in places] == [0, 1]


@given(first=outlines, second=outlines, lot=lots)
def test_what_is_in_front_is_painted_later_and_overlaps(
    first: Outline, second: Outline, lot: Lot
) -> None:
    for relation, order in (("in_front_of", [1, 0]), ("behind", [0, 1])):
        a, b, places = arranged(relation, first, second, lot)
        assert overlap(a, b)
        assert [place.thing for place in places] == order
        assert places[0].size > places[1].size * 0.9


@given(first=outlines, second=outlines, lot=lots)
def test_a_load_is_smaller_than_its_carrier_and_before_it(
    first: Outline, second: Outline, lot: Lot
) -> None:
    a, b, places = arranged("carrying", first, second, lot)
    assert overlap(a, b)
    assert a[0] <= (b[0] + b[2]) / 2 <= a[2]
    assert a[1] <= (b[1] + b[3]) / 2 <= a[3]
    assert [place.thing for place in places] == [0, 1]


@pytest.mark.parametrize("count", range(1, 7))
@pytest.mark.parametrize("size", ["small", "medium", "large"])
@given(outline=outlines, lot=lots)
def test_counted_things_are_apart_and_whole(
    count: int, size: str, outline: Outline, lot: Lot
) -> None:
    scene = Scene(things=(Thing(name="a", count=count, size=size),))
    rectangles = [rectangle(place, outline) for place in layout.arrange(scene, [outline], lot)]
    assert len(rectangles) == count
    assert not any(itertools.starmap(overlap, itertools.combinations(rectangles, 2)))
    for x0, y0, x1, y1 in rectangles:
        assert min(x0, y0) >= 0
        assert max(x1, y1) <= 1


@given(first=outlines, second=outlines, lot=lots)
def test_groups_beside_others_stay_apart(first: Outline, second: Outline, lot: Lot) -> None:
    things = (Thing(name="a", count=3), Thing(name="b", count=2))
    for relation in ("left_of", "above", None):
        places = layout.arrange(Scene(things=things, relation=relation), (first, second), lot)
        rectangles = [rectangle(place, (first, second)[place.thing]) for place in places]
        assert [place.thing for place in places].count(0) == 3
        assert len(places) == 5
        assert not any(itertools.starmap(overlap, itertools.combinations(rectangles, 2)))


@given(outline=outlines, lot=st.integers(0, 100))
def test_sizes_that_are_told_differ_clearly(outline: Outline, lot: int) -> None:
    sizes = [
        layout.arrange(Scene(things=(Thing(name="a", size=size),)), [outline], Lot(1, lot, 2))[
            0
        ].size
        for size in ("small", "medium", "large")
    ]
    assert sizes[1] > 1.2 * sizes[0]
    assert sizes[2] > 1.15 * sizes[1]
