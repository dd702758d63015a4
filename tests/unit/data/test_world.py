"""Worlds: scenes fixed by their index, true, visible, and on their side of the split."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from nonette.core.errors import InputError
from nonette.data.scenes import casting, catalogue, splits, styles, visibility, world
from nonette.data.scenes.scene import Scene
from nonette.data.scenes.world import (
    CPU_WORLD,
    SMALL_WORLD,
    TINY_WORLD,
    World,
    draw_scene,
    full_world,
)

SEED = 5_000_000


def scenes(
    lived_in: World, num: int, split: world.Split = "train", start: int = 0
) -> Iterator[Scene]:
    return (draw_scene(lived_in, SEED, index, split) for index in range(start, start + num))


@pytest.fixture(scope="module")
def cpu_scenes() -> list[Scene]:
    return list(scenes(CPU_WORLD, 3000))


@pytest.fixture(scope="module")
def full_scenes() -> list[Scene]:
    return list(scenes(full_world(), 2500))


@pytest.fixture(scope="module")
def all_scenes(cpu_scenes: list[Scene], full_scenes: list[Scene]) -> list[Scene]:
    return cpu_scenes + full_scenes


def test_a_scene_is_fixed_by_its_index_whatever_came_before(cpu_scenes: list[Scene]) -> None:
    for index in (2999, 17, 0, 1234):
        assert draw_scene(CPU_WORLD, SEED, index) == cpu_scenes[index]


def test_seeds_give_other_scenes(cpu_scenes: list[Scene]) -> None:
    others = [draw_scene(CPU_WORLD, SEED + 1, index) for index in range(200)]
    assert sum(map(Scene.__eq__, others, cpu_scenes)) < 5


def test_training_never_shows_a_held_out_pair(all_scenes: list[Scene]) -> None:
    assert not any(splits.held_out_pairs(scene) for scene in all_scenes)


@pytest.mark.parametrize("kind", splits.PAIR_KINDS)
@pytest.mark.parametrize("lived_in", [CPU_WORLD, TINY_WORLD], ids=lambda lived_in: lived_in.name)
def test_a_held_out_scene_shows_a_pair_of_the_kind_asked_for(lived_in: World, kind: str) -> None:
    if kind not in world._held_out_kinds(lived_in):
        with pytest.raises(InputError, match="tiny holds out"):
            draw_scene(lived_in, SEED, 0, "held_out", kind)
        return
    for index in range(40):
        scene = draw_scene(lived_in, SEED, index, "held_out", kind)
        assert kind in {pair[0] for pair in splits.held_out_pairs(scene)}


def test_held_out_scenes_show_every_kind_of_pair() -> None:
    shown = Counter(
        pair[0]
        for scene in scenes(CPU_WORLD, 300, "held_out")
        for pair in splits.held_out_pairs(scene)
    )
    assert set(shown) == set(splits.PAIR_KINDS)
    assert min(shown.values()) > 30


def test_holding_out_costs_rich_scenes_no_share(cpu_scenes: list[Scene]) -> None:
    def is_rich(scene: Scene) -> bool:
        thing = scene.things[0]
        has_look = thing.material is not None or thing.colour is not None
        return len(scene.things) == 1 and has_look and scene.setting in CPU_WORLD.settings

    train = np.mean([is_rich(scene) for scene in cpu_scenes])
    free = np.mean([is_rich(scene) for scene in scenes(CPU_WORLD, 3000, "all")])
    assert abs(train - free) < 4 * np.sqrt(2 * free * (1 - free) / 3000)


def test_plans_keep_their_shares(cpu_scenes: list[Scene]) -> None:
    shares = {
        "count": np.mean([scene.things[0].count > 1 for scene in cpu_scenes]),
        "two": np.mean([len(scene.things) == 2 for scene in cpu_scenes]),
    }
    # Pairs that may not meet are drawn anew with their plan: "two" loses a tenth of its share.
    count, two = CPU_WORLD.plan_shares[1:3]
    kept = 1 - 0.1 * two
    assert shares["count"] == pytest.approx(count / kept, abs=0.03)
    assert shares["two"] == pytest.approx(0.9 * two / kept, abs=0.03)
    is_plain = np.mean([scene.setting in CPU_WORLD.plain_settings for scene in cpu_scenes])
    assert 0.30 < is_plain < 0.40


def test_every_value_of_a_world_is_drawn(cpu_scenes: list[Scene], full_scenes: list[Scene]) -> None:
    for lived_in, drawn in ((CPU_WORLD, cpu_scenes), (full_world(), full_scenes)):
        things = [thing for scene in drawn for thing in scene.things]
        assert {thing.colour for thing in things} == {None, *lived_in.colours}
        assert {thing.material for thing in things} == {None, *lived_in.materials}
        assert {scene.setting for scene in drawn} == {*lived_in.settings, *lived_in.plain_settings}
        assert {scene.style for scene in drawn} == set(lived_in.styles)
        assert {scene.relation for scene in drawn} == {None, *lived_in.relations}
        assert {scene.time for scene in drawn} == set(lived_in.times)
        assert {thing.count for thing in things} == set(range(1, lived_in.max_count + 1))
        assert {thing.size for thing in things} == {"small", "medium", "large"}
        if lived_in is CPU_WORLD:
            assert {thing.name for thing in things} == set(lived_in.objects)


def test_the_full_world_is_as_large_as_it_should_be() -> None:
    lived_in = full_world()
    assert lived_in is world.FULL_WORLD
    assert len(lived_in.objects) >= 950
    assert len(lived_in.colours) == 11
    assert len(lived_in.materials) >= 16
    assert len(lived_in.settings) >= 15
    assert len(lived_in.styles) >= 12
    assert set(CPU_WORLD.objects) <= set(lived_in.objects)


def test_only_what_a_style_shows_is_told(all_scenes: list[Scene]) -> None:
    for scene in all_scenes:
        style = styles.STYLES[scene.style]
        for thing in scene.things:
            assert thing.colour is None or (style.keeps_colours and thing.material is None)
            assert thing.colour is None or thing.colour in (style.colours or (thing.colour,))
            assert thing.material is None or style.keeps_materials
        if style.plain_settings and scene.setting in world.PLAIN:
            assert scene.setting in style.plain_settings
        assert scene.time != "sunset" or style.keeps_colours


def test_everything_is_visible(all_scenes: list[Scene]) -> None:
    for scene in all_scenes:
        for thing in scene.things:
            assert visibility.is_visible(thing, scene.setting, scene.time)


@pytest.mark.parametrize(
    ("look", "setting", "is_seen"),
    [
        ({"colour": "yellow"}, "yellow", False),
        ({"colour": "black"}, "black", False),
        ({"colour": "red"}, "red", False),
        ({"colour": "black"}, "white", True),
        ({"colour": "red"}, "moon", True),
        ({"material": "gold"}, "space", True),
        ({"material": "marble"}, "white", False),
    ],
)
def test_like_colours_hide_a_thing(look: dict[str, str], setting: str, is_seen: bool) -> None:
    for name in ("star", "teapot", "t_shirt"):
        thing = world.Thing(name=name, **look)  # type: ignore[arg-type]
        assert visibility.is_visible(thing, setting, "day") is is_seen


def test_two_things_differ_in_more_than_their_colours(full_scenes: list[Scene]) -> None:
    for scene in full_scenes:
        if len(scene.things) == 2:
            first, second = scene.things
            assert casting.may_meet(first.name, second.name)
            assert (first.colour is None) == (second.colour is None)
            assert first.colour is None or first.colour != second.colour
            assert first.material is None or first.material != second.material


def test_looks_are_told_only_where_outlines_tell_objects_apart(full_scenes: list[Scene]) -> None:
    entries = catalogue.load()
    for scene in full_scenes:
        for thing in scene.things:
            if thing.colour or thing.material:
                assert not entries[thing.name].merge_group
                assert entries[thing.name].category != "person"


def test_relations_with_roles_have_players_that_can(full_scenes: list[Scene]) -> None:
    entries = catalogue.load()
    played = Counter(scene.relation for scene in full_scenes if scene.relation in casting.ROLES)
    assert set(played) == set(casting.ROLES)
    for scene in full_scenes:
        if scene.relation in casting.ROLES:
            for thing, role in zip(scene.things, casting.ROLES[scene.relation], strict=True):
                assert getattr(entries[thing.name], role)


def test_people_come_with_the_shares_that_a_world_chooses() -> None:
    lived_in = dataclasses.replace(
        full_world(), person_share=1.0, woman_share=0.25, skin_tone_shares=(0, 0, 0, 0, 0.5, 0.5)
    )
    people = [
        thing
        for scene in scenes(lived_in, 400)
        for thing in scene.things
        if catalogue.load()[thing.name].is_person
    ]
    assert len(people) > 150
    assert {person.gender for person in people} == {"woman", "man"}
    assert np.mean([person.gender == "woman" for person in people]) == pytest.approx(0.25, abs=0.1)
    assert {person.skin_tone for person in people} == {4, 5}


def test_only_people_have_genders(full_scenes: list[Scene]) -> None:
    for scene in full_scenes:
        for thing in scene.things:
            assert (thing.gender is not None) == catalogue.load()[thing.name].is_person


def test_what_stands_on_its_head_shows_it(full_scenes: list[Scene]) -> None:
    turned = [thing for scene in full_scenes for thing in scene.things if thing.is_upside_down]
    assert turned
    assert all(casting.shows_turning(thing.name) for thing in turned)
    assert not casting.shows_turning("football")


def test_unknown_splits_and_pairs_are_refused() -> None:
    with pytest.raises(InputError, match="split is 'test'"):
        draw_scene(CPU_WORLD, 1, 0, "test")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="pair is 'object-smell'"):
        draw_scene(CPU_WORLD, 1, 0, "held_out", "object-smell")


def test_seeds_of_different_purposes_are_apart() -> None:
    starts = [world.TRAINING_SEED, world.EVALUATOR_SEED, world.PROMPT_SEED, world.PREVIEW_SEED]
    assert np.diff(starts).min() >= 999_999


def test_a_grey_style_needs_a_difference_in_lightness() -> None:
    thing = world.Thing(name="heart", colour="orange")
    assert visibility.is_visible(thing, "grey", "day")
    assert visibility.is_visible(thing, "black", "day", is_grey=True)
    assert not visibility.is_visible(thing, "grey", "day", is_grey=True)


def test_the_small_world_mostly_shows_one_of_twenty_things() -> None:
    found = list(scenes(SMALL_WORLD, 600))
    alone = [scene for scene in found if len(scene.things) == scene.things[0].count == 1]
    assert len(SMALL_WORLD.objects) == 20 and set(SMALL_WORLD.objects) <= set(CPU_WORLD.objects)
    assert len(alone) > 0.75 * len(found)
    counts = Counter(scene.things[0].name for scene in alone)
    assert len(counts) == 20 and min(counts.values()) > 5
    assert {scene.style for scene in found} == {"plain"}
