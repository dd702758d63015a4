"""How our diffusion transformer learns to draw in few steps, after it has learned to draw."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nonette.recipes.diffusion import (
    DRAWING,
    diffusion_cpu,
    diffusion_gpu,
    diffusion_tiny,
)
from nonette.training.config import TrainConfig
from nonette.training.objectives.distill import Settings

OBJECTIVE = "nonette.training.objectives.distill:DistillObjective"
FEW_STEPS = DRAWING | {"steps": 8, "sampler": "euler", "is_distilled": True}


def _distilled(runs: Path, base: TrainConfig, scale: str) -> TrainConfig:
    """The recipe of the teacher, turned into the student's."""
    inherited = {
        field.name: getattr(base.settings, field.name)
        for field in dataclasses.fields(base.settings)
    }
    settings = Settings(
        **inherited | {"drawing": FEW_STEPS},
        teacher=str(runs / f"diffusion_{scale}" / "model"),
    )
    rates = {name: rate / 4 for name, rate in base.learning_rate.items()}
    return dataclasses.replace(
        base, name=f"distill_{scale}", objective=OBJECTIVE, settings=settings, learning_rate=rates
    )


def distill_cpu(runs: Path) -> TrainConfig:
    """Two cores, 40 minutes."""
    return dataclasses.replace(_distilled(runs, diffusion_cpu(runs), "cpu"), minutes=40)


def distill_gpu(runs: Path) -> TrainConfig:
    """One H100 and its 16 cores, two minutes."""
    return dataclasses.replace(
        _distilled(runs, diffusion_gpu(runs), "gpu"), batch_size=512, minutes=2, ema_decay=0.999
    )


def distill_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests; needs `diffusion_tiny`."""
    return _distilled(runs, diffusion_tiny(runs), "tiny")
