"""How the evaluator is trained: on every pair, from seeds that nothing it judges has seen."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nonette.data.scenes.world import CPU_WORLD, EVALUATOR_SEED, FULL_WORLD, TINY_WORLD, World
from nonette.models.judge import Config
from nonette.training.config import TrainConfig
from nonette.training.objectives.judge import Settings, words_of


def _richer(world: World) -> World:
    """The world with more things and told attributes: the judge must know them all well."""
    return dataclasses.replace(
        world,
        name=f"{world.name}-judge",
        plan_shares=(0.2, 0.2, 0.45, 0.15),
        look_shares=(0.75, 0.6, 0.75, 1.0),
        material_shares=(0.5, 0.5, 0.5, 0.6),
        style_shares=(0.45, 0.35, 0.35, 0.5),
    )


def judge_cpu(runs: Path) -> TrainConfig:
    """Two cores, 25 minutes; 1.7 million parameters."""
    world = _richer(CPU_WORLD)
    network = Config(
        resolution=128,
        stem_width=16,
        widths=(48, 96, 160),
        depths=(1, 2, 2),
        head_width=64,
        feature_width=256,
        **words_of(world),
    )
    return TrainConfig(
        name="judge_cpu",
        objective="nonette.training.objectives.judge:JudgeObjective",
        settings=Settings(
            network=network,
            world=world,
            seed=EVALUATOR_SEED,
            weights={"object": 2.0, "setting": 0.5, "style": 0.5},
        ),
        seed=0,
        batch_size=64,
        minutes=25,
        optimiser="muon",
        learning_rate={"main": 2e-3},
        warm_up_steps=150,
        weight_decay=0.02,
        clip=5.0,
        ema_decay=0.998,
        sheet_every=1000,
        save_every=300,
    )


def judge_gpu(runs: Path) -> TrainConfig:
    """One H100, four minutes: the whole world."""
    config = judge_cpu(runs)
    world = _richer(FULL_WORLD)
    network = dataclasses.replace(
        config.settings.network, resolution=256, widths=(64, 128, 192), **words_of(world)
    )
    return dataclasses.replace(
        config,
        name="judge_gpu",
        settings=dataclasses.replace(config.settings, network=network, world=world),
        batch_size=128,
        minutes=4,
        num_workers=14,
        log_every=50,
    )


def judge_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests."""
    config = judge_cpu(runs)
    world = _richer(TINY_WORLD)
    network = dataclasses.replace(
        config.settings.network,
        stem_width=8,
        widths=(16, 32, 48),
        depths=(1, 1, 1),
        head_width=32,
        feature_width=32,
        **words_of(world),
    )
    return dataclasses.replace(
        config,
        name="judge_tiny",
        settings=dataclasses.replace(config.settings, network=network, world=world),
        batch_size=4,
        minutes=None,
        steps=20,
        learning_rate={"main": 4e-3},
        warm_up_steps=5,
        log_every=1,
        save_every=5,
        sheet_every=20,
    )
