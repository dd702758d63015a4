"""What was drawn before: found by words, marked, shown again, deleted for good."""

from __future__ import annotations

import pytest

from live_server import LiveServer


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """A server on which three sentences were drawn."""
    with LiveServer(tmp_path_factory.mktemp("past")) as server:
        for sentence in ("a red fox", "a blue fox", "two green hills"):
            assert server.ended(server.submit(sentence)["id"])["state"] == "done"
        yield server


def headings(page):
    return page.locator(".groups h2").all_inner_texts()


def show(open_page, server):
    page = open_page(f"{server.url}/?view=history")
    page.wait_for_selector(".groups h2")
    return page


def test_pictures_are_found_by_words_and_shown_where_they_were_drawn(open_page, past):
    page = show(open_page, past)
    assert headings(page) == ["two green hills", "a blue fox", "a red fox"]
    assert page.locator(".strip img").count() == 27
    page.fill("#search", "fox")
    page.wait_for_function("() => document.querySelectorAll('.groups h2').length === 2")
    assert headings(page) == ["a blue fox", "a red fox"]
    page.fill("#search", "giraffe")
    page.wait_for_selector("text=None of your pictures is like that.")
    page.fill("#search", "red")
    page.wait_for_function("() => document.querySelectorAll('.groups h2').length === 1")
    page.get_by_role("button", name="Picture 3 of 9: a red fox").click()
    page.wait_for_selector("dialog.viewer[open]")
    assert page.locator("dialog.viewer .place").inner_text() == "Picture 3 of 9"
    assert page.input_value("#sentence") == "a red fox"


def test_a_favourite_is_one_after_a_reload(open_page, past):
    page = show(open_page, past)
    page.get_by_role("button", name="Picture 2 of 9: a blue fox").click()
    page.get_by_role("button", name="☆ Favourite").click()
    page.get_by_role("button", name="★ Favourite").wait_for()
    page.goto(f"{past.url}/?view=history")
    page.get_by_role("button", name="★ Favourites").click()
    page.wait_for_function("() => document.querySelectorAll('.strip img').length === 1")
    assert headings(page) == ["a blue fox"]


def test_deleting_is_asked_about_and_then_for_good(open_page, past):
    doomed = past.submit("a mistake")["id"]
    past.ended(doomed)
    page = show(open_page, past)
    delete = page.get_by_role("button", name="Delete the pictures of: a mistake")
    delete.click()
    page.get_by_role("button", name="Keep them").click()
    assert past.client.get(f"/api/jobs/{doomed}").status_code == 200
    delete.click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.wait_for_selector("text=They are gone.")
    assert "a mistake" not in headings(page)
    assert past.client.get(f"/api/jobs/{doomed}").status_code == 404
