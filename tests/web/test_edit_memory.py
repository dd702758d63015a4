"""What is being edited survives a reload and a closed tab: strokes, steps, sentence, frame."""

from __future__ import annotations

from .conftest import wait_until
from .test_edit import (
    begin,
    candidates,
    hand_over,
    job_of,
    key,
    marked,
    picture,
    pixels_at,
    png,
    run,
    stroke,
)

__all__ = ["begin"]

SHELVED = """async (name) => {
  const database = await new Promise((resolve) => {
    const asked = indexedDB.open("nonette", 1);
    asked.onsuccess = () => resolve(asked.result);
  });
  const asked = database.transaction(name).objectStore(name).getAll();
  const found = await new Promise((resolve) => { asked.onsuccess = () => resolve(asked.result); });
  database.close();
  return found.map((one) => JSON.stringify(one));
}"""


def shelved(page, text):
    """Wait until the browser keeps a session that has this in it."""
    wait_until(lambda: any(text in one for one in page.evaluate(SHELVED, "sessions")))


def test_a_reload_keeps_strokes_undone_ones_the_file_and_the_sentence(begin, server):
    page = begin()
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    one = marked(page)
    key(page, "e")
    stroke(page, (0.5, 0.3), (0.5, 0.7))
    two = marked(page)
    page.keyboard.press("Control+z")
    page.fill("#edit-sentence", "a kept door")
    shelved(page, "a kept door")
    page.reload()
    page.wait_for_selector(".board canvas")
    assert page.input_value("#edit-sentence") == "a kept door"
    assert (marked(page) == one).all()
    key(page)
    page.keyboard.press("Control+Shift+z")
    assert (marked(page) == two).all()
    run(page)
    candidates(page, 4)
    job, _ = job_of(server, page)
    assert (pixels_at(server, f"/api/jobs/{job['id']}/inputs/source") == picture()).all()
    page.reload()
    candidates(page, 4)
    page.get_by_role("button", name="Back to the picture").click()
    assert (marked(page) == two).all()


def test_a_closed_tab_is_come_back_to_with_its_steps_and_frame(begin, server):
    page = begin()
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    first = marked(page)
    run(page, "a door")
    candidates(page, 4)
    key(page, "k")
    stroke(page, (0.1, 0.1), (0.2, 0.2))
    second = marked(page)
    page.locator(".modes").get_by_role("button", name="Extend").click()
    page.get_by_role("button", name="Below", exact=True).click()
    shelved(page, '"mode":"extend"')
    frame = page.locator(".frame").bounding_box()
    context = page.context
    page.close()
    page = context.new_page()
    page.goto(f"{server.url}/?view=edit")
    page.wait_for_selector(".steps .tile")
    assert page.locator(".steps .tile").count() == 2
    page.wait_for_function("() => document.querySelector('.frame').offsetWidth > 40")
    assert wait_until(lambda: page.locator(".frame").bounding_box() == frame)
    page.locator(".modes").get_by_role("button", name="Repaint").click()
    assert (marked(page) == second).all()
    page.get_by_role("button", name="Step 1 of 2").click()
    assert (marked(page) == first).all()


def test_another_picture_is_begun_with_while_the_last_stays_kept(begin, server):
    page = begin()
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    page.fill("#edit-sentence", "kept for later")
    shelved(page, "kept for later")
    page.get_by_role("button", name="Another picture").click()
    page.locator(".start").wait_for()
    page.locator("nonette-header").get_by_role("button", name="Draw").click()
    page.locator("nonette-header").get_by_role("button", name="Edit").click()
    assert page.locator(".start").is_visible()
    page.reload()
    page.wait_for_selector(".board canvas")
    assert marked(page).any()


def test_no_more_than_a_few_sessions_are_kept(begin):
    page = begin()
    for number in range(8):
        hand_over(page, png(picture(32 + number, 32)))
        page.fill("#edit-sentence", f"session {number}")
        shelved(page, f"session {number}")
    wait_until(lambda: len(page.evaluate(SHELVED, "sessions")) == 6)
    wait_until(lambda: len(page.evaluate(SHELVED, "files")) == 6)


def test_a_browser_that_keeps_nothing_is_no_trouble(browser, open_page, server):
    page = open_page(server.url)
    page.add_init_script("indexedDB.open = () => { throw new Error('forbidden') };")
    page.goto(f"{server.url}/?view=edit")
    page.wait_for_selector("#edit-sentence", state="attached")
    hand_over(page, png(picture()))
    page.wait_for_selector(".board canvas")
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    assert marked(page).any()
