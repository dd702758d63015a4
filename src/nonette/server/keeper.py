"""The rounds an API process makes: leases that ran out, jobs to count, and what is to be deleted.

Workers look after leases themselves; this is for when none is left, so that a job whose last worker
died for the last time ends without one. Once an hour it deletes what the settings no longer keep,
and files that no row knows: of a worker that was stopped between writing and recording.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from pathlib import Path

import anyio.to_thread
import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from nonette.core import allocator
from nonette.server import leases, results
from nonette.server.database import Database
from nonette.server.house import House
from nonette.server.settings import Settings
from nonette.server.tables import ENDED, Bucket, Job, LoginSession, PictureRow, Share
from nonette.server.together import next_version
from nonette.server.uploads import Uploads

ROUND_SECONDS = 5.0
SWEEP_SECONDS = 3600.0
FORGET_SECONDS = 600.0  # after which a silent worker's row is deleted
KEY_SECONDS = 86_400.0  # for which an Idempotency-Key is remembered
STRAY_SECONDS = 3600.0  # age of a file that no row knows before it is deleted
GARBAGE_SECONDS = 600.0  # between full collections, of a tenth of a second with a thousand streams
AT_ONCE = 200  # jobs deleted in one transaction

log = structlog.get_logger(__name__)


async def keep(house: House) -> None:
    """Make rounds until cancelled."""
    database, settings = house.database, house.settings
    next_sweep = time.monotonic()
    next_collection = next_sweep + GARBAGE_SECONDS
    while True:
        await asyncio.sleep(ROUND_SECONDS)
        if time.monotonic() >= next_collection:
            next_collection = time.monotonic() + GARBAGE_SECONDS
            gc.collect()
            allocator.give_back()
        try:
            await anyio.to_thread.run_sync(house.desk.report)
            await anyio.to_thread.run_sync(make_round, database, settings)
            await anyio.to_thread.run_sync(house.metrics.note_ends)
            if time.monotonic() >= next_sweep:
                next_sweep = time.monotonic() + SWEEP_SECONDS
                await anyio.to_thread.run_sync(sweep, database, settings)
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


def sweep(database: Database, settings: Settings) -> None:
    """Delete what is too old, and files that nobody knows.

    A job with a favourite or a published picture is kept whatever its age.
    """
    now = time.time()
    with database.write() as session:
        is_old = (Job.created_at < now - KEY_SECONDS) & Job.idempotency_key.is_not(None)
        session.execute(update(Job).where(is_old).values(idempotency_key=None))
        session.execute(delete(LoginSession).where(LoginSession.expires_at < now))
        day_ago = database.clock(session) - KEY_SECONDS
        session.execute(delete(Bucket).where(Bucket.filled < day_ago))
    dear = PictureRow.is_favourite | PictureRow.published_at.is_not(None)
    is_dear = select(PictureRow.id).where(PictureRow.job_id == Job.id, dear).exists()
    count = 0
    for is_its, days in (
        (Job.owner.like("guest:%") | Job.owner.like("address:%"), settings.keep_guest_days),
        (Job.owner.is_not(None), settings.keep_days),
    ):
        if days is not None:
            is_due = is_its & (Job.finished_at < now - days * 86_400) & ~is_dear
            count += sum(_delete_due(database, settings, is_due))
    strays = list(_strays(database, settings.data_dir, now - STRAY_SECONDS))
    for path in strays:
        path.unlink(missing_ok=True)
    uploads = Uploads(settings.data_dir).sweep(database)
    if count or strays or uploads:
        log.info("swept", jobs=count, files=len(strays), uploads=uploads)


def delete_jobs(session: Session, settings: Settings, jobs: list[Job]) -> list[Path]:
    """Delete jobs that have ended, with the rows of their pictures.

    Returns:
        The pictures' files, to be deleted once the transaction is on disk.
    """
    ids = [job.id for job in jobs]
    rows = list(session.scalars(select(PictureRow).where(PictureRow.job_id.in_(ids))))
    session.execute(delete(Share).where(Share.job_id.in_(ids)))
    for gone in [*rows, *jobs]:
        session.delete(gone)
    return [settings.data_dir / row.path for row in rows]


def _delete_due(database: Database, settings: Settings, is_due: object) -> Iterator[int]:
    """Delete the jobs that are due, some at a time, so that others may write in between."""
    while True:
        with database.write() as session:
            query = select(Job).where(is_due, Job.state.in_(ENDED)).limit(AT_ONCE)  # type: ignore[arg-type]
            jobs = list(session.scalars(query))
            paths = delete_jobs(session, settings, jobs)
        for path in paths:
            path.unlink(missing_ok=True)
        if not jobs:
            return
        yield len(jobs)


def _strays(database: Database, data_dir: Path, before: float) -> Iterator[Path]:
    """Files of pictures that are old enough to be in a row, and are in none."""
    for folder in sorted((data_dir / results.FOLDER).glob("*")):
        with database.read() as session:
            prefix = folder.relative_to(data_dir).as_posix()
            query = select(PictureRow.path).where(PictureRow.path.like(f"{prefix}/%"))
            known = set(session.scalars(query))
        for path in folder.iterdir():
            is_known = path.relative_to(data_dir).as_posix() in known
            if not is_known and path.stat().st_mtime < before:
                yield path
