"""Blending in the studio: two pictures or two sentences, a slider, and nine that lie between."""

from __future__ import annotations

import numpy as np
import pytest

from .test_draw import draw, pictures
from .test_edit import job_of, png
from .test_look import CONTRAST, CONTROLS, NAMELESS, drop


@pytest.fixture
def blending(open_page, server):
    return open_page(f"{server.url}/?view=blend")


def form(page):
    return page.locator("nonette-blend")


def flat(red, green, blue):
    return png(np.full((32, 32, 3), (red, green, blue), np.uint8))


def choose(page, side, content):
    file = {"name": "one.png", "mimeType": "image/png", "buffer": content}
    form(page).locator("input[type=file]").nth(side).set_input_files(files=[file])
    page.wait_for_function(
        "side => document.querySelectorAll('.half')[side].querySelector('img[src^=blob]')",
        arg=side,
    )


def blended(page, server, count=9):
    pictures_of_grid(page, count)
    return job_of(server, page)


def pictures_of_grid(page, count):
    page.wait_for_function(
        "count => document.querySelectorAll('.grid button.tile img').length === count", arg=count
    )


def test_two_files_are_blended_as_far_as_the_slider_says(blending, server):
    page = blending
    page.get_by_text("Choose two pictures first.").wait_for()
    choose(page, 0, flat(255, 0, 0))
    choose(page, 1, flat(0, 0, 255))
    slider = page.get_by_label("How far")
    slider.fill("20")
    assert slider.get_attribute("aria-valuetext") == "20 % of the second"
    page.get_by_label("What it should become").fill("a purple door")
    form(page).get_by_role("button", name="Run").click()
    job, found = blended(page, server)
    assert (job["request"]["task"], job["request"]["mix"]) == ("blend", 0.2)
    assert job["request"]["prompt"] == "a purple door"
    # The flat engine goes half way from the mix of both to a colour by lot.
    means = np.mean([one.mean(axis=(0, 1)) for one in found], axis=0)
    assert means[0] > means[2] + 30
    page.go_back()
    page.wait_for_url(lambda url: url.endswith("view=blend"))
    pictures_of_grid(page, 0)
    page.go_forward()
    pictures_of_grid(page, 9)
    first = {one["seed"] for one in job["results"]}
    address = page.url
    page.get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda url: url != address)
    job, _ = blended(page, server)
    assert not first & {one["seed"] for one in job["results"]} and job["request"]["mix"] == 0.2
    page.reload()
    pictures_of_grid(page, 9)
    assert page.get_by_label("How far").input_value() == "20"
    page.wait_for_function(
        "() => [...document.querySelectorAll('.pair img')].map((one) => one.naturalWidth).join()"
        " === '32,32'"
    )


def test_two_sentences_are_blended_and_drawing_keeps_its_own(blending, server):
    page = blending
    page.get_by_role("button", name="Two sentences").click()
    assert page.locator("#blend-why").inner_text() == "Say both sentences first."
    page.get_by_label("From").fill("a red fox")
    page.get_by_label("To", exact=True).fill("a blue owl")
    page.keyboard.press("Control+Enter")
    job, _ = blended(page, server)
    request = job["request"]
    assert (request["prompt"], request["second_prompt"]) == ("a red fox", "a blue owl")
    assert page.title() == "a red fox → a blue owl · Nonette"
    blend = page.url
    views = page.locator("nonette-header nav")
    views.get_by_role("button", name="Draw").click()
    assert page.locator(".grid button.tile").count() == 0
    draw(page, "a green hill")
    pictures_of_grid(page, 9)
    drawn = page.url
    views.get_by_role("button", name="Blend").click()
    pictures_of_grid(page, 9)
    assert page.url == blend and page.get_by_label("To", exact=True).input_value() == "a blue owl"
    page.go_back()
    pictures_of_grid(page, 9)
    assert page.url == drawn and page.input_value("#sentence") == "a green hill"
    page.goto(blend)
    pictures_of_grid(page, 9)
    assert page.get_by_label("From").input_value() == "a red fox"
    page.locator(".grid button.tile").first.click()
    page.locator("nonette-viewer summary").click()
    facts = page.locator("nonette-viewer dl").inner_text()
    assert "Towards" in facts and "a blue owl" in facts
    assert page.get_by_role("button", name="Use its settings").is_hidden()


def test_a_picture_that_is_looked_at_is_blended_with_an_earlier_one(open_page, server):
    page = open_page(server.url)
    draw(page, "a brown cow")
    pictures(page)
    page.locator("button.tile").nth(2).click()
    page.locator("nonette-viewer").get_by_role("button", name="Blend").click()
    sides = page.locator(".pair .half")
    assert sides.nth(1).get_attribute("aria-pressed") == "true"
    assert "still to be chosen" in sides.nth(1).get_attribute("aria-label")
    form(page).get_by_role("button", name="Take: a brown cow").nth(4).click()
    form(page).get_by_role("button", name="Run").click()
    job, _ = blended(page, server)
    assert job["request"]["mix"] == 0.5 and set(job["inputs"]) == {"source", "second_source"}


def test_a_picture_dropped_on_the_view_is_put_on_the_marked_side(blending):
    page = blending
    page.locator(".pair .half").nth(1).click()
    drop(page, flat(0, 255, 0))
    page.wait_for_function(
        "() => document.querySelector('.of-pair + .of-pair img')?.naturalWidth === 32"
    )
    assert page.locator(".pair .half").first.get_attribute("aria-pressed") == "true"


def test_a_refusal_of_the_second_sentence_names_the_rule(blending):
    page = blending
    page.get_by_role("button", name="Two sentences").click()
    page.get_by_label("From").fill("a red fox")
    page.get_by_label("To", exact=True).fill("nude photo of a woman")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".draw .trouble code")


@pytest.mark.parametrize("width", [320, 768, 3840])
def test_nothing_is_wider_than_the_window(open_page, server, width):
    window = {"width": width, "height": 800}
    page = open_page(f"{server.url}/?view=blend", viewport=window, locale="fr-FR")
    for kind in ("Deux images", "Deux phrases"):
        page.get_by_role("button", name=kind).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("theme", "language"), [("light", "en-GB"), ("dark", "fr-FR")])
def test_everything_has_a_name_and_can_be_read(open_page, server, theme, language):
    options = {"color_scheme": theme, "locale": language}
    page = open_page(f"{server.url}/?view=blend", **options)
    for kind in range(2):
        form(page).locator("[role=group] button").nth(kind).click()
        assert page.evaluate(NAMELESS, CONTROLS) == []
        assert page.evaluate(CONTRAST) == []
