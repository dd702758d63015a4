"""The objective of VQGANs: a decoder that is trained on alone leaves the codes as they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from nonette.checkpoints import format as checkpoints
from nonette.models.vqgan import VQGAN
from nonette.recipes.vqgan import TINY_NETWORK
from nonette.recipes.vqgan_decoder import vqgan_decoder_tiny
from nonette.training.objectives.vqgan import VQGANObjective


def test_a_decoder_learns_alone_and_codes_stay(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = VQGAN(TINY_NETWORK)
        torch.nn.init.normal_(network.codebook.weight)
        checkpoints.write(
            tmp_path / "vqgan_tiny" / "model",
            name="vqgan",
            system="vqgan",
            networks={"vqgan": network},
            registry_names={"vqgan": "vqgan"},
            settings={},
            files={},
            card="random",
            dtype=torch.float32,
        )
        settings = dataclasses.replace(vqgan_decoder_tiny(tmp_path).settings)
        objective = VQGANObjective(settings)
    pixels = torch.rand(2, 3, 32, 32) * 2 - 1
    codes = network.encode(pixels)
    before = network.decode_codes(codes)
    assert torch.equal(objective.network.decode_codes(codes), before)
    optimiser = torch.optim.SGD(objective.optimised["autoencoder"], lr=1e-2)
    for step in range(2):
        batch = objective.batch(range(4 * step, 4 * step + 4))
        loss, figures = objective.loss("autoencoder", batch, step, progress=0.0)
        loss.backward()
        margin = objective.loss("adversary", batch, step, progress=0.0)[1]
        optimiser.step()
        objective.after_step(step)
    assert set(figures) == {"psnr", "commitment"} and set(margin) == {"adversary_margin"}
    assert torch.equal(objective.network.encode(pixels), codes)
    assert torch.equal(objective.network.codebook.weight, network.codebook.weight)
    assert not torch.equal(objective.network.decode_codes(codes), before)
