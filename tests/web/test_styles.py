"""Styles are words that stand in the sentence, as the world of scenes says them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nonette.data.scenes import words_en, words_fr

from .test_draw import draw, pictures

SOURCE = Path(__file__).parents[2] / "src" / "nonette" / "web" / "styles.js"
LINE = re.compile(r'^  (\w+): \{ en: ("[^"]+"), fr: ("[^"]+") \},$', re.MULTILINE)


def test_the_words_are_those_that_the_world_says():
    told = LINE.findall(SOURCE.read_text(encoding="utf-8"))
    assert [name for name, *_ in told] == list(words_en.STYLES) == list(words_fr.STYLES)
    for name, english, french in told:
        assert json.loads(english) in words_en.STYLES[name].tails
        assert json.loads(french) in words_fr.STYLES[name].tails


def test_a_style_is_added_replaced_and_taken_away(page, server):
    page.fill("#sentence", "a red fox.")
    style = page.get_by_label("Style")
    assert style.locator("option").count() == 12
    style.select_option("watercolour")
    assert page.input_value("#sentence") == "a red fox, in watercolour"
    style.select_option("pixel_art")
    assert page.input_value("#sentence") == "a red fox, in pixel art"
    page.press("#sentence", "Control+Enter")
    assert pictures(page).first.get_attribute("alt") == "a red fox, in pixel art"
    style.select_option("")
    assert page.input_value("#sentence") == "a red fox"


def test_words_of_a_style_that_are_written_choose_it(page):
    page.fill("#sentence", "a red fox, as a mosaic")
    assert page.get_by_label("Style").input_value() == "mosaic"
    page.fill("#sentence", "a red fox on a mosaic")
    assert page.get_by_label("Style").input_value() == ""


@pytest.mark.parametrize("apostrophe", ["'", "’"])
def test_french_has_its_own_words_and_knows_the_english_ones(open_page, server, apostrophe):
    page = open_page(server.url, locale="fr-FR")
    style = page.get_by_label("Style")
    page.fill("#sentence", "un renard, in neon")
    assert style.input_value() == "neon"
    style.select_option("oil_painting")
    assert page.input_value("#sentence") == "un renard, à la peinture à l'huile"
    page.fill("#sentence", f"un renard, à l{apostrophe}aquarelle")
    style.select_option("comic")
    assert page.input_value("#sentence") == "un renard, en bande dessinée"
    draw(page, page.input_value("#sentence"))
    pictures(page)
