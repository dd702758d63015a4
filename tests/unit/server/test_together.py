"""Changes that share a transaction: one sync for all, and nobody pays for another's failure."""

import threading
import time

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from nonette.server.database import Database
from nonette.server.errors import ApiError
from nonette.server.queue import Queue
from nonette.server.together import Together

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"])


@pytest.fixture
def commits(database):
    """One entry for each transaction that was committed."""
    seen = []
    event.listen(database.engine, "commit", seen.append)
    return seen


def at_once(database, acts):
    """What each act gave or raised, all having waited for the writers' lock together."""
    found = {}

    def run(name):
        try:
            found[name] = acts[name]()
        except Exception as error:
            found[name] = error

    threads = [threading.Thread(target=run, args=[name]) for name in acts]
    with database.write() as session:
        session.execute(text("UPDATE queue_state SET changes = changes"))  # the lock
        for thread in threads:
            thread.start()
        time.sleep(0.5)
    for thread in threads:
        thread.join(30)
    return found


def test_submissions_that_come_together_are_synced_together(
    queue, database, settings, wish, commits
):
    acts = {f"u{n}": lambda n=n: queue.submit(wish(f"u{n}")) for n in range(12)}
    views = at_once(database, acts)
    assert len(commits) <= 3  # the lock's own, perhaps one that came early, and all others
    positions = sorted(view.position for view in views.values())
    assert positions == list(range(1, 13))
    other = Database(settings.url)
    kept = Queue(other, settings).look_at([view.id for view in views.values()])
    other.close()
    assert {view.owner for view in kept.values()} == set(acts)


def test_the_refused_one_of_many_changes_nothing(queue, database, settings, wish):
    queue.settings = settings.model_copy(update={"max_waiting": 5})
    acts = {f"u{n}": lambda n=n: queue.submit(wish(f"u{n}")) for n in range(8)}
    found = at_once(database, acts)
    refused = [name for name, one in found.items() if isinstance(one, ApiError)]
    assert len(refused) == 3
    for name in acts:
        assert len(queue.jobs_of(name)) == (name not in refused)


def test_one_change_that_breaks_takes_no_other_along(database):
    together = Together(database)

    def add(session, name):
        values = {"id": name, "host": "h", "pid": 1, "seen": 0.0}
        statement = text("INSERT INTO desks (id, host, pid, seen) VALUES (:id, :host, :pid, :seen)")
        session.execute(statement, values)
        return name

    def breaks(session, version):
        add(session, "half")
        raise ZeroDivisionError

    acts = {
        name: lambda name=name: together.run(lambda session, version: add(session, name))
        for name in "abc"
    }
    found = at_once(database, acts | {"broken": lambda: together.run(breaks)})
    assert isinstance(found.pop("broken"), ZeroDivisionError)
    assert set(found.values()) == set("abc")
    with database.read() as session:
        assert set(session.scalars(text("SELECT id FROM desks"))) == set("abc")


def test_nobody_is_told_of_what_could_not_be_committed(queue, database, wish, backend):
    if backend == "postgresql":
        pytest.skip("its commits are broken in the same way")

    def fail(connection):
        raise OperationalError("COMMIT", {}, Exception("disk I/O error"))

    event.listen(database.engine, "commit", fail)
    try:
        for _ in range(2):
            with pytest.raises(OperationalError):
                queue.submit(wish())
    finally:
        event.remove(database.engine, "commit", fail)
    assert queue.jobs_of("ann") == []
    assert queue.submit(wish()).position == 1
