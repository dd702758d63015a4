"""How the CLIP that ranks candidates is trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nonette.data.scenes.world import CPU_WORLD, FULL_WORLD, TINY_WORLD, World
from nonette.models.clip import CLIPConfig, ImageTowerConfig, TextTowerConfig
from nonette.recipes._tokenizer import VOCABULARY_SIZE, tokenizer_of
from nonette.text.tokenizer import END_ID
from nonette.training.config import TrainConfig
from nonette.training.objectives.contrastive import Settings

OBJECTIVE = "nonette.training.objectives.contrastive:ContrastiveObjective"

CPU_NETWORK = CLIPConfig(
    image=ImageTowerConfig(
        size=128,
        patch_size=16,
        width=144,
        num_layers=2,
        num_heads=4,
        stem_channels=(16, 32, 64),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
    text=TextTowerConfig(
        vocabulary_size=VOCABULARY_SIZE,
        length=32,
        width=128,
        num_layers=2,
        num_heads=4,
        end_token=END_ID,
        is_causal=False,
    ),
    embedding_size=128,
    activation="gelu",
)
"""1.2 million parameters."""

GPU_NETWORK = dataclasses.replace(
    CPU_NETWORK,
    image=dataclasses.replace(
        CPU_NETWORK.image, size=256, patch_size=32, stem_channels=(16, 32, 48, 96)
    ),
    text=dataclasses.replace(CPU_NETWORK.text, vocabulary_size=4096),
)

TINY_NETWORK = dataclasses.replace(
    CPU_NETWORK,
    image=dataclasses.replace(
        CPU_NETWORK.image,
        size=32,
        patch_size=8,
        width=16,
        num_layers=1,
        num_heads=2,
        stem_channels=(8,),
    ),
    text=dataclasses.replace(
        CPU_NETWORK.text, vocabulary_size=400, width=16, num_layers=1, num_heads=2
    ),
    embedding_size=16,
)


def _settings(runs: Path, world: World, network: CLIPConfig) -> Settings:
    """What to train on, with the world's tokenizer."""
    tokenizer = tokenizer_of(world, runs, network.text.vocabulary_size)
    return Settings(network=network, world=world, tokenizer=tokenizer)


def clip_cpu(runs: Path) -> TrainConfig:
    """Two cores, a quarter of an hour."""
    return TrainConfig(
        name="clip_cpu",
        objective=OBJECTIVE,
        settings=_settings(runs, CPU_WORLD, CPU_NETWORK),
        seed=0,
        batch_size=64,
        minutes=15,
        optimiser="muon",
        learning_rate={"clip": 2e-3},
        warm_up_steps=100,
        betas=(0.9, 0.98),
        weight_decay=0.05,
        ema_decay=0.998,
        sheet_every=500,
        save_every=200,
    )


def clip_gpu(runs: Path) -> TrainConfig:
    """One H100, three minutes: the whole world."""
    return TrainConfig(
        name="clip_gpu",
        objective=OBJECTIVE,
        settings=_settings(runs, FULL_WORLD, GPU_NETWORK),
        seed=0,
        batch_size=512,
        minutes=3,
        optimiser="muon",
        learning_rate={"clip": 2e-3},
        warm_up_steps=100,
        betas=(0.9, 0.98),
        weight_decay=0.05,
        ema_decay=0.998,
        num_workers=14,
        log_every=50,
        sheet_every=1000,
        save_every=500,
    )


def clip_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests."""
    return TrainConfig(
        name="clip_tiny",
        objective=OBJECTIVE,
        settings=_settings(runs, TINY_WORLD, TINY_NETWORK),
        seed=0,
        batch_size=8,
        steps=20,
        optimiser="muon",
        learning_rate={"clip": 2e-3},
        warm_up_steps=5,
        log_every=1,
        sheet_every=20,
        save_every=5,
    )
