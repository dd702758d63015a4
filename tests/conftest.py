"""What every test may use. pytest-socket, set up in pyproject, keeps tests on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

RunPython = Callable[..., "subprocess.CompletedProcess[str]"]

settings.register_profile("nonette", deadline=None, derandomize=True, database=None)
settings.load_profile("nonette")


@pytest.fixture
def run_python(tmp_path: Path) -> RunPython:
    """Runs a fresh Python with our source and no model but the bundled ones, in an empty folder."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {"PYTHONPATH": str(ROOT / "src"), "NONETTE_HOME": str(tmp_path / "home")}
        return subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=os.environ | own | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run
