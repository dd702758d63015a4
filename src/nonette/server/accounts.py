"""Accounts: who may use a server that is open to others, by keys and by sessions of a browser.

A key is `sk-nonette-PREFIX-SECRET`. The prefix finds its row, the SHA-256 of the whole is compared
in constant time, and the secret's 256 random bits are what makes a slow hash unnecessary. Accounts
and keys are read again for every request, so that revoking one bites at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
import time

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from nonette.core.errors import InputError, NonetteError
from nonette.server import tables
from nonette.server.database import Database
from nonette.server.errors import ApiError
from nonette.server.queue import end
from nonette.server.tables import (
    Account,
    ApiKey,
    Collection,
    Job,
    LoginSession,
    PictureRow,
    Share,
)
from nonette.server.together import next_version

WAITING, ACTIVE, SUSPENDED = "waiting", "active", "suspended"
KEY = re.compile(r"sk-nonette-([0-9a-f]{12})-([A-Za-z0-9_-]{43})")
SESSION_SECONDS = 30 * 86_400.0
NOBODY = hashlib.sha256(b"").hexdigest()  # compared with where there is no key of that prefix


class Accounts:
    """The accounts of one server."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(
        self,
        name: str,
        *,
        email: str | None = None,
        about: str = "",
        tier: str = "free",
        state: str = ACTIVE,
        is_operator: bool = False,
    ) -> str:
        """Make an account and give its id.

        Raises:
            InputError: There is one with this e-mail address.
        """
        account_id = f"acc_{secrets.token_hex(8)}"
        try:
            with self.database.write() as session:
                session.add(
                    Account(
                        id=account_id,
                        name=name,
                        email=email,
                        about=about,
                        tier=tier,
                        state=state,
                        reason="",
                        is_operator=is_operator,
                        created_at=time.time(),
                    )
                )
        except IntegrityError as error:
            raise InputError("email", email, "an account with it is there already") from error
        return account_id

    def apply(self, name: str, email: str, about: str) -> None:
        """Put somebody on the waitlist, unless the address is there already: nobody is told."""
        with contextlib.suppress(InputError):
            self.add(name, email=email, about=about, state=WAITING)

    def find(self, account_id: str) -> Account:
        """The account of that id, or e-mail address.

        Raises:
            InputError: There is none.
        """
        with self.database.read() as session:
            is_it = (Account.id == account_id) | (Account.email == account_id)
            account = session.scalar(select(Account).where(is_it))
        if account is None:
            raise InputError("account", account_id, "there is no such account")
        return account

    def has(self, account_id: str) -> bool:
        """Whether there is an account of that id."""
        with self.database.read() as session:
            return session.get(Account, account_id) is not None

    def has_key(self, prefix: str) -> bool:
        """Whether there is a key of that prefix."""
        with self.database.read() as session:
            return session.get(ApiKey, prefix) is not None

    def all(self, state: str | None = None) -> list[Account]:
        """The accounts, oldest first; of one state, or of any."""
        query = select(Account).order_by(Account.created_at)
        if state is not None:
            query = query.where(Account.state == state)
        with self.database.read() as session:
            return list(session.scalars(query))

    def keys_of(self, account_id: str) -> list[ApiKey]:
        """The account's keys, revoked ones too, oldest first."""
        query = select(ApiKey).where(ApiKey.account_id == account_id).order_by(ApiKey.created_at)
        with self.database.read() as session:
            return list(session.scalars(query))

    def new_key(self, account_id: str, name: str = "") -> str:
        """Make a key of the account and give it; it cannot be asked for again."""
        prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        key = f"sk-nonette-{prefix}-{secret}"
        with self.database.write() as session:
            session.add(
                ApiKey(
                    prefix=prefix,
                    hash=_hash(key),
                    account_id=account_id,
                    name=name,
                    created_at=time.time(),
                    revoked_at=None,
                    case_id=None,
                )
            )
        return key

    def revoke_key(self, prefix: str) -> str:
        """Let a key be refused from now on.

        Returns:
            The id of the case, which the refusals name.

        Raises:
            InputError: There is no key of that prefix.
        """
        with self.database.write() as session:
            key = session.get(ApiKey, prefix)
            if key is None:
                raise InputError("prefix", prefix, "no key begins with it")
            key.revoked_at = key.revoked_at or time.time()
            key.case_id = key.case_id or f"case_{secrets.token_hex(8)}"
            return key.case_id

    def revoked_in(self, case_id: str) -> ApiKey | None:
        """The revoked key that a case is about."""
        with self.database.read() as session:
            return session.scalar(select(ApiKey).where(ApiKey.case_id == case_id))

    def of_key(self, key: str) -> Account:
        """The active account that a key is of.

        Raises:
            ApiError: 401 for what is no key, 403 for a revoked one or one of a suspended account.
        """
        prefix = prefix_of(key)
        with self.database.read() as session:
            row = session.get(ApiKey, prefix) if prefix else None
            is_right = hmac.compare_digest(row.hash if row else NOBODY, _hash(key))
            if row is None or not is_right:
                message = "This API key is not known here; nonette admin makes one."
                raise ApiError(401, message, code="invalid_api_key")
            if row.revoked_at is not None:
                case = f"; its case is {row.case_id}" if row.case_id else ""
                raise ApiError(403, f"This API key has been revoked{case}.", code="key_revoked")
            return _active(session.get(Account, row.account_id))

    def is_still_let_in(self, account_id: str, prefix: str | None) -> bool:
        """Whether an account, and the key it came with, are what they were: for long streams."""
        with self.database.read() as session:
            account = session.get(Account, account_id)
            key = session.get(ApiKey, prefix) if prefix else None
            is_key_good = prefix is None or (key is not None and key.revoked_at is None)
            return account is not None and account.state == ACTIVE and is_key_good

    def decide(self, account_id: str, state: str, reason: str = "") -> None:
        """Approve or suspend; who is suspended has their sessions closed and their jobs cancelled.

        Raises:
            InputError: There is no such account.
        """
        account = self.find(account_id)
        with self.database.write() as session:
            version = next_version(session)
            changed = {"state": state, "reason": reason}
            session.execute(update(Account).where(Account.id == account.id).values(**changed))
            if state != SUSPENDED:
                return
            session.execute(delete(LoginSession).where(LoginSession.account_id == account.id))
            jobs = select(Job).where(Job.owner == owner_of(account), Job.state.not_in(tables.ENDED))
            for job in session.scalars(jobs):
                why = {"code": "account_suspended", "message": "The account was suspended."}
                end(session, job, tables.CANCELLED, version, why)

    def change_tier(self, account_id: str, tier: str) -> None:
        """Let an account have what another tier has, from now on."""
        with self.database.write() as session:
            session.execute(update(Account).where(Account.id == account_id).values(tier=tier))

    def open_session(self, account_id: str) -> str:
        """Sign the account in and give the cookie's token."""
        token, now = secrets.token_urlsafe(32), time.time()
        with self.database.write() as session:
            session.execute(delete(LoginSession).where(LoginSession.expires_at < now))
            session.add(
                LoginSession(
                    hash=_hash(token),
                    account_id=account_id,
                    created_at=now,
                    expires_at=now + SESSION_SECONDS,
                )
            )
        return token

    def of_session(self, token: str) -> Account | None:
        """The active account that is signed in with this token; None for one that has expired.

        Raises:
            ApiError: 403, the account is suspended.
        """
        with self.database.read() as session:
            row = session.get(LoginSession, _hash(token))
            if row is None or row.expires_at < time.time():
                return None
            return _active(session.get(Account, row.account_id))

    def close_session(self, token: str) -> None:
        """Sign out."""
        with self.database.write() as session:
            session.execute(delete(LoginSession).where(LoginSession.hash == _hash(token)))

    def claim(self, guest: str, account: str) -> int:
        """Give an account what a guest had.

        Args:
            guest: The guest's owner word, as `guest:…`.
            account: The account's.

        Returns:
            How many jobs there were.
        """
        assert guest.startswith("guest:"), f"{guest} is no guest"
        with self.database.write() as session:
            next_version(session)
            jobs = list(session.scalars(select(Job).where(Job.owner == guest)))
            for job in jobs:
                job.owner = account
                job.idempotency_key = None  # the account may have used the same one
            _give(session, guest, account)
        return len(jobs)


def _give(session: Session, guest: str, account: str) -> None:
    """Pictures, links and collections; of two collections of one name the guest's gets another."""
    for table in (PictureRow, Share):
        session.execute(update(table).where(table.owner == guest).values(owner=account))
    taken = set(session.scalars(select(Collection.name).where(Collection.owner == account)))
    for row in session.scalars(select(Collection).where(Collection.owner == guest)):
        row.owner = account
        row.name = f"{row.name} ({row.id[-6:]})" if row.name in taken else row.name


def owner_of(account: Account) -> str:
    """The word that jobs and pictures of the account have as their owner."""
    return f"account:{account.id}"


def prefix_of(key: str) -> str | None:
    """The part of a key that finds its row, or None where it is no key."""
    found = KEY.fullmatch(key)
    return found.group(1) if found else None


def guest_owner(token: str) -> str:
    """The word that jobs and pictures of a browser without an account have as their owner."""
    return f"guest:{_hash(token)[:24]}"


def _active(account: Account | None) -> Account:
    if account is None:
        raise NonetteError("a key or session is of an account that is not there")
    if account.state == WAITING:
        message = "This account waits for the operator's approval."
        raise ApiError(403, message, code="account_waiting")
    if account.state == SUSPENDED:
        message = f"This account is suspended: {account.reason or 'ask the operator why'}."
        raise ApiError(403, message, code="account_suspended")
    return account


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
