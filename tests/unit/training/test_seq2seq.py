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
    objective = Seq2SeqObjective(dataclasses.replace(settings, dropped_captions=0.0))
    first = objective.batch(range(4, 8))
    assert "pixels" in first
    loss, _ = objective.loss("bart", first, step=1, progress=0.0)
    again = objective.batch(range(12, 16))
    assert "pixels" not in again and again["first"] == 4
    repeated, _ = objective.loss("bart", again, step=3, progress=0.0)
    assert torch.equal(loss, repeated)
    assert objective.turns.kept[4]["codes"].shape == (4, 4, 4)
    assert "pixels" in objective.batch(range(8, 12))  # scenes 0 to 3 have not had their turn


def test_captions_are_dropped_anew_in_every_pass(settings):
    objective = Seq2SeqObjective(dataclasses.replace(settings, dropped_captions=0.5))
    passes = [objective.batch(range(i, i + 8))["is_dropped"] for i in range(0, 64, 8)]
    dropped = torch.stack(passes).float()
    assert 0.2 < dropped.mean() < 0.8
    assert (dropped.std(dim=0) > 0).all()  # each scene with its caption and without
    everything, nothing = (
        Seq2SeqObjective(dataclasses.replace(settings, dropped_captions=share))
        for share in (0.0, 1.0)
    )
    batch = everything.batch(range(8))
    told, _ = everything.loss("bart", batch, step=0, progress=0.0)
    nothing.networks.load_state_dict(everything.networks.state_dict())
    untold, _ = nothing.loss("bart", nothing.batch(range(8)), step=0, progress=0.0)
    batch["caption"][:] = everything.empty
    assert not torch.equal(told, untold)
    assert torch.equal(everything.loss("bart", batch, step=0, progress=0.0)[0], untold)


def test_after_their_rounds_new_scenes_take_their_place(settings):
    objective = Seq2SeqObjective(dataclasses.replace(settings, rounds=2))
    firsts = [int(objective.batch(range(i, i + 4))["first"]) for i in range(0, 32, 4)]
    assert firsts == [0, 4, 0, 4, 8, 12, 8, 12]


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
