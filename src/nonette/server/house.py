"""What an API process works with, and how a route asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from nonette.safety.words import Policy
from nonette.server.accounts import Accounts
from nonette.server.album import Album
from nonette.server.database import Database
from nonette.server.desk import Desk
from nonette.server.failures import Failures
from nonette.server.gallery import Gallery
from nonette.server.hub import Hub
from nonette.server.links import Links
from nonette.server.metrics import Metrics
from nonette.server.queue import Queue
from nonette.server.settings import Settings
from nonette.server.uploads import Uploads


@dataclass(frozen=True, kw_only=True)
class House:
    """The parts of one API process; there is one of each.

    Attributes:
        chosen: The model that each owner chose by `/sdapi/v1/options`.
        reporters: Bounds how much one address may report, as `failures` bounds guesses.
        secret: 32 random bytes of this data folder, for what must not be guessed or forged.
    """

    settings: Settings
    database: Database
    queue: Queue
    hub: Hub
    desk: Desk
    links: Links
    uploads: Uploads
    policy: Policy
    accounts: Accounts
    failures: Failures
    reporters: Failures
    album: Album
    gallery: Gallery
    metrics: Metrics
    secret: bytes = field(repr=False)
    chosen: dict[str, str] = field(default_factory=dict)


def house_of(request: Request) -> House:
    """The house of the app that answers this request."""
    house = request.app.state.house
    assert isinstance(house, House)
    return house


async def _inside(request: Request) -> House:
    return house_of(request)  # a coroutine, so that no thread is taken for it


Inside = Annotated[House, Depends(_inside)]
"""A route's parameter that is the house."""
