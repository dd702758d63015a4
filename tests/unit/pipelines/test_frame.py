"""Windows over pictures: all that is marked is seen and comes back, and nothing else changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonette.core.types import Request
from nonette.pipelines import _frame

NATIVE = (32, 24)


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def mask_of(width: int, height: int, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


@given(st.data())
def test_a_window_has_the_native_shape_and_holds_all_that_is_marked(data: st.DataObject) -> None:
    width, height = (data.draw(st.integers(16, 300)) for _ in range(2))
    native = tuple(data.draw(st.integers(16, 64)) for _ in range(2))
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right = data.draw(st.integers(left + 1, width))
    bottom = data.draw(st.integers(top + 1, height))
    view = _frame.window(mask_of(width, height, left, top, right, bottom), native)
    assert view.left <= left and right <= view.left + view.width
    assert view.top <= top and bottom <= view.top + view.height
    assert abs(view.width / native[0] - view.height / native[1]) <= 1 / min(native)
    for start, size, length in ((view.left, view.width, width), (view.top, view.height, height)):
        assert 0 <= start <= length - size or (size > length and start <= 0)


def test_a_window_is_seen_at_the_native_scale_where_there_is_room() -> None:
    view = _frame.window(mask_of(200, 100, 150, 10, 160, 20), NATIVE)
    assert (view.width, view.height) == NATIVE
    assert (view.left, view.top) == (139, 3)
    corner = _frame.window(mask_of(200, 100, 0, 95, 5, 100), NATIVE)
    assert (corner.left, corner.top) == (0, 100 - 24)
    large = _frame.window(mask_of(200, 100, 50, 30, 100, 60), NATIVE)
    assert (large.width, large.height) == (100, 75)  # half the box beside it, on each side
    small = _frame.window(mask_of(20, 16, 2, 2, 5, 5), NATIVE)
    assert (small.width, small.height) == (21, 16)  # the whole picture, and a column beyond


@pytest.mark.parametrize("size", [(32, 24), (200, 100), (17, 16), (16, 90)])
@pytest.mark.parametrize("has_mask", [True, False])
def test_an_edit_keeps_every_other_pixel(size: tuple[int, int], has_mask: bool) -> None:
    source, mask = noise(*size), mask_of(*size, 3, 2, 14, 9)
    request = Request(
        prompt="a", task="edit", source=source, mask=mask if has_mask else None, num_pictures=1
    )
    seen, marked = _frame.seen(request, NATIVE)
    assert (seen.shape, marked.shape) == ((24, 32, 3), (24, 32))
    assert marked.any() and (marked.all() or has_mask)
    drawn = np.full((24, 32, 3), 7, np.uint8)
    whole = _frame.finished(request, drawn)
    repainted = mask if has_mask else np.ones_like(mask)
    assert (whole[repainted] == 7).all()
    assert np.array_equal(whole[~repainted], source[~repainted])
    assert np.array_equal(request.source, source)


def test_what_comes_back_at_the_native_scale_comes_back_exactly() -> None:
    source, mask = noise(200, 100), mask_of(200, 100, 150, 10, 160, 20)
    request = Request(prompt="a", task="edit", source=source, mask=mask)
    seen, marked = _frame.seen(request, NATIVE)
    assert np.array_equal(seen, source[3:27, 139:171])
    assert np.array_equal(marked, mask[3:27, 139:171])
    assert np.array_equal(_frame.finished(request, seen), source)


def test_an_extension_is_seen_beside_its_source() -> None:
    source = noise(*NATIVE)
    request = Request(prompt="a", task="extend", source=source, right=16, feather=0)
    seen, marked = _frame.seen(request, NATIVE)
    assert np.array_equal(seen[:, :16], source[:, 16:])
    assert (seen[:, 16:] == source[:, -1:]).all()
    assert np.array_equal(marked, mask_of(*NATIVE, 16, 0, 32, 24))
    drawn = noise(*NATIVE, seed=1)
    whole = _frame.finished(request, drawn)
    assert whole.shape == (24, 48, 3)
    assert np.array_equal(whole[:, :32], source)
    assert np.array_equal(whole[:, 32:], drawn[:, 16:])


def test_what_lies_beyond_a_picture_is_to_be_repainted() -> None:
    request = Request(prompt="a", task="extend", source=noise(90, 24), left=40, right=40)
    _, marked = _frame.seen(request, NATIVE)
    assert marked[0].all() and marked[-1].all()
    assert not marked[12, 16]


def test_the_middle_of_a_picture_is_what_a_variation_looks_at() -> None:
    assert np.array_equal(_frame.fitted(noise(64, 24), NATIVE), noise(64, 24)[:, 16:48])
    assert np.array_equal(_frame.fitted(noise(32, 48), NATIVE), noise(32, 48)[12:36])
    assert _frame.fitted(noise(500, 90), NATIVE).shape == (24, 32, 3)
    assert _frame.fitted(noise(16, 16), NATIVE).shape == (24, 32, 3)


def test_what_is_drawn_smaller_than_its_window_is_brought_to_it_as_told() -> None:
    source, mask = noise(200, 100), mask_of(200, 100, 50, 30, 100, 60)
    request = Request(prompt="a", task="edit", source=source, mask=mask)
    asked = []

    def resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        asked.append((pixels.shape, size))
        return np.full((size[1], size[0], 3), 7, np.uint8)

    whole = _frame.finished(request, np.zeros((24, 32, 3), np.uint8), resize)
    assert asked == [((24, 32, 3), (100, 75))]
    assert (whole[mask] == 7).all() and np.array_equal(whole[~mask], source[~mask])
