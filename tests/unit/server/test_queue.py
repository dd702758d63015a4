"""The queue from the API's side: acceptance, order, limits, keys, cancelling."""

import dataclasses

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from nonette.core.errors import InputError, NonetteError
from nonette.server.database import Database
from nonette.server.errors import ApiError
from nonette.server.leases import Leases
from nonette.server.limits import Tier
from nonette.server.outlook import FEW
from nonette.server.queue import Queue
from nonette.server.tables import Base, Model

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"])


def order(queue, views):
    """The owners of these jobs in the order of their positions."""
    looks = [queue.look(view.id) for view in views]
    return "".join(look.owner for look in sorted(looks, key=lambda look: look.position))


def test_what_was_submitted_survives_the_process(queue, settings, wish):
    view = queue.submit(wish(seed=7))
    queue.database.close()
    database = Database(settings.url)
    again = Queue(database, settings).look(view.id)
    database.close()
    assert (again.state, again.position, again.request["seed"]) == ("waiting", 1, 7)


def test_owners_take_turns_then_age(queue, wish):
    views = [queue.submit(wish(owner)) for owner in "aaaabbc"]
    assert order(queue, views) == "abcabaa"


def test_a_weight_of_two_gets_twice_the_turns(queue, wish):
    weights = {"a": 2.0, "b": 1.0}
    views = [queue.submit(wish(owner, tier=Tier(weight=weights[owner]))) for owner in "aaaabbbb"]
    assert order(queue, views)[:6].count("a") == 4


def test_a_costly_job_counts_for_more(queue, wish):
    views = [queue.submit(wish(owner, candidates={"a": 36, "b": 9}[owner])) for owner in "aaabbbbb"]
    assert order(queue, views) == "abbbbaba"


def test_cancelled_jobs_cost_no_turns(queue, wish):
    for _ in range(5):
        queue.cancel(queue.submit(wish("a")).id, "a")
    views = [queue.submit(wish(owner)) for owner in "ba"]
    assert order(queue, views) == "ba"
    assert queue.look(views[1].id).position == 2


def test_one_key_is_one_job_and_another_body_is_refused(queue, wish):
    first = queue.submit(wish(idempotency_key="k", fingerprint="1"))
    again = queue.submit(wish(idempotency_key="k", fingerprint="1"))
    other = queue.submit(wish("bob", idempotency_key="k", fingerprint="2"))
    assert first.id == again.id != other.id
    with pytest.raises(ApiError) as refused:
        queue.submit(wish(idempotency_key="k", fingerprint="2"))
    assert (refused.value.status, refused.value.code) == (409, "idempotency_key_reused")


def test_the_queue_is_bounded_for_all_and_for_each(database, settings, wish):
    small = settings.model_copy(update={"max_waiting": 3, "max_waiting_per_owner": 2})
    queue = Queue(database, small)
    for owner in "aab":
        queue.submit(wish(owner))
    for owner in "ac":
        with pytest.raises(ApiError) as refused:
            queue.submit(wish(owner))
        assert refused.value.status == 429
        assert 1 <= int(refused.value.headers["Retry-After"]) <= 120


def test_a_refused_submission_leaves_no_trace(queue, wish):
    with pytest.raises(ApiError):
        queue.submit(wish(model="nothing"))
    assert queue.jobs_of("ann") == []
    assert queue.changes_since(0) == (0, [])


def test_cancelling_ends_once(queue, wish):
    view = queue.submit(wish())
    first, second = queue.cancel(view.id, "ann"), queue.cancel(view.id, "ann")
    assert first.state == second.state == "cancelled"
    assert first.version == second.version
    assert first.reason["code"] == "cancelled"


def test_anothers_job_is_not_there(queue, wish):
    view = queue.submit(wish())
    for ask in (queue.look, queue.cancel, queue.preview):
        with pytest.raises(ApiError) as refused:
            ask(view.id, "eve")
        assert refused.value.status == 404
    assert queue.look(view.id).state == "waiting"


def test_an_alias_and_no_name_mean_the_model_they_stand_for(database, settings, wish):
    queue = Queue(database, settings.model_copy(update={"model_aliases": {"dall-e-2": "flat"}}))
    for name in ("", "dall-e-2", "flat"):
        assert queue.submit(wish(model=name)).request["model"] == "flat"


def test_changes_are_numbered_in_one_order(queue, wish):
    first, second = queue.submit(wish()), queue.submit(wish())
    assert second.version > first.version
    last, changed = queue.changes_since(first.version)
    assert changed == [second.id]
    assert queue.changes_since(last) == (last, [])


def test_the_migrations_make_the_tables_of_the_models(database):
    with database.engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_newer_or_damaged_database_is_refused_in_one_sentence(database, settings, backend):
    with database.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for act in (database.upgrade, database.check):
        with pytest.raises(NonetteError, match="newer"):
            act()
    database.close()
    if backend == "postgresql":
        return
    (settings.data_dir / "nonette.sqlite3").write_bytes(b"this is no database" * 500)
    with pytest.raises(NonetteError, match="cannot be used"):
        Database(settings.url).upgrade()


def test_a_request_is_the_same_after_the_way_through_the_table(queue, wish):
    """The database's JSON keeps every number of a request exactly."""
    submission = wish(seed=2**53 - 600, guidance=0.1 + 0.2, top_p=0.9, prompt="‘é’ 🦘 \u202e")
    stored = queue.look(queue.submit(submission).id).request
    sent = dataclasses.replace(submission.request, model="flat")
    assert type(sent)(**stored) == sent


def test_input_beyond_the_models_tasks_is_refused(queue, wish, database):
    with database.write() as session:
        facts = {"tasks": ["draw"], "default_candidates": 18, "native_size": [16, 16]}
        session.add(Model(name="flat", capabilities=facts, seconds_per_candidate=0.5))
    view = queue.submit(wish(num_pictures=4))
    assert view.estimated_seconds == pytest.approx(9.0)
    with pytest.raises(ApiError) as refused:
        queue.submit(wish(longest_wait=10.0))
    assert refused.value.status == 429
    assert len(queue.jobs_of("ann")) == 1
    with pytest.raises(InputError, match="task"):
        queue.submit(wish(task="vary", source=np.zeros((16, 16, 3), np.uint8)))


def test_the_first_model_that_does_the_task_is_the_default(database, settings, wish):
    queue = Queue(database, settings.model_copy(update={"models": ("talker", "flat")}))
    edit = {"task": "vary", "source": np.zeros((16, 16, 3), np.uint8)}
    assert queue.submit(wish(**edit)).model == "talker", "no worker has told yet"
    with database.write() as session:
        for name, tasks in (("talker", ["draw"]), ("flat", ["draw", "vary"])):
            facts = {"tasks": tasks, "default_candidates": 9, "native_size": [16, 16]}
            session.add(Model(name=name, capabilities=facts, seconds_per_candidate=0.5))
    assert queue.submit(wish(**edit)).model == "flat"
    assert queue.submit(wish()).model == "talker"
    with pytest.raises(InputError, match="task"):
        queue.submit(wish(**edit, model="talker"))


def test_many_jobs_at_once_stand_where_each_stands_alone(queue, database, wish):
    """The walk along the queue is the fast path; one job at a time is its oracle."""
    with database.write() as session:
        facts = {"tasks": ["draw"], "default_candidates": 18, "native_size": [16, 16]}
        session.add(Model(name="flat", capabilities=facts, seconds_per_candidate=0.25))
    views = [
        queue.submit(wish(owner, num_pictures=n + 1)) for n, owner in enumerate("aabacabbcaabbcca")
    ]
    assert len(views) > FEW
    Leases(database, queue.settings, "wrk_1").claim("flat")
    queue.submit(wish("d"))
    queue.cancel(queue.submit(wish("e")).id)
    ids = [view.id for owner in "abcde" for view in queue.jobs_of(owner)]
    together = queue.look_at(ids)
    assert together == {job_id: queue.look(job_id) for job_id in ids}
    assert {view.state for view in together.values()} == {"waiting", "running", "cancelled"}
