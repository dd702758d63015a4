"""kill -9 at random moments, of the API and of workers, under load: nothing lost, nothing twice.

NONETTE_KILLS says how many (40); for a release it is 500. Run it with `pytest -m slow -s -k kill`.
"""

import hashlib
import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time

import httpx2
import pytest
from PIL import Image

from live_server import LiveServer

NUM_KILLS = int(os.environ.get("NONETTE_KILLS", "40"))
SEED = int(os.environ.get("NONETTE_KILLS_SEED", "1"))


class Load:
    """Callers who submit without end, each with keys of its own, and retry until they are told."""

    def __init__(self, url, number):
        self.url = url
        self.random = random.Random(SEED * 1000 + number)
        self.name = f"caller-{number}"
        self.accepted = {}  # key -> job id
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        number = 0
        while not self.is_over.is_set():
            number += 1
            key = f"{self.name}-{number}"
            self.submit(key)
            if self.random.random() < 0.15:
                self.ask("POST", f"/api/jobs/{self.accepted[key]}/cancel")
            time.sleep(self.random.uniform(0.02, 0.2))

    def submit(self, key):
        wish = {"prompt": f"a fox {key}", "num_pictures": 2, "seed": 1}
        answer = self.ask("POST", "/api/jobs", json=wish, headers={"Idempotency-Key": key})
        again = self.accepted.setdefault(key, answer["id"])
        assert again == answer["id"], f"{key} became two jobs"

    def ask(self, method, path, **options):
        """The answer of 2xx, however often the server dies on the way to it."""
        limit = time.monotonic() + 300
        while True:
            try:
                with httpx2.Client(timeout=30, trust_env=False) as client:
                    answer = client.request(method, self.url + path, **options)
                if answer.status_code < 300:
                    return answer.json()
                assert answer.status_code in (429, 503), answer.text
            except (httpx2.TransportError, json.JSONDecodeError):
                pass
            assert time.monotonic() < limit, f"{self.name} is not answered"
            time.sleep(0.1)


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing_and_finish_nothing_twice(tmp_path):
    chance = random.Random(SEED)
    settings = {"lease_seconds": 2, "max_attempts": 20, "max_waiting_per_owner": 2000}
    settings["longest_back_off"] = 0.5
    killed = {"api": 0, "worker": 0}
    with LiveServer(tmp_path, "--workers", "2", **settings) as server:
        loads = [Load(server.url, number) for number in range(4)]
        for load in loads:
            load.thread.start()
        while sum(killed.values()) < NUM_KILLS:
            wait_for_more(loads, chance.randint(1, 10))
            time.sleep(chance.uniform(0.0, 0.5))
            pids = server.pids()
            name = chance.choice(sorted(pids))
            try:
                os.kill(pids[name], signal.SIGKILL)
                killed["api" if name == "api" else "worker"] += 1
            except ProcessLookupError:  # it waits to be started again
                pass
        for load in loads:
            load.is_over.set()
        for load in loads:
            load.thread.join(300)
            assert not load.thread.is_alive()
        server.reconnect()
        accepted = {key: job for load in loads for key, job in load.accepted.items()}
        for job in accepted.values():
            server.ended(job, most=300)
        finished = [line["job"] for line in server.lines() if line["event"] == "job_done"]
    report = check(server.data_dir, accepted, finished)
    sys.stdout.write(f"{sum(killed.values())} kills ({killed}), {report}\n")


def wait_for_more(loads, count):
    """Until so many more jobs were accepted, so that each kill falls into work; not for ever."""
    wanted = sum(len(load.accepted) for load in loads) + count
    limit = time.monotonic() + 20
    while sum(len(load.accepted) for load in loads) < wanted and time.monotonic() < limit:
        time.sleep(0.01)


def check(data_dir, accepted, finished):
    """The invariants, from the database and the disk alone."""
    database = sqlite3.connect(data_dir / "nonette.sqlite3")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    jobs = {
        row[0]: row[1:]
        for row in database.execute(
            "SELECT id, state, reason, idempotency_key, finished_at FROM jobs"
        )
    }
    pictures = database.execute("SELECT job_id, path, sha256, num_bytes, place FROM pictures")
    of_job = {}
    for job_id, path, sha256, num_bytes, place in pictures:
        content = (data_dir / path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (num_bytes, sha256), path
        with Image.open(data_dir / path) as image:
            image.load()
        of_job.setdefault(job_id, []).append(place)
    database.close()
    assert set(accepted.values()) <= set(jobs), "an accepted job is lost"
    assert len(set(accepted.values())) == len(accepted), "two wishes became one job"
    assert len(jobs) == len(accepted), "a retry was drawn as a job of its own"
    states = {}
    for job_id, (state, reason, _, finished_at) in jobs.items():
        assert state in ("done", "cancelled"), (job_id, state, reason)
        assert finished_at is not None
        assert sorted(of_job.get(job_id, [])) == ([0, 1] if state == "done" else [])
        states[state] = states.get(state, 0) + 1
    assert len(finished) == len(set(finished)), "a job was finished twice"
    assert set(finished) <= {job_id for job_id in jobs if jobs[job_id][0] == "done"}
    return f"{len(jobs)} jobs {states}"
