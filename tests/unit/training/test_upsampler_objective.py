"""Learning to enlarge: what goes in small, what it is held against, and that it learns."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from nonette.checkpoints import format as checkpoints
from nonette.core.errors import InputError
from nonette.evaluation.enlarging import remade
from nonette.models.kl_autoencoder import AutoencoderKL
from nonette.recipes import autoencoder as autoencoders
from nonette.recipes import upsampler as recipes
from nonette.recipes.upsampler import upsampler_tiny
from nonette.training import pictures
from nonette.training.objectives.upsampler import UpsamplerObjective

FEW = range(0, 4)


def made(config: Any, **changes: Any) -> UpsamplerObjective:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return UpsamplerObjective(dataclasses.replace(config.settings, **changes))


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained autoencoder, where a run would have left it."""
    runs = tmp_path_factory.mktemp("runs")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AutoencoderKL(dataclasses.replace(autoencoders.TINY_NETWORK, scale=1.0))
    checkpoints.write(
        runs / "autoencoder_cpu" / "model",
        name="autoencoder-cpu",
        system="kl_autoencoder",
        networks={"autoencoder": network},
        registry_names={"autoencoder": "kl_autoencoder"},
        settings={},
        files={},
        card="# Untrained\n",
        dtype=torch.float32,
    )
    return runs / "autoencoder_cpu" / "model"


def test_a_share_is_what_an_autoencoder_leaves(tmp_path: Path, autoencoder: Path) -> None:
    objective = made(
        upsampler_tiny(tmp_path),
        autoencoders=(str(autoencoder),),
        remade_share=0.5,
        flawed_share=0.0,
    )
    large = pictures.to_float(objective.batch(range(0, 32))["pixels"])
    small = objective.small(large, 0, random(0))
    assert small.shape == (32, 3, 16, 16) and small.abs().max() <= 1
    clean = made(upsampler_tiny(tmp_path), flawed_share=0.0).small(large, 0, random(0))
    is_remade = (small != clean).flatten(1).any(dim=1)
    assert 8 < is_remade.sum() < 24
    apart = small[is_remade] - remade(objective.autoencoders[0], clean[is_remade])
    assert apart.abs().mean() < 0.1, "another way to shrink at most"
    assert torch.equal(small, objective.small(large, 0, random(0)))


def test_small_and_large_crops_show_the_same(tmp_path: Path) -> None:
    config = upsampler_tiny(tmp_path)
    objective = made(config, crop=8)
    large = torch.rand(3, 3, 32, 32)
    small = large[:, :, ::2, ::2]
    some, whole = objective._crops(small, large, random(3))
    assert some.shape == (3, 3, 8, 8) and whole.shape == (3, 3, 16, 16)
    assert torch.equal(some, whole[:, :, ::2, ::2])
    assert not torch.equal(some, objective._crops(small, large, random(4))[0])


def test_the_adversary_waits_and_then_counts(tmp_path: Path) -> None:
    objective = made(upsampler_tiny(tmp_path))
    batch = objective.batch(FEW)
    early, figures = objective.loss("upsampler", batch, 0, progress=0.0)
    assert abs(figures["over_bicubic"]) < 1e-4, "fresh, it is bicubic enlargement"
    assert objective.loss("adversary", batch, 0, progress=0.0)[0] == 0
    late, _ = objective.loss("upsampler", batch, 0, progress=0.9)
    assert late != early
    loss, figures = objective.loss("adversary", batch, 0, progress=0.9)
    assert loss > 0 and "adversary_margin" in figures


def test_it_learns_to_beat_bicubic_enlargement(tmp_path: Path) -> None:
    objective = made(upsampler_tiny(tmp_path), flawed_share=0.0)
    optimiser = torch.optim.AdamW(objective.optimised["upsampler"], lr=1e-2)
    batch = objective.batch(FEW)
    for _ in range(60):
        loss, figures = objective.loss("upsampler", batch, 0, 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert figures["over_bicubic"] > 0.5, figures  # 0.83 measured


def test_recipes_take_the_autoencoders_that_are_there(
    tmp_path: Path, autoencoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes.store, "BUNDLED", tmp_path)
    assert recipes.upsampler_cpu(tmp_path).settings.autoencoders == ()
    runs = autoencoder.parents[1]
    assert recipes.upsampler_cpu(runs).settings.autoencoders == (str(autoencoder),)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    config = upsampler_tiny(tmp_path)
    for crop in (0, 17):
        with pytest.raises(InputError, match="crop is"):
            dataclasses.replace(config.settings, crop=crop)
    with pytest.raises(InputError, match="it has no autoencoder"):
        made(config, autoencoders=("scenes-clip",))
    with pytest.raises(InputError, match="autoencoders is 'nowhere'"):
        made(config, autoencoders=("nowhere",))
