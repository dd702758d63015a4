"""Who waits for which job's answer, and which job a client's retry means: all in the database.

Clients that lose a connection send the same body again by themselves. As long as nobody was
answered with a job, its fingerprint is kept; a retry takes it over where nobody waits for it any
more. Callers wait at a desk, which is an API process; a desk that was silent for `SILENCE` seconds,
or whose process is gone from this machine, is closed, and who waited there waits no longer.

A waiter's row is the fence: taking over deletes the rows of closed desks, and whoever has no row
must not answer. So where a process was only frozen, its caller and the retry are not both answered
with one job, however many API processes there are.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from nonette.server.tables import CANCELLED, Desk, Job, Waiter
from nonette.server.views import Submission

RETRY_SECONDS = 900.0  # how old a job may be that a retry takes over
MOST_RETRIED = 200  # of an owner's newest jobs that are looked through
SILENCE = 20.0  # seconds after which a desk is closed

_HERE = socket.gethostname()
_IS_WAITING = select(Waiter.job_id).where(Waiter.id == bindparam("id", type_=Waiter.id.type))


def report(session: Session, now: float, desk: str) -> None:
    """Say that this process lives and that callers may wait at its desk."""
    session.merge(Desk(id=desk, host=_HERE, pid=os.getpid(), seen=now))


def close(session: Session, desks: list[str]) -> None:
    """Close desks, whose callers wait no longer."""
    session.execute(delete(Waiter).where(Waiter.desk.in_(desks)))
    session.execute(delete(Desk).where(Desk.id.in_(desks)))


def close_silent(session: Session, now: float, own: str) -> None:
    """Close the desks of processes that are gone; never one's own."""
    gone = [desk.id for desk in session.scalars(select(Desk)) if not _is_open(desk, now)]
    if set(gone) - {own}:
        close(session, sorted(set(gone) - {own}))


def left_behind(session: Session, now: float, wish: Submission) -> Job | None:
    """The owner's newest job of this fingerprint and kind that nobody was answered with.

    Only jobs that nobody waits for. Whoever waits at a closed desk loses its place.
    """
    close_silent(session, now, wish.desk)
    newest = select(Job.number).where(Job.owner == wish.owner).order_by(Job.number.desc())
    query = select(Job).where(
        Job.number.in_(newest.limit(MOST_RETRIED)),
        Job.fingerprint == wish.fingerprint,
        Job.kind == wish.kind,
        Job.idempotency_key.is_(None),
        Job.state != CANCELLED,
        Job.created_at > time.time() - RETRY_SECONDS,
        Job.id.not_in(select(Waiter.job_id)),
    )
    return session.scalar(query.order_by(Job.number.desc()).limit(1))


def wait(session: Session, job_id: str, wish: Submission) -> None:
    """The caller of this submission waits for the job from now on, if it does for any."""
    if wish.desk:
        values = {"id": wish.request_id, "job_id": job_id, "desk": wish.desk}
        session.connection().execute(_WAIT, values)


def is_waiting(session: Session, waiter: str) -> bool:
    """Whether this caller still waits, and so may be answered."""
    return session.connection().execute(_IS_WAITING, {"id": waiter}).first() is not None


def leave(session: Session, waiter: str) -> None:
    """The caller waits no longer."""
    session.execute(delete(Waiter).where(Waiter.id == waiter))


def is_wanted(session: Session, now: float, job_id: str) -> bool:
    """Whether somebody waits for the job at an open desk."""
    query = select(Desk).join(Waiter, Waiter.desk == Desk.id).where(Waiter.job_id == job_id)
    return any(_is_open(desk, now) for desk in session.scalars(query))


def answered(session: Session, waiter: str, job_id: str) -> None:
    """The job's caller has its result: the same body is a new wish from now on."""
    leave(session, waiter)
    is_keyless = Job.idempotency_key.is_(None)
    session.execute(update(Job).where(Job.id == job_id, is_keyless).values(fingerprint=""))


def _is_open(desk: Desk, now: float) -> bool:
    """Whether a desk reported lately and, if it is on this machine, its process is there."""
    if not now - SILENCE <= desk.seen <= now + 1:
        return False
    if desk.host != _HERE:
        return True
    try:
        os.kill(desk.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another's process
        pass
    return True


_WAIT: Any = Waiter.__table__.insert()  # type: ignore[attr-defined]
