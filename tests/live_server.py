"""Servers for tests: a worker's loop in this process, or a real `nonette serve` on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2

ROOT = Path(__file__).parents[1]


def draw_all(loop) -> None:
    """Let a worker's loop draw in this process until nothing waits."""
    while claims := loop.leases.claim(loop.capabilities.model):
        loop.work(claims)


class LiveServer:
    """A server of one model and its workers.

    Args:
        folder: Where its data and its log go.
        words: More words of its command line.
        model: What it serves: the flat engine, or a bundled model.
        settings: Settings by name, as `lease_seconds=2`.
    """

    def __init__(self, folder: Path, *words: str, model: str = "flat", **settings: object) -> None:
        self.folder = folder
        self.words = words
        self.data_dir = folder / "data"
        self.log = folder / "log"
        own = {"PYTHONPATH": str(ROOT / "src"), "NONETTE_HOME": str(folder / "home")}
        own |= {f"NONETTE_SERVER_{name.upper()}": str(value) for name, value in settings.items()}
        command = [sys.executable, "-m", "nonette.cli", "serve", "--port", "0"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*command, "--model", model, "--data-dir", str(self.data_dir), *words],
                env=os.environ | own,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self.process.stdout.readline()
        assert line.startswith("Nonette answers at "), line + self.log.read_text()
        self.url = line.split()[-1].replace("//0.0.0.0:", "//127.0.0.1:")
        self.client = self._new_client()

    def __enter__(self) -> LiveServer:
        path = "/healthz" if "0" in self.words else "/readyz"  # 0 workers are never ready
        limit = time.monotonic() + 180
        try:
            while not self._answers(path):
                assert time.monotonic() < limit, self.log.read_text()
                time.sleep(0.1)
        except BaseException:  # nobody else would end it
            self.end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def _answers(self, path: str) -> bool:
        """Whether it answers well; on a busy machine a first answer may take very long."""
        try:
            return self.client.get(path).status_code == 200
        except httpx2.TimeoutException:
            return False

    def _new_client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=120, trust_env=False)

    def reconnect(self) -> None:
        """Drop the connections that are kept alive."""
        self.client.close()
        self.client = self._new_client()

    def end(self, most: float = 120) -> int:
        """SIGTERM, and the exit status; a test that takes too long fails."""
        self.client.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(most)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def lines(self) -> list[dict]:
        """What was logged so far."""
        texts = self.log.read_text().splitlines()
        return [json.loads(text) for text in texts if text.startswith("{")]

    def pids(self) -> dict[str, int]:
        """The newest process of each child."""
        events = [line for line in self.lines() if line["event"] == "child_started"]
        return {line["child"]: line["pid"] for line in events}

    def submit(self, prompt: str = "a fox", key: str | None = None, **wish: object) -> dict:
        """Submit a job, which must be accepted."""
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = self.client.post("/api/jobs", json={"prompt": prompt} | wish, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def ended(self, job_id: str, most: float = 120) -> dict:
        """The job once it has ended."""
        limit = time.monotonic() + most
        while True:
            job = self.client.get(f"/api/jobs/{job_id}").json()
            if job["state"] not in ("waiting", "running"):
                return job
            assert time.monotonic() < limit, job
            time.sleep(0.05)
