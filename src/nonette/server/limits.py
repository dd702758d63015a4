"""What a caller may have: tiers, requests a minute, pictures a day.

A minute's requests are a token bucket in the database, so that all API processes share it. A day's
pictures are counted from the jobs themselves: cancelled before they began, failed and refused ones
cost nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from nonette.server.errors import try_later
from nonette.server.tables import CANCELLED, FAILED, REFUSED, Bucket, Job

DAY_SECONDS = 86_400.0
MINUTE_SECONDS = 60.0


class Tier(BaseModel):
    """What accounts of one tier have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(default=1.0, gt=0, le=1000)
    max_waiting: int | None = Field(default=None, ge=1)
    requests_per_minute: int | None = Field(default=None, ge=1)
    pictures_per_day: int | None = Field(default=None, ge=1)


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What is left to a lane now; None where there is no limit.

    Attributes:
        reset_seconds: Until all of a minute's requests are there again.
    """

    limit_requests: int | None
    remaining_requests: int | None
    reset_seconds: float

    def headers(self) -> Mapping[str, str]:
        """As clients of OpenAI's API read it."""
        if self.limit_requests is None:
            return {}
        minutes, seconds = divmod(self.reset_seconds, 60)
        return {
            "x-ratelimit-limit-requests": str(self.limit_requests),
            "x-ratelimit-remaining-requests": str(self.remaining_requests),
            "x-ratelimit-reset-requests": f"{minutes:.0f}m{seconds:.0f}s",
        }


def left(session: Session, now: float, lane: str, tier: Tier) -> Allowance:
    """What the lane has left, without spending any of it."""
    tokens = _tokens(session.get(Bucket, lane), now, tier)
    return _allowance(tokens, tier)


def check_allowance(session: Session, now: float, lane: str, tier: Tier, num_pictures: int) -> None:
    """Make sure that the lane has one request and these pictures left.

    Args:
        session: One that writes, so that nobody spends in between.
        now: The database's clock.
        lane: Who would spend.
        tier: What they have.
        num_pictures: How many are asked for.

    Raises:
        ApiError: 429, where there is not enough left.
    """
    if tier.requests_per_minute is not None:
        tokens = _tokens(session.get(Bucket, lane), now, tier)
        if tokens < 1:
            raise try_later(
                f"You may make {tier.requests_per_minute} requests a minute.",
                seconds=(1 - tokens) * MINUTE_SECONDS / tier.requests_per_minute,
                code="rate_limit_exceeded",
            )
    if tier.pictures_per_day is not None:
        had = pictures_of_the_day(session, lane)
        if had + num_pictures > tier.pictures_per_day:
            error = try_later(
                f"You may have {tier.pictures_per_day:,} pictures a day, had {had:,} and ask for "
                f"{num_pictures:,} more.",
                seconds=DAY_SECONDS,
                code="insufficient_quota",
            )
            error.headers["x-should-retry"] = "false"  # two minutes do not help
            raise error


def spend(session: Session, now: float, lane: str, tier: Tier) -> None:
    """Take one request from what the lane has left this minute; `check_allowance` came before."""
    if tier.requests_per_minute is None:
        return
    bucket = session.get(Bucket, lane)
    tokens = _tokens(bucket, now, tier) - 1
    if bucket is None:
        session.add(Bucket(lane=lane, tokens=tokens, filled=now))
        session.flush()  # another of this transaction may spend from it too
    else:
        bucket.tokens, bucket.filled = tokens, now


def pictures_of_the_day(session: Session, lane: str) -> int:
    """The pictures that the lane asked for in the last 24 hours and got or may still get."""
    query = select(func.sum(Job.num_pictures)).where(Job.lane == lane, _is_charged_today())
    return int(session.scalar(query) or 0)


def charged_today(session: Session) -> dict[str, int]:
    """The same of every lane that asked for any."""
    query = select(Job.lane, func.sum(Job.num_pictures)).where(_is_charged_today())
    return {lane: int(count) for lane, count in session.execute(query.group_by(Job.lane))}


def _is_charged_today() -> ColumnElement[bool]:
    is_charged = Job.state.not_in((FAILED, REFUSED)) & or_(
        Job.state != CANCELLED, Job.started_at.is_not(None)
    )
    return is_charged & (Job.created_at > time.time() - DAY_SECONDS)


def _tokens(bucket: Bucket | None, now: float, tier: Tier) -> float:
    """What is in the bucket now; a clock that began again fills it."""
    most = float(tier.requests_per_minute or 0)
    if bucket is None or now < bucket.filled:
        return most
    return min(most, bucket.tokens + (now - bucket.filled) * most / MINUTE_SECONDS)


def _allowance(tokens: float, tier: Tier) -> Allowance:
    most = tier.requests_per_minute
    if most is None:
        return Allowance(limit_requests=None, remaining_requests=None, reset_seconds=0.0)
    seconds = (most - tokens) * MINUTE_SECONDS / most
    return Allowance(limit_requests=most, remaining_requests=int(tokens), reset_seconds=seconds)
