"""How the upsampler is trained, best after the models whose pictures it will enlarge."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nonette.checkpoints import store
from nonette.data.scenes.world import CPU_WORLD, FULL_WORLD, TINY_WORLD
from nonette.models.upsampler import UpsamplerConfig
from nonette.training.config import TrainConfig
from nonette.training.objectives.upsampler import Settings

NETWORK = UpsamplerConfig(factor=2, width=64, num_blocks=8)
"""Twice the side; 0.64 million parameters, 1.2 MiB in bfloat16."""

GPU_NETWORK = dataclasses.replace(NETWORK, num_blocks=18)
"""1.4 million parameters, 2.7 MiB."""

TINY_NETWORK = dataclasses.replace(NETWORK, width=16, num_blocks=1)

DRAWERS = ("scenes",)  # bundled models whose autoencoder reads pictures too


def autoencoders_of(runs: Path, scale: str) -> tuple[str, ...]:
    """What remakes small pictures: of bundled models, and of this folder's newest run."""
    bundled = [name for name in DRAWERS if (store.BUNDLED / name / "config.json").is_file()]
    trained = runs / f"autoencoder_{scale}" / "model"
    is_there = (trained / "config.json").is_file()
    return (*bundled, *((str(trained),) if is_there else ()))


def upsampler_cpu(runs: Path) -> TrainConfig:
    """Two cores, 10 minutes: the smaller world, from 128 pixels to 256."""
    return TrainConfig(
        name="upsampler_cpu",
        objective="nonette.training.objectives.upsampler:UpsamplerObjective",
        settings=Settings(
            network=NETWORK,
            world=CPU_WORLD,
            resolution=256,
            crop=64,
            autoencoders=autoencoders_of(runs, "cpu"),
        ),
        seed=0,
        batch_size=16,
        minutes=10,
        optimiser="muon",
        learning_rate={"upsampler": 2e-3, "adversary": 4e-4},
        warm_up_steps=50,
        ema_decay=0.995,
        sheet_every=400,
        save_every=200,
    )


def upsampler_gpu(runs: Path) -> TrainConfig:
    """One H100, nine minutes: the whole world. Targets stay at 256 pixels, the glyphs' own size."""
    base = upsampler_cpu(runs)
    return dataclasses.replace(
        base,
        name="upsampler_gpu",
        settings=dataclasses.replace(
            base.settings,
            network=GPU_NETWORK,
            world=FULL_WORLD,
            autoencoders=autoencoders_of(runs, "gpu"),
        ),
        batch_size=64,
        minutes=9,
        num_workers=14,
        ema_decay=0.999,
        log_every=50,
        save_every=1000,
        sheet_every=2000,
    )


def upsampler_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests."""
    return dataclasses.replace(
        upsampler_cpu(runs),
        name="upsampler_tiny",
        settings=Settings(
            network=TINY_NETWORK,
            world=TINY_WORLD,
            resolution=32,
            crop=16,
            autoencoders=(),
            adversary_from=0.5,
            adversary_channels=8,
        ),
        batch_size=4,
        minutes=None,
        steps=20,
        warm_up_steps=5,
        log_every=1,
        save_every=5,
        sheet_every=20,
    )
