"""What operators see and do over HTTP: the queue, the accounts and their keys, who is let in."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from nonette.core.errors import InputError
from nonette.server import oversight
from nonette.server.accounts import ACTIVE, SUSPENDED
from nonette.server.errors import not_found
from nonette.server.house import House, Inside
from nonette.server.identity import Operator
from nonette.server.limits import Tier
from nonette.server.oversight import Member
from nonette.server.routes.session import EMAIL

router = APIRouter(prefix="/api/admin", tags=["operators"])

OF_MEMBER = {"keys", "pictures_today"}


class KeyAnswer(BaseModel):
    """A key as operators see it; the key itself is nowhere."""

    model_config = ConfigDict(from_attributes=True)

    prefix: str
    name: str
    created_at: float
    revoked_at: float | None


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
    pictures_today: int
    keys: list[KeyAnswer]


class AccountList(BaseModel):
    """Accounts, oldest first."""

    object: Literal["list"] = "list"
    data: list[AccountAnswer]


class Suspension(BaseModel):
    """Why; the person is told."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500)


class NewAccount(BaseModel):
    """Somebody to let in without their asking."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200, pattern=r"\S")
    email: str | None = Field(default=None, pattern=EMAIL)
    tier: str = "free"


class AccountChange(BaseModel):
    """What an account may have from now on."""

    model_config = ConfigDict(extra="forbid")

    tier: str


class KeyName(BaseModel):
    """What a key is for."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="", max_length=100)


class NewKey(BaseModel):
    """A key, told this once, and whose it is."""

    account: str
    key: str


class ModelAnswer(BaseModel):
    """One model: its jobs, the workers that report, and its measured speed."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    waiting: int
    running: int
    workers: int
    seconds_per_candidate: float | None


class OverviewAnswer(BaseModel):
    """The server in numbers, and what its tiers have."""

    models: list[ModelAnswer]
    ended_today: dict[str, int]
    accounts: dict[str, int]
    pictures: int
    published: int
    open_reports: int
    oldest_seconds: float
    disk_free_bytes: int
    tiers: dict[str, Tier]


class OpenJobAnswer(BaseModel):
    """A job that waits or runs; whose it is, and not what it is of."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    who: str
    model: str
    state: Literal["waiting", "running"]
    num_pictures: int
    created_at: float
    done: float


class OpenJobList(BaseModel):
    """Jobs in the order of the queue."""

    object: Literal["list"] = "list"
    data: list[OpenJobAnswer]


@router.get("/overview")
def overview(house: Inside, caller: Operator) -> OverviewAnswer:
    """The server at a glance."""
    seen = oversight.overview(house.database, house.settings)
    facts = {name: getattr(seen, name) for name in OverviewAnswer.model_fields if name != "tiers"}
    return OverviewAnswer.model_validate(
        facts | {"tiers": house.settings.tiers}, from_attributes=True
    )


@router.get("/jobs")
def list_jobs(house: Inside, caller: Operator) -> OpenJobList:
    """What runs and what waits, everybody's, in the order of the queue."""
    found = oversight.open_jobs(house.database)
    return OpenJobList(data=[OpenJobAnswer.model_validate(one) for one in found])


@router.post("/jobs/{job_id}/cancel", status_code=204)
def cancel(job_id: str, house: Inside, caller: Operator) -> None:
    """End somebody's job."""
    house.queue.cancel(job_id)


@router.get("/accounts")
def list_accounts(
    house: Inside,
    caller: Operator,
    state: Literal["waiting", "active", "suspended"] | None = None,
) -> AccountList:
    """Accounts, oldest first: all of them, or of one state, such as the waitlist."""
    return AccountList(data=[_answer(one) for one in oversight.members(house.database, state)])


@router.post("/accounts", status_code=201)
def add(who: NewAccount, house: Inside, caller: Operator) -> NewKey:
    """Let somebody in who did not ask, and make a key for them."""
    _check_tier(house, who.tier)
    account = house.accounts.add(who.name.strip(), email=who.email, tier=who.tier)
    return NewKey(account=account, key=house.accounts.new_key(account, "first"))


@router.patch("/accounts/{account_id}", status_code=204)
def change(account_id: str, what: AccountChange, house: Inside, caller: Operator) -> None:
    """Put an account into another tier."""
    _check(house, account_id)
    _check_tier(house, what.tier)
    house.accounts.change_tier(account_id, what.tier)


@router.post("/accounts/{account_id}/keys", status_code=201)
def new_key(account_id: str, wish: KeyName, house: Inside, caller: Operator) -> NewKey:
    """Make another key of an account; it cannot be asked for again."""
    _check(house, account_id)
    return NewKey(account=account_id, key=house.accounts.new_key(account_id, wish.name.strip()))


@router.post("/accounts/{account_id}/approve")
def approve(account_id: str, house: Inside, caller: Operator) -> NewKey:
    """Let somebody in, and make a key for them."""
    _check(house, account_id)
    house.accounts.decide(account_id, ACTIVE)
    return NewKey(account=account_id, key=house.accounts.new_key(account_id, "first"))


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


def _check_tier(house: House, tier: str) -> None:
    if tier not in house.settings.tiers:
        choices = ", ".join(house.settings.tiers)
        raise InputError("tier", tier, f"there is no such tier; choices: {choices}")


def _answer(one: Member) -> AccountAnswer:
    own = {
        name: getattr(one.account, name) for name in AccountAnswer.model_fields.keys() - OF_MEMBER
    }
    keys = [KeyAnswer.model_validate(key) for key in one.keys]
    return AccountAnswer(**own, keys=keys, pictures_today=one.pictures_today)
