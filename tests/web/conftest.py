"""A browser and a server for the studio's tests: Debian's Chromium, the flat engine, loopback."""

from __future__ import annotations

import shutil
import threading
import time

import pytest

from live_server import LiveServer
from nonette.core.errors import Stopped
from nonette.core.flat import FlatEngine
from nonette.server.accounts import Accounts
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


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A server of a file's own."""
    with LiveServer(tmp_path_factory.mktemp("house")) as server:
        yield server


@pytest.fixture
def empty(house):
    """That server, as if nobody had drawn anything on it."""
    for job in house.client.get("/api/jobs").json()["data"]:
        house.client.delete(f"/api/jobs/{job['id']}")
    for one in house.client.get("/api/collections").json()["data"]:
        house.client.delete(f"/api/collections/{one['id']}")
    return house


@pytest.fixture(scope="session")
def crowded(tmp_path_factory):
    """A server on which every room has something in it; its tests only look."""
    with LiveServer(tmp_path_factory.mktemp("crowded")) as server:
        post, patch = server.client.post, server.client.patch
        jobs = [server.ended(server.submit(one)["id"]) for one in ("a red fox", "two green hills")]
        ids = [picture["id"] for job in jobs for picture in job["results"]]
        long_name = "Foxes and whatever else lives between the hills and the sea"
        folder = post("/api/collections", json={"name": long_name}).json()["id"]
        server.client.put(f"/api/collections/{folder}/pictures/{ids[0]}")
        shown = {"is_published": True, "tells_prompt": True, "maker": "Ada", "title": "One"}
        for picture in ids[::3]:
            patch(f"/api/pictures/{picture}", json=shown | {"is_favourite": True})
        patch(f"/api/pictures/{ids[3]}", json={"tells_prompt": False, "title": ""})
        what = {"category": "rights", "message": "A copy. " * 20, "contact": "eve@example.org"}
        post(f"/api/gallery/{ids[0]}/report", json=what)
        post("/api/waitlist", json={"name": "Mary", "email": "mary@example.org"})
        wish = {"name": "Ada Lovelace", "email": "ada.lovelace.of.ockham.park@example.org"}
        account = post("/api/admin/accounts", json=wish).json()
        post(f"/api/admin/accounts/{account['account']}/keys", json={"name": "phone"})
        post(f"/api/admin/keys/{account['key'].split('-')[2]}/revoke")
        yield server


@pytest.fixture(scope="session")
def closed(tmp_path_factory):
    """A server that wants keys, with a link to pictures for others."""
    with LiveServer(tmp_path_factory.mktemp("closed"), api_keys="always") as server:
        accounts = Accounts(Database(load(data_dir=server.data_dir, models=("flat",)).url))
        key = accounts.new_key(accounts.add("Ada"))
        accounts.database.close()
        server.client.headers["Authorization"] = f"Bearer {key}"
        job = server.ended(server.submit("shown to others")["id"])
        server.token = server.client.post("/api/shares", json={"job": job["id"]}).json()["token"]
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
