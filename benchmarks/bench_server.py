"""Many callers of the jobs API at once: do all get their pictures, in a fair order, and quickly?

    python benchmarks/bench_server.py --clients 1000 --seconds 60 --model scenes

Every client has an address of its own, submits a job, follows its events to the end, and begins
again on the same connection, while another process asks for the status of the newest job at a
steady rate. Printed: what failed, the delays of status requests in milliseconds, jobs a second
after the first `--ramp` seconds, and how many times as many jobs the luckiest client got as the
unluckiest. With `--bare` the engine draws the same jobs in a loop without any server, in batches as
large as the server's, and only its jobs a second are printed.

Clients, server and worker share the machine; clients read no more of an event than its name, so
that they take little of it. On a busy machine the delays say more about the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

OWN = {
    "NONETTE_SERVER_API_KEYS": "never-even-on-open-networks",
    "NONETTE_SERVER_TIERS": '{"free": {}, "guest": {"weight": 1.0}}',
    "NONETTE_SERVER_MAX_WAITING": "5000",
}
RAMP = 5.0  # seconds over which the clients arrive
STATE = re.compile(rb"event: (\w+)\n")
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Connected:
    """A connection that is kept alive, and speaks as much HTTP as a client here needs."""

    def __init__(self, url: str, address: str) -> None:
        self.url = urlsplit(url)
        self.head = f"Host: {self.url.netloc}\r\nX-Forwarded-For: {address}\r\n"

    async def open(self) -> None:
        """Connect, if it is not."""
        self.reader, self.writer = await asyncio.open_connection(
            self.url.hostname, self.url.port, limit=1 << 20
        )

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """The status and body of an answer that has a length."""
        status, head = await self.send(method, path, body)
        found = LENGTH.search(head)
        return status, await self.reader.readexactly(int(found[1])) if found else b""

    async def send(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """The status and headers of an answer."""
        head = f"{method} {path} HTTP/1.1\r\n{self.head}Content-Length: {len(body)}\r\n"
        kind = "Content-Type: application/json\r\n" if body else ""
        self.writer.write(f"{head}{kind}\r\n".encode() + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        return int(answer.split(None, 2)[1]), answer

    async def events(self, path: str, end: float):
        """The states that a stream of events tells, until it is over or the time is."""
        status, _ = await self.send("GET", path)
        assert status == 200, status
        content = b""
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(end - time.monotonic()):
                    content += await self.reader.read(1 << 16)
            states = STATE.findall(content)
            content = content[-100:] if not states else content[content.rindex(b"event: ") + 9 :]
            for state in states:
                yield state.decode()
            if content.endswith(b"0\r\n\r\n") or self.reader.at_eof():
                return

    def close(self) -> None:
        """Hang up."""
        self.writer.close()


class Bench:
    """The clients of one run, and what they saw."""

    def __init__(self, url: str, options: argparse.Namespace, prober: Connection) -> None:
        self.url = url
        self.options = options
        self.prober = prober
        self.start = time.monotonic()
        self.end = self.start + options.seconds
        self.errors: Counter[str] = Counter()
        self.done: Counter[int] = Counter()
        self.done_at: list[float] = []

    async def run(self) -> None:
        """All clients, until the time is over."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.options.clients):
                group.create_task(self.live(number))

    async def live(self, number: int) -> None:
        """One client: submit, follow to the end, again."""
        await asyncio.sleep(number * RAMP / self.options.clients)
        address = f"10.0.{number // 250}.{number % 250}"
        connection = Connected(self.url, address)
        wish = {"prompt": f"a fox, {number}", "num_pictures": self.options.pictures}
        body = json.dumps(wish).encode()
        try:
            await connection.open()
            while time.monotonic() < self.end:
                status, answer = await connection.ask("POST", "/api/jobs", body)
                if status != 202:
                    self.errors[f"submit {status}"] += 1
                    await asyncio.sleep(1)
                    continue
                job = json.loads(answer)["id"]
                self.prober.send((job, address))
                state = "lost"
                async for now in connection.events(f"/api/jobs/{job}/events", self.end):
                    state = now
                if state == "done":
                    self.done[number] += 1
                    self.done_at.append(time.monotonic() - self.start)
                elif time.monotonic() < self.end:
                    self.errors[f"ended as {state}"] += 1
            connection.close()
        except (OSError, asyncio.IncompleteReadError, AssertionError) as error:
            self.errors[f"{type(error).__name__} {error}"] += 1

    def report(self, asked: list[tuple[float, float]], errors: Counter[str]) -> dict[str, object]:
        """What is printed; `asked` has the moment and the milliseconds of each status request."""
        delays = sorted(delay for _, delay in asked) or [float("nan")]
        seconds: dict[int, float] = {}
        for moment, delay in asked:
            second = int(moment - self.start)
            seconds[second] = max(round(delay, 1), seconds.get(second, 0.0))
        counts = [self.done[number] for number in range(self.options.clients)]
        late = [moment for moment in self.done_at if moment > self.options.ramp]
        return {
            "clients": self.options.clients,
            "seconds": self.options.seconds,
            "model": self.options.model,
            "errors": dict(self.errors + errors),
            "jobs_done": sum(counts),
            "jobs_a_second": round(len(late) / (self.options.seconds - self.options.ramp), 2),
            "most_and_least_jobs_of_a_client": [max(counts), min(counts)],
            "status_requests": len(delays),
            "status_p50_ms": round(delays[len(delays) // 2], 1),
            "status_p99_ms": round(delays[int(len(delays) * 0.99)], 1),
            "status_max_ms": round(delays[-1], 1),
            "status_max_ms_by_second": [seconds.get(i) for i in range(1 + max(seconds, default=0))],
        }


def probe(url: str, rate: float, seconds: float, newest: Connection) -> None:
    """Ask for the status of the newest job at a steady rate, and send back what it took."""
    asked: list[tuple[float, float]] = []
    errors: Counter[str] = Counter()

    async def ask(free: list[Connected], job: str, address: str) -> None:
        connection = free.pop() if free else Connected(url, address)
        connection.head = Connected(url, address).head
        start = time.monotonic()
        try:
            if not hasattr(connection, "writer"):
                await connection.open()
            status, _ = await connection.ask("GET", f"/api/jobs/{job}")
        except (OSError, asyncio.IncompleteReadError) as error:
            errors[f"status {type(error).__name__}"] += 1
            return
        asked.append((start, 1000 * (time.monotonic() - start)))
        if status != 200:
            errors[f"status {status}"] += 1
        free.append(connection)

    async def run() -> None:
        end, due, free = time.monotonic() + seconds, time.monotonic(), []
        job = None
        async with asyncio.TaskGroup() as group:
            while time.monotonic() < end:
                while newest.poll():
                    job = newest.recv()
                if job is not None:
                    group.create_task(ask(free, *job))
                due += 1 / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    asyncio.run(run())
    newest.send((asked, errors))


def bare(options: argparse.Namespace) -> dict[str, object]:
    """How many of these jobs a second the engine draws without a server."""
    from nonette.cli.worker import build
    from nonette.core.types import Request
    from nonette.server.settings import Settings

    settings = Settings()
    engine = build(options.model, options.threads, "auto")
    candidates = max(engine.capabilities().default_candidates, options.pictures)
    size = min(settings.batch_jobs, settings.batch_candidates // candidates)
    num_jobs, start = -size, 0.0
    while num_jobs <= 0 or time.perf_counter() - start < options.seconds:
        if num_jobs == 0:  # the first batch warms up
            start = time.perf_counter()
        batch = [
            Request(prompt=f"a fox, {num_jobs + i}", num_pictures=options.pictures, seed=1000 * i)
            for i in range(size)
        ]
        engine.draw(batch, lambda progress: None, lambda: False)
        num_jobs += size
    seconds = time.perf_counter() - start
    return {
        "model": options.model,
        "jobs_a_batch": size,
        "bare_jobs_a_second": round(num_jobs / seconds, 2),
    }


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--ramp", type=float, default=8.0, help="seconds that do not count")
    parser.add_argument("--status", type=float, default=50.0, help="status requests a second")
    parser.add_argument("--pictures", type=int, default=1)
    parser.add_argument("--model", default="flat")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, help="of each worker, or of the engine alone")
    parser.add_argument("--bare", action="store_true", help="the engine alone, without a server")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("fastapi") is None:
        print(json.dumps({"skipped": "the server needs: pip install 'nonette[serve]'"}))
        return
    if options.bare:
        print(json.dumps(bare(options)))
        return
    with tempfile.TemporaryDirectory() as folder, serving(options, folder) as url:
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        prober = multiprocessing.get_context("spawn").Process(
            target=probe, args=(url, options.status, options.seconds, theirs)
        )
        prober.start()
        bench = Bench(url, options, ours)
        asyncio.run(bench.run())
        asked, errors = ours.recv()
        prober.join()
        print(json.dumps(bench.report(asked, errors) | processor_seconds(Path(folder))))


def processor_seconds(folder: Path) -> dict[str, float]:
    """What the API and the workers took of the processors so far."""
    found: dict[str, float] = {}
    for line in (folder / "log").read_text().splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("event") == "child_started":
            fields = Path(f"/proc/{event['pid']}/stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            name = f"{event['child'].split()[0]}_cpu_seconds"
            seconds = found.get(name, 0.0) + ticks / os.sysconf("SC_CLK_TCK")
            found[name] = round(seconds, 1)
    return found


@contextlib.contextmanager
def serving(options: argparse.Namespace, folder: str):
    """The address of a server that answers and draws."""
    command = [sys.executable, "-m", "nonette.cli", "serve", "--port", "0"]
    command += ["--model", options.model, "--workers", str(options.workers)]
    if options.threads:
        command += ["--threads", str(options.threads)]
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
            asyncio.run(until_ready(url, time.monotonic() + 300))
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


async def until_ready(url: str, limit: float) -> None:
    """Wait until some worker draws."""
    status = 0
    while status != 200:
        assert time.monotonic() < limit, "no worker became ready"
        await asyncio.sleep(0.2)
        with contextlib.suppress(OSError):
            connection = Connected(url, "10.1.0.0")
            await connection.open()
            status, _ = await connection.ask("GET", "/readyz")
            connection.close()


if __name__ == "__main__":
    main()
