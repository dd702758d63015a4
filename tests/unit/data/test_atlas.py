"""The glyphs: sizes, edges, caching, and outlines that tell objects apart."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from nonette.core.errors import InputError
from nonette.data.scenes import atlas, catalogue
from nonette.data.scenes.catalogue import CPU_OBJECTS

BOX = 48
MOST_OVERLAP = (
    0.87  # intersection over union, of outlines scaled to one box; the real limit is 0.85
)


def outline(name: str) -> np.ndarray:
    """Where the glyph is opaque, centred in a box of (BOX, BOX)."""
    opaque = atlas.glyph(name, BOX)[..., 3] > 127
    height, width = opaque.shape
    box = np.zeros((BOX, BOX), dtype=bool)
    top, left = (BOX - height) // 2, (BOX - width) // 2
    box[top : top + height, left : left + width] = opaque
    return box


def test_cpu_objects_have_outlines_of_their_own() -> None:
    outlines = np.stack([outline(name) for name in CPU_OBJECTS]).astype(np.float32)
    areas = outlines.sum(axis=(1, 2))
    flat = outlines.reshape(len(outlines), -1)
    for seen in (flat, outlines[:, :, ::-1].reshape(len(outlines), -1)):
        both = flat @ seen.T
        overlap = both / (areas[:, None] + areas[None, :] - both)
        np.fill_diagonal(overlap, 0)
        first, second = np.unravel_index(overlap.argmax(), overlap.shape)
        assert overlap.max() < MOST_OVERLAP, (CPU_OBJECTS[first], CPU_OBJECTS[second])


def test_cpu_objects_fill_their_box() -> None:
    shares = {name: outline(name).mean() for name in CPU_OBJECTS}
    assert min(shares.values()) > 0.2, min(shares, key=lambda name: shares[name])


@pytest.mark.parametrize("size", [1, 7, 40, 128, 200])
def test_longer_side_is_the_size_asked_for(size: int) -> None:
    for name in ("kangaroo", "giraffe", "skateboard"):
        pixels = atlas.glyph(name, size)
        assert pixels.dtype == np.uint8
        assert max(pixels.shape[:2]) == size
        assert pixels.shape[2] == 4


def test_glyph_is_cropped_to_its_outline() -> None:
    for name in CPU_OBJECTS:
        alpha = atlas.original(name)[..., 3]
        for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
            assert edge.max() >= atlas.OUTLINE_ALPHA, name


def test_edges_are_not_darkened_by_the_background() -> None:
    """A yellow star has no dark fringe: half-transparent pixels keep the star's own colour."""
    star = atlas.glyph("star", 40).astype(int)
    edge = star[(star[..., 3] > 60) & (star[..., 3] < 200)]
    assert len(edge) > 10
    assert np.median(edge[:, 0]) > 200
    assert np.median(edge[:, 1]) > 150


def test_people_differ_by_gender_and_tone() -> None:
    light, dark = (atlas.glyph("adult", 40, "woman", tone) for tone in (1, 5))
    opaque = (light[..., 3] > 200) & (dark[..., 3] > 200)
    assert light[opaque][:, :3].mean() > dark[opaque][:, :3].mean() + 40
    man = atlas.glyph("adult", 40, "man", 1)
    assert man.shape != light.shape or not np.array_equal(man, light)


def test_glyphs_are_kept_and_cannot_be_painted_over() -> None:
    first = atlas.glyph("cat", 33)
    assert atlas.glyph("cat", 33) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 0


def test_cpu_world_lies_in_the_first_sheet() -> None:
    cells = [atlas.cells()[catalogue.load()[name].codepoints] for name in CPU_OBJECTS]
    assert max(cells) < atlas.CELLS_PER_SHEET


def test_assets_stay_small_and_bring_their_licence() -> None:
    assets = files("nonette.data.scenes") / "assets"
    sizes = {path.name: len(path.read_bytes()) for path in assets.iterdir() if path.is_file()}
    assert sum(sizes.values()) < 6_000_000
    assert "OFL.txt" in sizes


@pytest.mark.parametrize(
    ("name", "size", "limit"), [("unobtainium", 40, "catalogue"), ("cat", 0, "at least 1")]
)
def test_what_cannot_be_shown_is_refused(name: str, size: int, limit: str) -> None:
    with pytest.raises(InputError, match=limit):
        atlas.glyph(name, size)


def test_only_the_plain_person_has_no_gender() -> None:
    with pytest.raises(InputError, match="no such glyph"):
        atlas.glyph("cook", 40, None, 3)
