"""The durable queue, as the API sees it: submit, look, cancel, list.

What `submit` returned is on disk. A job waits, runs, and ends exactly once: done, failed, cancelled
or refused, with a reason. `leases.py` is the workers' side, `hub.py` tells who waits what happens.

Fairness is start-time fair queueing between lanes (accounts, or addresses without one): a job's
`turn` is where its lane's last one ended in the round, but never before the round's own place, and
its length is its cost over its lane's weight. The lowest turn is next and the oldest among equals,
so lanes take turns and nobody pays for having been idle. See docs/decisions/0003-the-queue.md.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from nonette.core.types import Request, as_drawn
from nonette.provenance.encode import Format
from nonette.server import admission, tables
from nonette.server.database import Database
from nonette.server.errors import ApiError, not_found
from nonette.server.limits import Allowance, Tier, left, spend
from nonette.server.outlook import Outlook, outlooks
from nonette.server.settings import Settings
from nonette.server.tables import ENDED, WAITING, Job, Model, PictureRow


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is asked of the queue.

    Attributes:
        owner: Whose the job and its pictures are, as `Caller.owner` says.
        request: What to draw; model "" is the server's default.
        kind: The door it came through, such as `images.generations`.
        lane: Who takes turns and is counted; "" is the owner.
        tier: What the lane may have; its weight is its share of the machine.
        inputs: Uploads by field of the request, as `{"source": "upl_…"}`.
        format: What the pictures' files are.
        quality: Of JPEG and WebP files, 0 to 100; None is as good as the format can.
        with_prompt: Whether the files tell the prompt.
        previews: Whether to keep previews while it is drawn.
        idempotency_key: Two submissions of one owner with one key are one job.
        fingerprint: Of what the caller sent; the same key with another one is refused.
        longest_wait: Refuse at once if the estimate is above these seconds.
        request_id: Of the HTTP request, for the logs.
    """

    owner: str
    request: Request
    kind: str = "jobs"
    lane: str = ""
    tier: Tier = field(default_factory=Tier)
    inputs: Mapping[str, str] = field(default_factory=dict)
    format: Format = "png"
    quality: int | None = None
    with_prompt: bool = False
    previews: bool = False
    idempotency_key: str | None = None
    fingerprint: str = ""
    longest_wait: float | None = None
    request_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One picture of a finished job; `path` is relative to the data folder."""

    id: str
    path: str
    format: str
    width: int
    height: int
    seed: int
    score: float | None


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as it is at one moment.

    Attributes:
        version: Larger at every later moment; what server-sent events carry as their id.
        state: waiting, running, done, failed, cancelled or refused.
        position: 1 is next; None where it does not wait.
        estimated_seconds: Until it is done, from measured speed; None while nothing was measured.
        inputs: Uploads by the request's field, such as `{"source": "upl_…"}`.
        reason: `code` and `message`, where it ended otherwise than done.
        has_preview: Whether `Queue.preview` has something to show.
        results: Its pictures, best first, once it is done.
    """

    id: str
    owner: str
    kind: str
    model: str
    request: Mapping[str, Any]
    state: str
    version: int
    position: int | None
    estimated_seconds: float | None
    done_steps: int
    total_steps: int
    phase: str
    reason: Mapping[str, Any] | None
    unknown_words: Sequence[str]
    seconds: float | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    inputs: Mapping[str, str] = field(default_factory=dict)
    results: Sequence[Result] = ()

    @property
    def has_ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.state in ENDED


class Queue:
    """The queue of one server. Every method is synchronous and may be called from any thread."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings

    def submit(self, wish: Submission) -> JobView:
        """Accept a job; it is on disk when this returns.

        Raises:
            InputError: The model's capabilities rule the request out.
            ApiError: 404 for an unknown model, 409 for a key used with another body, 429 where the
                queue or the owner's share of it is full, or the wait would be too long.
        """
        with self.database.write() as session:
            version = next_version(session)
            earlier = self._earlier(session, wish)
            if earlier is not None:
                return self._view(session, earlier)
            name = self.model_name(wish.request.model)
            model = session.get(Model, name)
            request = dataclasses.replace(wish.request, model=name)
            lane = wish.lane or wish.owner
            admission.check_task(request, model)
            admission.check_pixels(request, self.settings.max_job_pixels)
            admission.check_room(session, self.settings, lane, wish.tier)
            cost = admission.cost_of(request, model)
            spend(session, self.database.clock(session), lane, wish.tier, request.num_pictures)
            turn = admission.turn_of(session, lane)
            values = as_drawn(request)
            job = Job(
                id=f"job_{secrets.token_hex(12)}",
                owner=wish.owner,
                lane=lane,
                kind=wish.kind,
                model=name,
                request={key: values[key] for key in values if key not in wish.inputs},
                inputs=dict(wish.inputs),
                output={
                    "format": wish.format,
                    "quality": wish.quality,
                    "with_prompt": wish.with_prompt,
                    "previews": wish.previews,
                },
                batch_key=admission.batch_key(request),
                cost=cost,
                num_pictures=request.num_pictures,
                turn=turn,
                turn_end=turn + cost / wish.tier.weight,
                state=WAITING,
                reason=None,
                attempts=0,
                lease=0,
                done_steps=0,
                total_steps=0,
                phase="",
                version=version,
                request_id=wish.request_id,
                idempotency_key=wish.idempotency_key,
                fingerprint=wish.fingerprint,
                unknown_words=[],
                created_at=time.time(),
            )
            session.add(job)
            session.flush()
            view = self._view(session, job)
            if wish.longest_wait is not None:
                # Raising takes the job back.
                admission.check_wait(view.estimated_seconds, wish.longest_wait)
            return view

    def look(self, job_id: str, owner: str | None = None) -> JobView:
        """The job as it is now.

        Args:
            job_id: Which one.
            owner: Whose it must be; None looks at anybody's.

        Raises:
            ApiError: 404 where there is none, or it is another's.
        """
        with self.database.read() as session:
            return self._view(session, _find(session, job_id, owner))

    def look_at(self, job_ids: Sequence[str]) -> dict[str, JobView]:
        """Several jobs at one moment, as many as there still are."""
        with self.database.read() as session:
            jobs = session.scalars(select(Job).where(Job.id.in_(job_ids))).all()
            return {view.id: view for view in self._views(session, jobs)}

    def jobs_of(self, owner: str, *, before: int | None = None, limit: int = 50) -> list[JobView]:
        """An owner's jobs, newest first; `before` is the number to go on at."""
        with self.database.read() as session:
            query = select(Job).where(Job.owner == owner).order_by(Job.number.desc()).limit(limit)
            if before is not None:
                query = query.where(Job.number < before)
            return self._views(session, session.scalars(query).all())

    def cancel(self, job_id: str, owner: str | None = None) -> JobView:
        """End the job as cancelled, unless it has ended already; its worker stops within a step.

        Raises:
            ApiError: 404 where there is none, or it is another's.
        """
        with self.database.write() as session:
            version = next_version(session)
            job = _find(session, job_id, owner)
            if job.state not in ENDED:
                end(
                    session,
                    job,
                    tables.CANCELLED,
                    version,
                    {"code": "cancelled", "message": "It was cancelled by its owner."},
                )
                job.idempotency_key = None  # whoever asks again wants it drawn
            return self._view(session, job)

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
        return _result(row)

    def allowance(self, lane: str, tier: Tier) -> Allowance:
        """What the lane has left."""
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

    def model_name(self, name: str) -> str:
        """The offered model that a request means by `name`; "" is the default.

        Raises:
            ApiError: 404, `model_not_found`.
        """
        offered = self.settings.models
        meant = self.settings.model_aliases.get(name, name) or offered[0]
        if meant not in offered:
            message = f"There is no model {meant[:60]!r}; choices: {', '.join(offered)}."
            raise ApiError(404, message, code="model_not_found", param="model")
        return meant

    def changes_since(self, version: int | None) -> tuple[int, list[str]]:
        """The number of the last change, and the jobs changed after `version`; None is now."""
        with self.database.read() as session:
            last = session.scalar(select(tables.QueueState.changes)) or 0
            if version is None or last == version:
                return last, []
            changed = session.scalars(select(Job.id).where(Job.version > version))
            return last, list(changed)

    def _earlier(self, session: Session, wish: Submission) -> Job | None:
        """The job that this owner already has under this key."""
        if wish.idempotency_key is None:
            return None
        found = session.scalar(
            select(Job).where(Job.owner == wish.owner, Job.idempotency_key == wish.idempotency_key)
        )
        if found is not None and found.fingerprint != wish.fingerprint:
            raise ApiError(
                409,
                "This Idempotency-Key was used with another body; use a new key for a new wish.",
                code="idempotency_key_reused",
            )
        return found

    def _view(self, session: Session, job: Job) -> JobView:
        return self._views(session, [job])[0]

    def _views(self, session: Session, jobs: Sequence[Job]) -> list[JobView]:
        """These jobs as they are, in few queries however many there are."""
        found = outlooks(session, self.database, jobs)
        results: dict[str, list[Result]] = {job.id: [] for job in jobs if job.state == tables.DONE}
        if results:
            query = select(PictureRow).where(PictureRow.job_id.in_(results))
            for row in session.scalars(query.order_by(PictureRow.place)):
                results[row.job_id].append(_result(row))
        return [_seen(job, found[job.id], tuple(results.get(job.id, ()))) for job in jobs]


def next_version(session: Session) -> int:
    """Lock the queue for this transaction and number its change.

    The row's lock is what puts changes in one order on PostgreSQL; on SQLite there is one writer
    anyway.
    """
    row = tables.QueueState
    session.execute(update(row).values(changes=row.changes + 1))
    changes: int | None = session.scalar(select(row.changes))
    assert changes is not None, "the queue has no state: the database was not upgraded"
    return changes


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


def _result(row: PictureRow) -> Result:
    return Result(
        id=row.id,
        path=row.path,
        format=row.format,
        width=row.width,
        height=row.height,
        seed=row.seed,
        score=row.score,
    )


def _seen(job: Job, found: Outlook, results: Sequence[Result]) -> JobView:
    return JobView(
        id=job.id,
        owner=job.owner,
        kind=job.kind,
        model=job.model,
        request=job.request,
        state=job.state,
        version=job.version,
        position=found.position,
        estimated_seconds=found.seconds,
        done_steps=job.done_steps,
        total_steps=job.total_steps,
        phase=job.phase,
        reason=job.reason,
        unknown_words=tuple(job.unknown_words),
        seconds=job.seconds,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        inputs=job.inputs,
        results=results,
    )


def _find(session: Session, job_id: str, owner: str | None) -> Job:
    job = session.scalar(select(Job).where(Job.id == job_id))
    if job is None or owner not in (None, job.owner):
        raise not_found("job", job_id)
    return job
