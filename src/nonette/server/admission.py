"""Whether a job may join the queue, what it counts for, and where its turn is.

It decides and changes nothing; `queue.py` asks it inside the transaction that accepts the job.
"""

from __future__ import annotations

import hashlib
import json

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from nonette.core import sizes
from nonette.core.errors import InputError
from nonette.core.types import Request
from nonette.server.errors import try_later
from nonette.server.limits import Tier
from nonette.server.settings import Settings
from nonette.server.tables import CANCELLED, RUNNING, WAITING, Job, Model, QueueState

ALIKE = ("task", "model", "size", "steps", "sampler")  # what jobs of one batch share
UNMEASURED_RETRY = 30.0  # seconds to come back after, where nothing says when there is room


def check_task(request: Request, model: Model | None) -> None:
    """Make sure that the model does what is asked, as far as a worker has told.

    Raises:
        InputError: It does not.
    """
    if model is not None and request.task not in model.capabilities["tasks"]:
        tasks = ", ".join(model.capabilities["tasks"])
        raise InputError("task", request.task, f"{model.name} can only {tasks}")


def check_pixels(request: Request, most: int) -> None:
    """Make sure that a job's pictures fit into memory together.

    Args:
        request: What is asked for; the model's own size is taken to be small.
        most: Pixels of all its pictures.

    Raises:
        InputError: They have more.
    """
    sides = request.kept_size
    if sides is None and request.size != "auto":
        sides = sizes.parse(request.size)
    if sides is not None and sides[0] * sides[1] * request.num_pictures > most:
        what = f"{request.num_pictures} pictures of {sides[0]}x{sides[1]}"
        raise InputError("size", what, f"they may have {most:,} pixels in all")


def check_room(session: Session, settings: Settings, lane: str, tier: Tier) -> None:
    """Make sure that the queue has room, and the lane's share of it too.

    Raises:
        ApiError: 429, where one of them is full.
    """
    waiting = session.scalar(select(func.count()).where(Job.state == WAITING)) or 0
    if waiting >= settings.max_waiting:
        raise try_later(
            f"{waiting:,} jobs are waiting, which is all that may; please try again.",
            seconds=UNMEASURED_RETRY,
            code="server_is_overloaded",
        )
    own = num_open(session, lane)
    if own >= (tier.max_waiting or settings.max_waiting_per_owner):
        raise try_later(
            f"{own:,} of your jobs are waiting or running, which is all that you may have; "
            "cancel one or wait for one to end.",
            seconds=UNMEASURED_RETRY,
            code="rate_limit_exceeded",
        )


def check_wait(seconds: float | None, longest: float) -> None:
    """Make sure that a caller who waits for the answer will not wait too long.

    Raises:
        ApiError: 429, where the estimate is longer; an unknown one is not.
    """
    if seconds is not None and seconds > longest:
        raise try_later(
            f"It would take about {seconds:,.0f} seconds, more than the {longest:,.0f} that a "
            "caller is kept waiting; try again later, or submit it to /api/jobs and come back "
            "for it.",
            seconds=seconds - longest,
            code="server_is_overloaded",
        )


def num_open(session: Session, lane: str) -> int:
    """How many of the lane's jobs wait or run."""
    is_open = Job.state.in_((WAITING, RUNNING))
    return session.scalar(select(func.count()).where(Job.lane == lane, is_open)) or 0


def turn_of(session: Session, lane: str) -> float:
    """Where the lane's next job joins the round."""
    counted = or_(Job.state != CANCELLED, Job.started_at.is_not(None))
    own = session.scalar(select(func.max(Job.turn_end)).where(Job.lane == lane, counted))
    now = session.scalar(select(QueueState.turn))
    return max(own or 0.0, now or 0.0)


def cost_of(request: Request, model: Model | None) -> float:
    """The candidates that will be drawn."""
    if not request.ranks:
        return float(request.num_pictures)
    default = 0 if model is None else model.capabilities["default_candidates"]
    return float(request.candidates or max(default, request.num_pictures))


def batch_key(request: Request) -> str:
    """A word that jobs share which may be drawn in one call."""
    shared = {name: getattr(request, name) for name in ALIKE}
    return hashlib.sha256(json.dumps(shared).encode()).hexdigest()[:16]
