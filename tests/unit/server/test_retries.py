"""Who may be answered with which job, when several API processes serve one database."""

import os
import subprocess
import sys

import pytest
from sqlalchemy import update

from nonette.server import retries
from nonette.server.tables import Desk, Waiter

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"])


@pytest.fixture
def desks(database):
    """Two API processes that live."""
    for name in ("one", "two"):
        report(database, name)
    return "one", "two"


def report(database, name, pid=None):
    with database.write() as session:
        retries.report(session, database.clock(session), name)
        if pid is not None:
            session.execute(update(Desk).where(Desk.id == name).values(pid=pid))


def silence(database, name):
    """The process is frozen, or its machine is gone."""
    with database.write() as session:
        seen = database.clock(session) - retries.SILENCE - 1
        session.execute(update(Desk).where(Desk.id == name).values(seen=seen))


@pytest.fixture
def ask(queue, wish):
    def ask(desk, request_id, *, again=False, **changes):
        asked = wish(fingerprint="f", desk=desk, request_id=request_id, is_retry=again, **changes)
        return queue.submit(asked).id

    return ask


def test_a_retry_takes_over_no_job_that_somebody_waits_for_elsewhere(ask, desks):
    first = ask("one", "req_1")
    assert ask("two", "req_2", again=True) != first
    assert ask("one", "req_3", again=True) != first


def test_a_retry_takes_over_what_a_process_left_that_is_gone(ask, queue, database, desks):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    report(database, "one", pid=gone.pid)
    first = ask("one", "req_1")
    assert ask("two", "req_2") != first, "a first attempt is a wish of its own"
    assert ask("two", "req_3", again=True) == first
    assert ask("two", "req_4", again=True) != first, "it is waited for again"
    assert queue.is_waiting("req_3") and not queue.is_waiting("req_1")


def test_a_process_that_thaws_does_not_answer_what_was_taken_over(ask, queue, database, desks):
    kept, taken = ask("one", "req_0", owner="bob"), ask("one", "req_1")
    silence(database, "one")
    assert ask("two", "req_2", again=True) == taken
    report(database, "one")
    assert not queue.is_waiting("req_1") and queue.is_waiting("req_2")
    assert not queue.is_waiting("req_0"), "its desk was closed: its caller asks again"
    assert ask("one", "req_3", again=True, owner="bob") == kept
    queue.answered(taken, "req_2")
    assert ask("one", "req_4", again=True) != taken, "somebody was answered with it"


def test_a_desk_that_was_silent_for_a_while_goes_on_where_nobody_took_over(
    ask, queue, database, desks
):
    ask("one", "req_1")
    silence(database, "one")
    report(database, "one")
    assert queue.is_waiting("req_1")


def test_a_caller_who_leaves_cancels_only_what_nobody_else_waits_for(ask, queue, database, desks):
    key = {"idempotency_key": "k"}
    job = ask("one", "req_1", **key)
    assert ask("two", "req_2", **key) == job
    queue.leave(job, "req_1")
    assert queue.look(job).state == "waiting"
    silence(database, "two")
    assert ask("one", "req_3", **key) == job
    queue.leave(job, "req_3")  # who waits at a closed desk does not count
    assert queue.look(job).state == "cancelled"


def test_a_job_without_a_caller_goes_on_for_a_retry(ask, queue, desks):
    job = ask("one", "req_1")
    queue.release("req_1")
    assert ask("two", "req_2", again=True) == job
    assert queue.look(job).state == "waiting"


def test_a_process_that_ends_in_order_leaves_no_row(ask, database, desks):
    ask("one", "req_1")
    with database.write() as session:
        retries.close(session, ["one"])
        assert session.query(Waiter).count() == 0
        assert [desk.id for desk in session.query(Desk)] == ["two"]
        assert session.get(Desk, "two").pid == os.getpid()
