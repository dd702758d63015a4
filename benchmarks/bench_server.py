"""Many callers of the jobs API at once: do all get their pictures, in a fair order, and quickly?

    python benchmarks/bench_server.py --clients 1000 --seconds 60 --model scenes-ar

Every client has an address of its own, submits a job, follows its events to the end, and begins
again, while status requests come at a steady rate. Printed: what failed, the delays of status
requests in milliseconds, jobs a second, and how many times as many jobs the luckiest client got as
the unluckiest. On a busy machine the delays say more about the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter

import httpx2

OWN = {
    "NONETTE_SERVER_API_KEYS": "never-even-on-open-networks",
    "NONETTE_SERVER_TIERS": '{"free": {}, "guest": {"weight": 1.0}}',
    "NONETTE_SERVER_MAX_WAITING": "5000",
}


class Bench:
    """The clients of one run, and what they saw."""

    def __init__(self, url: str, options: argparse.Namespace) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
        self.client = httpx2.AsyncClient(base_url=url, limits=limits, timeout=300, trust_env=False)
        self.options = options
        self.end = time.monotonic() + options.seconds
        self.errors: Counter[str] = Counter()
        self.done: Counter[int] = Counter()
        self.jobs: list[tuple[str, dict[str, str]]] = []
        self.delays: list[float] = []

    async def run(self) -> None:
        """All clients and the status requests, until the time is over."""
        async with self.client, asyncio.TaskGroup() as group:
            group.create_task(self.ask_for_status())
            for number in range(self.options.clients):
                group.create_task(self.live(number))

    async def live(self, number: int) -> None:
        """One client: submit, follow to the end, again."""
        address = {"X-Forwarded-For": f"10.0.{number // 250}.{number % 250}"}
        await asyncio.sleep(number * 5 / self.options.clients)
        while time.monotonic() < self.end:
            wish = {"prompt": f"a fox, {number}", "num_pictures": self.options.pictures}
            try:
                answer = await self.client.post("/api/jobs", json=wish, headers=address)
                if answer.status_code != 202:
                    self.errors[f"submit {answer.status_code}"] += 1
                    await asyncio.sleep(1)
                    continue
                job = answer.json()["id"]
                self.jobs.append((job, address))
                state = await self.follow(job, address)
                self.done[number] += state == "done"
                if state not in ("done", "over"):
                    self.errors[f"ended as {state}"] += 1
            except httpx2.TransportError as error:
                self.errors[type(error).__name__] += 1

    async def follow(self, job: str, address: dict[str, str]) -> str:
        """The last state that the job's events told, or "over" where the time was."""
        state = "lost"
        url = f"/api/jobs/{job}/events"
        async with self.client.stream("GET", url, headers=address) as events:
            async for line in events.aiter_lines():
                if line.startswith("event: "):
                    state = line.removeprefix("event: ")
                if time.monotonic() > self.end:
                    return "over"
        return state

    async def ask_for_status(self) -> None:
        """Status requests at a steady rate, each with its delay."""
        pause = 1 / self.options.status
        async with asyncio.TaskGroup() as group:
            while time.monotonic() < self.end:
                if self.jobs:
                    group.create_task(self.time_status(*self.jobs[-1]))
                await asyncio.sleep(pause)

    async def time_status(self, job: str, address: dict[str, str]) -> None:
        """One status request."""
        start = time.perf_counter()
        try:
            answer = await self.client.get(f"/api/jobs/{job}", headers=address)
        except httpx2.TransportError as error:
            self.errors[f"status {type(error).__name__}"] += 1
            return
        self.delays.append(1000 * (time.perf_counter() - start))
        if answer.status_code != 200:
            self.errors[f"status {answer.status_code}"] += 1

    def report(self) -> dict[str, object]:
        """What is printed."""
        delays = sorted(self.delays) or [float("nan")]
        counts = [self.done[number] for number in range(self.options.clients)]
        return {
            "clients": self.options.clients,
            "seconds": self.options.seconds,
            "model": self.options.model,
            "errors": dict(self.errors),
            "jobs_done": sum(counts),
            "jobs_a_second": round(sum(counts) / self.options.seconds, 1),
            "most_and_least_jobs_of_a_client": [max(counts), min(counts)],
            "status_requests": len(delays),
            "status_p50_ms": round(delays[len(delays) // 2], 1),
            "status_p99_ms": round(delays[int(len(delays) * 0.99)], 1),
        }


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--status", type=float, default=50.0, help="status requests a second")
    parser.add_argument("--pictures", type=int, default=1)
    parser.add_argument("--model", default="flat")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("fastapi") is None:
        print(json.dumps({"skipped": "the server needs: pip install 'nonette[serve]'"}))
        return
    with tempfile.TemporaryDirectory() as folder, serving(options.model, folder) as url:
        bench = Bench(url, options)
        asyncio.run(bench.run())
        print(json.dumps(bench.report()))


@contextlib.contextmanager
def serving(model: str, folder: str):
    """The address of a server that answers and draws."""
    command = [sys.executable, "-m", "nonette.cli", "serve", "--port", "0", "--model", model]
    with open(f"{folder}/log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--data-dir", f"{folder}/data"],
            env=os.environ | OWN,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            line = process.stdout.readline()
            assert line, open(f"{folder}/log").read()
            url = line.split()[-1]
            limit = time.monotonic() + 120
            while httpx2.get(f"{url}/readyz", trust_env=False, timeout=120).status_code != 200:
                assert time.monotonic() < limit, "no worker became ready"
                time.sleep(0.2)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


if __name__ == "__main__":
    main()
