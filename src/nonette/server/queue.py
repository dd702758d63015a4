"""The durable queue, as the API sees it: submit, look, cancel, list.

What `submit` returned is on disk. A job waits, runs, and ends exactly once: done, failed, cancelled
or refused, with a reason. `leases.py` is the workers' side, `hub.py` tells who waits what happens.

Fairness is start-time fair queueing between lanes (accounts, or addresses without one): a job's
`turn` is where its lane's last one ended in the round, but never before the round's own place, and
its length is its cost over its lane's weight. The lowest turn is next and the oldest among equals,
so lanes take turns and nobody pays for having been idle. See docs/decisions/0003-the-queue.md.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from nonette.core.types import Task
from nonette.server import admission, intake, outlook, retries, tables
from nonette.server.database import Database
from nonette.server.errors import ApiError, not_found
from nonette.server.limits import Allowance, Tier, left
from nonette.server.settings import Settings
from nonette.server.tables import ENDED, Job, Model, PictureRow
from nonette.server.together import Together
from nonette.server.views import JobView, Result, Submission, result_of, view_of

UNLIMITED = Allowance(limit_requests=None, remaining_requests=None, reset_seconds=0.0)
_PICTURES = (
    select(PictureRow)
    .where(PictureRow.job_id.in_(bindparam("jobs", expanding=True)))
    .order_by(PictureRow.place)
)
_LAST_CHANGE = select(tables.QueueState.changes)
_CHANGED = select(Job.id).where(Job.version > bindparam("version", type_=Job.version.type))


class Queue:
    """The queue of one server. Every method is synchronous and may be called from any thread."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.together = Together(database)

    def submit(self, wish: Submission) -> JobView:
        """Accept a job; it is on disk when this returns.

        Raises:
            InputError: The model's capabilities rule the request out.
            ApiError: 404 for an unknown model, 409 for a key used with another body, 429 where the
                queue or the owner's share of it is full, or the wait would be too long.
        """
        wish = intake.named(wish, self.model_name(wish.request.model, wish.request.task))

        def accept(session: Session, version: int) -> JobView:
            found = intake.earlier(session, self.database.clock(session), wish)
            if found is None:
                view = intake.enter(session, self.database, self.settings, wish, version)
            else:
                view = self._look(session, found, None)
            retries.wait(session, view.id, wish)
            return view

        return self.together.run(accept)

    def look(self, job_id: str, owner: str | None = None) -> JobView:
        """The job as it is now.

        Args:
            job_id: Which one.
            owner: Whose it must be; None looks at anybody's.

        Raises:
            ApiError: 404 where there is none, or it is another's.
        """
        with self.database.read() as session:
            return self._look(session, job_id, owner)

    def look_at(self, job_ids: Sequence[str]) -> dict[str, JobView]:
        """Several jobs at one moment, as many as there still are."""
        with self.database.read() as session:
            query = select(*Job.__table__.c).where(Job.id.in_(job_ids))
            return {view.id: view for view in self._views(session, query)}

    def jobs_of(self, owner: str, *, before: int | None = None, limit: int = 50) -> list[JobView]:
        """An owner's jobs, newest first; `before` is the number to go on at."""
        with self.database.read() as session:
            query = select(*Job.__table__.c).where(Job.owner == owner)
            query = query.order_by(Job.number.desc()).limit(limit)
            if before is not None:
                query = query.where(Job.number < before)
            return self._views(session, query)

    def cancel(self, job_id: str, owner: str | None = None) -> JobView:
        """End the job as cancelled, unless it has ended already; its worker stops within a step.

        Raises:
            ApiError: 404 where there is none, or it is another's.
        """

        def end_it(session: Session, version: int) -> JobView:
            _cancel(session, _find(session, job_id, owner), version)
            return self._look(session, job_id, owner)

        return self.together.run(end_it)

    def leave(self, job_id: str, waiter: str) -> None:
        """A caller left without an answer: the job is cancelled if nobody else waits for it."""

        def forget(session: Session, version: int) -> None:
            retries.leave(session, waiter)
            job = session.scalar(select(Job).where(Job.id == job_id))
            now = self.database.clock(session)
            if job is not None and not retries.is_wanted(session, now, job_id):
                _cancel(session, job, version)

        self.together.run(forget)

    def release(self, waiter: str) -> None:
        """A caller waits no longer, and the job goes on; a retry may take it over."""
        self.together.run(lambda session, version: retries.leave(session, waiter))

    def answered(self, job_id: str, waiter: str) -> None:
        """The job's caller has the answer: no retry takes it over."""
        self.together.run(lambda session, version: retries.answered(session, waiter, job_id))

    def is_waiting(self, waiter: str) -> bool:
        """Whether a caller who waited may be answered, and no retry was given its job."""
        with self.database.read() as session:
            return retries.is_waiting(session, waiter)

    def num_open(self, lane: str) -> int:
        """How many of a lane's jobs wait or run."""
        with self.database.read() as session:
            return admission.num_open(session, lane)

    def picture(self, picture_id: str) -> Result:
        """A finished picture, whoever owns it.

        Raises:
            ApiError: 404 where there is none.
        """
        with self.database.read() as session:
            row = session.scalar(select(PictureRow).where(PictureRow.id == picture_id))
        if row is None:
            raise not_found("picture", picture_id)
        return result_of(row)

    def allowance(self, lane: str, tier: Tier) -> Allowance:
        """What the lane has left."""
        if tier.requests_per_minute is None:
            return UNLIMITED
        with self.database.read() as session:
            return left(session, self.database.clock(session), lane, tier)

    def preview(self, job_id: str, owner: str | None = None) -> bytes | None:
        """A JPEG of what is drawn so far, or None."""
        with self.database.read() as session:
            _find(session, job_id, owner)
            found = session.get(tables.Preview, job_id)
            return None if found is None else found.content

    def models(self) -> dict[str, Mapping[str, Any] | None]:
        """The models offered, the default first; with their capabilities once a worker told."""
        with self.database.read() as session:
            known = {row.name: row.capabilities for row in session.scalars(select(Model))}
        return {name: known.get(name) for name in self.settings.models}

    def model_name(self, name: str, task: Task = "draw") -> str:
        """The offered model that a request means by `name`.

        "" is the first that does the task, as far as workers have told, else the first of all.

        Raises:
            ApiError: 404, `model_not_found`.
        """
        offered = self.settings.models
        meant = self.settings.model_aliases.get(name, name) or self._default(task)
        if meant not in offered:
            message = f"There is no model {meant[:60]!r}; choices: {', '.join(offered)}."
            raise ApiError(404, message, code="model_not_found", param="model")
        return meant

    def _default(self, task: Task) -> str:
        if task == "draw" or len(self.settings.models) == 1:
            return self.settings.models[0]
        able = (
            name
            for name, capabilities in self.models().items()
            if capabilities is not None and task in capabilities["tasks"]
        )
        return next(able, self.settings.models[0])

    def changes_since(self, version: int | None) -> tuple[int, list[str]]:
        """The number of the last change, and the jobs changed after `version`; None is now."""
        with self.database.read() as session:
            connection = session.connection()
            last: int = connection.execute(_LAST_CHANGE).scalar_one()
            if version is None or last == version:
                return last, []
            changed = connection.execute(_CHANGED, {"version": version}).scalars()
            return last, list(changed)

    def _look(self, session: Session, job_id: str, owner: str | None) -> JobView:
        found = outlook.look(session, self.database.clock(session), job_id)
        if found is None or owner not in (None, found[0].owner):
            raise not_found("job", job_id)
        job, stands = found
        results = self._results(session, [job.id]) if job.state == tables.DONE else {}
        return view_of(job, stands, results.get(job.id, ()))

    def _views(self, session: Session, query: Any) -> list[JobView]:
        """The jobs of a query, in few statements however many there are."""
        jobs = session.connection().execute(query).all()
        if len(jobs) <= outlook.FEW:
            return [self._look(session, job.id, None) for job in jobs]
        found = outlook.outlooks(session, self.database.clock(session), jobs)
        done = [job.id for job in jobs if job.state == tables.DONE]
        results = self._results(session, done) if done else {}
        return [view_of(job, found[job.id], results.get(job.id, ())) for job in jobs]

    def _results(self, session: Session, job_ids: Sequence[str]) -> dict[str, list[Result]]:
        """The pictures of finished jobs, best first."""
        found: dict[str, list[Result]] = {}
        for row in session.scalars(_PICTURES, {"jobs": job_ids}):
            found.setdefault(row.job_id, []).append(result_of(row))
        return found


def end(
    session: Session,
    job: Job,
    state: str,
    version: int,
    reason: Mapping[str, Any] | None = None,
) -> None:
    """Give the job its one end; whoever still holds a lease on it is too late."""
    assert state in ENDED and job.state not in ENDED, f"{job.id} is {job.state}, not {state}"
    job.state = state
    job.reason = None if reason is None else dict(reason)
    job.version = version
    job.lease += 1
    job.lease_until = None
    job.finished_at = time.time()
    found = session.get(tables.Preview, job.id)
    if found is not None:
        session.delete(found)


def fingerprint(body: Any) -> str:
    """A hash of what a caller sent (JSON values or bytes), to know it again."""
    content = body if isinstance(body, bytes) else json.dumps(body, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def _find(session: Session, job_id: str, owner: str | None) -> Job:
    job = session.scalar(select(Job).where(Job.id == job_id))
    if job is None or owner not in (None, job.owner):
        raise not_found("job", job_id)
    return job


def _cancel(session: Session, job: Job, version: int) -> None:
    """End a job as cancelled, unless it has ended already."""
    if job.state in ENDED:
        return
    reason = {"code": "cancelled", "message": "It was cancelled by its owner."}
    end(session, job, tables.CANCELLED, version, reason)
    job.idempotency_key = None  # whoever asks again wants it drawn
    session.flush()
