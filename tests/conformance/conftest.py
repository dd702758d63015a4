"""A real server on loopback, a worker that paints flat colours, and the real `openai` client."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest
import uvicorn

from nonette.core.flat import FlatEngine
from nonette.server import logs
from nonette.server.__main__ import Server
from nonette.server.app import create_app
from nonette.server.settings import Settings
from nonette.server.worker import WorkerLoop

ALIASES = {"dall-e-2": "flat", "dall-e-3": "flat", "gpt-image-1": "flat"}
SIZE = (32, 32)


class Slow(FlatEngine):
    """Takes its time over every step, as models do; `seconds` may change while it draws.

    Attributes:
        batches: How many requests each call drew.
    """

    def __init__(self, seconds: float = 0.0, num_steps: int = 8) -> None:
        super().__init__(native_size=SIZE, candidates=10, num_steps=num_steps)
        self.seconds = seconds
        self.steps_begun = 0
        self.batches: list[int] = []

    def draw(self, requests, on_progress=None, should_stop=None):
        self.batches.append(len(requests))

        def pause() -> bool:
            self.steps_begun += 1
            time.sleep(self.seconds)
            return should_stop is not None and should_stop()

        return super().draw(requests, on_progress, pause)


@dataclass
class Site:
    """A running server.

    Attributes:
        url: Where it listens.
        settings: What it was started with.
        seen: The requests it got, as (method, path).
        log: Its log lines.
        close: Tells it to end, as SIGTERM does.
        engines: Of its workers.
    """

    url: str
    settings: Settings
    seen: list[tuple[str, str]]
    log: io.StringIO
    house: Any
    close: Callable[[], None]
    engines: list[Slow] = field(default_factory=list)
    clients: list[openai.OpenAI] = field(default_factory=list)

    def client(self, **options: Any) -> openai.OpenAI:
        options = {"max_retries": 0, "timeout": 30.0, "api_key": "none"} | options
        self.clients.append(openai.OpenAI(base_url=f"{self.url}/v1", **options))
        return self.clients[-1]

    def jobs(self) -> list[Any]:
        return self.house.queue.jobs_of("local", limit=200)

    def until(self, holds: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it did not come to pass"
            time.sleep(0.01)


@contextlib.contextmanager
def serving(folder: Path, *, num_workers: int = 1, engine=Slow, **changes: Any) -> Iterator[Site]:
    """A server with its workers as threads of this process."""
    changes = {"models": ("flat",), "model_aliases": ALIASES, "log_format": "json"} | changes
    settings = Settings(data_dir=folder, **changes)
    log = io.StringIO()
    logs.set_up("json", log)
    app = create_app(settings)
    seen: list[tuple[str, str]] = []

    async def watched(scope, receive, send):
        if scope["type"] == "http":
            seen.append((scope["method"], scope["path"]))
        await app(scope, receive, send)

    config = uvicorn.Config(watched, log_config=None, lifespan="on", timeout_graceful_shutdown=2)
    server = Server(config, app.state.house.hub)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    threads = [threading.Thread(target=server.run, args=([listener],), daemon=True)]
    loops = []
    for _ in range(num_workers):
        loop = WorkerLoop(engine(), app.state.house.database, settings)
        loops.append(loop)
        threads.append(threading.Thread(target=loop.run, daemon=True))
    for thread in threads:
        thread.start()
    engines = [loop.engine for loop in loops]
    close = partial(setattr, server, "should_exit", True)
    site = Site(url, settings, seen, log, app.state.house, close, engines)
    site.until(lambda: server.started and len(app.state.house.queue.models()) > 0)
    if num_workers:
        site.until(lambda: app.state.house.queue.models()["flat"] is not None)
    try:
        yield site
    finally:
        for client in site.clients:
            client.close()
        for loop in loops:
            loop.stopping.set()
            loop.draining.set()
        for thread in threads[1:]:
            thread.join(10)
        close()
        threads[0].join(10)
        listener.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    """One server for the tests of a file."""
    with serving(tmp_path_factory.mktemp("site") / "data") as site:
        yield site


@pytest.fixture
def client(site) -> openai.OpenAI:
    return site.client()


@pytest.fixture
def serve(tmp_path):
    """Starts servers of the test's own, to be used with `with`."""

    def start(**options: Any) -> contextlib.AbstractContextManager[Site]:
        return serving(tmp_path / "data", **options)

    return start
