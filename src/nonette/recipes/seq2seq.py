"""How DALL·E mini's network is trained, after its VQGAN."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nonette.data.scenes.world import CPU_WORLD, TINY_WORLD, World
from nonette.models.bart import BartConfig
from nonette.recipes._tokenizer import VOCABULARY_SIZE, tokenizer_of
from nonette.recipes.diffusion import MANY_PAIRS
from nonette.training.config import TrainConfig
from nonette.training.objectives.seq2seq import Settings

NETWORK = BartConfig(
    text_vocab_size=VOCABULARY_SIZE,
    text_length=32,
    image_vocab_size=1024,
    image_length=64,
    width=256,
    num_heads=4,
    hidden=384,
    num_encoder_layers=2,
    num_decoder_layers=4,
    codes_per_position=4,
    code_width=48,
    head_width=192,
)
"""64 positions of 2×2 codes; 5.6 million parameters."""

TINY_NETWORK = dataclasses.replace(
    NETWORK,
    text_vocab_size=400,
    image_vocab_size=64,
    image_length=4,
    width=32,
    num_heads=2,
    hidden=48,
    num_encoder_layers=1,
    num_decoder_layers=1,
    codes_per_position=4,
    code_width=8,
    head_width=32,
)

OBJECTIVE = "nonette.training.objectives.seq2seq:Seq2SeqObjective"
# By the sweep of 2026-11-27 in docs/log.md.
DRAWING = {"guidance": 1.5, "temperature": 0.65, "top_k": 1024, "candidates": 18}


def _settings(
    runs: Path, world: World, scale: str, network: BartConfig, resolution: int
) -> Settings:
    """What to train on: the world's tokenizer, and the VQGAN of the same scale."""
    return Settings(
        network=network,
        world=world,
        vqgan=str(runs / f"vqgan_{scale}" / "model"),
        tokenizer=tokenizer_of(world, runs, network.text_vocab_size),
        resolution=resolution,
        drawing=DRAWING,
    )


def seq2seq_cpu(runs: Path) -> TrainConfig:
    """Two cores, 75 minutes: the smaller world at 128 pixels, in English and French."""
    settings = _settings(runs, CPU_WORLD, "cpu", NETWORK, 128)
    return TrainConfig(
        name="seq2seq_cpu",
        objective=OBJECTIVE,
        settings=dataclasses.replace(settings, distinct=120_000),
        seed=0,
        batch_size=96,
        minutes=75,
        optimiser="muon",
        learning_rate={"bart": 2e-3},
        warm_up_steps=200,
        betas=(0.9, 0.98),
        weight_decay=0.02,
        ema_decay=0.999,
        sheet_every=1000,
        save_every=200,
    )


def seq2seq_gpu(runs: Path) -> TrainConfig:
    """One H100 and its 16 cores, five minutes: the smaller world, with two things in most scenes.

    As in `diffusion_gpu`, every scene has four turns, since 16 cores cannot paint as fast.
    """
    base = seq2seq_cpu(runs)
    world = dataclasses.replace(CPU_WORLD, plan_shares=MANY_PAIRS)
    settings = _settings(runs, world, "gpu", NETWORK, 128)
    return dataclasses.replace(
        base,
        name="seq2seq_gpu",
        settings=dataclasses.replace(settings, distinct=65_536, rounds=4, compiled=True),
        batch_size=1024,
        minutes=5,
        ema_decay=0.9995,
        num_workers=14,
        log_every=50,
        sheet_every=4000,
        save_every=4000,
    )


def seq2seq_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests; needs `vqgan_tiny`."""
    return TrainConfig(
        name="seq2seq_tiny",
        objective=OBJECTIVE,
        settings=_settings(runs, TINY_WORLD, "tiny", TINY_NETWORK, 32),
        seed=0,
        batch_size=4,
        steps=20,
        optimiser="muon",
        learning_rate={"bart": 2e-3},
        warm_up_steps=5,
        log_every=1,
        sheet_every=20,
        save_every=5,
    )
