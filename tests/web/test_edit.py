"""Editing in the studio: masks by mouse, finger, pen and keys, candidates, steps, what stays."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from .conftest import wait_until
from .test_draw import draw, pictures
from .test_look import drop

WIDTH, HEIGHT = 96, 64


def picture(width=WIDTH, height=HEIGHT):
    """A picture in which no two pixels beside each other are alike."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 2, rows * 3, (rows + columns) % 2 * 255], axis=2).astype(np.uint8)


def png(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def begin(open_page, server):
    """Opens the edit view with an upload."""

    def begin(pixels=None, site=server, **options):
        page = open_page(f"{site.url}/?view=edit", **options)
        content = png(picture() if pixels is None else pixels)
        upload = {"name": "mine.png", "mimeType": "image/png", "buffer": content}
        page.set_input_files("input[type=file] >> nth=0", files=[upload])
        page.wait_for_selector(".board canvas")
        return page

    return begin


def board(page):
    """Gives the page's place of a place in the picture, of which all is 1 by 1."""
    box = page.locator(".board").bounding_box()
    return lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])


def stroke(page, *places):
    """Paint a line through these places."""
    at = board(page)
    page.mouse.move(*at(*places[0]))
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*at(*place), steps=4)
    page.mouse.up()


def marked(page):
    """Which pixels the mask marks: bool (H, W)."""
    width, height, data = page.evaluate(
        """() => { const canvas = document.querySelector(".board canvas");
          const { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          return [width, height, Array.from(data).filter((_, i) => i % 4 === 3)]; }"""
    )
    return np.array(data).reshape(height, width) >= 128


def run(page, sentence=None):
    if sentence is not None:
        page.fill("#edit-sentence", sentence)
    page.locator("nonette-edit").get_by_role("button", name="Run", exact=True).click()


def candidates(page, count):
    page.wait_for_function(
        "count => document.querySelectorAll('.candidates .tile').length === count", arg=count + 1
    )
    return page.locator(".candidates .tile")


def job_of(server, page):
    """The job that the address names, and the pixels of its pictures."""
    job_id = re.search(r"job=(\w+)", page.url)[1]
    job = server.client.get(f"/api/jobs/{job_id}").json()
    found = [pixels_at(server, one["url"]) for one in job["results"]]
    return job, found


def pixels_at(server, url):
    with Image.open(io.BytesIO(server.client.get(url).content)) as image:
        return np.array(image.convert("RGB"))


def key(page, *names):
    page.evaluate("document.activeElement.blur()")
    for name in names:
        page.keyboard.press(name)


def test_what_is_painted_over_is_drawn_anew_and_nothing_else(begin, server):
    page = begin()
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    mask = marked(page)
    assert 0.03 < mask.mean() < 0.3 and mask[HEIGHT // 2, WIDTH // 2]
    run(page, "a door")
    candidates(page, 4)
    job, found = job_of(server, page)
    assert job["request"]["task"] == "edit" and job["request"]["prompt"] == "a door"
    for one in found:
        assert (one[~mask] == picture()[~mask]).all()
        assert (one[mask] != picture()[mask]).any(axis=1).mean() > 0.9


def test_a_soft_edge_is_asked_for_under_more(begin, server):
    page = begin()
    assert page.locator("#edit-feather").is_hidden()
    page.locator("nonette-edit-form summary").click()
    slider = page.get_by_label("Soft edge")
    slider.fill("5")
    assert slider.get_attribute("aria-valuetext") == "5 pixels"
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    run(page, "a door")
    candidates(page, 4)
    assert job_of(server, page)[0]["request"]["feather"] == 5
    key(page, "d")
    page.locator(".modes").get_by_role("button", name="Extend").click()
    assert slider.input_value() == "6"
    page.locator(".modes").get_by_role("button", name="Variations").click()
    assert slider.is_hidden()


def test_candidates_are_chosen_and_gone_on_with(begin, server):
    page = begin()
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    run(page, "a door")
    tiles = candidates(page, 4)
    job, _ = job_of(server, page)
    shown = page.locator(".board img")
    assert shown.get_attribute("src") == job["results"][0]["url"]
    tiles.nth(3).click()
    assert shown.get_attribute("src") == job["results"][2]["url"]
    key(page, "0")
    assert shown.get_attribute("src").startswith("blob:")
    key(page, "2")
    assert (
        page.get_by_role("button", name="Candidate 2 of 4").get_attribute("aria-pressed") == "true"
    )
    page.get_by_role("button", name="Go on with this one").click()
    assert page.locator(".steps .tile").count() == 2
    assert "board" in page.evaluate("document.activeElement.className")
    assert f"picture={job['results'][1]['id']}" in page.url
    assert not marked(page).any()
    stroke(page, (0.1, 0.1), (0.2, 0.2))
    run(page)
    candidates(page, 4)
    second, found = job_of(server, page)
    source = pixels_at(server, f"/api/jobs/{second['id']}/inputs/source")
    assert (source == pixels_at(server, job["results"][1]["url"])).all()
    key(page, "k")
    page.get_by_role("button", name="Step 1 of 3").click()
    assert shown.get_attribute("src").startswith("blob:")
    assert marked(page).any()  # its mask is as it was
    page.get_by_role("button", name="Step 3 of 3").click()
    with page.expect_download() as waiting:
        page.locator("nonette-edit").get_by_role("link", name="Save").click()
    with Image.open(waiting.value.path()) as saved:
        assert (np.array(saved) == found[0]).all()


def test_strokes_are_undone_redone_erased_inverted_and_cleared(begin):
    page = begin()
    key(page, "]", "]", "]")
    stroke(page, (0.2, 0.5), (0.8, 0.5))
    one = marked(page)
    stroke(page, (0.5, 0.1), (0.5, 0.9))
    two = marked(page)
    assert two.sum() > one.sum()
    page.keyboard.press("Control+z")
    assert (marked(page) == one).all()
    page.keyboard.press("Control+Shift+Z")
    assert (marked(page) == two).all()
    key(page, "e")
    stroke(page, (0.5, 0.1), (0.5, 0.9))
    assert marked(page).sum() < one.sum()
    assert page.get_by_role("button", name="Eraser").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Undo").click()
    assert (marked(page) == two).all()
    key(page, "i")
    assert (marked(page) == ~two).mean() > 0.95
    key(page, "Delete")
    assert not marked(page).any()
    page.get_by_role("button", name="Undo").click()
    assert marked(page).any()
    assert "of the picture is marked" in page.locator("p.unseen").inner_text()


def test_the_brush_has_a_size(begin):
    page = begin()
    areas = []
    for keys in ((), ("]",) * 4, ("[",) * 9):
        key(page, "Delete", *keys)
        stroke(page, (0.5, 0.5), (0.5, 0.5))
        areas.append(marked(page).sum())
    assert areas[2] < areas[0] < areas[1]
    page.get_by_label("Brush", exact=True).last.fill("30")
    key(page, "Delete")
    stroke(page, (0.5, 0.5), (0.5, 0.5))
    assert marked(page).sum() == pytest.approx(np.pi * (0.15 * WIDTH) ** 2, rel=0.15)


def test_a_finger_paints_and_does_not_scroll(begin):
    page = begin(has_touch=True, viewport={"width": 360, "height": 740})
    hand = page.context.new_cdp_session(page)
    at = board(page)
    for kind, places in (
        ("touchStart", [(0.2, 0.5)]),
        ("touchMove", [(0.5, 0.6)]),
        ("touchMove", [(0.8, 0.8)]),
        ("touchEnd", []),
    ):
        points = [dict(zip("xy", at(*place), strict=True)) for place in places]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    wait_until(lambda: marked(page).any())
    assert marked(page)[HEIGHT // 2, WIDTH // 5]
    assert page.evaluate("scrollY") == 0


def test_a_pen_paints_as_it_presses_and_erases_with_its_other_end(begin):
    page = begin()
    hand = page.context.new_cdp_session(page)

    def pen(kind, place, force, button="left", buttons=1):
        x, y = board(page)(*place)
        hand.send(
            "Input.dispatchMouseEvent",
            {"type": kind, "x": x, "y": y, "button": button, "buttons": buttons}
            | {"pointerType": "pen", "force": force, "clickCount": 1},
        )

    areas = []
    for force in (0.1, 1.0):
        pen("mousePressed", (0.3, 0.5), force)
        pen("mouseMoved", (0.6, 0.5), force)
        pen("mouseReleased", (0.6, 0.5), 0, buttons=0)
        areas.append(wait_until(lambda: marked(page).sum()))
        page.keyboard.press("Control+z")
    assert areas[0] < 0.8 * areas[1]
    page.keyboard.press("Control+Shift+z")
    page.evaluate(
        """([x, y]) => {
          const board = document.querySelector(".board");
          const pen = { pointerId: 1, pointerType: "pen", buttons: 32, button: 5, pressure: 1 };
          const init = { ...pen, clientX: x, clientY: y, bubbles: true };
          board.setPointerCapture = () => {};
          for (const kind of ["pointerdown", "pointerup"]) {
            board.dispatchEvent(new PointerEvent(kind, init));
          }
        }""",
        list(board(page)(0.45, 0.5)),
    )
    assert marked(page).sum() < areas[1]


def test_a_mask_is_painted_by_keys_alone(begin, server):
    page = begin()
    page.evaluate("document.querySelector('.board').focus()")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press(" ")
    assert page.locator("p.unseen").inner_text() == "The brush is down."
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    mask = marked(page)
    assert mask[HEIGHT // 2, WIDTH // 2] and mask.mean() > 0.03
    assert re.fullmatch(r"\d+ % of the picture is marked\.", page.locator("p.unseen").inner_text())
    page.keyboard.press("/")
    page.keyboard.type("a window")
    page.keyboard.press("Control+Enter")
    candidates(page, 4)
    assert job_of(server, page)[0]["request"]["prompt"] == "a window"


def test_what_hinders_is_said_and_nothing_is_sent(begin):
    page = begin()
    why = page.locator("#edit-why")
    assert why.inner_text() == "Nothing is marked yet."
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    assert why.inner_text() == "Say what the picture should show."
    page.press("#edit-sentence", "Control+Enter")
    assert "job=" not in page.url
    page.fill("#edit-sentence", "a door")
    assert why.inner_text() == ""


def test_a_refusal_names_the_rule_and_the_mask_stays(begin):
    page = begin()
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    run(page, "nude photo of a woman")
    page.locator("nonette-edit").get_by_text(
        "The rules of this server do not allow this"
    ).wait_for()
    assert marked(page).any()


def test_variations_and_enlargements_of_a_picture_that_was_drawn(open_page, server):
    page = open_page(server.url)
    draw(page, "a yellow hen")
    pictures(page)
    page.locator("button.tile").nth(2).click()
    page.get_by_role("button", name="Variations").first.click()
    assert page.input_value("#edit-sentence") == "a yellow hen"
    run(page)
    candidates(page, 9)
    job, _ = job_of(server, page)
    assert job["request"] | {"task": "vary", "strength": 0.5} == job["request"]
    key(page, "4", "k")
    page.get_by_role("button", name="Enlarge").last.click()
    page.select_option("#edit-factor", "3")
    run(page)
    candidates(page, 1)
    enlarged, (pixels,) = job_of(server, page)
    assert pixels.shape == (384, 384, 3) and enlarged["request"]["prompt"] == "a yellow hen"


def test_a_picture_of_the_history_is_taken_up(open_page, server):
    page = open_page(f"{server.url}/?view=edit")
    page.locator(".start .tile").first.click()
    page.wait_for_selector(".board canvas")
    assert re.search(r"picture=pic_\w+", page.url)
    page.reload()
    page.wait_for_selector(".board canvas")


def hand_over(page, content):
    page.evaluate(
        """(bytes) => {
          const file = new File([new Uint8Array(bytes)], "a.png", { type: "image/png" });
          document.dispatchEvent(new CustomEvent("nonette-source", { detail: { file } }));
        }""",
        list(content),
    )


def test_whoever_hands_over_a_picture_opens_it_here(open_page, server):
    page = open_page(server.url)
    hand_over(page, png(picture()))
    page.wait_for_selector(".board canvas")
    assert "view=edit" in page.url
    hand_over(page, b"no picture")
    page.locator("nonette-edit").get_by_text("The browser cannot read that file").wait_for()


def test_a_reload_finds_the_edit_that_is_drawn(begin, slow):
    page = begin(site=slow)
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    run(page, "a slow door")
    page.wait_for_selector("text=Yours is the next to be drawn.")
    page.reload()
    page.wait_for_selector(".results:not([hidden])")
    assert page.input_value("#edit-sentence") == "a slow door"
    slow.begin()
    slow.engine.go(9)
    candidates(page, 4)
    assert page.locator(".board img").get_attribute("src").startswith("/api/jobs/")


def test_an_edit_is_cancelled(begin, slow):
    page = begin(site=slow)
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    run(page, "a slow door")
    page.wait_for_selector("text=Yours is the next to be drawn.")
    page.locator(".results").get_by_text("Nobody is there to draw at the moment.").wait_for()
    page.locator("nonette-edit").get_by_role("button", name="Cancel").click()
    page.wait_for_selector("text=Cancelled.")
    page.get_by_role("button", name="Back to the picture").click()
    assert marked(page).any()


def test_an_edit_that_is_run_again_where_it_is_looked_at_has_its_source(begin, open_page, server):
    page = begin()
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    mask = marked(page)
    run(page, "a gate")
    candidates(page, 4)
    first, _ = job_of(server, page)
    other = open_page(f"{server.url}/?job={first['id']}")
    pictures(other, 4)
    other.get_by_role("button", name="Run again").click()
    other.wait_for_url(lambda url: first["id"] not in url)
    pictures(other, 4)
    second, found = job_of(server, other)
    assert (
        second["inputs"] == first["inputs"]
        and second["request"]["seed"] != first["request"]["seed"]
    )
    assert (found[0][~mask] == picture()[~mask]).all()


def test_what_no_model_can_do_is_said(open_page, server):
    def without_edits(route):
        answer = route.fetch()
        models = answer.json()
        models["data"][0]["capabilities"]["tasks"] = ["draw", "enlarge"]
        route.fulfill(response=answer, json=models)

    page = open_page(server.url)
    page.route("**/v1/models", without_edits)
    page.goto(f"{server.url}/?view=edit")
    page.locator(".start .tile").first.click()
    why = page.locator("#edit-why")
    assert why.inner_text() == "No model on this server can repaint pictures."
    page.get_by_role("button", name="Enlarge").last.click()
    assert why.inner_text() == ""


def test_a_picture_dropped_on_the_edit_view_is_edited(begin, server):
    page = begin()
    before = page.locator(".board img").get_attribute("src")
    drop(page, png(picture(48, 48)))
    page.wait_for_function(
        "before => document.querySelector('.board img').getAttribute('src') !== before", arg=before
    )
    assert page.locator(".board canvas").evaluate("one => [one.width, one.height]") == [48, 48]
