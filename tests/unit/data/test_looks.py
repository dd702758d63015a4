"""Colours, materials, backdrops and styles by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from nonette.data.scenes import atlas, catalogue, materials, settings, styles, textures
from nonette.data.scenes.canvas import Canvas
from nonette.data.scenes.lots import Lot


def picture(seed: int = 0, size: int = 64) -> np.ndarray:
    return settings.backdrop("city", "day", size, Lot(1, seed, 0))


def test_tones_put_the_usual_lightness_in_the_middle() -> None:
    for name in ("cat", "cow", "owl", "penguin", "snowman"):
        glyph = atlas.glyph(name, 96)
        tone = materials.tones(glyph)[glyph[..., 3] > 127]
        assert 110 <= np.median(tone) <= 146, name


@pytest.mark.parametrize("colour", materials.COLOURS)
def test_a_ramp_only_gets_lighter_and_passes_its_colour(colour: str) -> None:
    ramp = materials.colour_ramp(colour).astype(int)
    assert np.diff(ramp.sum(axis=1)).min() >= 0
    assert np.abs(ramp[128] - materials.COLOURS[colour]).max() <= 3


@pytest.mark.parametrize("material", materials.MATERIALS)
def test_textures_are_the_same_at_any_size(material: str) -> None:
    """A texture of twice the size, averaged down, is nearly the texture itself."""
    small = materials.texture(material, 96).astype(float)
    large = materials.texture(material, 192).astype(float)
    averaged = large.reshape(96, 2, 96, 2, 3).mean(axis=(1, 3))
    assert np.abs(averaged - small).mean() < 9


def test_painting_near_a_point_alone_misses_nothing() -> None:
    x, y = textures.grid(32)
    for px, py, reach in ((0.5, 0.5, 0.2), (0.02, 0.97, 0.1), (-0.05, 0.3, 0.08), (1.3, 0.5, 0.1)):
        is_near = np.hypot(x - px, y - py) < reach
        is_near[textures.around(x, px, py, reach)] = False
        assert not is_near.any()


def test_only_transparent_materials_let_through() -> None:
    glyph = atlas.glyph("star", 96)
    tone = materials.tones(glyph)
    for name, material in materials.MATERIALS.items():
        alpha = materials.made_of(glyph, tone, name, 128)[..., 3]
        assert (alpha[40:60, 40:60].mean() < 250) == (material.opacity < 1)


def test_backdrops_vary_little_and_are_fresh() -> None:
    first, second = picture(0), picture(1)
    first_copy = first.copy()
    second[:] = 0
    assert np.array_equal(picture(0), first_copy)
    distances = [np.abs(picture(i).astype(int) - picture(i + 1)).mean() for i in range(8)]
    assert 0 < np.mean(distances) < 40


def test_a_backdrop_knows_only_what_there_is() -> None:
    assert settings.times("moon") == ("day",)
    assert settings.times("white") == ("day",)
    assert set(settings.times("beach")) == {"day", "sunset", "night", "rain"}
    assert set(settings.TIMES) <= set(settings.SCENES)


def test_what_backdrops_show_is_in_the_catalogue() -> None:
    for names in settings.SHOWS.values():
        assert names <= set(catalogue.load())
    assert "crescent_moon" in settings.shows("city", "night")
    assert "pine_tree" in settings.shows("forest", "night")
    assert not settings.shows("stage", "day")


def test_daylight_leaves_colours_alone_and_night_darkens_them() -> None:
    lot = Lot(1, 1, 1)
    assert Canvas(8, lot).lit((200, 100, 50)) == (200, 100, 50)
    assert max(Canvas(8, lot, "night").lit((200, 100, 50))) < 100


def test_rain_falls_over_everything_but_only_lightens() -> None:
    dark = np.full((128, 128, 3), 40, np.uint8)
    wet = settings.let_fall("rain", dark.copy(), Lot(1, 1, 1))
    assert (wet >= dark).all()
    share = (wet > dark).any(axis=2).mean()
    assert 0.02 < share < 0.2
    assert settings.let_fall("day", dark, Lot(1, 1, 1)) is dark


@pytest.mark.parametrize("style", styles.STYLES)
def test_a_style_is_a_function_of_the_picture(style: str) -> None:
    pixels = picture()
    before = pixels.copy()
    first, second = styles.apply(style, pixels), styles.apply(style, pixels)
    assert np.array_equal(first, second)
    assert np.array_equal(pixels, before)


def test_styles_without_colours_have_none() -> None:
    for style in ("pencil", "black_and_white"):
        pixels = styles.apply(style, picture()).astype(int)
        assert np.ptp(pixels, axis=2).max() == 0
    blue = styles.apply("blueprint", picture()).astype(int)
    assert (blue[..., 2] >= blue[..., 0]).all()


def test_pixel_art_is_made_of_large_squares() -> None:
    pixels = styles.apply("pixel_art", picture(size=128))
    blocks = pixels.reshape(32, 4, 32, 4, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()


def test_mosaic_tiles_have_the_mean_colour_of_what_they_cover() -> None:
    pixels = picture()
    labels = styles._tiles(64, 25, 0.5, 51)[0]
    means = styles._tile_means(pixels, labels).reshape(-1, 3)
    for label in np.unique(labels)[::40]:
        inside = labels == label
        assert np.allclose(means[inside], pixels.reshape(-1, 3)[inside].mean(axis=0))


def test_muting_goes_towards_its_grey() -> None:
    pixels = picture()
    muted = styles.prepared("neon", pixels)
    assert muted.mean() < 0.5 * pixels.mean()
    assert np.array_equal(styles.prepared("plain", pixels), pixels)


def test_the_lightest_neighbour_is_found() -> None:
    pixels = picture(size=32).astype(int)
    found = styles._lightest(pixels.astype(np.uint8))
    for row, column in ((0, 0), (5, 31), (17, 9), (31, 31)):
        window = pixels[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        assert np.array_equal(found[row, column], window.max(axis=(0, 1)))
