"""A server of the flat engine on a real SQLite file."""

from __future__ import annotations

import io
import secrets

import pytest
from starlette.testclient import TestClient

import postgres
from nonette.core.flat import FlatEngine
from nonette.core.types import Request
from nonette.server import logs
from nonette.server.app import create_app
from nonette.server.database import Database
from nonette.server.leases import Leases
from nonette.server.queue import Queue
from nonette.server.settings import Settings
from nonette.server.views import Submission
from nonette.server.worker import WorkerLoop


@pytest.fixture(autouse=True)
def log_lines():
    """What was logged."""
    lines = io.StringIO()
    logs.set_up("json", lines)
    return lines


@pytest.fixture(scope="session")
def postgres_folder():
    """A throw-away PostgreSQL server."""
    reason = postgres.why_not()
    if reason:
        pytest.skip(reason)
    with postgres.throw_away() as folder:
        yield folder


@pytest.fixture
def backend():
    """The kind of database; a file of tests that is about the database asks for both kinds."""
    return "sqlite"


@pytest.fixture
def settings(tmp_path, backend, request):
    url = ""
    if backend == "postgresql":
        folder = request.getfixturevalue("postgres_folder")
        url = postgres.new_database(folder, f"t{secrets.token_hex(6)}")
    return Settings(data_dir=tmp_path / "data", models=("flat",), database_url=url)


@pytest.fixture
def database(settings):
    settings.data_dir.mkdir(exist_ok=True)
    database = Database(settings.url)
    database.upgrade()
    yield database
    database.close()


@pytest.fixture
def queue(database, settings):
    return Queue(database, settings)


@pytest.fixture
def leases(database, settings):
    """The leases of a worker that has told that it paints flat colours."""
    leases = Leases(database, settings, "wrk_1")
    leases.register(FlatEngine().capabilities())
    return leases


@pytest.fixture
def loop(database, settings):
    """A worker that paints flat colours; its `work` draws what `claim` gave."""
    loop = WorkerLoop(FlatEngine(native_size=(16, 16)), database, settings)
    loop.leases.register(loop.capabilities)
    return loop


@pytest.fixture
def client(settings):
    app = create_app(settings)
    with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def wish():
    """Makes a submission; what is not given is plain."""

    def make(owner="ann", prompt="a fox", **changes):
        fields = {
            name: changes.pop(name) for name in list(changes) if name in Request.__annotations__
        }
        return Submission(owner=owner, request=Request(prompt=prompt, **fields), **changes)

    return make
