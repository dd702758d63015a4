"""Extending in the studio: a frame that snaps, the four sides and beyond; how the view looks."""

from __future__ import annotations

import re

import numpy as np
import pytest

from .test_edit import HEIGHT, WIDTH, begin, candidates, job_of, key, picture, pixels_at, run
from .test_look import CONTRAST, CONTROLS, NAMELESS

__all__ = ["begin"]

GRID = 8  # pixels of the picture, where its shorter side has 64


@pytest.fixture
def extending(begin):
    page = begin()
    page.locator(".modes").get_by_role("button", name="Extend").click()
    page.wait_for_function("() => document.querySelector('.frame').offsetWidth > 40")
    return page


def told(page):
    """Where the frame is, in pixels of the picture, and how much of it is empty, in percent."""
    page.wait_for_function(
        "() => document.querySelector('p.unseen').textContent.startsWith('The frame is at')"
    )
    text = page.locator("p.unseen").inner_text().replace("\u2212", "-")
    return tuple(map(int, re.findall(r"-?\d+", text)))


def test_the_four_sides_are_drawn_and_the_picture_stays(extending, server):
    page = extending
    page.fill("#edit-sentence", "a wide field")
    page.get_by_role("button", name="Below", exact=True).click()
    assert told(page) == (16, 32, 50)
    page.get_by_role("button", name="On the left").click()
    assert told(page) == (-32, 0, 50)
    run(page)
    candidates(page, 4)
    job, found = job_of(server, page)
    asked = {"task": "extend", "left": 32, "top": 0, "right": 0, "bottom": 0}
    assert job["request"] | asked == job["request"]
    for one in found:
        assert one.shape == (HEIGHT, WIDTH + 32, 3) and (one[:, 32:] == picture()).all()
    assert page.locator(".frame").is_hidden()
    page.get_by_role("button", name="Go on with this one").click()
    assert page.locator("#edit-why").inner_text() == "The frame covers nothing that is empty."
    page.locator(".frame").focus()
    page.keyboard.press("Shift+ArrowUp")
    assert told(page) == (0, -32, 50)
    run(page)
    candidates(page, 4)
    second, (best, *_) = job_of(server, page)
    # What the frame does not cover stays empty, so that it is no extension by whole sides.
    assert second["request"]["task"] == "edit" and best.shape == (HEIGHT + 32, WIDTH + 32, 3)
    assert (best[32:] == found[0]).all()
    assert (best[:32, :64] != 255).any() and (best[:32, 64:] == 255).all()
    mask = pixels_at(server, f"/api/jobs/{second['id']}/inputs/mask")[..., 0] > 0
    assert mask[:32, :64].all() and mask.sum() == 32 * 64
    # What the frame covers is sent as the repeated edge, over which it fades in.
    source = pixels_at(server, f"/api/jobs/{second['id']}/inputs/source")
    assert (source[:32, :64] == found[0][0, :64]).all() and (source[:32, 64:] == 255).all()
    assert second["request"]["feather"] == job["request"]["feather"] == 6
    page.get_by_role("button", name="Go on with this one").click()
    page.locator(".frame").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert told(page) == (64, 0, 50)
    run(page)
    candidates(page, 4)
    _, (whole, *_) = job_of(server, page)
    assert whole.shape == (HEIGHT + 32, WIDTH + 32, 3)
    assert (whole[:, :64] == best[:, :64]).all() and (whole[32:] == best[32:]).all()
    assert (whole[:32, 64:] != 255).any(axis=2).all()


def test_a_reload_finds_the_extension_and_goes_on_with_it(extending):
    page = extending
    page.get_by_role("button", name="On the left").click()
    run(page, "a wide field")
    candidates(page, 4)
    page.reload()
    candidates(page, 4)
    page.get_by_role("button", name="Go on with this one").click()
    assert page.evaluate("document.activeElement.className") == "frame"
    page.locator(".modes").get_by_role("button", name="Enlarge").click()
    assert "256×128" in page.locator("#edit-factor").inner_text()


def test_the_frame_is_dragged_snaps_and_goes_beyond(extending, server):
    page = extending
    frame = page.locator(".frame")
    box = frame.bounding_box()
    scale = box["width"] / 64
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 43 * scale, middle[1] - 21 * scale, steps=6)
    page.mouse.up()
    x, y, share = told(page)
    assert (x, y, share) == (64 + 40, -24, 100)  # it was at 64, 0; the grid is 8 wide
    assert x % GRID == y % GRID == 0
    page.keyboard.press("]")
    width = frame.evaluate("one => one.offsetWidth / one.offsetHeight")
    assert width == pytest.approx(1, abs=0.05)
    key(page, "[")
    run(page, "stars")
    candidates(page, 4)
    _, (one, *_) = job_of(server, page)
    assert one.shape == (HEIGHT + 24, 104 + 64, 3)
    assert (one[24:, :WIDTH] == picture()).all()
    assert (one[64:, WIDTH:] == 255).all() and (one[:24, :WIDTH] == 255).all()


def test_a_click_brings_the_frame_there(extending):
    page = extending
    box = page.locator(".world").bounding_box()
    page.mouse.click(box["x"] + 5, box["y"] + box["height"] / 2)
    x, _, share = told(page)
    assert x < -32 and share == 100


def test_what_is_left_of_rectangles_is_exact(open_page, server):
    """The geometry against counting pixels, for rectangles by lot."""
    page = open_page(server.url)
    random = np.random.default_rng(0)
    cases = []
    for _ in range(40):
        corners, sides = random.integers(-12, 12, (4, 2)), random.integers(1, 16, (4, 2))
        cases.append(np.concatenate([corners, sides], axis=1).tolist())
    module = page.evaluate("document.querySelector('link[href*=geometry]').href")
    answers = page.evaluate(
        """async ([module, cases]) => {
          const { without, growth } = await import(module);
          const rect = ([x, y, width, height]) => ({ x, y, width, height });
          return cases.map((all) => {
            const [whole, ...holes] = all.map(rect);
            const canvas = { ...whole, x: 0, y: 0 };
            return [without(whole, holes), growth(canvas, [canvas], holes[0])];
          });
        }""",
        [module, cases],
    )
    for rects, (left, grown) in zip(cases, answers, strict=True):
        whole, *holes = map(covered, rects)
        assert (
            sum(part["width"] * part["height"] for part in left) == (whole & ~any_of(holes)).sum()
        )
        assert (
            any_of([covered(list(part.values())) for part in left]) == whole & ~any_of(holes)
        ).all()
        canvas = covered([0, 0, *rects[0][2:]])
        drawn = any_of([covered(list(part.values())) for part in grown["toDraw"]])
        assert (drawn == holes[0] & ~canvas).all()
        around = covered(list(grown["whole"].values()))
        rows, columns = np.nonzero(canvas | holes[0])
        assert around.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        is_plain = (around == canvas | holes[0]).all() and drawn.any()
        assert grown["isPlain"] == is_plain


def covered(rect):
    """Which pixels of -40 to 40 both ways a rectangle covers."""
    x, y, width, height = rect
    pixels = np.zeros((80, 80), bool)
    pixels[40 + y : 40 + y + height, 40 + x : 40 + x + width] = True
    return pixels


def any_of(masks):
    return np.any([np.zeros((80, 80), bool), *masks], axis=0)


@pytest.mark.parametrize("width", [320, 768, 3840])
def test_nothing_is_wider_than_the_window(begin, width):
    page = begin(viewport={"width": width, "height": 800}, locale="fr-FR")
    for mode in range(4):
        page.locator(".modes button").nth(mode).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("nonette-edit").get_by_role("button", name="Dessiner").click()
    candidates(page, 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("theme", "language"), [("light", "en-GB"), ("dark", "fr-FR")])
def test_everything_has_a_name_and_can_be_read(begin, theme, language):
    page = begin(color_scheme=theme, locale=language)
    for mode in range(4):
        page.locator(".modes button").nth(mode).click()
        assert page.evaluate(NAMELESS, CONTROLS) == []
        assert page.evaluate(CONTRAST) == []
    page.press(".modes button >> nth=3", "Control+Enter")
    candidates(page, 1)
    assert page.evaluate(NAMELESS, CONTROLS) == []
    assert page.evaluate(CONTRAST) == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    key(page, "?")
    table = page.locator("dialog[open] table").last
    assert table.get_by_role("row").count() >= 12
    assert page.evaluate(CONTRAST) == []


def test_everything_is_reached_by_tab_and_shows_its_focus(begin):
    page = begin()
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(32):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.getAttribute('aria-label') || document.activeElement.id"
                " || document.activeElement.textContent.trim()"
            )
        )
        assert page.evaluate(
            """() => { const style = getComputedStyle(document.activeElement);
              return document.activeElement === document.body || style.outlineStyle !== "none"
                || style.boxShadow !== "none"; }"""
        ), page.evaluate("document.activeElement.outerHTML")
    expected = {"Repaint", "Enlarge", "The picture, to be painted over", "Brush", "edit-size"}
    assert expected | {"Invert the mask", "edit-sentence", "Run", "Another picture"} <= reached
