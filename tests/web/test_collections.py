"""Several pictures at once, named collections, and single pictures that are kept or deleted."""

from __future__ import annotations

import io
import re
import zipfile

import pytest

from .test_draw import draw, pictures
from .test_history import headings, show
from .test_look import saved


@pytest.fixture
def past(empty):
    """A server on which two sentences were drawn."""
    for sentence in ("a red fox", "two green hills"):
        assert empty.ended(empty.submit(sentence)["id"])["state"] == "done"
    return empty


def kept(server, **query):
    return server.client.get("/api/pictures", params=query).json()["data"]


def choose(page, *places, of="a red fox"):
    page.get_by_role("button", name="Choose several").click()
    for place in places:
        page.get_by_role("button", name=f"Picture {place} of 9: {of}").click()
    bar = page.get_by_role("toolbar", name="The chosen pictures")
    bar.wait_for()
    return bar


def count_pictures(page, count):
    page.wait_for_function(
        "count => document.querySelectorAll('nonette-history .strip img').length === count",
        arg=count,
    )


def test_chosen_pictures_become_a_collection_and_leave_it_again(open_page, past):
    page = show(open_page, past)
    bar = choose(page, 1, 4)
    assert "2 pictures chosen" in bar.inner_text()
    bar.get_by_role("button", name="Collections").click()
    form = page.get_by_role("dialog", name="Put 2 pictures into collections")
    form.get_by_label("New collection").fill("Foxes")
    form.get_by_role("button", name="Make it").click()
    form.get_by_role("checkbox", name="Foxes").wait_for()
    assert form.get_by_role("checkbox", name="Foxes").is_checked()
    form.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Foxes (2)").click()
    count_pictures(page, 2)
    assert headings(page) == ["a red fox"]
    page.locator("nonette-history .strip button").first.click()
    page.get_by_role("button", name="Take out of the collection").click()
    count_pictures(page, 1)
    page.get_by_role("button", name="Foxes (1)").wait_for()
    page.get_by_role("button", name="All pictures").click()
    count_pictures(page, 18)


def test_a_collection_is_made_renamed_and_deleted_and_its_pictures_stay(open_page, past):
    page = show(open_page, past)
    page.get_by_role("button", name="+ New collection").click()
    page.get_by_role("dialog", name="New collection").get_by_label("Name").fill("Hills")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_role("button", name="Hills (0)").wait_for()
    page.wait_for_selector("text=None of your pictures is like that.")
    page.get_by_role("button", name="+ New collection").click()
    form = page.get_by_role("dialog", name="New collection")
    form.get_by_label("Name").fill("Hills")
    form.get_by_role("button", name="Keep", exact=True).click()
    page.wait_for_selector("text=You have a collection of that name.")
    form.get_by_role("button", name="Leave it").click()
    page.get_by_role("button", name="Rename the collection").click()
    page.get_by_role("dialog", name="Rename the collection").get_by_label("Name").fill("Slopes")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_role("button", name="Slopes (0)").wait_for()
    (made,) = past.client.get("/api/collections").json()["data"]
    assert made["name"] == "Slopes"
    page.get_by_role("button", name="Delete the collection").click()
    sure = page.get_by_role("alertdialog", name="Delete the collection “Slopes”?")
    sure.get_by_role("button", name="Delete the collection").click()
    count_pictures(page, 18)
    assert past.client.get("/api/collections").json()["data"] == []


def test_several_are_marked_saved_and_deleted_for_good_together(open_page, past):
    page = show(open_page, past)
    bar = choose(page, 2, 3)
    bar.get_by_role("button", name="Favourite").click()
    page.get_by_role("button", name=re.compile("Picture 3 of 9: a red fox ★")).wait_for()
    assert len(kept(past, favourites=True)) == 2
    name, content = saved(page, bar.get_by_role("button", name="Save").click)
    assert name == "nonette.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert len(archive.namelist()) == 2
    bar.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep them").click()
    assert len(kept(past)) == 18
    bar.get_by_role("button", name="Delete").click()
    sure = page.get_by_role("alertdialog", name="Delete 2 pictures for good?")
    sure.get_by_role("button", name="Delete", exact=True).click()
    count_pictures(page, 16)
    assert len(kept(past)) == 16 and kept(past, favourites=True) == []
    assert "0 pictures chosen" in bar.inner_text()


def test_the_enlarged_picture_is_collected_and_deleted(open_page, past):
    page = open_page(past.url)
    draw(page, "a blue door")
    pictures(page)
    page.locator("button.tile").nth(2).click()
    viewer = page.locator("dialog.viewer[open]")
    viewer.get_by_role("button", name="Collections").click()
    form = page.get_by_role("dialog", name="Put this picture into collections")
    form.get_by_label("New collection").fill("Doors")
    form.get_by_role("button", name="Make it").click()
    form.get_by_role("checkbox", name="Doors").wait_for()
    form.get_by_role("button", name="Close").click()
    (doors,) = past.client.get("/api/collections").json()["data"]
    assert len(doors["pictures"]) == 1
    viewer.get_by_role("button", name="Delete").click()
    sure = page.get_by_role("alertdialog", name="Delete this picture for good?")
    sure.get_by_role("button", name="Delete", exact=True).click()
    pictures(page, 8)
    assert page.locator("dialog[open]").count() == 0
    assert past.client.get("/api/collections").json()["data"][0]["pictures"] == []
