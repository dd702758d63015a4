"""`nonette serve` as processes: restarts, crashes, signals, two servers on one folder."""

import os
import signal
import subprocess
import sys
import time

import pytest

import postgres
from live_server import LiveServer
from nonette.cli.main import main


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with LiveServer(tmp_path_factory.mktemp("serve"), lease_seconds=1) as server:
        yield server


def until(condition, most=120):
    limit = time.monotonic() + most
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_a_job_is_drawn_and_its_picture_served(server):
    job = server.ended(server.submit(num_pictures=1)["id"])
    assert job["state"] == "done"
    content = server.client.get(job["results"][0]["url"]).content
    assert content.startswith(b"\x89PNG")


def test_workers_step_back_for_the_api(server):
    niceness = {name: os.getpriority(os.PRIO_PROCESS, pid) for name, pid in server.pids().items()}
    assert niceness["worker flat 1"] == max(10, niceness["api"])


def test_the_api_that_is_killed_comes_back_with_its_jobs_and_takes_no_worker_along(server):
    before = server.pids()
    job = server.submit(key="once")
    os.kill(before["api"], signal.SIGKILL)
    server.reconnect()
    again = server.submit(key="once")  # the socket is the supervisor's: the caller only waits
    assert again["id"] == job["id"]
    assert server.ended(job["id"])["state"] == "done"
    after = server.pids()
    assert after["api"] != before["api"]
    assert after["worker flat 1"] == before["worker flat 1"]


def test_a_worker_that_is_killed_is_started_again_and_takes_no_api_along(server):
    before = server.pids()
    os.kill(before["worker flat 1"], signal.SIGKILL)
    job = server.submit()
    assert server.ended(job["id"])["state"] == "done"
    assert server.pids()["api"] == before["api"]


def test_a_worker_that_is_frozen_for_longer_than_a_lease_is_replaced(server):
    before = server.pids()
    os.kill(before["worker flat 1"], signal.SIGSTOP)  # perhaps in the middle of a write
    until(lambda: server.pids()["worker flat 1"] != before["worker flat 1"])
    assert server.ended(server.submit()["id"])["state"] == "done"
    assert server.pids()["api"] == before["api"]


def test_a_second_server_on_the_same_folder_is_refused(server, capsys):
    words = ("--model", "flat", "--port", "0", "--data-dir", str(server.data_dir))
    assert main(["serve", *words]) == 1
    assert "another running server" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "nothing"), "there is no model of that name"),
        (("--port", "70000"), "less than or equal to 65535"),
        (("--host", "203.0.113.1"), "nothing can listen there"),
    ],
)
def test_mistakes_are_one_line_and_status_2(tmp_path, capsys, words, said):
    model = () if "--model" in words else ("--model", "flat")
    assert main(["serve", "--data-dir", str(tmp_path / "data"), *model, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_draining_ends_streams_and_leaves_the_rest_for_the_next_start(tmp_path):
    with LiveServer(tmp_path, "--workers", "0", drain_seconds=60) as server:
        job = server.submit()
        stream = subprocess.Popen(
            [sys.executable, "-c", FOLLOW, f"{server.url}/api/jobs/{job['id']}/events"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert "waiting" in stream.stdout.readline()
        start = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - start < 25  # the stream did not hold it up
        stream.communicate(timeout=20)
    with LiveServer(tmp_path) as server:
        assert server.ended(job["id"])["state"] == "done"


FOLLOW = """
import sys, urllib.request
for line in urllib.request.urlopen(sys.argv[1]):
    print(line.decode(), end="", flush=True)
"""


def test_a_server_on_postgresql_draws_and_keeps_its_jobs_over_a_restart(tmp_path, postgres_folder):
    url = postgres.new_database(postgres_folder, "live")
    with LiveServer(tmp_path, database_url=url) as server:
        job = server.submit(key="once")
        assert server.ended(job["id"])["state"] == "done"
    assert not (tmp_path / "data" / "nonette.sqlite3").exists()
    with LiveServer(tmp_path, database_url=url) as server:
        again = server.submit(key="once")
        assert again["id"] == job["id"] and len(again["results"]) == 9


def test_beyond_loopback_the_operator_is_told_how_to_let_people_in(tmp_path):
    with LiveServer(tmp_path, "--host", "0.0.0.0") as server:
        answer = server.client.get("/api/jobs")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "missing_api_key")
        assert "nonette admin add" in server.log.read_text()


def test_children_end_with_a_supervisor_that_is_killed(tmp_path):
    with LiveServer(tmp_path) as server:
        pids = server.pids().values()
        server.process.kill()
        server.process.wait()
        until(lambda: not any(is_alive(pid) for pid in pids))


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
