"""How the autoencoders of latent diffusion are trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nonette.data.scenes.world import CPU_WORLD, TINY_WORLD
from nonette.models.kl_autoencoder import AutoencoderKLConfig
from nonette.training.config import TrainConfig
from nonette.training.objectives.autoencoder import Settings

NETWORK = AutoencoderKLConfig(
    patch_size=4,
    channels=(48, 96),
    num_res_blocks=1,
    latent_channels=8,
    num_groups=16,
    scale=1.0,
)
"""f8, 8 channels: 16×16 latents of a 128-pixel picture; 1.5 million parameters. Its decoder takes
milliseconds, so previews need no tiny one."""

GPU_NETWORK = dataclasses.replace(NETWORK, channels=(96, 96))
"""Twice as wide where the pixels are; 2.0 million parameters."""

TINY_NETWORK = dataclasses.replace(NETWORK, channels=(8, 16), latent_channels=4, num_groups=4)


def autoencoder_cpu(runs: Path) -> TrainConfig:
    """Two cores, 25 minutes: the smaller world at 128 pixels."""
    return TrainConfig(
        name="autoencoder_cpu",
        objective="nonette.training.objectives.autoencoder:AutoencoderObjective",
        settings=Settings(network=NETWORK, world=CPU_WORLD, resolution=128),
        seed=0,
        batch_size=16,
        minutes=25,
        optimiser="muon",
        learning_rate={"autoencoder": 2e-3, "adversary": 4e-4},
        warm_up_steps=50,
        ema_decay=0.995,
        sheet_every=400,
        save_every=200,
    )


def autoencoder_gpu(runs: Path) -> TrainConfig:
    """One H100 and its 16 cores, two minutes: the smaller world at 128 pixels, no adversary."""
    base = autoencoder_cpu(runs)
    return dataclasses.replace(
        base,
        name="autoencoder_gpu",
        settings=dataclasses.replace(base.settings, network=GPU_NETWORK, adversary_from=1.0),
        batch_size=192,
        minutes=2,
        num_workers=14,
        ema_decay=0.998,
        log_every=50,
        save_every=2000,
        sheet_every=2000,
    )


def autoencoder_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests."""
    return dataclasses.replace(
        autoencoder_cpu(runs),
        name="autoencoder_tiny",
        settings=Settings(
            network=TINY_NETWORK,
            world=TINY_WORLD,
            resolution=32,
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
