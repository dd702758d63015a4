"""How an autoencoder's decoder is trained on alone, after its latents are settled."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nonette.recipes.autoencoder import autoencoder_cpu, autoencoder_gpu, autoencoder_tiny
from nonette.training.config import TrainConfig


def _decoder(runs: Path, base: TrainConfig, scale: str) -> TrainConfig:
    """The recipe of the whole autoencoder, turned into its decoder's."""
    settings = dataclasses.replace(
        base.settings,
        start=str(runs / f"autoencoder_{scale}" / "model"),
        is_encoder_frozen=True,
        adversary_weight=0.05,
        adversary_from=0.0,
    )
    return dataclasses.replace(base, name=f"decoder_{scale}", settings=settings)


def decoder_cpu(runs: Path) -> TrainConfig:
    """Two cores, 12 minutes."""
    return dataclasses.replace(_decoder(runs, autoencoder_cpu(runs), "cpu"), minutes=12)


def decoder_gpu(runs: Path) -> TrainConfig:
    """One H100, two minutes."""
    return dataclasses.replace(_decoder(runs, autoencoder_gpu(runs), "gpu"), minutes=2)


def decoder_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests; needs `autoencoder_tiny`."""
    return _decoder(runs, autoencoder_tiny(runs), "tiny")
