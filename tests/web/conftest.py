"""A browser and a server for the studio's tests: Debian's Chromium, the flat engine, loopback."""

from __future__ import annotations

import shutil
import threading
import time

import pytest

from live_server import LiveServer
from nonette.core.errors import Stopped
from nonette.core.flat import FlatEngine
from nonette.server.database import Database
from nonette.server.settings import load
from nonette.server.worker import WorkerLoop

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 30_000  # milliseconds, on a machine that does other things as well


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine (Debian's package chromium)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with LiveServer(tmp_path_factory.mktemp("studio")) as server:
        yield server


@pytest.fixture
def open_page(browser):
    """Opens pages that may load nothing from elsewhere and must not fail on the way."""
    contexts, troubles = [], []

    def open_page(url, **options):
        context = browser.new_context(**{"locale": "en-GB", **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        home = "/".join(url.split("/")[:3])
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda one: is_ours(one.url, home) or troubles.append(one.url))
        page.goto(url)
        page.wait_for_selector("#sentence", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def is_ours(address, home):
    return address.startswith((home, "blob:"))


@pytest.fixture
def page(open_page, server):
    return open_page(server.url)


class SlowEngine(FlatEngine):
    """The flat engine, which takes its next step only when a test lets it."""

    def __init__(self):
        super().__init__(num_steps=4)
        self.steps = threading.Semaphore(0)

    def draw(self, requests, on_progress=None, should_stop=None):
        def note(progress):
            on_progress(progress)
            while not self.steps.acquire(timeout=0.05):
                if should_stop():
                    raise Stopped("nobody wants it")

        return super().draw(requests, note, should_stop)

    def go(self, steps=1):
        self.steps.release(steps)


@pytest.fixture
def slow(tmp_path):
    """A server without workers, and a worker in this process whose steps the test takes."""
    with LiveServer(tmp_path, "--workers", "0") as server:
        settings = load(data_dir=server.data_dir, models=("flat",))
        database = Database(settings.url)
        engine = SlowEngine()
        loop = WorkerLoop(engine, database, settings)
        thread = threading.Thread(target=loop.run, daemon=True)
        server.begin = thread.start
        server.engine = engine
        server.settings = settings
        yield server
        loop.draining.set()
        loop.stopping.set()
        if thread.is_alive():
            thread.join(20)
        database.close()


def wait_until(is_true, seconds=20):
    limit = time.monotonic() + seconds
    while not (found := is_true()):
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.05)
    return found
