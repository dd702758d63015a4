"""How our diffusion transformer is trained, after its autoencoder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nonette.data.scenes.world import CPU_WORLD, TINY_WORLD, World
from nonette.models.dit import DiTConfig
from nonette.recipes._tokenizer import VOCABULARY_SIZE, tokenizer_of
from nonette.training.config import TrainConfig
from nonette.training.objectives.diffusion import Settings

NETWORK = DiTConfig(
    text_vocab_size=VOCABULARY_SIZE,
    text_length=32,
    grid_size=16,
    latent_channels=8,
    patch_size=2,
    width=256,
    num_heads=4,
    hidden=480,
    num_text_layers=2,
    num_layers=6,
    condition_width=128,
)
"""64 tokens of a picture and 32 of a text; 5.8 million parameters, 14 MiB in bfloat16 with the
autoencoder."""

TINY_NETWORK = dataclasses.replace(
    NETWORK,
    text_vocab_size=400,
    grid_size=4,
    latent_channels=4,
    patch_size=1,
    width=32,
    num_heads=2,
    hidden=48,
    num_layers=1,
    condition_width=16,
)

OBJECTIVE = "nonette.training.objectives.diffusion:DiffusionObjective"
DRAWING = {
    "guidance": 3.0,
    "steps": 12,
    "sampler": "dpmpp_2m",
    "candidates": 18,
    "num_seats": 9,
}

MANY_PAIRS = (0.25, 0.12, 0.53, 0.1)
"""Of scenes of one thing, of several alike, of two things and of much said: pairs take longest."""


def settings_of(
    runs: Path, world: World, scale: str, network: DiTConfig, resolution: int
) -> Settings:
    """What to train on: the world's tokenizer, and the autoencoder of the same scale."""
    return Settings(
        network=network,
        world=world,
        autoencoder=str(runs / f"autoencoder_{scale}" / "model"),
        tokenizer=tokenizer_of(world, runs, network.text_vocab_size),
        resolution=resolution,
        drawing=DRAWING,
    )


def diffusion_cpu(runs: Path) -> TrainConfig:
    """Two cores, 150 minutes: the smaller world at 128 pixels, in English and French."""
    settings = settings_of(runs, CPU_WORLD, "cpu", NETWORK, 128)
    return TrainConfig(
        name="diffusion_cpu",
        objective=OBJECTIVE,
        settings=dataclasses.replace(settings, distinct=120_000, compiled=True),
        seed=0,
        batch_size=96,
        minutes=150,
        optimiser="muon",
        learning_rate={"denoiser": 2e-3},
        warm_up_steps=200,
        betas=(0.9, 0.98),
        weight_decay=0.02,
        ema_decay=0.999,
        sheet_every=1000,
        save_every=200,
    )


def diffusion_gpu(runs: Path) -> TrainConfig:
    """One H100 and its 16 cores, seven minutes: the smaller world, with two things in most scenes.

    It learns several times as many scenes as 16 cores paint, so each has four turns within half a
    minute.
    """
    base = diffusion_cpu(runs)
    world = dataclasses.replace(CPU_WORLD, plan_shares=MANY_PAIRS)
    settings = settings_of(runs, world, "gpu", NETWORK, 128)
    return dataclasses.replace(
        base,
        name="diffusion_gpu",
        settings=dataclasses.replace(settings, distinct=65_536, rounds=4, compiled=True),
        batch_size=1024,
        minutes=7,
        ema_decay=0.9995,
        num_workers=14,
        log_every=50,
        sheet_every=4000,
        save_every=4000,
    )


def diffusion_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests; needs `autoencoder_tiny`."""
    settings = settings_of(runs, TINY_WORLD, "tiny", TINY_NETWORK, 32)
    return dataclasses.replace(
        diffusion_cpu(runs),
        name="diffusion_tiny",
        settings=dataclasses.replace(settings, distinct=40, drawing=DRAWING | {"steps": 4}),
        batch_size=4,
        minutes=None,
        steps=20,
        warm_up_steps=5,
        log_every=1,
        sheet_every=20,
        save_every=5,
    )
