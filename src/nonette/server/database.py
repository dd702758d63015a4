"""The database: SQLite in the data folder, or PostgreSQL by its address; opened, locked, upgraded.

SQLite runs in WAL mode with `synchronous=FULL`, so that what was committed survives a power cut,
and writes in `BEGIN IMMEDIATE`, so that two writers wait for each other instead of failing. The
clock for leases never jumps: on SQLite the time since this machine booted (it goes on during
suspend), on PostgreSQL the database's own clock, which all workers share.

It knows no table but those that it makes and upgrades.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, func, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from nonette.core.errors import NonetteError
from nonette.server.tables import Base

MIGRATIONS = Path(__file__).with_name("migrations")
KEPT = 6  # connections to SQLite that stay open; more are opened while they are needed
BUSY_SECONDS = 30.0  # how long a writer waits for another process's write
UPGRADE_LOCK = 0x6E6F6E65  # "none": the number PostgreSQL knows our upgrade by
BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Database:
    """A pool of connections to the one database of a server and its workers.

    Args:
        url: As SQLAlchemy takes it; `Settings.url` gives it.
    """

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite")
        self._turn = threading.Lock()  # threads of one process queue here, not at the busy handler
        options: dict[str, Any] = {"pool_size": 20, "max_overflow": 40, "pool_pre_ping": True}
        if self.is_sqlite:
            options = {
                "pool_size": KEPT,
                "max_overflow": 60,
                "connect_args": {"timeout": BUSY_SECONDS, "check_same_thread": False},
            }
        try:
            self.engine = sqlalchemy.create_engine(url, **options)
        except (sqlalchemy.exc.ArgumentError, ImportError, ValueError) as error:
            raise NonetteError(f"the database's address cannot be used: {error}") from error
        if self.is_sqlite:
            event.listen(self.engine, "connect", _set_up_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._writer = self.engine.execution_options(writes=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database and changes nothing."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes are on disk when the block is left, or not there at all."""
        alone = self._turn if self.is_sqlite else nullcontext()
        with alone, Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def clock(self, session: Session) -> float:
        """Seconds on the clock that leases are measured by."""
        if self.is_sqlite:
            return time.clock_gettime(BOOT_CLOCK)
        now = session.scalar(select(func.extract("epoch", func.clock_timestamp())))
        assert now is not None
        return float(now)

    def upgrade(self) -> None:
        """Make the tables, or bring older ones up to date.

        Raises:
            NonetteError: The database is damaged, or of a newer Nonette.
        """
        script = ScriptDirectory(str(MIGRATIONS))
        with self._guarded(), self._writer.begin() as connection:
            if not self.is_sqlite:  # servers that start together upgrade one after the other
                connection.execute(select(func.pg_advisory_xact_lock(UPGRADE_LOCK)))
            _refuse_newer(connection, script)

            def steps(revision: Any, context: Any) -> Any:
                return script._upgrade_revs("head", revision)

            with EnvironmentContext(Config(), script, fn=steps) as environment:
                environment.configure(connection=connection, target_metadata=Base.metadata)
                environment.run_migrations()

    def check(self) -> None:
        """Make sure that the database is there, sound, and of this version.

        Raises:
            NonetteError: It is not.
        """
        script = ScriptDirectory(str(MIGRATIONS))
        with self._guarded(), self.engine.begin() as connection:
            _refuse_newer(connection, script)
            found = MigrationContext.configure(connection).get_current_revision()
            if found != script.get_current_head():
                raise NonetteError(
                    f"the database is of version {found or 'none'}, this Nonette needs "
                    f"{script.get_current_head()}; start `nonette serve` once to upgrade it"
                )
            if self.is_sqlite:
                verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if verdict != "ok":
                    raise NonetteError(f"the database is damaged: {verdict}; restore a backup")

    def fill(self) -> None:
        """Open the connections that stay open, so that their number is the same from the start."""
        with ExitStack() as stack:
            for _ in range(KEPT):
                stack.enter_context(self.engine.connect())

    def close(self) -> None:
        """Let every connection go."""
        self.engine.dispose()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """What a database that cannot be used says, as one sentence."""
        try:
            yield
        except DatabaseError as error:
            address = self.engine.url.render_as_string(hide_password=True)
            reason = " ".join(str(error.orig).split())
            raise NonetteError(f"{address} cannot be used: {reason}") from error


def _refuse_newer(connection: Connection, script: ScriptDirectory) -> None:
    found = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    if found is not None and found not in known:
        raise NonetteError(
            f"the database is of version {found}, which this Nonette does not know: it was "
            "written by a newer one; upgrade Nonette or restore an older backup"
        )


def _set_up_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
