"""The studio with the model that is bundled: every way of working on a picture, each once."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from live_server import LiveServer

from .test_draw import draw, pictures, seeds, state
from .test_edit import candidates, job_of, key, marked, pixels_at, run, stroke

MODEL = "scenes"
PATIENCE = 120_000  # milliseconds, on a machine that does other things as well
SIDE = 128  # pixels of its pictures


class Site:
    """A server that can be killed and started again where it was."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        self.folder = folder
        self.start()

    def start(self):
        words = ("--port", self.port)
        self.server = LiveServer(self.folder, *words, model=MODEL, lease_seconds=2)
        self.server.__enter__()

    def kill(self):
        self.server.process.kill()
        self.server.end()


@pytest.fixture(scope="module")
def site(tmp_path_factory, browser):
    site = Site(tmp_path_factory.mktemp("bundled"))
    yield site
    site.server.end()


@pytest.fixture
def home(open_page, site):
    page = open_page(site.server.url)
    page.set_default_timeout(PATIENCE)
    return page


def ask_for_many(page, sentence, num_candidates):
    """Begin a drawing that takes seconds, and wait until it is under way."""
    page.locator("#more summary").click()
    page.fill("#candidates", str(num_candidates))
    draw(page, sentence)
    page.wait_for_selector(".draw .tile.is-begun")
    assert state(page).inner_text() == "Drawing."


def test_nine_are_drawn_and_run_again_gives_others_and_strange_words_are_named(home, site):
    draw(home, "a red apple near Rouen")
    found = pictures(home)
    assert found.evaluate_all("all => all.map((one) => one.naturalWidth)") == [SIDE] * 9
    home.wait_for_selector("text=Never seen: near and Rouen.")
    first, address = seeds(site.server, home), home.url
    home.get_by_role("button", name="Run again").click()
    home.wait_for_url(lambda url: url != address)
    pictures(home)
    assert not first & seeds(site.server, home)
    job, _ = job_of(site.server, home)
    scores = [one["score"] for one in job["results"]]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == 9


def test_a_picture_is_repainted_extended_varied_and_enlarged(home, site):
    server = site.server
    draw(home, "a white duck in the snow")
    pictures(home)
    home.locator("button.tile").first.click()
    home.get_by_role("button", name="Repaint").first.click()
    home.wait_for_selector(".board canvas")
    key(home, *["]"] * 4)
    stroke(home, (0.3, 0.5), (0.6, 0.5))
    mask = marked(home)
    run(home, "a black duck in the snow")
    candidates(home, 4)
    job, found = job_of(server, home)
    before = pixels_at(server, f"/api/jobs/{job['id']}/inputs/source")
    for one in found:
        assert (one[~mask] == before[~mask]).all() and (one[mask] != before[mask]).any()

    key(home, "k")
    home.locator(".modes").get_by_role("button", name="Extend").click()
    home.get_by_role("button", name="On the left").click()
    run(home)
    candidates(home, 4)
    job, (wide, *_) = job_of(server, home)
    assert job["request"]["task"] == "extend"
    assert wide.shape == (SIDE, SIDE + SIDE // 2, 3) and (wide[:, SIDE // 2 :] == found[0]).all()

    home.get_by_role("button", name="Back to the picture").click()
    home.locator(".modes").get_by_role("button", name="Variations").click()
    run(home)
    candidates(home, 9)
    _, varied = job_of(server, home)
    assert all(one.shape == (SIDE, SIDE, 3) for one in varied)
    assert all((one != found[0]).any() for one in varied)

    key(home, "d")
    home.locator(".modes").get_by_role("button", name="Enlarge").click()
    run(home)
    candidates(home, 1)
    _, (large,) = job_of(server, home)
    small = large.reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - found[0]).mean() < 8  # the same picture, of 255


def test_a_long_drawing_is_cancelled(home, site):
    ask_for_many(home, "two green frogs", 512)
    home.get_by_role("button", name="Cancel").click()
    home.wait_for_selector("text=Cancelled.")
    assert job_of(site.server, home)[0]["state"] == "cancelled"


def test_a_server_killed_while_it_draws_comes_back_and_the_nine_arrive(home, site):
    ask_for_many(home, "a blue whale", 128)
    address = home.url
    site.kill()
    home.wait_for_selector("text=The connection to the server is lost.")
    site.start()
    pictures(home)
    assert home.locator("text=The connection to the server is lost.").is_hidden()
    assert home.url == address and len(seeds(site.server, home)) == 9
