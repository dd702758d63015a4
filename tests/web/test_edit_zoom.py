"""Looking closely while a mask is painted: wheel, pinch, keys, buttons, a hand that moves it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from .conftest import wait_until
from .test_edit import HEIGHT, WIDTH, begin, board, candidates, key, marked, run, stroke

__all__ = ["begin"]


def scale(page):
    """How many times as large as the board the picture is, and what of it is in the corner."""
    leaf, frame = page.locator(".leaf").bounding_box(), page.locator(".board").bounding_box()
    times = leaf["width"] / frame["width"]
    return (
        times,
        (frame["x"] - leaf["x"]) / leaf["width"],
        (frame["y"] - leaf["y"]) / leaf["height"],
    )


def tools(page, name):
    return page.locator("nonette-edit-tools").get_by_role("button", name=name)


def test_the_wheel_brings_what_is_under_it_nearer_and_strokes_land_there(begin):
    page = begin()
    at = board(page)
    page.mouse.move(*at(0.75, 0.25))
    page.keyboard.down("Control")
    for _ in range(6):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    wait_until(lambda: scale(page)[0] > 4)
    times, x, y = scale(page)
    assert x + 0.75 / times == pytest.approx(0.75, abs=0.01)
    assert y + 0.25 / times == pytest.approx(0.25, abs=0.01)
    key(page, *["["] * 4)
    stroke(page, (0.5, 0.5), (0.5, 0.5))
    rows, columns = np.nonzero(marked(page))
    assert columns.mean() == pytest.approx((x + 0.5 / times) * WIDTH, abs=1)
    assert rows.mean() == pytest.approx((y + 0.5 / times) * HEIGHT, abs=1)
    page.mouse.wheel(0, 100)  # without Ctrl it is the page's
    assert scale(page)[0] == pytest.approx(times)


def test_buttons_and_keys_zoom_and_the_hand_moves(begin):
    page = begin()
    assert tools(page, "Farther").is_disabled() and tools(page, "See all of it").is_disabled()
    tools(page, "Nearer").click()
    key(page, "+", "+", "-", "=")
    assert scale(page)[0] == pytest.approx(1.5**3, rel=0.01)
    assert page.locator("p.unseen").inner_text() == "The picture is shown at 338 %."
    before = scale(page)
    key(page, "m")
    assert tools(page, "Hand").get_attribute("aria-pressed") == "true"
    stroke(page, (0.5, 0.5), (0.75, 0.5))
    times, x, y = scale(page)
    assert not marked(page).any() and y == pytest.approx(before[2], abs=0.01)
    assert x == pytest.approx(before[1] - 0.25 / times, abs=0.01)
    page.keyboard.press("ArrowDown")
    assert scale(page)[2] == pytest.approx(y + 0.2 / times, abs=0.01)
    key(page, "f")
    assert scale(page) == pytest.approx((1, 0, 0), abs=0.01)
    for _ in range(12):
        key(page, "+")
    assert tools(page, "Nearer").is_disabled() and scale(page)[0] == pytest.approx(16, rel=0.01)


def test_the_brush_of_the_keys_stays_in_sight(begin):
    page = begin()
    key(page, "+", "+", "+", "+")
    page.locator(".board").focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press(" ")
    page.keyboard.press("ArrowUp")
    page.keyboard.press(" ")
    assert marked(page)[:, -1].any()
    ring, frame = page.locator(".ring").bounding_box(), page.locator(".board").bounding_box()
    middle = ring["x"] + ring["width"] / 2
    assert frame["x"] <= middle <= frame["x"] + frame["width"] + 1
    assert sum(scale(page)[1:2]) > 0.5


def test_two_fingers_pinch_and_one_paints(begin):
    page = begin(has_touch=True, viewport={"width": 360, "height": 740})
    hand = page.context.new_cdp_session(page)
    at = board(page)

    def touch(kind, *places):
        points = [
            {"x": x, "y": y, "id": place} for place, (x, y) in enumerate(at(*one) for one in places)
        ]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (0.4, 0.5))
    touch("touchStart", (0.4, 0.5), (0.6, 0.5))
    for far in (0.3, 0.2, 0.1):
        touch("touchMove", (far, 0.5), (1 - far, 0.5))
    touch("touchEnd")
    wait_until(lambda: scale(page)[0] > 3)
    assert scale(page)[0] == pytest.approx(4, rel=0.1)
    assert not marked(page).any()  # what the first finger began is taken back
    assert page.evaluate("scrollY") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    touch("touchStart", (0.5, 0.5))
    touch("touchMove", (0.6, 0.5))
    touch("touchEnd")
    wait_until(lambda: marked(page).any())
    assert marked(page)[HEIGHT // 2, WIDTH // 2]


def test_candidates_are_looked_at_as_closely(begin):
    page = begin()
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    key(page, "+", "+")
    run(page, "a door")
    candidates(page, 4)
    before = scale(page)
    assert before[0] == pytest.approx(2.25, rel=0.01)
    stroke(page, (0.5, 0.5), (0.6, 0.6))  # which moves what is only looked at
    assert scale(page)[1] < before[1]
    key(page, "k")
    assert scale(page)[0] == pytest.approx(2.25, rel=0.01)


def test_the_table_of_keys_tells_of_it(begin):
    page = begin()
    key(page, "?")
    rows = page.locator("dialog[open] table").last.get_by_role("row").all_inner_texts()
    told = " / ".join(re.sub(r"\s+", " ", row) for row in rows)
    for text in ("+=- Nearer, farther", "f See all of it", "m Hand, to move the picture"):
        assert text in told
