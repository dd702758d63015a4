"""Painting: the same bytes for the same key, boxes on what is painted, colours as named."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from nonette.data.scenes import atlas, materials, painter, settings, styles
from nonette.data.scenes.scene import Render, Scene, Thing
from nonette.data.scenes.world import CPU_WORLD, World, draw_scene, full_world

SEED = 5_000_000
OBJECTS = ("cat", "elephant", "star", "teapot", "car", "t_shirt", "house", "guitar")


def render(*things: Thing, size: int = 128, index: int = 0, **changes: str) -> Render:
    return painter.paint(Scene(things=things, **changes), size, SEED, index)


def painted(picture: Render, background: str = "white") -> np.ndarray:
    """Where a picture on a plain background differs from it, bool (S, S)."""
    return np.abs(picture.pixels.astype(int) - settings.PLAIN[background]).max(axis=2) > 24


@pytest.mark.parametrize("make_world", [lambda: CPU_WORLD, full_world], ids=["cpu", "full"])
def test_the_same_key_gives_the_same_bytes_in_any_order(make_world: type[World]) -> None:
    scenes = [draw_scene(make_world(), SEED, index) for index in range(60)]

    def paint(index: int) -> Render:
        return painter.paint(scenes[index], 64, SEED, index)

    first = [paint(index) for index in range(60)]
    again = {index: paint(index) for index in reversed(range(60))}
    for index, picture in enumerate(first):
        assert np.array_equal(picture.pixels, again[index].pixels)
        assert picture.boxes == again[index].boxes


def test_painting_does_not_change_what_is_kept_for_later() -> None:
    scene = Scene(things=(Thing(name="cat", colour="red"),), setting="moon")
    first = painter.paint(scene, 64, SEED, 1).pixels.copy()
    spoilt = painter.paint(scene, 64, SEED, 1)
    spoilt.pixels[:] = 0
    assert np.array_equal(painter.paint(scene, 64, SEED, 1).pixels, first)


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_boxes_enclose_exactly_what_is_painted(size: int, count: int) -> None:
    for index, name in enumerate(OBJECTS):
        picture = render(Thing(name=name, colour="blue", count=count), size=size, index=index)
        is_painted = painted(picture)
        outside = is_painted.copy()
        for box in picture.boxes:
            window = np.s_[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
            inside = is_painted[window]
            outside[window] = False
            margin = max(2, size // 40)  # faint edges of a glyph may not count as painted
            for edge in (
                inside[:margin],
                inside[-margin:],
                inside[:, :margin],
                inside[:, -margin:],
            ):
                assert edge.any(), (name, box)
        assert not outside.any(), name


def test_boxes_scale_with_the_picture() -> None:
    for index in range(40):
        scene = draw_scene(full_world(), SEED, index)
        small = painter.paint(scene, 128, SEED, index).boxes
        large = painter.paint(scene, 256, SEED, index).boxes
        for one, two in zip(small, large, strict=True):
            assert np.allclose(
                np.array([one.x0, one.y0, one.x1, one.y1]) * 2,
                [two.x0, two.y0, two.x1, two.y1],
                atol=3,
            )


def test_nothing_is_cut_off_by_the_frame() -> None:
    for index in range(300):
        scene = draw_scene(full_world(), SEED, index)
        things = [painter.outline(thing) for thing in scene.things]
        for box in painter.paint(scene, 64, SEED, index).boxes:
            assert min(box.x0, box.y0) >= 0
            assert max(box.x1, box.y1) <= 64
            outline = things[box.thing]
            width, height = box.x1 - box.x0, box.y1 - box.y0
            assert width / height == pytest.approx(outline.width / outline.height, rel=0.2, abs=0.1)


@pytest.mark.parametrize("colour", materials.COLOURS)
def test_a_colour_is_measured_as_what_it_is_called(colour: str) -> None:
    background = "green" if colour in ("white", "pink", "yellow") else "white"
    names = list(materials.COLOURS)
    bases = np.array([materials.COLOURS[name] for name in names], float)
    for name in OBJECTS:
        picture = render(Thing(name=name, colour=colour), setting=background)
        typical = np.median(picture.pixels[painted(picture, background)], axis=0)
        nearest = names[int(np.argmin(((bases - typical) ** 2).sum(axis=1)))]
        assert nearest == colour, (name, typical)


def test_colours_and_materials_keep_the_shading() -> None:
    """What was darker in the glyph is darker in every colour and material, so eyes stay eyes."""
    for name in ("cat", "owl", "robot", "cow"):
        glyph = atlas.glyph(name, 96)
        body = glyph[..., 3] > 200
        own = glyph[..., :3].mean(axis=2)[body]
        dark, light = own < np.quantile(own, 0.05), own > np.quantile(own, 0.4)
        looks = [{"colour": colour} for colour in materials.COLOURS]
        looks += [{"material": material} for material in materials.MATERIALS]
        for look in looks:
            other = painter.appearance(Thing(name=name, **look), 96, 128)  # type: ignore[arg-type]
            lightness = other[..., :3].mean(axis=2)[body]
            assert lightness[dark].mean() < lightness[light].mean(), (name, look)


def test_materials_are_told_apart() -> None:
    """Each material's painted pixels are most like its own texture, by colours and their spread."""
    names = list(materials.MATERIALS)

    def features(pixels: np.ndarray) -> np.ndarray:
        flat = pixels.reshape(-1, 3).astype(float)
        return np.concatenate([np.median(flat, axis=0), 2 * flat.std(axis=0)])

    known = np.stack([features(materials.texture(name, 128)) for name in names])
    right = []
    for name, material in itertools.product(("star", "t_shirt", "heart", "elephant"), names):
        picture = render(Thing(name=name, material=material), setting="purple", size=128)
        found = features(picture.pixels[painted(picture, "purple")])
        right.append(names[int(np.argmin(((known - found) ** 2).sum(axis=1)))] == material)
    assert np.mean(right) > 0.8


@pytest.mark.parametrize("setting", [*settings.PLAIN, *settings.SCENES])
def test_every_setting_paints_at_every_time(setting: str) -> None:
    by_time = {
        time: render(Thing(name="cat"), setting=setting, time=time, size=64).pixels
        for time in settings.times(setting)
    }
    for pixels in by_time.values():
        assert pixels.shape == (64, 64, 3)
        assert pixels.dtype == np.uint8
    for first, second in itertools.combinations(by_time.values(), 2):
        assert np.abs(first.astype(int) - second).mean() > 12


def test_settings_do_not_look_alike() -> None:
    names = [*settings.PLAIN, *settings.SCENES]
    small = {
        name: render(Thing(name="star", size="small"), setting=name, size=64, index=3).pixels
        for name in names
    }
    for first, second in itertools.combinations(names, 2):
        assert np.abs(small[first].astype(int) - small[second]).mean() > 8, (first, second)


@pytest.mark.parametrize("style", styles.STYLES)
@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_every_style_paints_at_every_size(style: str, size: int) -> None:
    picture = render(Thing(name="owl"), setting="forest", style=style, size=size)
    assert picture.pixels.shape == (size, size, 3)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.std() > 8


def test_styles_differ_from_plain_and_from_each_other() -> None:
    pictures = {
        style: render(Thing(name="owl"), setting="beach", style=style).pixels.astype(int)
        for style in styles.STYLES
    }
    for first, second in itertools.combinations(pictures, 2):
        assert np.abs(pictures[first] - pictures[second]).mean() > 8, (first, second)


def test_things_side_by_side_hide_nothing_of_each_other() -> None:
    for index in range(10):
        for relation in ("left_of", "above", "next_to"):
            picture = render(Thing(name="cat"), Thing(name="car"), relation=relation, index=index)
            assert [box.visible for box in picture.boxes] == [1.0, 1.0]


@pytest.mark.parametrize("relation", ["in_front_of", "behind", "inside", "riding", "carrying"])
def test_what_is_partly_hidden_is_still_recognisable(relation: str) -> None:
    pairs = itertools.permutations(("cat", "elephant", "bucket", "car", "teapot"), 2)
    for index, (first, second) in enumerate(pairs):
        picture = render(Thing(name=first), Thing(name=second), relation=relation, index=index)
        behind, front = picture.boxes
        assert 0.35 < behind.visible < 1
        assert front.visible == 1


def test_visible_shares_count_painted_pixels() -> None:
    """Against the slow way: paint both things in flat colours and count."""
    scene = Scene(
        things=(Thing(name="star", colour="red"), Thing(name="heart", colour="blue")),
        relation="behind",
    )
    picture = painter.paint(scene, 256, SEED, 0)
    alone = dataclasses.replace(scene, things=(scene.things[0],), relation=None)
    assert painter.paint(alone, 256, SEED, 0).boxes[0].visible == 1
    red = picture.pixels[..., 0].astype(int) - picture.pixels[..., 2] > 60
    box = picture.boxes[0]
    assert box.thing == 0
    longest = int(max(box.x1 - box.x0, box.y1 - box.y0))
    own = np.count_nonzero(atlas.glyph("star", longest)[..., 3] >= painter.OPAQUE)
    assert np.count_nonzero(red) / own == pytest.approx(box.visible, abs=0.03)


def test_upside_down_is_the_picture_turned_over() -> None:
    for name in ("cat", "house", "car"):
        upright = render(Thing(name=name))
        turned = render(Thing(name=name, is_upside_down=True))
        assert upright.boxes == turned.boxes
        box = upright.boxes[0]
        window = np.s_[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
        assert np.array_equal(upright.pixels[window][::-1], turned.pixels[window])


def test_blending_rounds_as_exact_division_does() -> None:
    """(x + 128 + ((x + 128) >> 8)) >> 8 is x / 255, rounded, for every product of two bytes."""
    products = np.arange(255 * 255 + 1)
    shifted = (products + 128 + ((products + 128) >> 8)) >> 8
    assert np.array_equal(shifted, np.floor(products / 255 + 0.5).astype(int))


def test_blending_is_the_textbook_formula() -> None:
    rng = np.random.default_rng(1)
    glyph = rng.integers(0, 256, (9, 7, 4), dtype=np.uint8)
    under = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    alpha = np.repeat(glyph[..., 3], 3, axis=1).reshape(9, 21).astype(np.uint16)
    colours = glyph[..., :3].reshape(9, 21)
    sprite = painter.Sprite(colours * alpha + np.uint16(128), 255 - alpha, glyph[..., 3])
    pixels = under.copy()
    painter._blend(pixels, sprite, 5, 11)
    share = glyph[..., 3:].astype(float) / 255
    wanted = glyph[..., :3] * share + under[11:20, 5:12] * (1 - share)
    assert np.abs(pixels[11:20, 5:12] - wanted).max() <= 0.501
    pixels[11:20, 5:12] = under[11:20, 5:12]
    assert np.array_equal(pixels, under)
