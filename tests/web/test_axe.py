"""axe-core, the judge of accessibility that browsers' own tools use, finds nothing in any view.

`make axe` fetches it; it is not ours and is not shipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .test_draw import draw, pictures, refused_sentence

AXE = Path(__file__).parents[2] / ".venv" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.map(({ id, help, nodes }) =>
    `${id}: ${help}: ${nodes.map((one) => one.html.slice(0, 200)).join(" | ")}`);
}"""
LOOKS = pytest.mark.parametrize(
    ("language", "theme"),
    [("en-GB", "light"), ("en-GB", "dark"), ("fr-FR", "light"), ("fr-FR", "dark")],
)


@pytest.fixture(scope="module")
def axe():
    if not AXE.is_file():
        pytest.skip("axe-core is not here; make axe fetches it")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture
def judge(open_page, axe):
    """Opens pages in a language and a theme, and says what axe finds on them."""

    def judge(page):
        page.wait_for_timeout(600)  # what fades in is judged when it is there
        if not page.evaluate("Boolean(window.axe)"):
            page.evaluate(axe)
        assert page.evaluate(RUN) == []

    return judge


@LOOKS
def test_drawing(open_page, server, judge, language, theme):
    page = open_page(server.url, locale=language, color_scheme=theme)
    judge(page)
    page.locator("summary").first.click()
    draw(page, "easy to read")
    pictures(page)
    judge(page)
    page.locator("button.tile").first.click()
    page.locator("nonette-viewer summary").click()
    judge(page)
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    judge(page)
    page.keyboard.press("Escape")
    draw(page, refused_sentence(server))
    page.wait_for_selector(".draw .trouble code")
    judge(page)


@LOOKS
@pytest.mark.parametrize("view", ["history", "gallery", "operator"])
def test_rooms(open_page, crowded, judge, view, language, theme):
    page = open_page(f"{crowded.url}/?view={view}", locale=language, color_scheme=theme)
    page.wait_for_selector(f"nonette-{view} :is(.strip img, .cards img, .plain-table .stamp)")
    judge(page)


@LOOKS
def test_editing(open_page, crowded, judge, language, theme):
    judge(open_page(f"{crowded.url}/?view=edit", locale=language, color_scheme=theme))


@LOOKS
def test_blending(open_page, crowded, judge, language, theme):
    page = open_page(f"{crowded.url}/?view=blend", locale=language, color_scheme=theme)
    page.wait_for_selector("nonette-blend .strip img")
    judge(page)
    page.locator("nonette-blend [role=group] button").nth(1).click()
    judge(page)


@LOOKS
def test_working_on_a_picture(open_page, crowded, judge, language, theme):
    page = open_page(f"{crowded.url}/?view=edit", locale=language, color_scheme=theme)
    page.locator(".start .tile").first.click()
    page.wait_for_selector(".board canvas")
    page.locator("nonette-edit-form summary").click()
    for mode in range(4):
        page.locator(".modes button").nth(mode).click()
        judge(page)


@LOOKS
def test_dialogs(open_page, crowded, judge, language, theme):
    page = open_page(f"{crowded.url}/?view=history", locale=language, color_scheme=theme)
    history = page.locator("nonette-history")
    history.locator(".strip img").first.wait_for()
    history.locator(".filter button").last.click()
    history.locator(".strip button").first.click()
    judge(page)
    for place in (1, 3, 5):  # collections, publishing, deleting
        history.locator(".bar button").nth(place).click()
        page.wait_for_selector("dialog[open]")
        judge(page)
        page.keyboard.press("Escape")
    page.goto(f"{crowded.url}/?view=gallery")
    cards = page.locator("nonette-gallery .cards li").first
    cards.locator(".tile").click()
    judge(page)
    page.keyboard.press("Escape")
    cards.locator(".row button").last.click()
    judge(page)


@LOOKS
def test_who_must_sign_in_and_who_follows_a_link(open_page, closed, judge, language, theme):
    page = open_page(closed.url, locale=language, color_scheme=theme)
    page.wait_for_selector("dialog[open]")
    judge(page)
    page.goto(f"{closed.url}/?share={closed.token}")
    page.wait_for_selector("nonette-shared img")
    judge(page)
