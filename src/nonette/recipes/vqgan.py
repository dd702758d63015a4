"""How the picture tokenizers are trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nonette.data.scenes.world import CPU_WORLD, TINY_WORLD
from nonette.models.vqgan import VQGANConfig
from nonette.training.config import TrainConfig
from nonette.training.objectives.vqgan import Settings

NETWORK = VQGANConfig(
    resolution=128,
    patch_size=4,
    channels=64,
    channel_multipliers=(1, 2),
    num_res_blocks=1,
    attention_resolutions=(),
    num_groups=16,
    z_channels=64,
    code_dim=16,
    codebook_size=1024,
)
"""f8: 16×16 codes of 10 bits a 128-pixel picture; 2.8 million parameters."""

TINY_NETWORK = dataclasses.replace(
    NETWORK,
    resolution=32,
    channels=16,
    num_groups=4,
    z_channels=16,
    code_dim=8,
    codebook_size=64,
)


def vqgan_cpu(runs: Path) -> TrainConfig:
    """Two cores, 20 minutes: the smaller world at 128 pixels."""
    return TrainConfig(
        name="vqgan_cpu",
        objective="nonette.training.objectives.vqgan:VQGANObjective",
        settings=Settings(network=NETWORK, world=CPU_WORLD),
        seed=0,
        batch_size=16,
        minutes=20,
        optimiser="muon",
        learning_rate={"autoencoder": 2e-3, "adversary": 4e-4},
        warm_up_steps=50,
        betas=(0.9, 0.99),
        ema_decay=0.995,
        sheet_every=400,
        save_every=200,
    )


def vqgan_gpu(runs: Path) -> TrainConfig:
    """One H100 and its 16 cores, two minutes: the smaller world at 128 pixels."""
    return dataclasses.replace(
        vqgan_cpu(runs),
        name="vqgan_gpu",
        batch_size=192,
        minutes=2,
        num_workers=14,
        ema_decay=0.998,
        log_every=50,
        save_every=2000,
        sheet_every=2000,
    )


def vqgan_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests."""
    return dataclasses.replace(
        vqgan_cpu(runs),
        name="vqgan_tiny",
        settings=Settings(
            network=TINY_NETWORK, world=TINY_WORLD, adversary_from=0.5, adversary_channels=8
        ),
        batch_size=4,
        minutes=None,
        steps=20,
        warm_up_steps=5,
        log_every=1,
        save_every=5,
        sheet_every=10,
    )
