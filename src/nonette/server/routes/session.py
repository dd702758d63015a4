"""Signing in and out, what a guest had, and asking to be let in."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Cookie, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from nonette.server import accounts
from nonette.server.accounts import SESSION_SECONDS, guest_owner
from nonette.server.errors import ApiError
from nonette.server.house import Inside
from nonette.server.identity import (
    GUEST_COOKIE,
    LOCAL,
    SESSION_COOKIE,
    Asker,
    Caller,
    address_of,
    identify,
)
from nonette.server.limits import Tier

router = APIRouter(prefix="/api", tags=["session"])

GUEST_SECONDS = 365 * 86_400
EMAIL = r"^[^@\s]{1,64}@[^@\s]{1,190}$"


class SignIn(BaseModel):
    """A key speaks for its account."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(max_length=200)


class Application(BaseModel):
    """Who would like to use this server, and what for."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    email: str = Field(pattern=EMAIL)
    about: str = Field(default="", max_length=2000)


class SessionAnswer(BaseModel):
    """Who the caller is and what they may have; `kind` is `local`, `account`, `guest` or `none`."""

    kind: str
    account: str | None = None
    is_operator: bool = False
    tier: Tier | None = None


class Claimed(BaseModel):
    """How many jobs of a guest are the account's now."""

    jobs: int


@router.get("/session")
def who_am_i(request: Request, response: Response, house: Inside) -> SessionAnswer:
    """Who the caller is; a browser without an account gets a cookie to be known by."""
    try:
        caller = identify(request)
    except ApiError as error:
        if error.status != 401 or "authorization" in request.headers:
            raise
        return SessionAnswer(kind="none")
    if caller.account is None and caller.owner != LOCAL and GUEST_COOKIE not in request.cookies:
        token = secrets.token_urlsafe(32)
        response.set_cookie(GUEST_COOKIE, token, **_cookie(request, GUEST_SECONDS))
    return _answer(caller)


@router.post("/session")
def sign_in(who: SignIn, request: Request, response: Response, house: Inside) -> SessionAnswer:
    """Sign in with a key; the browser gets a cookie in its place."""
    address = address_of(request)
    house.failures.check(address)
    try:
        account = house.accounts.of_key(who.key)
    except ApiError:
        house.failures.note(address)
        raise
    token = house.accounts.open_session(account.id)
    response.set_cookie(SESSION_COOKIE, token, **_cookie(request, round(SESSION_SECONDS)))
    tier = house.settings.tiers.get(account.tier)
    return SessionAnswer(
        kind="account", account=account.id, is_operator=account.is_operator, tier=tier
    )


@router.delete("/session", status_code=204)
def sign_out(
    request: Request,
    response: Response,
    house: Inside,
    token: Annotated[str | None, Cookie(alias=SESSION_COOKIE)] = None,
) -> None:
    """Sign this browser out."""
    if token is not None:
        house.accounts.close_session(token)
    response.delete_cookie(SESSION_COOKIE)


@router.post("/session/claim")
def claim(
    house: Inside,
    caller: Asker,
    response: Response,
    guest: Annotated[str | None, Cookie(alias=GUEST_COOKIE)] = None,
) -> Claimed:
    """Give the account what this browser had as a guest."""
    if caller.account is None:
        raise ApiError(403, "Only an account can claim what a guest had.", code="account_needed")
    if guest is None:
        return Claimed(jobs=0)
    count = house.accounts.claim(guest_owner(guest), caller.owner)
    response.delete_cookie(GUEST_COOKIE)
    return Claimed(jobs=count)


@router.post("/waitlist", status_code=202)
def apply(who: Application, request: Request, house: Inside) -> dict[str, Any]:
    """Ask to be let in. The answer is the same whether or not the address is known already."""
    address = address_of(request)
    house.failures.check(address)
    house.failures.note(address)  # so that one address cannot fill the list
    house.accounts.apply(who.name, who.email, who.about)
    return {"status": accounts.WAITING}


def _answer(caller: Caller) -> SessionAnswer:
    kind = "local" if caller.owner == LOCAL else "account" if caller.account else "guest"
    return SessionAnswer(
        kind=kind, account=caller.account, is_operator=caller.is_operator, tier=caller.tier
    )


def _cookie(request: Request, seconds: int) -> dict[str, Any]:
    """How our cookies are set: out of reach of scripts and of other sites."""
    is_secure = needs_secure(request)
    return {"max_age": seconds, "httponly": True, "samesite": "lax", "secure": is_secure}


def needs_secure(request: Request) -> bool:
    """Whether the browser came over TLS, itself or as a proxy says."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
