"""Learning and distilling diffusion: what a step is taught, and what comes round again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nonette.checkpoints import format as checkpoints
from nonette.core.errors import InputError
from nonette.models.dit import DiT
from nonette.models.kl_autoencoder import AutoencoderKL
from nonette.pipelines._steps import Job, to_uint8
from nonette.recipes import autoencoder as autoencoders
from nonette.recipes.autoencoder import autoencoder_tiny
from nonette.recipes.decoder import decoder_tiny
from nonette.recipes.diffusion import diffusion_tiny
from nonette.recipes.distill import distill_tiny
from nonette.training.objectives.autoencoder import AutoencoderObjective
from nonette.training.objectives.diffusion import (
    DiffusionObjective,
    drawer,
    noise_generator,
)
from nonette.training.objectives.distill import DistillObjective

FEW = range(0, 4)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with an untrained autoencoder and an untrained, stirred teacher."""
    place = tmp_path_factory.mktemp("runs")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        autoencoder = AutoencoderKL(dataclasses.replace(autoencoders.TINY_NETWORK, scale=4.0))
        teacher = DiT(diffusion_tiny(place).settings.network)
        for parameter in teacher.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.05)
    for name, part, kind, network in (
        ("autoencoder_tiny", "autoencoder", "kl_autoencoder", autoencoder),
        ("diffusion_tiny", "denoiser", "dit", teacher),
    ):
        checkpoints.write(
            place / name / "model",
            name=name.replace("_", "-"),
            system="parts",
            networks={part: network},
            registry_names={part: kind},
            settings={},
            files={},
            card="# Untrained\n",
            dtype=torch.float32,
        )
    return place


def made(objective: Any, config: Any, **changes: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return objective(dataclasses.replace(config.settings, **changes))


def test_a_fresh_network_s_loss_is_what_there_is_to_say(runs: Path) -> None:
    objective = made(DiffusionObjective, diffusion_tiny(runs), distinct=0)
    batch = objective.batch(FEW)
    loss, figures = objective.loss("denoiser", batch, step=7, progress=0.0)
    x0 = objective.scenes.latents(batch).x0
    generator = noise_generator(7, x0.device)
    t = torch.sigmoid(torch.randn(4, generator=generator) + 0.3)
    eps = torch.randn(x0.shape, generator=generator)
    error = (eps - x0).square().mean((1, 2, 3))
    assert loss.item() == pytest.approx(error.mean().item(), rel=1e-5)
    assert figures["noisy_half_loss"].item() == pytest.approx(error[t > 0.5].mean().item())
    again = objective.loss("denoiser", batch, step=7, progress=0.5)[0]
    assert torch.equal(loss, again)
    assert not torch.equal(loss, objective.loss("denoiser", batch, step=8, progress=0.0)[0])


def test_a_share_is_filled_in_and_a_share_has_no_caption(runs: Path) -> None:
    objective = made(DiffusionObjective, diffusion_tiny(runs), masked_share=0.5)
    scenes, masked, some, dropped = objective.scenes, 0, 0, 0
    for first in range(0, 40, 4):
        batch = objective.batch(range(first, first + 4))
        _, mask, known, text = scenes.latents(batch)
        for row in range(4):
            is_masked = bool(batch["is_masked"][row])
            masked += is_masked
            dropped += bool((text[row] == scenes.empty).all())
            some += bool((mask[row] == 0).any() and (known[row] != 0).any())
            assert is_masked or (mask[row] == 1).all()
            assert not (known[row] * mask[row]).any(), "nothing is known where it is masked"
    assert 10 < masked < 30 and 0 < dropped < 12
    assert some > masked / 2, "a coarse mask may cover everything, but seldom does"


def test_scenes_that_come_round_again_are_kept(runs: Path) -> None:
    objective = made(DiffusionObjective, diffusion_tiny(runs), distinct=8, masked_share=0.5)
    first = objective.batch(range(0, 4))
    assert "pixels" in first
    before = objective.scenes.latents(first).x0
    again = objective.batch(range(8, 12))
    assert "pixels" not in again and again["first"] == 0
    assert torch.equal(objective.scenes.latents(again).x0, before)
    assert "pixels" in objective.batch(range(4, 8))
    changes = [objective.batch(range(8 * i, 8 * i + 4))["is_masked"].tolist() for i in range(6)]
    assert len({tuple(one) for one in changes}) > 1
    with pytest.raises(InputError, match="distinct is 8"):
        objective.batch(range(0, 3))


def test_after_their_rounds_new_scenes_take_their_place(runs: Path) -> None:
    objective = made(DiffusionObjective, diffusion_tiny(runs), distinct=8, rounds=2)
    numbers, painted = [], []
    for first in range(0, 48, 4):
        batch = objective.batch(range(first, first + 4))
        numbers.append(int(batch["first"]))
        painted.append("pixels" in batch)
        objective.scenes.latents(batch)
    assert numbers == [0, 4, 0, 4, 8, 12, 8, 12, 16, 20, 16, 20]
    assert painted == [True, True, False, False] * 3
    assert set(objective.scenes.turns.kept) == {16, 20}, "older ones are dropped"


def test_scenes_seen_before_this_process_began_are_painted_again(runs: Path) -> None:
    """A resumed run, and each process that makes its batches, begins in the middle."""
    settings = {"distinct": 8, "rounds": 3}
    whole = made(DiffusionObjective, diffusion_tiny(runs), **settings)
    undisturbed = [
        whole.scenes.latents(whole.batch(range(first, first + 4))) for first in range(0, 24, 4)
    ]
    resumed = made(DiffusionObjective, diffusion_tiny(runs), **settings)
    maker = made(DiffusionObjective, diffusion_tiny(runs), **settings)
    for step in (3, 4, 5):  # of 0 to 5
        batch = maker.batch(range(4 * step, 4 * step + 4))
        assert ("pixels" in batch) == (step < 5), "scenes 4 to 7 come for the second time"
        found = resumed.scenes.latents(batch)
        for here, there in zip(found, undisturbed[step], strict=True):
            assert torch.equal(here, there)


def test_the_autoencoder_s_export_has_latents_of_unit_variance(runs: Path) -> None:
    config = autoencoder_tiny(runs)
    objective = made(AutoencoderObjective, config)
    batch = objective.batch(FEW)
    loss, figures = objective.loss("autoencoder", batch, 0, progress=0.0)
    assert loss > 0 and figures["nats"] >= 0
    nothing, _ = objective.loss("adversary", batch, 0, progress=0.0)
    assert nothing == 0, "the adversary waits"
    adverse, _ = objective.loss("autoencoder", batch, 0, progress=0.9)
    assert adverse != loss
    margin, figures = objective.loss("adversary", batch, 0, progress=0.9)
    assert margin > 0 and "adversary_margin" in figures
    objective.networks.requires_grad_(False)
    shipped = objective.export(objective.networks).networks["autoencoder"]
    assert isinstance(shipped, AutoencoderKL)
    latents = shipped.encode(objective._previews(objective.networks, 64)[1])
    assert latents.std().item() == pytest.approx(1, abs=1e-3)


def test_a_decoder_learns_alone_and_latents_stay(runs: Path) -> None:
    config = decoder_tiny(runs)
    objective = made(AutoencoderObjective, config)
    network = objective.networks["autoencoder"]
    pixels = objective._previews(objective.networks, 2)[1]
    before = network.encode(pixels), network.decode(network.encode(pixels))
    optimiser = torch.optim.SGD(objective.optimised["autoencoder"], lr=1e-2)
    objective.loss("autoencoder", objective.batch(FEW), 0, progress=0.0)[0].backward()
    optimiser.step()
    assert torch.equal(network.encode(pixels), before[0])
    assert not torch.equal(network.decode(before[0]), before[1])


def test_a_long_step_is_two_short_ones(runs: Path) -> None:
    """For the velocity v = x, two of Euler's steps of h / 2 average to x (1 - h / 4)."""
    objective = made(DistillObjective, distill_tiny(runs))
    asked: list[tuple[float, float]] = []

    def taught(x: Tensor, t: Tensor, *others: Any) -> Tensor:
        asked.append((float(t[0]), 0.0))
        return x

    def followed(x: Tensor, t: Tensor, *others: Any) -> Tensor:
        asked.append((float(t[0]), float(others[-2][0])))
        return x

    x, t = torch.randn(2, 4, 4, 4), torch.full((2,), 0.75)
    text = objective.scenes.empty.expand(2, -1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objective, "_taught", taught)
        patch.setattr(objective.target, "forward", followed)
        for h, is_taught in ((1 / 16, True), (1 / 4, False)):
            asked.clear()
            wanted = objective._two_steps(x, t, h, torch.zeros(2), text, None, None)
            assert torch.allclose(wanted, x * (1 - h / 4))
            step = 0.0 if is_taught else h / 2
            assert asked == [(0.75, step), (0.75 - h / 2, step)]


def test_the_teacher_s_answer_holds_the_guidance(runs: Path) -> None:
    objective = made(DistillObjective, distill_tiny(runs), masked_share=0.0)
    batch = objective.batch(FEW)
    x, mask, known, text = objective.scenes.latents(batch)
    t, teacher = torch.full((4,), 0.5), objective.teacher
    towards = teacher(x, t, teacher.read(text), mask, known)
    empty = teacher.read(objective.scenes.empty.expand(4, -1))
    away = teacher(x, t, empty, mask, known)
    found = objective._taught(x, t, torch.full((4,), 2.0), text, mask, known)
    assert torch.allclose(found, away + 3.0 * (towards - away), atol=1e-5)
    none = objective._taught(x, t, torch.zeros(4), text, mask, known)
    assert torch.allclose(none, towards)


def test_every_length_has_its_turn_and_the_target_follows(runs: Path) -> None:
    objective = made(DistillObjective, distill_tiny(runs))
    batch = objective.batch(FEW)
    names = [list(objective.loss("denoiser", batch, step, 0.0)[1]) for step in range(4)]
    assert names == [["loss_of_16"], ["loss_of_8"], ["loss_of_4"], ["loss_of_16"]]
    before = [parameter.clone() for parameter in objective.target.parameters()]
    with torch.no_grad():
        for parameter in objective.networks.parameters():
            parameter.add_(1.0)
    objective.after_step(0)
    after = objective.target.parameters()
    moved = [float((new - old).mean()) for new, old in zip(after, before, strict=True)]
    assert np.allclose(moved, 0.01, atol=1e-4)
    assert not any(parameter.requires_grad for parameter in objective.target.parameters())
    assert not any(parameter.requires_grad for parameter in objective.teacher.parameters())


def test_distilling_teaches_the_student_what_two_guided_steps_do(runs: Path) -> None:
    objective = made(DistillObjective, distill_tiny(runs), finest=4, coarsest=4, masked_share=0.0)
    optimiser = torch.optim.AdamW(objective.optimised["denoiser"], lr=3e-3)
    batch, losses = objective.batch(FEW), []
    for _ in range(30):
        loss, _ = objective.loss("denoiser", batch, 0, 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3


def test_what_was_learned_by_heart_is_what_is_drawn(runs: Path) -> None:
    """The loss, the sampler and the pipeline mean the same by time, velocity and guidance."""
    changes: dict[str, Any] = {"masked_share": 0.0, "dropped_captions": 0.0, "distinct": 4}
    objective = made(DiffusionObjective, diffusion_tiny(runs), **changes)
    optimiser = torch.optim.AdamW(objective.optimised["denoiser"], lr=1e-2)
    objective.loss("denoiser", objective.batch(FEW), 0, 0.0)
    for step in range(600):
        loss, _ = objective.loss("denoiser", objective.batch(FEW), step, 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    scenes = objective.scenes
    x0 = scenes.latents(objective.batch(FEW)).x0
    wanted = to_uint8(scenes.autoencoder.decode(x0)).astype(float)
    captions = [scenes.dataset[i]["caption"] for i in FEW]
    jobs = [Job(prompt=caption, seeds=(i,), steps=10) for i, caption in enumerate(captions)]
    drawn = drawer(objective.networks, scenes, objective.settings.drawing)(jobs)
    apart = [[np.abs(one[0] - other).mean() for other in wanted] for one in drawn]
    for i in FEW:
        own = apart[i].pop(i)
        assert own < 0.4 * min(apart[i]), (i, own, apart[i])
