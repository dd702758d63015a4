"""Small changes of many threads in one transaction: the disk is synced once for all that wait.

Whoever comes first opens the transaction; while it waits for its turn to write, others put their
changes beside its own. It carries out all of them, commits, and only then does anybody hear of a
result: what was told is on disk.

A change is called with a session and the number of the transaction, under the queue's lock. It
raises a `NonetteError` only before it changes anything; the others' changes are kept then. Any
other failure takes the whole transaction back, and each change is tried again alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import update
from sqlalchemy.orm import Session

from nonette.core.errors import NonetteError
from nonette.server.database import Database
from nonette.server.tables import QueueState

MOST = 50  # changes in one transaction, so that other writers get their turn

T = TypeVar("T")
_NEXT = update(QueueState.__table__).values(  # type: ignore[arg-type]
    changes=QueueState.__table__.c.changes + 1
)
_NEXT = _NEXT.returning(QueueState.__table__.c.changes)


class Together:
    """Carries out changes of the queue in shared transactions."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._waiting: deque[_Change] = deque()
        self._leader = threading.Lock()

    def run(self, act: Callable[[Session, int], T]) -> T:
        """Carry out a change and give what it gave, once that is on disk.

        Raises:
            NonetteError: The change was refused, and changed nothing.
            DBAPIError: The database failed, and nothing was changed.
        """
        change = _Change(act)
        self._waiting.append(change)
        with self._leader:
            while not change.is_over:
                self._lead()
        if change.error is not None:
            raise change.error
        result: T = change.result
        return result

    def _lead(self) -> None:
        batch: list[_Change] = []
        is_committing = False
        try:
            with self.database.write() as session:
                while self._waiting and len(batch) < MOST:
                    batch.append(self._waiting.popleft())
                version = next_version(session)
                for change in batch:
                    change.attempt(session, version)
                if all(change.error is not None for change in batch):
                    session.rollback()
                is_committing = True
        except BaseException as error:
            self._recover(batch, error, is_committing)
        for change in batch:
            change.is_over = True

    def _recover(self, batch: list[_Change], error: BaseException, is_committing: bool) -> None:
        """After a transaction that was taken back: who is to blame is found out one by one."""
        has_begun = bool(batch)
        while not has_begun and self._waiting:  # the database is away, for all alike
            batch.append(self._waiting.popleft())
        if len(batch) == 1 or not has_begun or is_committing:
            for change in batch:
                change.error = change.error or error
            return
        for change in batch:
            try:
                with self.database.write() as session:
                    change.attempt(session, next_version(session))
                    if change.error is not None:
                        session.rollback()
            except BaseException as own:
                change.error = own


class _Change:
    """One change, and what came of it."""

    def __init__(self, act: Callable[[Session, int], Any]) -> None:
        self.act = act
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_over = False

    def attempt(self, session: Session, version: int) -> None:
        self.error = None
        try:
            self.result = self.act(session, version)
        except NonetteError as error:
            self.error = error


def next_version(session: Session) -> int:
    """Lock the queue for this transaction and number its change.

    The row's lock is what puts changes in one order on PostgreSQL; on SQLite there is one writer
    anyway.
    """
    changes: int | None = session.scalar(_NEXT)
    assert changes is not None, "the queue has no state: the database was not upgraded"
    return changes
