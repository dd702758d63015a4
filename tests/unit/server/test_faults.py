"""Machines that misbehave: workers that freeze, ten thousand idle connections, power cuts."""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import httpx2
import pytest

import power_cuts
from live_server import ROOT, LiveServer
from nonette.server.database import Database
from nonette.server.queue import Queue
from nonette.server.settings import Settings
from nonette.server.tables import PictureRow

WORKER = ROOT / "tests" / "frozen_worker.py"


def until(condition, most=240):
    limit = time.monotonic() + most
    while not (found := condition()):
        assert time.monotonic() < limit
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def worker(server, moment):
    """A worker process that freezes at that moment."""
    own = {"PYTHONPATH": str(ROOT / "src"), "NONETTE_SERVER_LEASE_SECONDS": "1"}
    with open(server.folder / f"log-{moment}", "w") as log:
        process = subprocess.Popen(
            [sys.executable, str(WORKER), moment, str(server.data_dir)],
            env=os.environ | own,
            stdout=log,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(120)
        finally:
            process.kill()
            process.wait()


def is_frozen(process):
    with open(f"/proc/{process.pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def events(server, moment):
    lines = (server.folder / f"log-{moment}").read_text().splitlines()
    return [json.loads(line)["event"] for line in lines]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    with LiveServer(folder, "--workers", "0", lease_seconds=1) as server:
        yield server


@pytest.mark.parametrize("moment", ["drawing", "keeping"])
def test_a_frozen_workers_job_is_done_by_another_and_its_late_write_is_fenced(server, moment):
    with worker(server, moment) as frozen:
        job = server.submit(num_pictures=2)["id"]
        until(lambda: is_frozen(frozen))
        assert server.client.get(f"/api/jobs/{job}").json()["state"] == "running"
        with worker(server, "never"):
            done = server.ended(job, most=120)
            assert (done["state"], len(done["results"])) == ("done", 2)
            frozen.send_signal(signal.SIGCONT)
            if moment == "keeping":
                until(lambda: "too_late" in events(server, moment))
            frozen.terminate()
            assert frozen.wait(120) == 0
    assert "job_done" not in events(server, moment)
    assert server.client.get(f"/api/jobs/{job}").json() == done
    database = sqlite3.connect(server.data_dir / "nonette.sqlite3")
    rows = database.execute("SELECT path FROM pictures WHERE job_id = ?", [job])
    known = {path for (path,) in rows}
    database.close()
    files = {str(path.relative_to(server.data_dir)) for path in server.data_dir.rglob(f"{job}*")}
    assert files == known and len(known) == 2


@pytest.mark.slow
def test_ten_thousand_idle_connections_keep_nobody_out(tmp_path):
    """As many as the system lets one process open; they are closed after `HEADER_SECONDS`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(10_000, hard - 500)
    try:
        with LiveServer(tmp_path) as server:
            asyncio.run(_with_idle(server, count))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _with_idle(server, count):
    host, port = server.url.removeprefix("http://").split(":")
    connections = []
    for _ in range(count):
        connections.append(await asyncio.open_connection(host, int(port)))
        if len(connections) % 1000 == 0:
            await _check_served(server)
    await _check_served(server)
    job = await asyncio.to_thread(server.submit)
    assert (await asyncio.to_thread(server.ended, job["id"], 120))["state"] == "done"
    async with asyncio.timeout(180):
        for reader, writer in connections:
            with contextlib.suppress(ConnectionError):
                assert await reader.read(1) == b""
            writer.close()


async def _check_served(server):
    async with httpx2.AsyncClient(base_url=server.url, timeout=60, trust_env=False) as client:
        assert (await client.get("/healthz")).status_code == 200


# --- power cuts -----------------------------------------------------------------------------------

TRACED = ROOT / "tests" / "traced_server.py"
NUM_CUTS = int(os.environ.get("NONETTE_CUTS", "30"))


def can_trace():
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(["strace", "-o", os.devnull, "true"], check=False).returncode == 0
    return False


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_power_cut_at_any_moment(tmp_path):
    """The writes of a real process are replayed, and those that were not synced are dropped."""
    if not can_trace():
        pytest.skip("strace is not installed, or may not trace here")
    data_dir, trace = tmp_path / "data", tmp_path / "trace"
    settings = Settings(data_dir=data_dir, models=("flat",))
    data_dir.mkdir()
    database = Database(settings.url)
    database.upgrade()
    database.close()
    disk = power_cuts.Disk(data_dir)
    words = [*power_cuts.command(trace), sys.executable, str(TRACED), str(data_dir)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    said = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.count("accepted ") == said.count("done ") == 12
    num_calls = len(trace.read_text().splitlines())
    chance = random.Random(1)
    cuts = set(chance.sample(range(num_calls), NUM_CUTS))
    promised = ""
    for number in disk.states(trace):
        if number in cuts or promised != disk.said:  # right after a promise is the worst moment
            promised = disk.said
            for leaves in (None, chance):
                folder = tmp_path / f"cut-{number}-{leaves is None}"
                folder.mkdir()
                disk.after_a_cut(folder, leaves)
                check_kept(folder, disk.said)
                shutil.rmtree(folder)
    assert sorted(disk.said.splitlines()) == sorted(said.splitlines())


def check_kept(folder, said):
    """Everything promised is there and whole, by what the server itself finds after the cut."""
    settings = Settings(data_dir=folder, models=("flat",))
    database = Database(settings.url)
    database.check()
    queue = Queue(database, settings)
    for line in said.splitlines():
        promise, job = line.split()
        view = queue.look(job)
        assert promise == "accepted" or (view.state, len(view.results)) == ("done", 2), line
    with database.read() as session:
        for row in session.query(PictureRow):
            content = (folder / row.path).read_bytes()
            assert hashlib.sha256(content).hexdigest() == row.sha256, row.path
    database.close()
