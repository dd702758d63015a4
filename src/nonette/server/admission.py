"""Whether a job may join the queue, what it counts for, and where its turn is.

It decides and changes nothing; `intake.py` asks it inside the transaction that accepts the job.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, or_, select
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


class Standing(NamedTuple):
    """How things are where a job would join.

    Attributes:
        num_waiting: Jobs that wait, of everybody.
        num_open: The lane's jobs that wait or run.
        lane_end: Where the lane's last job ends in the round; None where it had none.
        round_turn: Where the round is.
        capabilities: The model's, once a worker has told.
    """

    num_waiting: int
    num_open: int
    lane_end: float | None
    round_turn: float
    capabilities: Mapping[str, Any] | None


_LANE = bindparam("lane", type_=Job.lane.type)
_NUM_OPEN = select(func.count()).where(Job.lane == _LANE, Job.state.in_((WAITING, RUNNING)))
_IS_COUNTED = or_(Job.state != CANCELLED, Job.started_at.is_not(None))
_STANDING = select(
    select(func.count()).where(Job.state == WAITING).scalar_subquery(),
    _NUM_OPEN.scalar_subquery(),
    select(Job.turn_end)
    .where(Job.lane == _LANE, _IS_COUNTED)
    .order_by(Job.turn_end.desc())
    .limit(1)
    .scalar_subquery(),
    select(QueueState.turn).scalar_subquery(),
    select(Model.capabilities)
    .where(Model.name == bindparam("model", type_=Model.name.type))
    .scalar_subquery(),
)


def standing(session: Session, lane: str, model: str) -> Standing:
    """How things are for a job of this lane and model."""
    found = {"lane": lane, "model": model}
    return Standing(*session.connection().execute(_STANDING, found).one())


def num_open(session: Session, lane: str) -> int:
    """How many of the lane's jobs wait or run."""
    return session.connection().scalar(_NUM_OPEN, {"lane": lane}) or 0


def check_task(request: Request, capabilities: Mapping[str, Any] | None) -> None:
    """Make sure that the model does what is asked, as far as a worker has told.

    Raises:
        InputError: It does not.
    """
    if capabilities is not None and request.task not in capabilities["tasks"]:
        tasks = ", ".join(capabilities["tasks"])
        raise InputError("task", request.task, f"{request.model} can only {tasks}")


def check_pixels(request: Request, most: int) -> None:
    """Make sure that a job's pictures fit into memory together.

    Args:
        request: What is asked for; the model's own size is taken to be small.
        most: Pixels of all its pictures.

    Raises:
        InputError: They have more.
    """
    sides = _final_size(request)
    if sides is not None and sides[0] * sides[1] * request.num_pictures > most:
        what = f"{request.num_pictures} pictures of {sides[0]}x{sides[1]}"
        raise InputError("size", what, f"they may have {most:,} pixels in all")


def check_room(found: Standing, settings: Settings, tier: Tier) -> None:
    """Make sure that the queue has room, and the lane's share of it too.

    Raises:
        ApiError: 429, where one of them is full.
    """
    if found.num_waiting >= settings.max_waiting:
        raise try_later(
            f"{found.num_waiting:,} jobs are waiting, which is all that may; please try again.",
            seconds=UNMEASURED_RETRY,
            code="server_is_overloaded",
        )
    if found.num_open >= (tier.max_waiting or settings.max_waiting_per_owner):
        raise try_later(
            f"{found.num_open:,} of your jobs are waiting or running, which is all that you may "
            "have; cancel one or wait for one to end.",
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


def turn_of(found: Standing) -> float:
    """Where the lane's next job joins the round."""
    return max(found.lane_end or 0.0, found.round_turn)


def cost_of(request: Request, capabilities: Mapping[str, Any] | None) -> float:
    """The candidates that will be drawn."""
    if not request.ranks:
        return float(request.num_pictures)
    default = 0 if capabilities is None else capabilities["default_candidates"]
    return float(request.candidates or max(default, request.num_pictures))


def pixels_of(request: Request, capabilities: Mapping[str, Any] | None) -> int:
    """The pixels that a worker holds of a job at once: candidates, pictures and what was sent."""
    native: Sequence[int] = (0, 0) if capabilities is None else capabilities["native_size"]
    final = _final_size(request) or native
    pixels = int(cost_of(request, capabilities)) * native[0] * native[1]
    pixels += request.num_pictures * final[0] * final[1]
    for picture in (request.source, request.second_source):
        if picture is not None:
            pixels += picture.shape[0] * picture.shape[1]
    return pixels


def batch_key(request: Request) -> str:
    """A word that jobs share which may be drawn in one call."""
    shared = {name: getattr(request, name) for name in ALIKE}
    return hashlib.sha256(json.dumps(shared).encode()).hexdigest()[:16]


def _final_size(request: Request) -> Sequence[int] | None:
    """Width and height that a request's pictures are asked for in; None is the model's own."""
    if request.task == "enlarge":
        return sizes.outcome(request, (0, 0), request.model)
    if request.kept_size is None and request.size != "auto":
        return sizes.parse(request.size)
    return request.kept_size
