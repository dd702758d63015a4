"""The gallery: what is published and how it is told, what is reported and what becomes of it."""

from __future__ import annotations

from .test_draw import draw, pictures


def publish(server, sentence, **facts):
    """One published picture of a sentence."""
    job = server.ended(server.submit(sentence, num_pictures=1)["id"])
    picture = job["results"][0]["id"]
    change = {"is_published": True, "tells_prompt": True} | facts
    assert server.client.patch(f"/api/pictures/{picture}", json=change).status_code == 200
    return picture


def gallery(open_page, server, **options):
    page = open_page(f"{server.url}/?view=gallery", **options)
    page.wait_for_selector("nonette-gallery .cards:not([aria-busy='true'])")
    return page


def test_a_picture_is_published_drawn_from_and_taken_back(open_page, empty):
    page = open_page(empty.url)
    draw(page, "a red fox")
    pictures(page)
    page.locator("button.tile").nth(1).click()
    page.get_by_role("button", name="Publish …").click()
    form = page.get_by_role("dialog", name="Publish this picture")
    assert form.get_by_label("Tell the sentence").is_checked()
    form.get_by_label("A title").fill("Reynard")
    form.get_by_label("Your name").fill("Ada")
    form.get_by_role("button", name="Publish …").click()
    page.wait_for_selector("text=It is in the gallery.")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Gallery").click()
    card = page.locator("nonette-gallery .cards li")
    card.wait_for()
    assert all(words in card.inner_text() for words in ("Reynard", "a red fox", "by Ada"))
    assert card.get_by_role("img").get_attribute("alt") == "a red fox"
    card.get_by_role("button", name="Enlarge: a red fox").click()
    large = page.get_by_role("dialog", name="a red fox")
    assert large.get_by_role("img").evaluate("one => one.naturalWidth") == 128
    page.fill("#sentence", "", force=True)
    large.get_by_role("button", name="Draw this sentence").click()
    page.wait_for_selector("dialog[open]", state="detached")
    assert page.input_value("#sentence") == "a red fox"
    assert page.locator("#sentence").is_visible()
    page.get_by_role("button", name="Earlier").click()
    page.get_by_role("button", name="Choose several").click()
    page.get_by_role("button", name="Picture 2 of 9: a red fox, published").click()
    page.get_by_role("button", name="Publish …").click()
    form.get_by_role("button", name="Take it back").click()
    page.wait_for_selector("text=It is no longer in the gallery.")
    page.get_by_role("button", name="Gallery").click()
    page.wait_for_selector("text=Nobody has published a picture here yet.")


def test_the_sentence_is_told_only_where_its_maker_says_so(open_page, empty):
    publish(empty, "a secret fox", tells_prompt=False)
    page = gallery(open_page, empty)
    card = page.locator("nonette-gallery .cards li")
    card.wait_for()
    assert "A picture without words" in card.inner_text()
    assert card.get_by_role("button", name="Draw this sentence").count() == 0
    assert "a secret" not in page.content()


def test_the_gallery_goes_on_page_by_page_and_arrow_keys_go_through_it(open_page, empty):
    job = empty.ended(empty.submit("a hill", num_pictures=50, candidates=50)["id"])
    for number, picture in enumerate(job["results"]):
        change = {"is_published": True, "title": f"number {number}"}
        empty.client.patch(f"/api/pictures/{picture['id']}", json=change)
    page = gallery(open_page, empty)
    cards = page.locator("nonette-gallery .cards li")
    cards.first.wait_for()
    assert cards.count() == 48 and "number 49" in cards.first.inner_text()
    page.get_by_role("button", name="Show more").last.click()
    page.wait_for_function("() => document.querySelectorAll('.cards li').length === 50")
    assert "number 0" in cards.last.inner_text()
    page.get_by_role("button", name="Enlarge: number 49").click()
    page.keyboard.press("ArrowRight")
    page.get_by_role("dialog", name="number 48").wait_for()


def test_a_report_reaches_the_operator_who_hides_the_picture(open_page, empty):
    picture = publish(empty, "a copied fox")
    page = gallery(open_page, empty)
    page.get_by_role("button", name="Report: a copied fox").click()
    form = page.get_by_role("dialog", name="Report this picture")
    form.get_by_role("button", name="Send the report").click()
    assert page.evaluate("document.querySelector('#report-category').matches(':invalid')")
    form.get_by_label("Reason").select_option("rights")
    form.get_by_label("What is wrong with it").fill("<b>It is mine.</b>")
    form.get_by_label("Where you can be reached").fill("eve@example.org")
    form.get_by_role("button", name="Send the report").click()
    page.wait_for_selector("text=Thank you.")
    form.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Server").click()
    row = page.get_by_role("row").filter(has_text="It takes somebody’s work")
    assert "<b>It is mine.</b>" in row.inner_text() and "eve@example.org" in row.inner_text()
    assert (
        row.get_by_role("img").evaluate("one => one.decode().then(() => one.naturalWidth)") == 128
    )
    row.get_by_role("button", name="Take it down").click()
    page.wait_for_selector("text=It is taken down everywhere.")
    page.wait_for_selector("text=There is nothing to decide.")
    assert empty.client.get("/api/gallery").json()["data"] == []
    assert empty.client.get(f"/api/pictures/{picture}").json()["is_hidden"]
    page.get_by_role("button", name="Earlier").click()
    page.get_by_role("button", name="Choose several").click()
    page.get_by_role("button", name="Picture 1 of 1: a copied fox").click()
    page.get_by_role("button", name="Publish …").click()
    page.wait_for_selector("text=Whoever runs this server has taken this picture down")


def test_what_is_kept_after_a_report_stays(open_page, empty):
    picture = publish(empty, "a harmless fox")
    what = {"category": "other", "message": "I do not like foxes."}
    empty.client.post(f"/api/gallery/{picture}/report", json=what)
    page = open_page(f"{empty.url}/?view=operator")
    page.get_by_role("button", name="Keep it").click()
    page.wait_for_selector("text=It stays in the gallery.")
    assert len(empty.client.get("/api/gallery").json()["data"]) == 1
