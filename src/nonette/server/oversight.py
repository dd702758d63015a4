"""What operators see at a glance: the queue, what was drawn lately, who is let in.

It tells whose a job is and never what it is of: sentences are their writers' own.
"""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from nonette.server.accounts import owner_of
from nonette.server.database import Database
from nonette.server.limits import DAY_SECONDS, charged_today
from nonette.server.outlook import num_workers
from nonette.server.settings import Settings
from nonette.server.tables import (
    RUNNING,
    WAITING,
    Account,
    ApiKey,
    Job,
    Model,
    PictureRow,
    Report,
)

MOST_JOBS = 200


@dataclass(frozen=True, kw_only=True)
class ModelNow:
    """One model: its jobs, the workers that report, and its measured speed."""

    name: str
    waiting: int
    running: int
    workers: int
    seconds_per_candidate: float | None


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The server in numbers.

    Attributes:
        ended_today: Jobs that ended in the last 24 hours, by how.
        accounts: How many there are, by state.
        oldest_seconds: How long the oldest waiting job has waited; 0 where none does.
    """

    models: Sequence[ModelNow]
    ended_today: Mapping[str, int]
    accounts: Mapping[str, int]
    pictures: int
    published: int
    open_reports: int
    oldest_seconds: float
    disk_free_bytes: int


@dataclass(frozen=True, kw_only=True)
class Member:
    """An account with its keys and the pictures it asked for in the last 24 hours."""

    account: Account
    keys: Sequence[ApiKey]
    pictures_today: int


@dataclass(frozen=True, kw_only=True)
class OpenJob:
    """A job that waits or runs; `who` is the account's name, or the kind of caller."""

    id: str
    who: str
    model: str
    state: str
    num_pictures: int
    created_at: float
    done: float


def overview(database: Database, settings: Settings) -> Overview:
    """The server as it is now."""
    with database.read() as session:
        open_jobs = (
            select(Job.model, Job.state, func.count())
            .where(Job.state.in_((WAITING, RUNNING)))
            .group_by(Job.model, Job.state)
        )
        counts = {(model, state): count for model, state, count in session.execute(open_jobs)}
        speeds = {row.name: row.seconds_per_candidate for row in session.scalars(select(Model))}
        models = [
            ModelNow(
                name=name,
                waiting=counts.get((name, WAITING), 0),
                running=counts.get((name, RUNNING), 0),
                workers=num_workers(session, database, name),
                seconds_per_candidate=speeds.get(name),
            )
            for name in settings.models
        ]
        since = time.time() - DAY_SECONDS
        ended = select(Job.state, func.count()).where(Job.finished_at > since).group_by(Job.state)
        states = select(Account.state, func.count()).group_by(Account.state)
        first = session.scalar(select(func.min(Job.created_at)).where(Job.state == WAITING))
        return Overview(
            models=models,
            ended_today=dict(session.execute(ended).all()),
            accounts=dict(session.execute(states).all()),
            pictures=_count(session, PictureRow.number.is_not(None)),
            published=_count(session, PictureRow.published_at.is_not(None)),
            open_reports=_count(session, Report.decision.is_(None)),
            oldest_seconds=0.0 if first is None else max(0.0, time.time() - first),
            disk_free_bytes=shutil.disk_usage(settings.data_dir).free,
        )


def members(database: Database, state: str | None = None) -> list[Member]:
    """The accounts, oldest first: all of them, or of one state."""
    query = select(Account).order_by(Account.created_at)
    if state is not None:
        query = query.where(Account.state == state)
    keys: dict[str, list[ApiKey]] = defaultdict(list)
    with database.read() as session:
        for key in session.scalars(select(ApiKey).order_by(ApiKey.created_at)):
            keys[key.account_id].append(key)
        today = charged_today(session)
        return [
            Member(account=one, keys=keys[one.id], pictures_today=today.get(owner_of(one), 0))
            for one in session.scalars(query)
        ]


def open_jobs(database: Database) -> list[OpenJob]:
    """What runs, then what waits, in the order of the queue; the first two hundred."""
    query = (
        select(Job)
        .where(Job.state.in_((WAITING, RUNNING)))
        .order_by(Job.state, Job.turn, Job.number)  # "running" comes before "waiting"
        .limit(MOST_JOBS)
    )
    with database.read() as session:
        names = {owner_of(one): one.name for one in session.scalars(select(Account))}
        return [
            OpenJob(
                id=job.id,
                who=names.get(job.owner) or job.owner.partition(":")[0],
                model=job.model,
                state=job.state,
                num_pictures=job.num_pictures,
                created_at=job.created_at,
                done=job.done_steps / job.total_steps if job.total_steps else 0.0,
            )
            for job in session.scalars(query)
        ]


def _count(session: Session, condition: object) -> int:
    return session.scalar(select(func.count()).where(condition)) or 0  # type: ignore[arg-type]
