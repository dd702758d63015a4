"""Drawing in the studio, in a real browser against the real server with the flat engine."""

from __future__ import annotations

import re
import socket

from live_server import LiveServer

from .conftest import wait_until


def draw(page, sentence, key="Control+Enter"):
    page.fill("#sentence", sentence)
    page.press("#sentence", key)


def pictures(page, count=9):
    """The finished pictures, once they are there."""
    page.wait_for_function(
        "count => document.querySelectorAll('button.tile img').length === count"
        " && [...document.querySelectorAll('button.tile img')].every((img) => img.complete)",
        arg=count,
    )
    return page.locator("button.tile img")


def seeds(server, page):
    job_id = re.search(r"job=(\w+)", page.url)[1]
    return {one["seed"] for one in server.client.get(f"/api/jobs/{job_id}").json()["results"]}


def state(page):
    return page.locator(".state").first  # the edit view has one, too


def test_a_sentence_becomes_nine_pictures_that_say_what_they_are(page):
    draw(page, "a red square")
    found = pictures(page)
    assert found.evaluate_all("all => all.map((one) => one.alt)") == ["a red square"] * 9
    assert found.evaluate_all("all => all.map((one) => one.naturalWidth)") == [128] * 9
    names = page.get_by_role("button", name=re.compile("Picture [1-9] of 9: a red square"))
    assert names.count() == 9
    assert "9 pictures, the best match first" in state(page).inner_text()
    assert page.title() == "a red square · Nonette"


def test_run_again_gives_nine_others(page, server):
    draw(page, "a blue door")
    pictures(page)
    first, address = seeds(server, page), page.url
    page.get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda url: url != address)
    pictures(page)
    second = seeds(server, page)
    assert len(first) == len(second) == 9 and not first & second
    page.go_back()
    pictures(page)
    assert page.url == address


def test_seed_size_candidates_and_negative_words_reach_the_server(page, server):
    page.get_by_text("More", exact=True).click()
    page.fill("#negative", "rain")
    page.fill("#seed", "41")
    page.fill("#candidates", "10")
    page.select_option("#size", "256x256")
    draw(page, "a green hill")
    assert pictures(page).first.evaluate("one => one.naturalWidth") == 256
    job_id = re.search(r"job=(\w+)", page.url)[1]
    asked = server.client.get(f"/api/jobs/{job_id}").json()["request"]
    expected = {"seed": 41, "candidates": 10, "size": "256x256", "negative_prompt": "rain"}
    assert {name: asked[name] for name in expected} == expected


def test_a_value_that_cannot_be_is_not_sent(page):
    page.get_by_text("More", exact=True).click()
    page.fill("#seed", "seven")
    draw(page, "a green hill")
    assert page.evaluate("document.querySelector('#seed').matches(':invalid')")
    assert "job=" not in page.url


def test_surprise_me_writes_one_of_the_models_sentences(page):
    page.get_by_role("button", name="Surprise me").click()
    first = page.input_value("#sentence")
    page.get_by_role("button", name="Surprise me").click()
    assert {first, page.input_value("#sentence")} == {"a red square", "the colour of a Monday"}


def test_previews_progress_and_cancelling(open_page, slow):
    page = open_page(slow.url)
    draw(page, "a slow one")
    page.wait_for_selector("text=Yours is the next to be drawn.")
    slow.begin()
    page.wait_for_selector("text=Drawing.")
    slow.engine.go(1)
    page.wait_for_selector(".tile.is-begun")
    assert page.locator(".tile.is-begun canvas").count() == 9
    drawn = page.locator(".tile canvas").evaluate_all(
        "all => all.map((one) => [one.width, ...one.getContext('2d')"
        ".getImageData(9, 9, 1, 1).data])"
    )
    assert all(width == 128 and alpha == 255 for width, *_, alpha in drawn)
    assert len({tuple(one) for one in drawn}) > 1
    assert page.get_by_role("progressbar").get_attribute("value") is not None
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector("text=Cancelled.")
    job_id = re.search(r"job=(\w+)", page.url)[1]
    assert slow.client.get(f"/api/jobs/{job_id}").json()["state"] == "cancelled"


def test_who_waits_is_told_how_many_are_ahead_and_that_nobody_draws(open_page, slow):
    page = open_page(slow.url)
    slow.submit("one")
    slow.submit("another")
    draw(page, "mine")
    page.wait_for_selector("text=2 jobs are ahead of yours.")
    page.wait_for_selector("text=Nobody is there to draw at the moment.")


def test_a_reload_finds_the_running_job_again(open_page, slow):
    page = open_page(slow.url)
    draw(page, "still here")
    slow.begin()
    page.wait_for_selector("text=Drawing.")
    page.reload()
    page.wait_for_selector("text=Drawing.")
    assert page.input_value("#sentence") == "still here"
    slow.engine.go(9)
    pictures(page)


def test_the_server_goes_and_comes_back_and_the_pictures_arrive(open_page, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with LiveServer(tmp_path, "--port", port, "--workers", "0") as server:
        page = open_page(server.url)
        draw(page, "through the night")
        page.wait_for_selector("text=Yours is the next to be drawn.")
        server.process.kill()
    page.wait_for_selector("text=The connection to the server is lost.")
    with LiveServer(tmp_path, "--port", port):
        pictures(page)
        assert page.locator("text=The connection to the server is lost.").is_hidden()


def test_a_refusal_names_the_rule_and_the_words(page, server):
    sentence = refused_sentence(server)
    draw(page, sentence)
    alert = page.get_by_role("alert").filter(has_text="The rules of this server")
    alert.wait_for()
    found = server.client.post("/api/judgement", json={"prompt": sentence}).json()["rules"][0]
    page.wait_for_selector(f"code:has-text('{found['name']}')")
    assert found["title"] in alert.inner_text()
    assert all(word in alert.inner_text() for word in found["words"])
    page.get_by_role("button", name="Français").click()
    page.wait_for_selector("text=Les règles de ce serveur")
    assert found["title_fr"] in page.locator(".draw .trouble").inner_text()


def test_a_full_queue_is_told_apart(open_page, tmp_path):
    with LiveServer(tmp_path, "--workers", "0", max_waiting_per_owner=1) as server:
        server.submit("the one that fits")
        page = open_page(server.url)
        draw(page, "one too many")
        page.wait_for_selector("text=The queue is full")


def test_a_lost_connection_a_wrong_value_and_a_bug_are_told_apart(page):
    page.route("**/api/jobs", lambda route: route.abort())
    draw(page, "nobody hears")
    page.wait_for_selector("text=The server cannot be reached")
    page.unroute("**/api/jobs")
    page.route("**/api/jobs", lambda route: route.fulfill(status=500, body="oh"))
    draw(page, "nobody foresaw")
    page.wait_for_selector("text=This is our mistake")
    page.unroute("**/api/jobs")
    page.get_by_text("More", exact=True).click()
    page.fill("#seed", "9999999999999999")
    draw(page, "too far")
    page.wait_for_selector("text=The server does not take this")
    assert "seed" in page.locator(".draw .trouble .said").inner_text()


def test_words_that_the_model_never_saw_are_named(page):
    """The flat engine knows every word, so the answer of a job is given one that it does not."""

    def strange(route):
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"unknown_words": ["Eiffel", "Tower"]})

    draw(page, "the Eiffel Tower")
    pictures(page)
    page.route("**/api/jobs/job_*", strange)
    page.reload()
    page.wait_for_selector("text=Never seen: Eiffel and Tower.")


def test_another_ones_job_is_not_here(open_page, server):
    page = open_page(f"{server.url}/?job=job_of_somebody_else")
    page.wait_for_selector("text=That is not here")


def test_a_server_that_wants_a_key_asks_for_it(open_page, tmp_path, run_python):
    with LiveServer(tmp_path, api_keys="always") as server:
        made = run_python(
            *("-m", "nonette.cli", "admin", "add", "Ada", "--data-dir", str(server.data_dir))
        )
        key = re.search(r"sk-nonette-[\w-]+", made.stdout + made.stderr)
        assert key, made.stdout + made.stderr
        allowed = ["clipboard-read", "clipboard-write"]
        page = open_page(server.url, permissions=allowed)
        page.get_by_label("Your key").fill("sk-nonette-000000000000-" + "x" * 43)
        page.get_by_role("button", name="Enter").click()
        page.wait_for_selector("dialog .warn:not([hidden])")
        page.get_by_label("Your key").fill(key[0])
        page.get_by_role("button", name="Enter").click()
        page.wait_for_selector("dialog[open]", state="detached")
        draw(page, "let in")
        pictures(page)
        page.get_by_role("button", name="Copy link").click()
        page.wait_for_selector("text=Whoever has it sees these pictures, but not the sentence.")
        address = page.evaluate("navigator.clipboard.readText()")
        stranger = open_page(address)
        stranger.wait_for_selector("text=Somebody shows you these pictures")
        shown = stranger.locator("nonette-shared img")
        assert shown.count() == 9 and stranger.locator("dialog[open]").count() == 0
        assert shown.evaluate_all("all => all.map((one) => one.alt)")[0] == "Picture 1 of 9, shared"
        assert "let in" not in stranger.content()


def refused_sentence(server):
    """A sentence that breaks a rule of the policy."""
    candidates = ["a swastika on a flag", "nude photo of a woman", "a beheading"]
    return wait_until(
        lambda: next(
            (
                one
                for one in candidates
                if server.client.post("/api/judgement", json={"prompt": one}).json()["rules"]
            ),
            None,
        )
    )
