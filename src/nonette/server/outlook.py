"""Where jobs stand and when they will be done, from what was measured; for one job, or for many.

The seconds are what the jobs before it cost, shared by the workers that live, and its own cost on
top, at the measured speed of its model. While nothing was measured nothing is claimed.

What is asked for by every caller all the time is one statement each, made once when this module is
read: to put a statement together takes longer than to carry it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, bindparam, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from nonette.server.database import Database
from nonette.server.tables import ENDED, RUNNING, WAITING, Job, Model, Worker

WORKER_SILENCE = 60.0  # seconds after which a worker no longer counts
FEW = 8  # jobs that are cheaper to ask for one by one than all together


class Ahead(NamedTuple):
    """What there is before a job.

    Attributes:
        num_ahead: Jobs that wait, of any model.
        cost_ahead: Candidates of its own model to draw, of running jobs too.
        num_workers: Those of its model that live.
        speed: Seconds a candidate; None while nothing was measured.
    """

    num_ahead: int
    cost_ahead: float
    num_workers: int
    speed: float | None


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """Where a job stands.

    Attributes:
        position: 1 is next; None where it does not wait.
        seconds: Until it is done; None while unknown, and once it has ended.
    """

    position: int | None = None
    seconds: float | None = None


_NOW = bindparam("now", type_=Worker.seen.type)
_RECENTLY = Worker.seen.between(_NOW - WORKER_SILENCE, _NOW + 1)
_JOB = Job.__table__
_WAITING = aliased(Job, name="waiting")


def _ahead(model: Any, is_before: Any) -> Select[Any]:
    """The columns of `Ahead` for a job of that model, before which are those of `_WAITING`."""
    running = aliased(Job, name="running")
    is_waiting = (_WAITING.state == WAITING) & is_before
    num_ahead = select(func.count()).where(is_waiting)
    to_draw = select(func.coalesce(func.sum(_WAITING.cost), 0.0)).where(
        is_waiting, _WAITING.model == model
    )
    in_hand = select(func.coalesce(func.sum(running.cost), 0.0)).where(
        running.state == RUNNING, running.model == model
    )
    workers = select(func.count()).where(Worker.model == model, _RECENTLY)
    speed = select(Model.seconds_per_candidate).where(Model.name == model)
    columns = (
        num_ahead.scalar_subquery(),
        to_draw.scalar_subquery() + in_hand.scalar_subquery(),
        workers.scalar_subquery(),
        speed.scalar_subquery(),
    )
    return select(
        *(column.label(name) for column, name in zip(columns, Ahead._fields, strict=True))
    )


_NEWCOMER = _ahead(
    bindparam("model", type_=Job.model.type),
    _WAITING.turn <= bindparam("turn", type_=Job.turn.type),
)
_IS_BEFORE = tuple_(_WAITING.turn, _WAITING.number) < tuple_(_JOB.c.turn, _JOB.c.number)
_LOOK = select(*_JOB.c, *_ahead(_JOB.c.model, _IS_BEFORE).selected_columns).where(
    _JOB.c.id == bindparam("id", type_=Job.id.type)
)
_RUNNING = select(Job.model, func.sum(Job.cost)).where(Job.state == RUNNING).group_by(Job.model)
_IN_ORDER = (Job.turn, Job.number)
_LINE = (
    select(
        Job.number,
        func.row_number().over(order_by=_IN_ORDER).label("position"),
        func.sum(Job.cost).over(partition_by=Job.model, order_by=_IN_ORDER).label("cost_with_it"),
    )
    .where(Job.state == WAITING)
    .subquery()
)
_PLACES = select(_LINE).where(_LINE.c.number.in_(bindparam("numbers", expanding=True)))
_WORKERS = select(Worker.model, func.count()).where(_RECENTLY).group_by(Worker.model)
_SPEEDS = select(Model.name, Model.seconds_per_candidate)


def newcomer(session: Session, now: float, model: str, turn: float) -> Ahead:
    """What a job of this model would find before it that joined the queue now at this turn."""
    found = {"now": now, "model": model, "turn": turn}
    return Ahead(*session.connection().execute(_NEWCOMER, found).one())


def look(session: Session, now: float, job_id: str) -> tuple[Row[Any], Outlook] | None:
    """A job's columns, and where it stands; None where there is none."""
    row = session.connection().execute(_LOOK, {"id": job_id, "now": now}).one_or_none()
    if row is None:
        return None
    return row, outlook(row, Ahead(*row[-len(Ahead._fields) :]))


def outlook(job: Any, ahead: Ahead) -> Outlook:
    """Where a job stands that has that before it."""
    if job.state in ENDED:
        return Outlook()
    if job.state == RUNNING:
        return Outlook(seconds=_left(job, ahead.speed))
    seconds = None
    if ahead.speed is not None:
        seconds = (ahead.cost_ahead / max(1, ahead.num_workers) + job.cost) * ahead.speed
    return Outlook(position=1 + ahead.num_ahead, seconds=seconds)


def outlooks(session: Session, now: float, jobs: Sequence[Any]) -> dict[str, Outlook]:
    """Where many jobs stand, from one walk along the queue."""
    connection = session.connection()
    speeds = _pairs(connection.execute(_SPEEDS))
    running = _pairs(connection.execute(_RUNNING))
    workers = _pairs(connection.execute(_WORKERS, {"now": now}))
    waiting = [job.number for job in jobs if job.state == WAITING]
    places = connection.execute(_PLACES, {"numbers": waiting}) if waiting else ()
    place_of = {place.number: place for place in places}
    found: dict[str, Outlook] = {}
    for job in jobs:
        ahead = Ahead(0, 0.0, workers.get(job.model, 0), speeds.get(job.model))
        place = place_of.get(job.number)
        if place is not None:
            cost = place.cost_with_it - job.cost + running.get(job.model, 0.0)
            ahead = ahead._replace(num_ahead=place.position - 1, cost_ahead=cost)
        found[job.id] = outlook(job, ahead)
    return found


def num_workers(session: Session, database: Database, model: str) -> int:
    """How many workers that draw with the model have reported lately."""
    now = database.clock(session)
    counts: dict[str, int] = _pairs(session.connection().execute(_WORKERS, {"now": now}))
    return counts.get(model, 0)


def _pairs(rows: Iterable[Any]) -> dict[str, Any]:
    """Rows of a name and a value."""
    return dict(list(rows))  # a result itself would be taken for a mapping


def _left(job: Any, speed: float | None) -> float | None:
    """The seconds that a running job still takes."""
    left = 1 - job.done_steps / job.total_steps if job.total_steps else 1.0
    return None if speed is None else left * job.cost * speed
