"""The real client against `nonette serve` as processes: a killed server costs no drawing."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from live_server import LiveServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with LiveServer(tmp_path_factory.mktemp("processes")) as server:
        yield server


def first_job(server):
    """The first job there is, once there is one."""
    limit = time.monotonic() + 20
    while not (jobs := server.client.get("/api/jobs").json()["data"]):
        assert time.monotonic() < limit
        time.sleep(0.05)
    return jobs[0]


def test_a_killed_api_answers_the_clients_own_retry_with_the_same_job(server):
    worker = server.pids()["worker flat 1"]
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=4) as client:
        os.kill(worker, signal.SIGSTOP)  # so that the job waits
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.images.generate, prompt="a fox", n=2)
            job = first_job(server)
            os.kill(server.pids()["api"], signal.SIGKILL)
            os.kill(worker, signal.SIGCONT)
            answer = waiting.result(60)
    server.reconnect()
    assert answer.job == job["id"] and len(answer.data) == 2
    assert len(server.client.get("/api/jobs").json()["data"]) == 1
