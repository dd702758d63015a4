"""The application: every route, behind one frame, over one queue.

`create_app` opens the database and nothing else; the workers are other processes. What routes need
hangs on `app.state.house`; `house.py` says how they ask for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import anyio.to_thread
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError

from nonette.core.version import version
from nonette.safety import words
from nonette.server import errors, openapi, secret
from nonette.server.accounts import Accounts
from nonette.server.album import Album
from nonette.server.database import Database
from nonette.server.desk import Desk
from nonette.server.failures import Failures
from nonette.server.gallery import Gallery
from nonette.server.house import House
from nonette.server.hub import Hub
from nonette.server.keeper import keep
from nonette.server.links import Links
from nonette.server.metrics import Metrics
from nonette.server.middleware import Frame
from nonette.server.origins import Origins
from nonette.server.queue import Queue
from nonette.server.routes import (
    admin,
    cases,
    downloads,
    gallery,
    health,
    images,
    jobs,
    links,
    models,
    moderations,
    pictures,
    sdapi,
    session,
    studio,
)
from nonette.server.settings import Settings
from nonette.server.uploads import Uploads

THREADS = 200  # for routes; those that write wait for each other, and must not keep readers out


def create_app(settings: Settings) -> FastAPI:
    """The API over the database that the settings name.

    Raises:
        NonetteError: The database cannot be used, or is of a newer Nonette.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.url)
    database.upgrade()
    queue = Queue(database, settings)
    hub = Hub(queue)
    metrics = Metrics(database, settings)
    house = House(
        settings=settings,
        database=database,
        queue=queue,
        hub=hub,
        desk=Desk(queue, hub),
        links=Links(settings.data_dir, settings.link_minutes),
        uploads=Uploads(settings.data_dir),
        policy=words.load(settings.policy),
        accounts=Accounts(database),
        failures=Failures(),
        reporters=Failures(),
        album=Album(database),
        gallery=Gallery(database),
        metrics=metrics,
        secret=secret.read(settings.data_dir),
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        await anyio.to_thread.run_sync(database.fill)
        await anyio.to_thread.run_sync(house.desk.report)
        tasks = [
            asyncio.create_task(house.hub.run()),
            asyncio.create_task(keep(house)),
        ]
        yield
        house.hub.close()
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        with contextlib.suppress(DBAPIError):  # who waited there is found out by its silence
            await anyio.to_thread.run_sync(house.desk.close)
        database.close()

    # FastAPI's own pages about the API load their scripts from another host.
    app = FastAPI(
        title="Nonette", version=version(), lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.house = house
    app.add_middleware(Origins, settings=settings)
    app.add_middleware(Frame, settings=settings, metrics=metrics)
    errors.install(app)
    openapi.describe(app)
    dialect = (images, links, models, moderations, cases, sdapi)
    for routes in (health, jobs, pictures, gallery, session, admin, downloads, studio, *dialect):
        app.include_router(routes.router)
    return app
