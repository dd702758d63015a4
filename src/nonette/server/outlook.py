"""Where jobs stand and when they will be done, from what was measured; for one job, or for many.

The seconds are what the jobs before it cost, shared by the workers that live, and its own cost on
top, at the measured speed of its model. While nothing was measured nothing is claimed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from nonette.server.database import Database
from nonette.server.tables import ENDED, RUNNING, WAITING, Job, Model, Worker

WORKER_SILENCE = 60.0  # seconds after which a worker no longer counts
FEW = 8  # jobs that are cheaper to ask for one by one than all together


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """Where a job stands.

    Attributes:
        position: 1 is next; None where it does not wait.
        seconds: Until it is done; None while unknown, and once it has ended.
    """

    position: int | None = None
    seconds: float | None = None


def outlook(session: Session, database: Database, job: Job) -> Outlook:
    """Where one job stands."""
    if job.state in ENDED:
        return Outlook()
    model = session.get(Model, job.model)
    speed = None if model is None else model.seconds_per_candidate
    if job.state == RUNNING:
        return Outlook(seconds=_left(job, speed))
    is_before = or_(Job.turn < job.turn, and_(Job.turn == job.turn, Job.number < job.number))
    ahead = select(func.count()).where(Job.state == WAITING, is_before)
    position = 1 + (session.scalar(ahead) or 0)
    if speed is None:
        return Outlook(position=position)
    is_counted = or_(Job.state == RUNNING, and_(Job.state == WAITING, is_before))
    cost = select(func.sum(Job.cost)).where(Job.model == job.model, is_counted)
    hands = max(1, num_workers(session, database, job.model))
    seconds = ((session.scalar(cost) or 0.0) / hands + job.cost) * speed
    return Outlook(position=position, seconds=seconds)


def outlooks(session: Session, database: Database, jobs: Sequence[Job]) -> dict[str, Outlook]:
    """Where many jobs stand, from one walk along the queue."""
    if len(jobs) <= FEW:
        return {job.id: outlook(session, database, job) for job in jobs}
    speeds = {row.name: row.seconds_per_candidate for row in session.scalars(select(Model))}
    costs: dict[str, float] = defaultdict(float)  # by model, of what runs and waits before
    running = select(Job.model, func.sum(Job.cost)).where(Job.state == RUNNING)
    for model, cost in session.execute(running.group_by(Job.model)):
        costs[model] = cost
    models = {job.model for job in jobs}
    hands = {model: max(1, num_workers(session, database, model)) for model in models}
    found: dict[str, Outlook] = {}
    waiting = select(Job.id, Job.model, Job.cost).where(Job.state == WAITING)
    queue = session.execute(waiting.order_by(Job.turn, Job.number))
    for position, (job_id, model, cost) in enumerate(queue, start=1):
        speed = speeds.get(model)
        seconds = None
        if speed is not None:
            seconds = (costs[model] / hands.get(model, 1) + cost) * speed
        found[job_id] = Outlook(position=position, seconds=seconds)
        costs[model] += cost
    for job in jobs:
        if job.state == RUNNING:
            found[job.id] = Outlook(seconds=_left(job, speeds.get(job.model)))
    return {job.id: found.get(job.id, Outlook()) for job in jobs}


def num_workers(session: Session, database: Database, model: str) -> int:
    """How many workers that draw with the model have reported lately."""
    now = database.clock(session)
    recently = Worker.seen.between(now - WORKER_SILENCE, now + 1)
    query = select(func.count()).where(Worker.model == model, recently)
    return session.scalar(query) or 0


def _left(job: Job, speed: float | None) -> float | None:
    """The seconds that a running job still takes."""
    left = 1 - job.done_steps / job.total_steps if job.total_steps else 1.0
    return None if speed is None else left * job.cost * speed
