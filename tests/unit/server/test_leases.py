"""The queue from the workers' side: claims, batches, leases that run out, fencing, quarantine."""

import threading
import time

import pytest
from sqlalchemy import update

from nonette.core.types import Progress
from nonette.server import tables
from nonette.server.keeper import make_round
from nonette.server.leases import Leases
from nonette.server.settings import MAX_LEASE
from nonette.server.tables import Job

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"])


def run_out(database, by=1.0):
    """Let every lease be over, as if its worker had been silent."""
    with database.write() as session:
        now = database.clock(session)
        session.execute(update(Job).where(Job.state == "running").values(lease_until=now - by))


def owners(claims):
    return "".join(claim.owner for claim in claims)


def test_a_claim_takes_those_whose_turn_it_is_and_who_fit_beside(queue, leases, wish):
    for owner in "aab":
        queue.submit(wish(owner))
    queue.submit(wish("c", size="64x64"))
    assert owners(leases.claim("flat")) == "aba"
    assert owners(leases.claim("flat")) == "c"
    assert leases.claim("flat") == []
    assert not leases.has_work("flat")


def test_a_batch_is_bounded_by_jobs_and_by_candidates(queue, database, settings, wish):
    for _ in range(5):
        queue.submit(wish(candidates=10))
    for limits, size in (({"batch_jobs": 2}, 2), ({"batch_candidates": 25}, 2)):
        leases = Leases(database, settings.model_copy(update=limits), "wrk_1")
        assert len(leases.claim("flat")) == size


def test_a_batch_is_bounded_by_the_pixels_of_its_jobs(queue, leases, database, settings, wish):
    for owner in "abc":
        queue.submit(wish(owner, num_pictures=1, size="1024x1024"))
    few = settings.model_copy(update={"batch_pixels": 3_000_000})  # a job holds 1.35 million
    assert owners(Leases(database, few, "wrk_1").claim("flat")) == "ab"
    queue.submit(wish("d", num_pictures=9, size="1024x1024"))
    assert owners(Leases(database, few, "wrk_1").claim("flat")) == "c"
    assert owners(Leases(database, few, "wrk_1").claim("flat")) == "d"  # alone, but drawn


def test_who_wants_previews_joins_last_and_where_there_is_room(queue, database, settings, wish):
    for owner, previews in (("a", True), ("b", True), ("c", False), ("d", True)):
        queue.submit(wish(owner, previews=previews))
    leases = Leases(database, settings.model_copy(update={"batch_jobs": 3}), "wrk_1")
    assert owners(leases.claim("flat")) == "acb"
    assert owners(leases.claim("flat")) == "d"


def test_a_batch_is_filled_with_those_that_fit(queue, database, settings, wish):
    for owner, candidates in (("a", 20), ("b", 60), ("c", 20), ("d", 20)):
        queue.submit(wish(owner, candidates=candidates, num_pictures=1))
    leases = Leases(database, settings.model_copy(update={"batch_candidates": 72}), "wrk_1")
    assert owners(leases.claim("flat")) == "acd"
    assert owners(leases.claim("flat")) == "b"


def test_owners_who_come_late_join_the_round_where_it_is(queue, database, settings, wish):
    one = Leases(database, settings.model_copy(update={"batch_jobs": 1}), "wrk_1")
    for _ in range(4):
        queue.submit(wish("a"))
    served = owners(one.claim("flat")) + owners(one.claim("flat"))
    for _ in range(2):
        queue.submit(wish("b"))
    served += "".join(owners(one.claim("flat")) for _ in range(4))
    assert served == "aababa"


def test_a_lease_that_runs_out_lets_another_worker_draw_and_fences_the_first(
    queue, leases, database, settings, wish
):
    view = queue.submit(wish())
    (early,) = leases.claim("flat")
    run_out(database)
    (late,) = Leases(database, settings, "wrk_2").claim("flat")
    assert (late.id, late.lease > early.lease) == (view.id, True)
    assert leases.held([early]) == set()
    assert not leases.finish(early, [], unknown_words=[], seconds=1.0)
    assert not leases.give_up(early, tables.FAILED, {"code": "x", "message": "y"})
    leases.report([early], Progress(done=7, total=8, phase="drawing"))
    leases.release([early])
    leases.renew([early])
    look = queue.look(view.id)
    assert (look.state, look.done_steps) == ("running", 0)
    assert leases.finish(late, [], unknown_words=[], seconds=1.0)
    assert not leases.finish(late, [], unknown_words=[], seconds=1.0)
    assert queue.look(view.id).state == "done"


def test_renewing_keeps_a_lease(queue, leases, database, wish):
    queue.submit(wish())
    claims = leases.claim("flat")
    run_out(database, by=-0.5)
    leases.renew(claims)
    time.sleep(0.6)
    assert not leases.has_work("flat")
    assert leases.held(claims) == {claims[0].id}


def test_a_lease_of_an_earlier_boot_is_over(queue, leases, database, wish):
    queue.submit(wish())
    leases.claim("flat")
    run_out(database, by=-(MAX_LEASE + 60))  # the clock began again at zero
    assert leases.has_work("flat")
    assert len(leases.claim("flat")) == 1


def test_poison_is_quarantined_and_takes_no_stranger_along(queue, leases, database, settings, wish):
    poison, innocent = queue.submit(wish("a")), queue.submit(wish("b"))
    assert len(leases.claim("flat")) == 2
    run_out(database)  # the worker died of it
    assert owners(leases.claim("flat")) == "a"
    assert owners(leases.claim("flat")) == "b"
    run_out(database)
    for _ in range(settings.max_attempts - 2):
        (again,) = leases.claim("flat")
        assert again.id == poison.id
        (other,) = leases.claim("flat")
        leases.finish(other, [], unknown_words=[], seconds=1.0)
        run_out(database)
    make_round(database, settings)  # no worker is needed for the end
    assert queue.look(innocent.id).state == "done"
    look = queue.look(poison.id)
    assert (look.state, look.reason["code"]) == ("failed", "quarantined")
    assert leases.claim("flat") == []


def test_a_released_job_waits_at_its_old_turn_and_has_lost_no_attempt(queue, leases, wish):
    first, second = queue.submit(wish("a")), queue.submit(wish("b"))
    leases.release(leases.claim("flat"))
    assert [queue.look(view.id).position for view in (first, second)] == [1, 2]
    assert len(leases.claim("flat")) == 2  # drawn beside others still


def test_a_running_job_that_is_cancelled_is_no_longer_held(queue, leases, wish):
    view = queue.submit(wish())
    claims = leases.claim("flat")
    queue.cancel(view.id, "ann")
    assert leases.held(claims) == set()
    assert not leases.finish(claims[0], [], unknown_words=[], seconds=1.0)
    assert queue.look(view.id).state == "cancelled"


def test_an_estimate_is_what_was_measured_and_shared_by_the_workers(
    queue, leases, database, settings, wish
):
    assert queue.submit(wish("a")).estimated_seconds is None
    leases.measured("flat", cost=18, seconds=36.0)
    own, ahead = 18 * 2.0, 18 * 2.0
    view = queue.submit(wish("b"))
    assert view.estimated_seconds == pytest.approx(ahead + own)
    from nonette.core.flat import FlatEngine

    Leases(database, settings, "wrk_2").register(FlatEngine().capabilities())
    assert queue.look(view.id).estimated_seconds == pytest.approx(ahead / 2 + own)
    claims = leases.claim("flat")
    leases.report(claims, Progress(done=3, total=4, phase="drawing"))
    assert queue.look(view.id).estimated_seconds == pytest.approx(own / 4)


def test_the_order_holds_when_the_clock_jumps_back(queue, leases, wish, monkeypatch):
    first = queue.submit(wish("a"))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    second = queue.submit(wish("b"))
    assert [claim.id for claim in leases.claim("flat")] == [first.id, second.id]


def test_many_at_once_lose_nothing_and_finish_nothing_twice(queue, database, settings, wish):
    """Callers submit, some twice with one key, and cancel, while workers claim and finish."""
    finished, submitted = [], []

    def call(number):
        for i in range(10):
            views = [queue.submit(wish(f"o{number}", idempotency_key=f"{i}")) for _ in range(2)]
            assert views[0].id == views[1].id
            submitted.append(views[0].id)
            if i % 3 == 0:
                queue.cancel(views[0].id)

    def work(number):
        leases = Leases(database, settings, f"wrk_{number}")
        limit = time.monotonic() + 30
        while time.monotonic() < limit and (leases.has_work("flat") or callers_at_work()):
            for claim in leases.claim("flat"):
                if leases.finish(claim, [], unknown_words=[], seconds=0.1):
                    finished.append(claim.id)

    callers = [threading.Thread(target=call, args=[number]) for number in range(4)]
    workers = [threading.Thread(target=work, args=[number]) for number in range(3)]

    def callers_at_work():
        return any(thread.is_alive() for thread in callers)

    for thread in callers + workers:
        thread.start()
    for thread in callers + workers:
        thread.join(60)
    states = {job_id: queue.look(job_id).state for job_id in submitted}
    assert len(states) == 40
    assert len(finished) == len(set(finished))
    assert set(finished) == {job_id for job_id, state in states.items() if state == "done"}
    assert set(states.values()) <= {"done", "cancelled"}
