"""Sizes: the native one, others of its shape by resampling, and the refusal of other shapes."""

import numpy as np
import pytest
from PIL import Image

from nonette.core import sizes
from nonette.core.errors import InputError
from nonette.core.types import Request


def picture(width=40, height=30):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("native", "asked", "size"),
    [
        ((128, 128), "auto", (128, 128)),
        ((128, 128), "128x128", (128, 128)),
        ((128, 128), "1024x1024", (1024, 1024)),
        ((128, 128), "200x200", (200, 200)),
        ((128, 128), "64x64", (64, 64)),
        ((192, 128), "768x512", (768, 512)),
        ((192, 128), "100x67", (100, 67)),
        ((192, 128), "1000x667", (1000, 667)),
    ],
)
def test_other_sizes_of_the_native_shape_come_out(native, asked, size):
    for task in ({}, {"task": "vary", "source": picture()}):
        request = Request(prompt="a", size=asked, **task)
        assert sizes.outcome(request, native, "tiny") == size


@pytest.mark.parametrize(
    ("native", "asked"),
    [
        ((128, 128), "129x128"),
        ((128, 128), "1024x1023"),
        ((128, 128), "1536x1024"),
        ((192, 128), "512x768"),
        ((192, 128), "128x128"),
    ],
)
def test_other_shapes_are_refused_with_what_the_model_draws(native, asked):
    told = f"size is '{asked}', but tiny draws {native[0]}x{native[1]} and other sizes of that"
    with pytest.raises(InputError, match=told):
        sizes.outcome(Request(prompt="a", size=asked), native, "tiny")


def test_edits_and_extensions_have_their_own_size():
    edit = Request(prompt="a", task="edit", source=picture())
    extend = Request(prompt="a", task="extend", source=picture(), top=7)
    assert sizes.outcome(edit, (128, 128), "tiny") == (40, 30)
    assert sizes.outcome(extend, (128, 128), "tiny") == (40, 37)


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, (80, 60)),
        ({"factor": 1}, (40, 30)),
        ({"factor": 1.5}, (60, 45)),
        ({"factor": 16}, (640, 480)),
        ({"size": "100x75"}, (100, 75)),
    ],
)
def test_an_enlargement_is_as_large_as_it_says(fields, size):
    request = Request(prompt="", task="enlarge", source=picture(), num_pictures=1, **fields)
    assert sizes.outcome(request, (128, 128), "tiny") == size


@pytest.mark.parametrize("asked", ["32x24", "100x100", "39x29"])
def test_an_enlargement_keeps_the_shape_and_does_not_reduce(asked):
    request = Request(prompt="", task="enlarge", source=picture(), num_pictures=1, size=asked)
    with pytest.raises(InputError, match="the picture is 40x30, and enlarging keeps its shape"):
        sizes.outcome(request, (128, 128), "tiny")


def test_resampling_is_lanczos_and_keeps_what_need_not_change():
    pixels = picture()
    assert sizes.resized(pixels, (40, 30)) is pixels
    wanted = Image.fromarray(pixels).resize((80, 60), Image.Resampling.LANCZOS)
    assert np.array_equal(sizes.resized(pixels, (80, 60)), np.asarray(wanted))
    flat = np.full((30, 40, 3), 77, np.uint8)
    assert (sizes.resized(flat, (13, 99)) == 77).all()


def test_settings_say_what_was_resampled():
    assert sizes.notes((128, 128), (128, 128)) == {}
    assert sizes.notes((128, 128), (512, 512)) == {"drawn_size": "128x128", "enlarged": "lanczos"}
    assert sizes.notes((128, 128), (64, 64)) == {"drawn_size": "128x128", "reduced": "lanczos"}
