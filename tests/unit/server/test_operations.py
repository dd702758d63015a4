"""What an operator relies on: metrics, retention, backups, the page of settings, bad disks."""

import io
import os
import sqlite3
import tarfile
import time
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from live_server import draw_all
from nonette.cli.main import main
from nonette.core.errors import InputError, NonetteError
from nonette.server import backup
from nonette.server.database import Database
from nonette.server.errors import ApiError
from nonette.server.keeper import STRAY_SECONDS, sweep
from nonette.server.metrics import Metrics
from nonette.server.queue import Queue
from nonette.server.settings import PREFIX, load
from nonette.server.settings_page import render
from nonette.server.tables import Job

ROOT = Path(__file__).parents[3]
DAY = 86_400


def test_the_page_of_settings_is_current():
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == render()


def test_settings_travel_to_other_processes_by_the_environment(tmp_path, monkeypatch):
    given = load(data_dir=tmp_path, models=("flat", "b"), keep_guest_days=2.5, threads=3)
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert load() == given
    monkeypatch.setenv(f"{PREFIX}KEEP_GUEST_DAYS", "none")
    assert load().keep_guest_days is None


@pytest.mark.parametrize(
    ("name", "value"), [("port", 70_000), ("lease_seconds", 0.1), ("prot", 1), ("models", ())]
)
def test_a_setting_that_cannot_be_is_named(name, value):
    with pytest.raises(InputError, match=name):
        load(**{name: value})


def test_metrics_tell_what_waits_runs_ended_and_was_refused(client, loop):
    submit = {"prompt": "a fox", "num_pictures": 1}
    metrics = client.app.state.house.metrics
    metrics.note_ends()
    for _ in range(3):
        client.post("/api/jobs", json=submit)
    loop.work(loop.leases.claim("flat")[:1])
    client.post("/api/jobs", json=submit)
    client.post("/api/jobs", json={"prompt": ""})
    metrics.note_ends()
    text = client.get("/metrics").text
    for line in (
        'nonette_jobs{model="flat",state="waiting"} 1.0',
        'nonette_jobs{model="flat",state="running"} 2.0',
        'nonette_workers{model="flat"} 1.0',
        'nonette_jobs_ended_total{state="done"} 1.0',
        'nonette_job_seconds_count{phase="drawing"} 1.0',
        'nonette_http_requests_total{method="POST",status="202"} 4.0',
        'nonette_refusals_total{code="invalid_value"} 1.0',
    ):
        assert line in text, text


def test_what_is_too_old_is_deleted_with_its_files(loop, queue, database, settings, wish):
    views = {owner: queue.submit(wish(owner, num_pictures=2)) for owner in ("ann", "guest:1")}
    draw_all(loop)
    waiting = queue.submit(wish("guest:2"))
    kept, deleted = (
        [settings.data_dir / result.path for result in queue.look(view.id).results]
        for view in views.values()
    )
    with database.write() as session:
        long_ago = {"created_at": time.time() - 40 * DAY}
        session.execute(update(Job).values(**long_ago))
        long_ago["finished_at"] = time.time() - 40 * DAY
        session.execute(update(Job).where(Job.state == "done").values(**long_ago))
    sweep(database, settings)
    assert all(path.is_file() for path in kept) and not any(path.exists() for path in deleted)
    with pytest.raises(ApiError):
        queue.look(views["guest:1"].id)
    assert queue.look(waiting.id).state == "waiting"
    sweep(database, settings.model_copy(update={"keep_days": 30.0}))
    assert not any(path.exists() for path in kept)


def test_files_that_no_row_knows_are_deleted_once_they_are_old(
    loop, queue, database, settings, wish
):
    (view,) = [queue.submit(wish(num_pictures=1))]
    draw_all(loop)
    (result,) = queue.look(view.id).results
    known = settings.data_dir / result.path
    young, old = (known.with_name(f"job_{name}-1-0.png") for name in ("young", "old"))
    for path in (young, old):
        path.write_bytes(b"left behind")
    long_ago = time.time() - STRAY_SECONDS - 60
    for path in (old, known):
        os.utime(path, (long_ago, long_ago))
    sweep(database, settings)
    assert (known.exists(), young.exists(), old.exists()) == (True, True, False)


def test_a_person_deletes_a_job_and_its_pictures(client, loop, settings):
    job = client.post("/api/jobs", json={"prompt": "a fox", "num_pictures": 2}).json()
    draw_all(loop)
    assert len(list((settings.data_dir / "pictures").rglob("*.png"))) == 2
    assert client.delete(f"/api/jobs/{job['id']}").status_code == 204
    assert list((settings.data_dir / "pictures").rglob("*.png")) == []
    assert client.get(f"/api/jobs/{job['id']}").status_code == 404


def test_a_backup_restores_jobs_and_pictures(loop, queue, settings, wish, tmp_path, capsys):
    view = queue.submit(wish(num_pictures=2))
    draw_all(loop)
    waiting = queue.submit(wish())
    file, elsewhere = tmp_path / "backup.tar", tmp_path / "elsewhere"
    folder = ("--data-dir", str(settings.data_dir))
    assert main(["admin", "backup", str(file), *folder]) == 0
    assert main(["admin", "backup", str(file), *folder]) == 2  # it is there already
    assert main(["admin", "restore", str(file), "--data-dir", str(elsewhere)]) == 0
    assert main(["admin", "restore", str(file), "--data-dir", str(elsewhere)]) == 2
    capsys.readouterr()
    database = Database(load(data_dir=elsewhere).url)
    again = Queue(database, settings)
    for result in again.look(view.id).results:
        contents = [(one / result.path).read_bytes() for one in (elsewhere, settings.data_dir)]
        assert contents[0] == contents[1]
    assert again.look(waiting.id).state == "waiting"
    database.close()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../evil", tarfile.REGTYPE),
        ("/etc/evil", tarfile.REGTYPE),
        ("pictures/../../evil", tarfile.REGTYPE),
        ("pictures/link", tarfile.SYMTYPE),
        ("pictures/hard", tarfile.LNKTYPE),
        ("pictures/device", tarfile.CHRTYPE),
        ("evil.py", tarfile.REGTYPE),
    ],
)
def test_a_backup_with_strange_things_is_refused_and_leaves_nothing(tmp_path, name, kind):
    file = tmp_path / "evil.tar"
    with tarfile.open(file, "w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member, io.BytesIO())
    with pytest.raises(InputError):
        backup.restore(file, tmp_path / "data")
    assert list(tmp_path.iterdir()) == [file]


def test_half_a_backup_is_refused(loop, queue, settings, wish, tmp_path):
    queue.submit(wish())
    draw_all(loop)
    backup.save(settings, tmp_path / "whole.tar")
    content = (tmp_path / "whole.tar").read_bytes()
    (tmp_path / "half.tar").write_bytes(content[: len(content) // 3])
    with pytest.raises(NonetteError):
        backup.restore(tmp_path / "half.tar", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        ("database or disk is full", 507, "out_of_space"),
        ("database is locked", 503, "database_unavailable"),
        ("disk I/O error", 503, "database_unavailable"),
    ],
)
def test_a_disk_that_fails_is_no_500_and_reading_goes_on(client, reason, status, code):
    house = client.app.state.house
    job = client.post("/api/jobs", json={"prompt": "a fox"}).json()
    write = house.database.write

    def fail():
        raise OperationalError("INSERT", {}, sqlite3.OperationalError(reason))

    house.database.write = fail
    refused = client.post("/api/jobs", json={"prompt": "a cat"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert client.get(f"/api/jobs/{job['id']}").status_code == 200
    house.database.write = write
    assert client.post("/api/jobs", json={"prompt": "a cat"}).status_code == 202


def test_a_really_full_database_is_507_and_recovers(client):
    """SQLite's own limit of pages stands for the disk's."""
    engine = client.app.state.house.database.engine
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    engine.dispose()
    from sqlalchemy import event

    def limit(connection, record):
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(engine, "connect", limit)
    answers = [client.post("/api/jobs", json={"prompt": "a" * 1900}) for _ in range(8)]
    assert 507 in {answer.status_code for answer in answers}
    assert {answer.status_code for answer in answers} <= {202, 507}
    assert client.get("/api/jobs").status_code == 200
    event.remove(engine, "connect", limit)
    engine.dispose()
    assert client.post("/api/jobs", json={"prompt": "a fox"}).status_code == 202


def test_a_metric_counts_only_from_its_first_look(database, settings, loop, queue, wish):
    queue.submit(wish())
    draw_all(loop)
    metrics = Metrics(database, settings)
    metrics.note_ends()
    assert b'nonette_jobs_ended_total{state="done"}' not in metrics.page()
