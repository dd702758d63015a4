"""Looking at pictures, keeping them, languages, keys and names for screen readers."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from PIL import Image

from nonette.provenance import encode

from .test_draw import draw, pictures


@pytest.fixture
def drawn(page):
    """A page with nine finished pictures."""
    draw(page, "two grey donkeys")
    pictures(page)
    page.evaluate("document.activeElement.blur()")
    return page


def place(page):
    return page.locator("dialog.viewer .place").inner_text()


def saved(page, action):
    """The file's name and content that an action saves."""
    with page.expect_download() as waiting:
        action()
    path = waiting.value.path()
    return waiting.value.suggested_filename, path.read_bytes()


def test_arrow_keys_go_through_the_enlarged_pictures(drawn):
    drawn.locator("button.tile").nth(1).click()
    assert place(drawn) == "Picture 2 of 9"
    first = drawn.locator("nonette-viewer img").get_attribute("src")
    drawn.keyboard.press("ArrowRight")
    assert place(drawn) == "Picture 3 of 9"
    assert drawn.locator("nonette-viewer img").get_attribute("src") != first
    drawn.keyboard.press("Home")
    drawn.keyboard.press("ArrowLeft")
    assert place(drawn) == "Picture 9 of 9"
    assert drawn.locator("nonette-viewer img").get_attribute("alt") == "two grey donkeys"
    drawn.keyboard.press("Escape")
    drawn.wait_for_selector("nonette-viewer dialog", state="hidden")
    assert drawn.evaluate("document.activeElement.className") == "tile"


def test_a_swipe_turns_the_picture(open_page, server):
    page = open_page(server.url, has_touch=True, viewport={"width": 360, "height": 740})
    draw(page, "swiped")
    pictures(page)
    page.locator("button.tile").first.click()
    page.evaluate(
        """() => {
          const dialog = document.querySelector("nonette-viewer dialog");
          const touch = (x) => new Touch({identifier: 1, target: dialog, clientX: x, clientY: 200});
          dialog.dispatchEvent(new TouchEvent("touchstart", {touches: [touch(300)]}));
          dialog.dispatchEvent(new TouchEvent("touchend", {changedTouches: [touch(120)]}));
        }"""
    )
    assert place(page) == "Picture 2 of 9"


def test_details_draw_the_picture_again(drawn):
    drawn.keyboard.press("3")
    drawn.locator("nonette-viewer summary").click()
    seed = drawn.locator("nonette-viewer dd").first.inner_text()
    command = drawn.locator("nonette-viewer pre").inner_text()
    assert f"--seed {seed}" in command and command.endswith("-- 'two grey donkeys'")
    drawn.get_by_role("button", name="Use its settings").click()
    assert drawn.input_value("#seed") == seed


def test_a_saved_picture_tells_its_sentence_unless_asked_not_to(drawn):
    drawn.keyboard.press("1")
    name, content = saved(drawn, lambda: drawn.keyboard.press("s"))
    record = encode.read(content)
    assert re.fullmatch(rf"two-grey-donkeys-1-{record['seed']}\.png", name)
    assert record["prompt"] == "two grey donkeys"
    drawn.keyboard.press("Escape")
    drawn.get_by_text("More", exact=True).click()
    drawn.get_by_label("Saved files tell the sentence").uncheck()
    _, content = saved(drawn, lambda: (drawn.keyboard.press("Escape"), save_first(drawn)))
    assert "prompt" not in encode.read(content)


def save_first(page):
    page.locator("button.tile").first.click()
    page.get_by_role("button", name="Save", exact=True).click()


def test_all_pictures_are_saved_as_one_archive(drawn):
    name, content = saved(drawn, drawn.get_by_role("button", name="Save all").click)
    assert name == "two-grey-donkeys.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        records = [encode.read(archive.read(entry)) for entry in archive.namelist()]
    assert len({record["seed"] for record in records}) == 9


def test_the_nine_are_saved_as_one_picture_with_their_sentence(drawn):
    name, content = saved(drawn, drawn.get_by_role("button", name="Save as one picture").click)
    assert name == "two-grey-donkeys.png"
    with Image.open(io.BytesIO(content)) as sheet:
        across = 3 * 128 + 2 * 4
        assert sheet.width % across == 0 and sheet.width >= 900
        strip = sheet.crop((0, sheet.width, *sheet.size))
        assert strip.convert("L").getextrema() == (pytest.approx(30, abs=12), 255)
    record = encode.read(content)
    assert record["num_pictures"] == len(record["pictures"]) == 9
    assert encode.recall(record).prompt == "two grey donkeys"


def test_a_dropped_picture_recalls_its_settings(drawn, server):
    drawn.keyboard.press("4")
    _, content = saved(drawn, lambda: drawn.keyboard.press("s"))
    drawn.goto(server.url)
    drawn.wait_for_selector("#sentence")
    drop(drawn, content)
    drawn.wait_for_selector("text=The settings of that picture are in the fields.")
    assert drawn.input_value("#sentence") == "two grey donkeys"
    assert drawn.input_value("#seed") == str(encode.read(content)["seed"])
    drop(drawn, b"\x89PNG no picture")
    drawn.wait_for_selector("text=The server does not take this")


def drop(page, content):
    page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "one.png", {type: "image/png"}));
          const target = document.querySelector("main");
          target.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
        }""",
        list(content),
    )


def test_the_link_is_copied(open_page, server):
    page = open_page(server.url, permissions=["clipboard-read", "clipboard-write"])
    draw(page, "linked")
    pictures(page)
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_selector("text=The link is in the clipboard.")
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_keys_do_what_their_table_says(drawn):
    drawn.keyboard.press("?")
    table = drawn.get_by_role("dialog", name="Keys")
    assert table.get_by_role("row").count() >= 12
    drawn.keyboard.press("Escape")
    drawn.keyboard.press("/")
    assert drawn.evaluate("document.activeElement.id") == "sentence"
    drawn.evaluate("document.activeElement.blur()")
    address = drawn.url
    drawn.keyboard.press("r")
    drawn.wait_for_url(lambda url: url != address)


def test_french_is_spoken_to_those_who_ask_for_it_and_kept(open_page, server):
    page = open_page(server.url, locale="fr-FR")
    assert page.get_by_role("button", name="Dessiner").count() == 2  # the view, and what runs
    assert page.evaluate("document.documentElement.lang") == "fr"
    page.get_by_role("button", name="English").click()
    page.wait_for_selector("text=What would you like to see?")
    page.reload()
    page.wait_for_selector("text=What would you like to see?")


def test_the_theme_that_was_chosen_stays(page):
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(paper)
    button = page.get_by_role("button", name=re.compile("Colours"))
    button.click()
    button.click()
    dark = page.evaluate(paper)
    assert dark != light
    page.reload()
    page.wait_for_selector("#sentence")
    assert page.evaluate(paper) == dark


@pytest.mark.parametrize("width", [320, 360, 768, 1440, 3840])
def test_nothing_is_wider_than_the_window(open_page, server, width):
    page = open_page(server.url, viewport={"width": width, "height": 800}, locale="fr-FR")
    draw(page, "un kangourou en fromage sur la lune " * 4)
    pictures(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("button.tile").first.click()
    box = page.locator("nonette-viewer dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width


CONTRAST = """() => {
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const read = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = read(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("*")) {
    const has = [...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (!has || !element.checkVisibility() || element.closest("noscript")) continue;
    const [a, b] = [light(read(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${element.className || element.tagName} ${ratio.toFixed(2)}`);
  }
  return poor;
}"""

CONTROLS = "button, a, input, select, textarea, img, dialog"
NAMELESS = """(controls) => [...document.querySelectorAll(controls)]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.getAttribute("aria-label") || one.alt || one.textContent.trim()
    || one.labels?.length || one.getAttribute("aria-labelledby")))
  .map((one) => one.outerHTML)"""


@pytest.mark.parametrize("language", ["en-GB", "fr-FR"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_has_a_name_and_can_be_read(open_page, server, theme, language):
    page = open_page(server.url, color_scheme=theme, locale=language)
    page.locator("summary").first.click()
    draw(page, "easy to read")
    pictures(page)
    for open_one in (None, "3", "Escape", "?"):
        if open_one:
            page.evaluate(
                "document.activeElement.matches('textarea') && document.activeElement.blur()"
            )
            page.keyboard.press(open_one)
        assert page.evaluate(NAMELESS, CONTROLS) == []
        assert page.evaluate(CONTRAST) == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))


def test_everything_is_reached_by_tab_and_shows_its_focus(drawn):
    reached = set()
    for _ in range(40):
        drawn.keyboard.press("Tab")
        reached.add(drawn.evaluate("document.activeElement.textContent.trim()"))
        shown = drawn.evaluate(
            """() => { const style = getComputedStyle(document.activeElement);
              return document.activeElement === document.body || style.outlineStyle !== "none"
                || style.boxShadow !== "none"; }"""
        )
        assert shown, drawn.evaluate("document.activeElement.outerHTML")
    assert {"Run", "Surprise me", "More", "Run again", "Save all", "Copy link"} <= reached


def test_who_wants_no_motion_gets_none(open_page, server):
    page = open_page(server.url, reduced_motion="reduce")
    draw(page, "quite still")
    assert pictures(page).first.evaluate("one => getComputedStyle(one).animationName") == "none"


def test_the_first_view_is_small_and_soon_there(open_page, server):
    page = open_page(server.url)
    sizes = page.evaluate(
        "performance.getEntriesByType('resource').map((one) => one.encodedBodySize)"
    )
    page_size = page.evaluate("performance.getEntriesByType('navigation')[0].encodedBodySize")
    assert 0 < sum(sizes) + page_size < 250_000
