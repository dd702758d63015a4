"""Who asks: the caller of a request, and what they may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who a request comes from.

    Attributes:
        owner: Whom jobs and pictures of this caller belong to.
        account: The account's id, or None without one.
        weight: The owner's share of the machine.
        max_waiting: Jobs of this owner that may wait or run; None is the setting's.
    """

    owner: str
    account: str | None = None
    weight: float = 1.0
    max_waiting: int | None = None


def identify(request: Request) -> Caller:
    """The caller of this request."""
    return Caller(owner=LOCAL)


Asker = Annotated[Caller, Depends(identify)]
"""A route's parameter that is the caller; asking for it is what guards the route."""
