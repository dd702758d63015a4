"""Does a server that runs for hours keep its memory, threads and file handles?

    python benchmarks/soak_server.py --minutes 120 --settle 10

Callers submit and follow, cancel, hang up in the middle of a stream or of a synchronous request,
send half a request, and ask for what is not there. Every `--every` seconds they rest until the
server's idle threads have ended, and the memory, threads and file handles of the API and the
workers are read. After `--settle` minutes memory may grow by 2 MB an hour (the slope of a straight
line through the samples), and threads and handles may differ by two. Printed is one JSON line with
the samples and whether that holds; the exit status is 1 if it does not, or if anybody got an error.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench_server import Connected, serving

REST = 14.0  # seconds; a thread of the API's pool ends when it was idle for ten
MOST_GROWTH, MOST_SPREAD = 2.0, 2  # MB an hour; threads, handles
MEGABYTE = 1 << 20


class Soak:
    """The callers of one run, and what they saw."""

    def __init__(self, url: str, options: argparse.Namespace) -> None:
        self.url = url
        self.options = options
        self.end = time.monotonic() + 60 * options.minutes
        self.may_go = asyncio.Event()
        self.busy = 0
        self.did: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    async def run(self, folder: Path) -> list[dict[str, object]]:
        """Everything; the samples."""
        acts = (self.follow, self.cancel, self.leave, self.leave_answer, self.say_half, self.miss)
        samples: list[dict[str, object]] = []
        async with asyncio.TaskGroup() as group:
            for number in range(self.options.clients):
                group.create_task(self.live(number, acts))
            while time.monotonic() < self.end:
                self.may_go.set()
                await asyncio.sleep(self.options.every)
                self.may_go.clear()
                while self.busy:
                    await asyncio.sleep(0.1)
                await asyncio.sleep(REST)
                samples.append(sample(folder))
            self.may_go.set()
        return samples

    async def live(self, number: int, acts: Sequence) -> None:
        """One caller, who does one thing after the other."""
        chance = random.Random(number)
        while time.monotonic() < self.end:
            await self.may_go.wait()
            act = chance.choice(acts)
            connection = Connected(self.url, f"10.2.{number // 250}.{number % 250}")
            self.busy += 1
            try:
                await connection.open()
                await act(connection, chance)
                self.did[act.__name__] += 1
            except (OSError, asyncio.IncompleteReadError, AssertionError) as error:
                self.errors[f"{act.__name__}: {type(error).__name__} {error}"] += 1
            finally:
                with contextlib.suppress(AttributeError):  # it was never opened
                    connection.close()
                self.busy -= 1

    async def submit(self, connection: Connected) -> str:
        """A new job's id."""
        wish = {"prompt": "a fox", "num_pictures": 2, "previews": True}
        status, answer = await connection.ask("POST", "/api/jobs", json.dumps(wish).encode())
        assert status == 202, status
        return json.loads(answer)["id"]

    async def follow(self, connection: Connected, chance: random.Random) -> None:
        """A job to its end, and its first picture."""
        job = await self.submit(connection)
        state = ""
        limit = time.monotonic() + 120
        async for now in connection.events(f"/api/jobs/{job}/events", limit):
            state = now
        assert state == "done", state

    async def cancel(self, connection: Connected, chance: random.Random) -> None:
        """A job that is cancelled at some moment."""
        job = await self.submit(connection)
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        status, _ = await connection.ask("POST", f"/api/jobs/{job}/cancel")
        assert status == 200, status

    async def leave(self, connection: Connected, chance: random.Random) -> None:
        """A stream of events that its reader leaves."""
        job = await self.submit(connection)
        status, _ = await connection.send("GET", f"/api/jobs/{job}/events")
        assert status == 200, status
        await asyncio.sleep(chance.uniform(0.0, 0.3))

    async def leave_answer(self, connection: Connected, chance: random.Random) -> None:
        """A synchronous request whose caller hangs up."""
        body = json.dumps({"prompt": "a fox", "stream": chance.random() < 0.5}).encode()
        sending = asyncio.ensure_future(connection.send("POST", "/v1/images/generations", body))
        await asyncio.wait({sending}, timeout=chance.uniform(0.0, 0.3))
        sending.cancel()
        await asyncio.wait({sending})

    async def say_half(self, connection: Connected, chance: random.Random) -> None:
        """A body that ends too early."""
        head = f"POST /api/jobs HTTP/1.1\r\n{connection.head}Content-Type: application/json\r\n"
        connection.writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        await connection.writer.drain()
        await asyncio.sleep(chance.uniform(0.0, 0.1))

    async def miss(self, connection: Connected, chance: random.Random) -> None:
        """What is not there, and what is not understood."""
        status, _ = await connection.ask("GET", f"/api/jobs/job_{chance.random()}")
        assert status == 404, status
        status, _ = await connection.ask("POST", "/api/jobs", b'{"prompt": ""}')
        assert status == 422, status


def sample(folder: Path) -> dict[str, object]:
    """What the API and the workers hold now: by name, (MB, threads, handles)."""
    found: dict[str, object] = {"minutes": round(time.monotonic() / 60, 2)}
    for line in (folder / "log").read_text().splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("event") == "child_started":
            found[event["child"]] = holdings(event["pid"])
    return found


def holdings(pid: int) -> tuple[float, int, int]:
    """Memory in MB, threads, and file handles of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    facts = dict(line.split(":", 1) for line in lines)
    megabytes = int(facts["RssAnon"].split()[0]) * 1024 / MEGABYTE
    return round(megabytes, 2), int(facts["Threads"]), len(os.listdir(f"/proc/{pid}/fd"))


def judged(samples: list[dict[str, object]], settle: float) -> dict[str, object]:
    """What each process grew by after the time to settle, and whether the bar holds."""
    start = float(samples[0]["minutes"]) + settle
    late = [one for one in samples if one["minutes"] >= start]
    verdict: dict[str, object] = {"samples_judged": len(late), "holds": len(late) > 2}
    if len(late) <= 2:
        return verdict
    hours = [float(one["minutes"]) / 60 for one in late]
    for name in (name for name in late[0] if name != "minutes"):
        memory, threads, handles = zip(*(one[name] for one in late), strict=True)
        growth = statistics.linear_regression(hours, memory).slope
        spread = max(max(counts) - min(counts) for counts in (threads, handles))
        verdict[name] = {
            "mb_an_hour": round(growth, 2),
            "mb": [min(memory), max(memory)],
            "threads": [min(threads), max(threads)],
            "handles": [min(handles), max(handles)],
        }
        verdict["holds"] &= growth <= MOST_GROWTH and spread <= MOST_SPREAD
    return verdict


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--settle", type=float, default=10.0, help="minutes that do not count")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between rests")
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--model", default="flat")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, serving(options, folder) as url:
        soak = Soak(url, options)
        samples = asyncio.run(soak.run(Path(folder)))
    verdict = judged(samples, options.settle)
    verdict |= {"did": dict(soak.did), "errors": dict(soak.errors), "samples": samples}
    print(json.dumps(verdict))
    sys.exit(0 if verdict["holds"] and not soak.errors else 1)


if __name__ == "__main__":
    main()
