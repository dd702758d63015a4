"""The objective of DALL·E mini's network: codes that are kept, and bfloat16 where it is slow."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from nonette.checkpoints import format as checkpoints
from nonette.core.errors import InputError
from nonette.models.vqgan import VQGAN
from nonette.recipes.seq2seq import seq2seq_tiny
from nonette.recipes.vqgan import TINY_NETWORK
from nonette.training.objectives.seq2seq import Seq2SeqObjective, Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The tiny recipe's, with a VQGAN of random weights; eight scenes, then the same again."""
    runs = tmp_path_factory.mktemp("runs")
    folder: Path = runs / "vqgan_tiny" / "model"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = VQGAN(TINY_NETWORK)
    torch.nn.init.normal_(network.codebook.weight, generator=torch.Generator().manual_seed(0))
    checkpoints.write(
        folder,
        name="vqgan",
        system="vqgan",
        networks={"vqgan": network},
        registry_names={"vqgan": "vqgan"},
        settings={},
        files={},
        card="random",
        dtype=torch.float32,
    )
    return dataclasses.replace(seq2seq_tiny(runs).settings, distinct=8)


def test_a_series_that_repeats_is_painted_once(settings):
    objective = Seq2SeqObjective(settings)
    first = objective.batch(range(4, 8))
    assert "pixels" in first and "codes" not in first
    loss, _ = objective.loss("bart", first, step=1, progress=0.0)
    again = objective.batch(range(12, 16))
    assert "codes" in again and "pixels" not in again
    assert again["codes"].shape == (4, 4, 4)
    again["text"] = first["text"]  # which captions are dropped is drawn anew
    repeated, _ = objective.loss("bart", again, step=3, progress=0.0)
    assert torch.equal(loss, repeated)
    assert "pixels" in objective.batch(range(8, 12))  # scenes 0 to 3 have not had their turn


def test_captions_are_dropped_anew_in_every_pass(settings):
    objective = Seq2SeqObjective(dataclasses.replace(settings, dropped_captions=0.5))
    passes = []
    for start in range(0, 64, 8):
        batch = objective.batch(range(start, start + 8))
        objective.loss("bart", batch, step=0, progress=0.0)
        passes.append((batch["text"] == objective.empty).all(dim=1))
    dropped = torch.stack(passes).float()
    assert 0 < dropped.mean() < 1
    assert (dropped.std(dim=0) > 0).any()  # one scene with its caption and without


def test_the_length_of_a_series_fits_the_batch(settings):
    with pytest.raises(InputError, match="multiple of batch_size 3"):
        Seq2SeqObjective(settings).batch(range(3))


def test_trains_in_bfloat16(settings):
    objective = Seq2SeqObjective(settings)
    batch = objective.batch(range(4))
    plain, _ = objective.loss("bart", batch, step=0, progress=0.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = objective.loss("bart", batch, step=0, progress=0.0)
    loss.backward()
    torch.testing.assert_close(loss, plain, atol=0.05, rtol=0.02)
    assert all(parameter.grad is not None for parameter in objective.optimised["bart"])


def test_a_vqgan_that_cannot_read_is_refused(settings):
    with pytest.raises(InputError, match="vqgan is 'scenes-ar', but it has no encoder"):
        Seq2SeqObjective(dataclasses.replace(settings, vqgan="scenes-ar"))
