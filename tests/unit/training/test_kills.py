"""Twenty kills during training, half of them while a state is being written, change nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

NUM_KILLS = 20
NUM_STEPS = 120
CHANGES = ("batch_size=2", "save_every=2", "sheet_every=1000", "log_every=1")


def command(runs: Path) -> list[str]:
    changes = [word for change in CHANGES for word in ("--set", change)]
    words = [
        "train",
        "vqgan_tiny",
        "--runs",
        str(runs),
        "--steps",
        str(NUM_STEPS),
        "--threads",
        "1",
        *changes,
    ]
    return [sys.executable, "-m", "nonette.cli", *words]


def lines(runs: Path) -> list[dict[str, float]]:
    found = [
        json.loads(line)
        for line in (runs / "vqgan_tiny" / "metrics.jsonl").read_text().splitlines()
    ]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in found]


def kill_once(runs: Path, *, while_writing: bool, rng: random.Random) -> bool:
    """Start or resume the run and kill it; says whether a state was being written just then."""
    run = runs / "vqgan_tiny"
    known = set(run.glob("step-*"))
    process = subprocess.Popen(command(runs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while (
        time.monotonic() < deadline and process.poll() is None
    ):  # until it has got one state further
        if set(run.glob("step-*")) - known:
            break
        time.sleep(0.002)
    wait_until = time.monotonic() + rng.uniform(0, 0.2)
    while time.monotonic() < wait_until or (
        while_writing and not list(run.glob(".step-*.partial"))
    ):
        if process.poll() is not None:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return bool(list(run.glob(".step-*.partial")))


@pytest.mark.slow
def test_twenty_kills_leave_losses_equal_to_the_bit(tmp_path):
    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    rng = random.Random(0)
    killed = tmp_path / "killed"
    during_a_write = [
        kill_once(killed, while_writing=i % 2 == 0, rng=rng) for i in range(NUM_KILLS)
    ]
    assert sum(during_a_write) >= 5, during_a_write
    subprocess.run(command(killed), check=True, capture_output=True)
    assert lines(killed) == lines(tmp_path / "whole")
    assert not list((killed / "vqgan_tiny").glob(".step-*.partial"))
