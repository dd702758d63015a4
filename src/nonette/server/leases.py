"""The durable queue, as a worker sees it: claim, renew, report, and end jobs under a lease.

A claim numbers its lease; whatever is written later names that number, and where the job has gone
on without it (its time ran out, its owner cancelled it) nothing is changed and the worker is told.
So a worker that was frozen for an hour does no harm when it wakes.

It knows no engine and no files.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from nonette.core.types import Capabilities, Progress
from nonette.server import tables
from nonette.server.database import Database
from nonette.server.queue import end
from nonette.server.settings import MAX_LEASE, Settings
from nonette.server.tables import RUNNING, WAITING, Job, Model, PictureRow, Preview, Worker
from nonette.server.together import next_version

LOOK_AHEAD = 4  # times a batch's jobs, among which those are looked for that fit
SPEED_SHARE = 0.3  # of the newest batch in the moving average of speeds

log = structlog.get_logger(__name__)

_REPORT = (  # made once, and carried out for a whole batch
    update(Job.__table__)  # type: ignore[arg-type]
    .where(
        Job.__table__.c.id == bindparam("job"),
        Job.__table__.c.lease == bindparam("under"),
        Job.__table__.c.state == RUNNING,
    )
    .values(
        done_steps=bindparam("steps"),
        total_steps=bindparam("of_steps"),
        phase=bindparam("in_phase"),
        version=bindparam("change"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A job that this worker may draw, as long as its lease holds."""

    id: str
    lease: int
    owner: str
    request: Mapping[str, Any]
    inputs: Mapping[str, str]
    output: Mapping[str, Any]
    cost: float
    request_id: str


class Leases:
    """What one worker holds. Methods may be called from its drawing and its beating thread alike.

    Args:
        database: The queue's.
        settings: For the limits of attempts, leases and batches.
        worker: This worker's id, one for each start of a process.
    """

    def __init__(self, database: Database, settings: Settings, worker: str) -> None:
        self.database = database
        self.settings = settings
        self.worker = worker

    def register(self, capabilities: Capabilities) -> None:
        """Tell that this worker is there and what it can do."""
        facts = dataclasses.asdict(capabilities)
        with self.database.write() as session:
            next_version(session)  # so that two workers of one model do not both make its row
            model = session.get(Model, capabilities.model)
            if model is None:
                session.add(
                    Model(name=capabilities.model, capabilities=facts, seconds_per_candidate=None)
                )
            else:
                model.capabilities = facts
            session.merge(  # again after an answer of the database that was lost
                Worker(
                    id=self.worker,
                    model=capabilities.model,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    started_at=time.time(),
                    seen=self.database.clock(session),
                )
            )

    def leave(self) -> None:
        """Tell that this worker ends."""
        with self.database.write() as session:
            session.execute(delete(Worker).where(Worker.id == self.worker))

    def has_work(self, model: str) -> bool:
        """Whether a claim might give something; only looks."""
        with self.database.read() as session:
            waiting = select(Job.number).where(Job.state == WAITING, Job.model == model).limit(1)
            if session.scalar(waiting) is not None:
                return True
            now = self.database.clock(session)
            return session.scalar(select(Job.number).where(has_run_out(now)).limit(1)) is not None

    def claim(self, model: str) -> list[Claim]:
        """The next jobs to draw in one call; none where nothing waits.

        The first is the one whose turn it is. Others join it that can be drawn beside it, and were
        never begun before: what has brought down a worker once is drawn alone.
        """
        with self.database.write() as session:
            version = next_version(session)
            expire(session, self.database, self.settings, version)
            waiting = select(Job).where(Job.state == WAITING, Job.model == model)
            waiting = waiting.order_by(Job.turn, Job.number)
            first = session.scalar(waiting.limit(1))
            if first is None:
                return []
            batch = [first]
            if first.attempts == 0:
                batch += self._beside(session, first)
            state = session.get_one(tables.QueueState, 1)
            state.turn = max(state.turn, first.turn)
            until = self.database.clock(session) + self.settings.lease_seconds
            for job in batch:
                job.state = RUNNING
                job.attempts += 1
                job.lease += 1
                job.lease_until = until
                job.worker = self.worker
                job.version = version
                job.started_at = job.started_at or time.time()
                job.done_steps, job.total_steps, job.phase = 0, 0, "starting"
            return [_claimed(job) for job in batch]

    def held(self, claims: Sequence[Claim]) -> set[str]:
        """The ids of those claims whose lease still holds; only looks."""
        leases = {claim.id: claim.lease for claim in claims}
        with self.database.read() as session:
            rows = session.execute(select(Job.id, Job.lease).where(Job.id.in_(leases)))
            return {job_id for job_id, lease in rows if leases[job_id] == lease}

    def renew(self, claims: Sequence[Claim]) -> None:
        """Say that this worker lives and goes on with these jobs."""
        with self.database.write() as session:
            now = self.database.clock(session)
            session.execute(update(Worker).where(Worker.id == self.worker).values(seen=now))
            until = now + self.settings.lease_seconds
            for claim in claims:
                session.execute(update(Job).where(_is(claim)).values(lease_until=until))

    def report(
        self, claims: Sequence[Claim], progress: Progress, preview: bytes | None = None
    ) -> None:
        """Tell how far these jobs are; the preview, a JPEG, is of the first one."""
        with self.database.write() as session:
            version = next_version(session)
            values = {
                "steps": progress.done,
                "of_steps": progress.total,
                "in_phase": progress.phase,
                "change": version,
            }
            told = [{"job": claim.id, "under": claim.lease} | values for claim in claims]
            session.connection().execute(_REPORT, told)
            if preview is not None and session.scalar(select(Job.id).where(_is(claims[0]))):
                session.merge(Preview(job_id=claims[0].id, version=version, content=preview))

    def finish(
        self,
        claim: Claim,
        pictures: Sequence[PictureRow],
        *,
        unknown_words: Sequence[str],
        seconds: float,
    ) -> bool:
        """Record the pictures, whose files are on disk, and end the job as done.

        Returns:
            Whether the lease still held; otherwise nothing was recorded.
        """
        with self.database.write() as session:
            version = next_version(session)
            job = session.scalar(select(Job).where(_is(claim)))
            if job is None:
                return False
            session.add_all(pictures)
            job.unknown_words = list(unknown_words)
            job.seconds = seconds
            job.done_steps = job.total_steps
            end(session, job, tables.DONE, version)
            return True

    def give_up(self, claim: Claim, state: str, reason: Mapping[str, Any]) -> bool:
        """End the job as failed or refused; see `finish` for what is returned."""
        with self.database.write() as session:
            version = next_version(session)
            job = session.scalar(select(Job).where(_is(claim)))
            if job is None:
                return False
            end(session, job, state, version, reason)
            return True

    def release(self, claims: Sequence[Claim]) -> None:
        """Put jobs back at their turn, as if they had never been begun."""
        with self.database.write() as session:
            version = next_version(session)
            for claim in claims:
                job = session.scalar(select(Job).where(_is(claim)))
                if job is not None:
                    _wait_again(job, version)
                    job.attempts -= 1

    def measured(self, model: str, cost: float, seconds: float) -> None:
        """Learn from a batch how fast this model draws."""
        with self.database.write() as session:
            row = session.get(Model, model, with_for_update=True)
            if row is not None and cost > 0:
                new, old = seconds / cost, row.seconds_per_candidate
                share = 1.0 if old is None else SPEED_SHARE
                row.seconds_per_candidate = share * new + (1 - share) * (old or 0.0)

    def _beside(self, session: Session, first: Job) -> list[Job]:
        """Jobs, in their order, that can be drawn in one call with the first.

        Only the first is shown while it is drawn, so those that want previews join last, where
        room is left.
        """
        query = (
            select(Job)
            .where(
                Job.state == WAITING,
                Job.batch_key == first.batch_key,
                Job.attempts == 0,
                Job.number != first.number,
            )
            .order_by(Job.turn, Job.number)
            .limit(self.settings.batch_jobs * LOOK_AHEAD)
        )
        chosen: list[Job] = []
        cost, pixels = first.cost, first.pixels
        for job in sorted(session.scalars(query), key=_wants_previews):
            if len(chosen) == self.settings.batch_jobs - 1:
                break
            is_small = pixels + job.pixels <= self.settings.batch_pixels
            if is_small and cost + job.cost <= self.settings.batch_candidates:
                cost += job.cost
                pixels += job.pixels
                chosen.append(job)
        return chosen


def expire(session: Session, database: Database, settings: Settings, version: int) -> int:
    """Take back jobs whose lease has run out: they wait again, or failed for good.

    Returns:
        How many there were.
    """
    jobs = list(session.scalars(select(Job).where(has_run_out(database.clock(session)))))
    for job in jobs:
        log.warning("lease_expired", job=job.id, worker=job.worker, attempts=job.attempts)
        if job.attempts < settings.max_attempts:
            _wait_again(job, version)
        else:
            message = f"It was begun {job.attempts} times and no worker survived it or finished it."
            end(session, job, tables.FAILED, version, {"code": "quarantined", "message": message})
    return len(jobs)


def _wait_again(job: Job, version: int) -> None:
    job.state = WAITING
    job.lease += 1
    job.lease_until = None
    job.worker = None
    job.version = version
    job.done_steps, job.total_steps, job.phase = 0, 0, ""


def has_run_out(now: float) -> Any:
    """Running jobs whose lease is over, or ends so late that it is of an earlier boot's clock."""
    is_over = or_(Job.lease_until < now, Job.lease_until > now + MAX_LEASE)
    return (Job.state == RUNNING) & is_over


def _is(claim: Claim) -> Any:
    """The claim's job, as long as its lease holds."""
    return (Job.id == claim.id) & (Job.lease == claim.lease) & (Job.state == RUNNING)


def _wants_previews(job: Job) -> bool:
    return bool(job.output.get("previews"))


def _claimed(job: Job) -> Claim:
    return Claim(
        id=job.id,
        lease=job.lease,
        owner=job.owner,
        request=job.request,
        inputs=job.inputs,
        output=job.output,
        cost=job.cost,
        request_id=job.request_id,
    )


def forget_silent_workers(session: Session, database: Database, silence: float) -> None:
    """Delete the rows of workers that have not reported for `silence` seconds."""
    now = database.clock(session)
    is_gone = or_(Worker.seen < now - silence, Worker.seen > now + 1)
    session.execute(delete(Worker).where(is_gone))
