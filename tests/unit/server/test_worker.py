"""The worker's loop with the flat engine: results on disk, failures, stopping, full disks."""

import errno
import hashlib
import os
import threading
import time

import numpy as np
import pytest
from PIL import Image

from live_server import draw_all
from nonette.cli.worker import _end
from nonette.core.errors import InputError
from nonette.core.flat import FlatEngine
from nonette.provenance.encode import read
from nonette.server import disk, results
from nonette.server.worker import WorkerLoop


class Faulty(FlatEngine):
    """Fails as told on prompts that hold the word."""

    def __init__(self, error, word="bad"):
        super().__init__(native_size=(16, 16))
        self.error, self.word, self.calls = error, word, []

    def draw(self, requests, on_progress=None, should_stop=None):
        self.calls.append(len(requests))
        if any(self.word in request.prompt for request in requests):
            raise self.error
        return super().draw(requests, on_progress, should_stop)


def with_engine(loop, engine):
    loop.engine = engine
    return loop


@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_pictures_are_files_that_say_what_they_are(loop, queue, settings, wish, format):
    view = queue.submit(wish(num_pictures=4, seed=3, format=format, with_prompt=True))
    draw_all(loop)
    done = queue.look(view.id)
    assert (done.state, len(done.results)) == ("done", 4)
    for result in done.results:
        path = settings.data_dir / result.path
        record = read(path.read_bytes())
        assert (record["seed"], record["prompt"]) == (result.seed, "a fox")
        with Image.open(path) as image:
            assert image.size == (result.width, result.height) == (16, 16)
    assert done.results[0].score == max(result.score for result in done.results)


def test_a_picture_is_the_same_alone_and_among_strangers(loop, queue, settings, wish):
    for owner, seed in (("a", 5), ("b", 500), ("c", 5)):
        queue.submit(wish(owner, seed=seed, num_pictures=2))
    (batch,) = [loop.leases.claim("flat")]
    assert len(batch) == 3
    loop.work(batch)
    alone = queue.submit(wish("d", seed=5, num_pictures=2))
    draw_all(loop)
    views = [queue.jobs_of(owner)[0] for owner in "abc"] + [queue.look(alone.id)]
    contents = [
        [(settings.data_dir / result.path).read_bytes() for result in view.results]
        for view in views
    ]
    assert contents[0] == contents[2] == contents[3] != contents[1]


def test_the_recorded_hash_is_the_files(loop, queue, database, settings, wish):
    from nonette.server.tables import PictureRow

    queue.submit(wish(num_pictures=1))
    draw_all(loop)
    with database.read() as session:
        row = session.query(PictureRow).one()
        content = (settings.data_dir / row.path).read_bytes()
        assert (row.num_bytes, row.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_one_bad_job_of_a_batch_fails_alone(loop, queue, wish):
    good, bad = queue.submit(wish("a")), queue.submit(wish("b", "a bad fox"))
    engine = Faulty(RuntimeError("secret: /etc"))
    draw_all(with_engine(loop, engine))
    assert engine.calls == [2, 1, 1]
    assert queue.look(good.id).state == "done"
    look = queue.look(bad.id)
    assert (look.state, look.reason["code"]) == ("failed", "engine_failed")
    assert "secret" not in look.reason["message"]


def test_too_little_memory_for_a_batch_is_enough_for_each(loop, queue, wish):
    views = [queue.submit(wish(owner)) for owner in "ab"]

    class Tight(Faulty):
        def draw(self, requests, on_progress=None, should_stop=None):
            self.error, self.word = MemoryError(), "fox" if len(requests) > 1 else "\0"
            return super().draw(requests, on_progress, should_stop)

    draw_all(with_engine(loop, Tight(None)))
    assert [queue.look(view.id).state for view in views] == ["done", "done"]
    view = queue.submit(wish(prompt="bad"))
    draw_all(with_engine(loop, Faulty(MemoryError())))
    assert queue.look(view.id).reason["code"] == "out_of_memory"


def test_what_the_engine_does_not_understand_is_refused_with_the_field(loop, queue, wish):
    view = queue.submit(wish(size="2048x1024"))
    draw_all(loop)
    look = queue.look(view.id)
    assert (look.state, look.reason["param"]) == ("refused", "size")
    view = queue.submit(wish(prompt="bad"))
    draw_all(with_engine(loop, Faulty(InputError("steps", 3, "this model takes none"))))
    assert queue.look(view.id).reason["param"] == "steps"


class Slow(FlatEngine):
    """Takes its time, and notes the step at which it was stopped."""

    def __init__(self):
        super().__init__(native_size=(16, 16), num_steps=80)
        self.steps = 0
        self.has_begun = threading.Event()

    def draw(self, requests, on_progress=None, should_stop=None):
        def told(progress):
            self.steps = progress.done
            self.has_begun.set()
            time.sleep(0.02)
            on_progress(progress)

        return super().draw(requests, told, should_stop)


def drawing(loop, engine):
    """A thread that draws what waits, begun."""
    thread = threading.Thread(target=draw_all, args=[with_engine(loop, engine)])
    thread.start()
    assert engine.has_begun.wait(10)
    return thread


def test_a_cancelled_job_stops_the_engine(loop, queue, wish):
    view, engine = queue.submit(wish()), Slow()
    thread = drawing(loop, engine)
    queue.cancel(view.id, "ann")
    thread.join(5)
    assert not thread.is_alive() and engine.steps < 60
    assert queue.look(view.id).state == "cancelled"


def test_a_worker_told_to_stop_puts_its_batch_back(loop, queue, wish):
    view, engine = queue.submit(wish()), Slow()
    thread = drawing(loop, engine)
    loop.stopping.set()
    loop.leases.claim = lambda model: []
    thread.join(5)
    assert not thread.is_alive()
    look = queue.look(view.id)
    assert (look.state, look.position) == ("waiting", 1)


def test_progress_and_previews_are_told_while_it_draws(loop, queue, wish):
    view, engine = queue.submit(wish(previews=True)), Slow()
    thread = drawing(loop, engine)
    limit = time.monotonic() + 5
    while (content := queue.preview(view.id)) is None and time.monotonic() < limit:
        time.sleep(0.05)
    look = queue.look(view.id)
    assert (look.state, look.phase, look.total_steps) == ("running", "drawing", 80)
    assert content[:3] == b"\xff\xd8\xff" and look.done_steps > 0
    thread.join(20)
    assert queue.look(view.id).state == "done"
    assert queue.preview(view.id) is None


def test_a_full_disk_leaves_nothing_and_loses_nothing(loop, queue, settings, wish, monkeypatch):
    view = queue.submit(wish(num_pictures=3))
    write, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(descriptor)

    monkeypatch.setattr(disk.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        draw_all(loop)
    assert queue.look(view.id).state == "waiting"
    assert list(settings.data_dir.rglob("job_*")) == []
    assert list(settings.data_dir.rglob("*.part")) == []
    monkeypatch.undo()
    draw_all(loop)
    assert queue.look(view.id).state == "done"


def test_the_loop_runs_until_told_and_leaves(database, settings, queue, wish):
    loop = WorkerLoop(FlatEngine(native_size=(16, 16)), database, settings)
    thread = threading.Thread(target=loop.run)
    thread.start()
    views = [queue.submit(wish(owner, seed=i)) for i, owner in enumerate("abcab")]
    limit = time.monotonic() + 20
    while any(not queue.look(view.id).has_ended for view in views):
        assert time.monotonic() < limit
        time.sleep(0.05)
    loop.draining.set()
    thread.join(5)
    assert not thread.is_alive()
    assert {queue.look(view.id).state for view in views} == {"done"}
    assert np.isfinite(queue.submit(wish()).estimated_seconds)
    with database.read() as session:
        from nonette.server.tables import Worker

        assert session.query(Worker).count() == 0


def test_files_are_on_disk_before_their_names_and_their_names_before_their_rows(
    loop, queue, wish, monkeypatch
):
    """The order that a power cut at any moment leaves whole."""
    queue.submit(wish(num_pictures=2))
    claims = loop.leases.claim("flat")
    steps = []
    sync, rename, finish = os.fsync, os.replace, loop.leases.finish

    def syncs(descriptor):
        target = os.readlink(f"/proc/self/fd/{descriptor}")
        steps.append("folder" if os.path.isdir(target) else "file")
        sync(descriptor)

    def renames(before, after):
        steps.append("name")
        rename(before, after)

    def finishes(*arguments, **facts):
        steps.append("row")
        return finish(*arguments, **facts)

    monkeypatch.setattr(disk.os, "fsync", syncs)
    monkeypatch.setattr(disk.os, "replace", renames)
    monkeypatch.setattr(loop.leases, "finish", finishes)
    loop.work(claims)
    assert steps == ["file", "name", "file", "name", "folder", "folder", "row"]


def test_what_was_committed_survives_a_power_cut(database):
    """SQLite's own word for it: a log that is synced at every commit."""
    for lend in (database.read, database.write):
        with lend() as session:
            connection = session.connection()
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_the_first_signal_lets_the_batch_finish_and_the_second_puts_it_back(loop, queue, wish):
    view, engine = queue.submit(wish()), Slow()
    loop.engine = engine
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert engine.has_begun.wait(10)
    _end(loop, at_once=False)
    time.sleep(0.2)
    assert thread.is_alive() and not loop.stopping.is_set()
    _end(loop, at_once=True)
    thread.join(5)
    assert not thread.is_alive()
    assert queue.look(view.id).state == "waiting"


def test_a_worker_drains_no_longer_than_it_may(loop, queue, wish):
    loop.settings = loop.settings.model_copy(update={"drain_seconds": 0.2})
    view, engine = queue.submit(wish()), Slow()
    loop.engine = engine
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert engine.has_begun.wait(10)
    _end(loop, at_once=False)
    thread.join(5)
    assert not thread.is_alive() and engine.steps < 80
    assert queue.look(view.id).state == "waiting"


def test_the_next_batch_is_drawn_while_one_is_kept(database, settings, queue, wish, monkeypatch):
    """Keeping the first waits for the second to begin: one after the other would never end."""
    begun, order = [threading.Event(), threading.Event()], []

    class Watched(FlatEngine):
        def draw(self, requests, on_progress=None, should_stop=None):
            begun[len(order)].set()
            order.append("drawn")
            return super().draw(requests, on_progress, should_stop)

    one = settings.model_copy(update={"batch_jobs": 1})
    loop = WorkerLoop(Watched(native_size=(16, 16)), database, one)
    write = results.write

    def slow(data_dir, claim, pictures):
        if claim.id == views[0].id:
            assert begun[1].wait(20)
        return write(data_dir, claim, pictures)

    monkeypatch.setattr(results, "write", slow)
    views = [queue.submit(wish("a")), queue.submit(wish("b"))]
    thread = threading.Thread(target=loop.run)
    thread.start()
    limit = time.monotonic() + 40
    while any(queue.look(view.id).state != "done" for view in views):
        assert time.monotonic() < limit
        time.sleep(0.05)
    loop.draining.set()
    thread.join(10)
    assert not thread.is_alive() and order == ["drawn", "drawn"]


def test_a_disk_that_fails_while_the_next_batch_is_drawn_loses_nothing(
    database, settings, queue, wish, monkeypatch
):
    loop = WorkerLoop(FlatEngine(native_size=(16, 16)), database, settings)
    write, failures = disk.write, []

    def full(path, content):
        if len(failures) < 2:
            failures.append(path)
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(disk, "write", full)
    thread = threading.Thread(target=loop.run)
    thread.start()
    views = [queue.submit(wish(owner)) for owner in "abc"]
    limit = time.monotonic() + 40
    while any(queue.look(view.id).state != "done" for view in views):
        assert time.monotonic() < limit
        time.sleep(0.05)
    loop.draining.set()
    thread.join(10)
    assert not thread.is_alive() and len(failures) == 2
