"""How a submission becomes a job, inside the transaction that accepts it.

Everything that may refuse it comes before anything is changed, as `together.py` asks for.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from types import SimpleNamespace
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from nonette.core.types import Request, as_drawn
from nonette.server import admission, outlook, retries
from nonette.server.database import Database
from nonette.server.errors import ApiError
from nonette.server.limits import check_allowance, spend
from nonette.server.settings import Settings
from nonette.server.tables import WAITING, Job
from nonette.server.views import JobView, Submission, view_of

_INSERT: Any = Job.__table__.insert()  # type: ignore[attr-defined]
_OF_KEY = select(Job.id, Job.fingerprint).where(
    Job.owner == bindparam("owner", type_=Job.owner.type),
    Job.idempotency_key == bindparam("key", type_=Job.id.type),
)


def earlier(session: Session, now: float, wish: Submission) -> str | None:
    """The id of the job that this submission is already: of its key, or left by its first attempt.

    Raises:
        ApiError: 409, the key was used with another body.
    """
    if wish.idempotency_key is None:
        found = retries.left_behind(session, now, wish) if wish.is_retry else None
        return None if found is None else found.id
    keys = {"owner": wish.owner, "key": wish.idempotency_key}
    row = session.connection().execute(_OF_KEY, keys).one_or_none()
    if row is not None and row.fingerprint != wish.fingerprint:
        raise ApiError(
            409,
            "This Idempotency-Key was used with another body; use a new key for a new wish.",
            code="idempotency_key_reused",
        )
    return None if row is None else row.id


def enter(
    session: Session, database: Database, settings: Settings, wish: Submission, version: int
) -> JobView:
    """Make the job of a submission, whose model's name is known.

    Raises:
        InputError: The model's capabilities rule the request out.
        ApiError: 429 where the queue or the lane's share of it is full, or the wait would be too
            long.
    """
    request, lane, tier = wish.request, wish.lane or wish.owner, wish.tier
    now = database.clock(session)
    found = admission.standing(session, lane, request.model)
    admission.check_task(request, found.capabilities)
    admission.check_pixels(request, settings.max_job_pixels)
    admission.check_room(found, settings, tier)
    check_allowance(session, now, lane, tier, request.num_pictures)
    turn = admission.turn_of(found)
    values = _row(wish, lane, turn, admission.cost_of(request, found.capabilities), version)
    values["pixels"] = admission.pixels_of(request, found.capabilities)
    ahead = outlook.newcomer(session, now, request.model, turn)
    job = SimpleNamespace(**values)
    view = view_of(job, outlook.outlook(job, ahead))
    if wish.longest_wait is not None:
        admission.check_wait(view.estimated_seconds, wish.longest_wait)
    spend(session, now, lane, tier)
    session.connection().execute(_INSERT, values)
    return view


def named(wish: Submission, model: str) -> Submission:
    """The submission with the model that its request means."""
    request: Request = wish.request
    if request.model != model:
        request = dataclasses.replace(request, model=model)
    return dataclasses.replace(wish, request=request)


def _row(wish: Submission, lane: str, turn: float, cost: float, version: int) -> dict[str, Any]:
    """The columns of a new job."""
    drawn = as_drawn(wish.request)
    return {
        "id": f"job_{secrets.token_hex(12)}",
        "owner": wish.owner,
        "lane": lane,
        "kind": wish.kind,
        "model": wish.request.model,
        "request": {key: drawn[key] for key in drawn if key not in wish.inputs},
        "inputs": dict(wish.inputs),
        "output": {
            "format": wish.format,
            "quality": wish.quality,
            "with_prompt": wish.with_prompt,
            "previews": wish.previews,
        },
        "batch_key": admission.batch_key(wish.request),
        "cost": cost,
        "num_pictures": wish.request.num_pictures,
        "turn": turn,
        "turn_end": turn + cost / wish.tier.weight,
        "state": WAITING,
        "reason": None,
        "attempts": 0,
        "lease": 0,
        "lease_until": None,
        "worker": None,
        "done_steps": 0,
        "total_steps": 0,
        "phase": "",
        "version": version,
        "request_id": wish.request_id,
        "idempotency_key": wish.idempotency_key,
        "fingerprint": wish.fingerprint,
        "unknown_words": [],
        "seconds": None,
        "created_at": time.time(),
        "started_at": None,
        "finished_at": None,
    }
