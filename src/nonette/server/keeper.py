"""The rounds an API process makes every few seconds: leases that ran out, workers that are gone.

Workers look after leases themselves; this is for when none is left, so that a job whose last worker
died for the last time ends without one.
"""

from __future__ import annotations

import asyncio

import anyio.to_thread
import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from nonette.server import leases
from nonette.server.database import Database
from nonette.server.queue import next_version
from nonette.server.settings import Settings
from nonette.server.tables import Job

ROUND_SECONDS = 5.0
FORGET_SECONDS = 600.0  # after which a silent worker's row is deleted

log = structlog.get_logger(__name__)


async def keep(database: Database, settings: Settings) -> None:
    """Make rounds until cancelled."""
    while True:
        await asyncio.sleep(ROUND_SECONDS)
        try:
            await anyio.to_thread.run_sync(make_round, database, settings)
        except (DBAPIError, OSError) as error:
            log.error("round_failed", reason=str(getattr(error, "orig", None) or error))


def make_round(database: Database, settings: Settings) -> None:
    """Take back jobs whose lease ran out, and forget workers that are gone."""
    with database.read() as session:
        now = database.clock(session)
        query = select(Job.number).where(leases.has_run_out(now)).limit(1)
        is_needed = session.scalar(query) is not None
    if is_needed:
        with database.write() as session:
            leases.expire(session, database, settings, next_version(session))
    with database.write() as session:
        leases.forget_silent_workers(session, database, FORGET_SECONDS)
