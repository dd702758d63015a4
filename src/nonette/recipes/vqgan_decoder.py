"""How a VQGAN's decoder is trained on alone, after its codes are settled."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nonette.recipes.vqgan import vqgan_cpu, vqgan_gpu, vqgan_tiny
from nonette.training.config import TrainConfig


def _decoder(runs: Path, base: TrainConfig, scale: str) -> TrainConfig:
    """The recipe of the whole VQGAN, turned into its decoder's."""
    settings = dataclasses.replace(
        base.settings,
        start=str(runs / f"vqgan_{scale}" / "model"),
        are_codes_settled=True,
        adversary_weight=0.05,
        adversary_from=0.0,
    )
    rates = base.learning_rate | {"autoencoder": 1e-3}
    return dataclasses.replace(
        base, name=f"vqgan_decoder_{scale}", settings=settings, learning_rate=rates
    )


def vqgan_decoder_cpu(runs: Path) -> TrainConfig:
    """Two cores, half an hour."""
    return dataclasses.replace(_decoder(runs, vqgan_cpu(runs), "cpu"), minutes=30)


def vqgan_decoder_gpu(runs: Path) -> TrainConfig:
    """One H100, two minutes."""
    return _decoder(runs, vqgan_gpu(runs), "gpu")


def vqgan_decoder_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests; needs `vqgan_tiny`."""
    return _decoder(runs, vqgan_tiny(runs), "tiny")
