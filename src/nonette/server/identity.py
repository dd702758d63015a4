"""Who asks: the caller of a request, and what they may have.

A key or a session speaks for an account. Without either, a server on loopback serves the person at
this machine, and a server that was told in so many words to serve everyone serves guests: browsers
by a cookie, other callers by their address. A request that came through a proxy is from beyond.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from nonette.server.accounts import guest_owner, owner_of, prefix_of
from nonette.server.errors import ApiError
from nonette.server.house import House, house_of
from nonette.server.limits import Tier
from nonette.server.settings import is_loopback
from nonette.server.tables import Account

LOCAL = "local"
SESSION_COOKIE, GUEST_COOKIE = "nonette_session", "nonette_guest"
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who a request comes from.

    Attributes:
        owner: Whom jobs and pictures of this caller belong to.
        lane: Who takes turns and is counted: the account, or the address where there is none.
        account: The account's id, or None without one.
        key: The prefix of the key it came with, or None without one.
        tier: What the caller may have.
        is_operator: Whether it may approve, suspend and see reports.
    """

    owner: str
    lane: str
    account: str | None = None
    key: str | None = None
    tier: Tier = field(default_factory=Tier)
    is_operator: bool = False


def identify(request: Request) -> Caller:
    """The caller of this request.

    Raises:
        ApiError: 401 without a key where one is needed, or with a wrong one; 403 for a revoked
            key or a suspended account; 429 after too many wrong ones.
    """
    house = house_of(request)
    address = address_of(request)
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    is_open = not needs_key(request, house)
    if scheme.lower() == "bearer" and key.strip() and not (is_open and not _is_ours(key)):
        house.failures.check(address)
        try:
            return _of_account(house, house.accounts.of_key(key.strip()), prefix_of(key.strip()))
        except ApiError as error:
            if error.status == 401:
                house.failures.note(address)
            raise
    token = request.cookies.get(SESSION_COOKIE)
    if token:
        account = house.accounts.of_session(token)
        if account is not None:
            return _of_account(house, account)
    if not is_open:
        message = "An API key is needed: send it as `Authorization: Bearer …`."
        raise ApiError(401, message, code="missing_api_key", headers={"WWW-Authenticate": "Bearer"})
    if _is_at_this_machine(request, house):
        return Caller(owner=LOCAL, lane=LOCAL, is_operator=True)
    lane = f"address:{_blind(house, address)}"
    guest = request.cookies.get(GUEST_COOKIE)
    owner = guest_owner(guest) if guest else lane
    return Caller(owner=owner, lane=lane, tier=house.settings.tiers["guest"])


def operator(caller: Caller) -> Caller:
    """The caller, who must be an operator.

    Raises:
        ApiError: 403.
    """
    if not caller.is_operator:
        raise ApiError(403, "Only an operator may do this.", code="operator_needed")
    return caller


async def _identified(request: Request) -> Caller:
    """The caller; a thread is taken only where the database must be asked."""
    has_key = "authorization" in request.headers
    if has_key or SESSION_COOKIE in request.cookies:
        return await run_in_threadpool(identify, request)
    return identify(request)


Asker = Annotated[Caller, Depends(_identified)]
"""A route's parameter that is the caller; asking for it is what guards the route."""


async def _operator(caller: Asker) -> Caller:
    return operator(caller)


Operator = Annotated[Caller, Depends(_operator)]
"""A route's parameter that is the caller, who is an operator."""


def is_still_welcome(house: House, caller: Caller) -> bool:
    """Whether a caller who was let in when a stream began would be let in now."""
    if caller.account is None:
        return True
    return house.accounts.is_still_let_in(caller.account, caller.key)


def needs_key(request: Request, house: House) -> bool:
    """Whether this request must come with a key or a session."""
    rule = house.settings.api_keys
    if rule == "beyond-loopback":
        return not _is_at_this_machine(request, house)
    return rule == "always"


def address_of(request: Request) -> str:
    """The caller's address; that of a network of homes where it is IPv6."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 6:
        return str(ipaddress.ip_network(f"{address}/64", strict=False).network_address)
    return host


def _is_at_this_machine(request: Request, house: House) -> bool:
    """Whether the server listens on loopback alone, and no proxy brought this from elsewhere."""
    is_forwarded = any(name in request.headers for name in FORWARDED)
    return is_loopback(house.settings.host) and not is_forwarded


def _of_account(house: House, account: Account, key: str | None = None) -> Caller:
    owner = owner_of(account)
    tiers = house.settings.tiers
    return Caller(
        owner=owner,
        lane=owner,
        account=account.id,
        key=key,
        tier=tiers.get(account.tier, tiers["free"]),
        is_operator=account.is_operator,
    )


def _is_ours(key: str) -> bool:
    """Whether it looks like a key of ours; stock clients send any word where none is needed."""
    return key.strip().startswith("sk-nonette-")


def _blind(house: House, address: str) -> str:
    """The address as a word that does not tell it; the same for the same address."""
    return hmac.new(house.secret, address.encode(), hashlib.sha256).hexdigest()[:24]
