"""Which job a client's retry means: the one that its first attempt left behind.

Clients that lose a connection send the same body again by themselves. As long as a job's caller has
not been answered, its fingerprint is kept, and the retry finds it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import select, update

from nonette.server.database import Database
from nonette.server.queue import Submission
from nonette.server.tables import CANCELLED, Job

RETRY_SECONDS = 900.0  # how old a job may be that a retry takes over
MOST_RETRIED = 200  # of an owner's newest jobs that are looked through


def left_behind(database: Database, wish: Submission, taken: Sequence[str]) -> str | None:
    """The owner's newest job of this fingerprint and kind that nobody was answered with.

    Args:
        database: Where the jobs are.
        wish: What is asked for again.
        taken: Jobs that somebody waits for.
    """
    newest = select(Job.number).where(Job.owner == wish.owner).order_by(Job.number.desc())
    query = select(Job.id).where(
        Job.number.in_(newest.limit(MOST_RETRIED)),
        Job.fingerprint == wish.fingerprint,
        Job.kind == wish.kind,
        Job.idempotency_key.is_(None),
        Job.state != CANCELLED,
        Job.created_at > time.time() - RETRY_SECONDS,
        Job.id.not_in(taken),
    )
    with database.read() as session:
        return session.scalar(query.order_by(Job.number.desc()).limit(1))


def answered(database: Database, job_id: str) -> None:
    """The job's caller has its result: the same body is a new wish from now on."""
    is_keyless = Job.idempotency_key.is_(None)
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job_id, is_keyless).values(fingerprint=""))
