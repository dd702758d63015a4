"""What operators do over HTTP: let people in, and put them out."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from nonette.server.accounts import ACTIVE, SUSPENDED
from nonette.server.errors import not_found
from nonette.server.house import House, Inside
from nonette.server.identity import Operator

router = APIRouter(prefix="/api/admin", tags=["operators"])


class AccountAnswer(BaseModel):
    """An account as operators see it."""

    id: str
    name: str
    email: str | None
    about: str
    tier: str
    state: Literal["waiting", "active", "suspended"]
    reason: str
    is_operator: bool
    created_at: float


class AccountList(BaseModel):
    """Accounts, oldest first."""

    object: Literal["list"] = "list"
    data: list[AccountAnswer]


class Suspension(BaseModel):
    """Why; the person is told."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500)


class NewKey(BaseModel):
    """A key, told this once."""

    key: str


@router.get("/accounts")
def list_accounts(
    house: Inside,
    caller: Operator,
    state: Literal["waiting", "active", "suspended"] | None = None,
) -> AccountList:
    """Accounts, oldest first: all of them, or of one state, such as the waitlist."""
    found = house.accounts.all(state)
    return AccountList(
        data=[AccountAnswer.model_validate(row, from_attributes=True) for row in found]
    )


@router.post("/accounts/{account_id}/approve")
def approve(account_id: str, house: Inside, caller: Operator) -> NewKey:
    """Let somebody in, and make a key for them."""
    _check(house, account_id)
    house.accounts.decide(account_id, ACTIVE)
    return NewKey(key=house.accounts.new_key(account_id, "first"))


@router.post("/accounts/{account_id}/suspend", status_code=204)
def suspend(account_id: str, why: Suspension, house: Inside, caller: Operator) -> None:
    """Put somebody out: keys and sessions are refused from now on, jobs are cancelled."""
    _check(house, account_id)
    house.accounts.decide(account_id, SUSPENDED, why.reason)


@router.post("/keys/{prefix}/revoke", status_code=204)
def revoke(prefix: str, house: Inside, caller: Operator) -> None:
    """Let a key be refused from now on."""
    if not house.accounts.has_key(prefix):
        raise not_found("key", prefix)
    house.accounts.revoke_key(prefix)


def _check(house: House, account_id: str) -> None:
    if not house.accounts.has(account_id):
        raise not_found("account", account_id)
