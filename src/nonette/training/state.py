"""The state of a run on disk: written whole or not at all, the newest complete one wins.

A state is a folder `step-00001200` with `tensors.safetensors` (weights, averages, moments) and
`state.json`. It is written beside under a temporary name, synced, and renamed, so that a kill at
any instant leaves the previous state; two are kept.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

NUM_KEPT = 2


@dataclass(frozen=True, kw_only=True)
class State:
    """What a run resumes from: the next step, seconds trained so far, all tensors by name."""

    step: int
    seconds: float
    tensors: dict[str, Tensor]


def save(run: Path, state: State) -> Path:
    """Write the state below `run` and drop all but the newest two; returns its folder."""
    final = run / f"step-{state.step:08d}"
    partial = run / f".{final.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(
        {name: tensor.contiguous() for name, tensor in state.tensors.items()},
        partial / "tensors.safetensors",
    )
    (partial / "state.json").write_text(json.dumps({"step": state.step, "seconds": state.seconds}))
    for path in (partial / "tensors.safetensors", partial / "state.json", partial):
        _sync(path)
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    _sync(run)
    for old in _complete(run)[:-NUM_KEPT]:
        shutil.rmtree(old)
    return final


def load_newest(run: Path) -> State | None:
    """The newest state that can be read, or None; damaged ones are passed over."""
    for folder in reversed(_complete(run)):
        try:
            facts = json.loads((folder / "state.json").read_text())
            tensors = load_file(folder / "tensors.safetensors")
        except (OSError, ValueError, SafetensorError):
            continue
        return State(step=facts["step"], seconds=facts["seconds"], tensors=tensors)
    return None


def _complete(run: Path) -> list[Path]:
    return sorted(run.glob("step-????????"))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
