"""The diffusion transformer: shapes, what it listens to, and that it can learn."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from nonette.core.errors import InputError
from nonette.models.dit import DiT, DiTConfig

CONFIG = DiTConfig(
    text_vocab_size=40,
    text_length=6,
    grid_size=8,
    latent_channels=4,
    patch_size=1,
    width=32,
    num_heads=2,
    hidden=48,
    num_text_layers=1,
    num_layers=2,
    condition_width=16,
)
WORDS = torch.arange(12).reshape(2, 6)


def make(**changes: int) -> DiT:
    """With every parameter away from its start, so that everything has a say."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = DiT(dataclasses.replace(CONFIG, **changes)).requires_grad_(False)
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return network


def inputs(batch: int = 2, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "x": torch.randn(batch, 4, 8, 8, generator=generator),
        "time": torch.rand(batch, generator=generator),
        "mask": torch.rand(batch, 1, 8, 8, generator=generator).round(),
        "known": torch.randn(batch, 4, 8, 8, generator=generator),
    }


@pytest.mark.parametrize("patch_size", [1, 2])
def test_it_says_a_velocity_of_the_latents_shape(patch_size: int) -> None:
    network = make(patch_size=patch_size)
    text = network.read(WORDS)
    assert text.shape == (2, 6, 32)
    assert network(text=text, **inputs()).shape == (2, 4, 8, 8)


def test_a_fresh_one_says_nothing_moves() -> None:
    network = DiT(CONFIG)
    assert not network(text=network.read(WORDS), **inputs()).any()
    assert sum(p.numel() for p in network.parameters()) < 1_000_000


@pytest.mark.parametrize("what", ["x", "time", "mask", "known", "step", "guidance", "words"])
def test_it_listens_to(what: str) -> None:
    network = make()
    given = inputs() | {"step": torch.full((2,), 0.25), "guidance": torch.full((2,), 2.0)}
    before = network(text=network.read(WORDS), **given)
    words = WORDS
    if what == "words":
        words = WORDS + 20
    else:
        given[what] = given[what] * 0.5
    after = network(text=network.read(words), **given)
    assert not torch.allclose(before, after, atol=1e-4)


def test_without_step_and_guidance_they_are_nought() -> None:
    network, given = make(), inputs()
    text = network.read(WORDS)
    nought = {"step": torch.zeros(2), "guidance": torch.zeros(2)}
    assert torch.equal(network(text=text, **given), network(text=text, **given, **nought))


def test_training_without_them_leaves_them_without_effect() -> None:
    network = DiT(CONFIG)
    network(text=network.read(WORDS), **inputs()).sum().backward()
    for unused in (network.condition.step, network.condition.guidance):
        assert unused.weight.grad is not None and not unused.weight.grad.any()


def test_pictures_do_not_see_each_other() -> None:
    network, given = make(), inputs()
    both = network(text=network.read(WORDS), **given)
    second = {name: value[1:] for name, value in given.items()}
    alone = network(text=network.read(WORDS[1:]), **second)
    assert torch.allclose(both[1:], alone, atol=1e-5)


def test_every_place_sees_every_other() -> None:
    network, given = make(), inputs()
    text = network.read(WORDS)
    before = network(text=text, **given)
    given["x"] = given["x"].clone()
    given["x"][0, :, 0, 0] += 1
    changed = (network(text=text, **given) - before).abs().sum(1)
    assert (changed[0] > 0).all() and not changed[1].any()


@pytest.mark.parametrize("autocasts", [True, False])
def test_it_learns_a_batch_by_heart_in_bfloat16_too(autocasts: bool) -> None:
    torch.manual_seed(0)
    network, given = DiT(CONFIG), inputs()
    target = torch.randn(2, 4, 8, 8)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-2)
    for _ in range(40):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocasts):
            said = network(
                text=network.read(WORDS), **given, step=given["time"], guidance=given["time"]
            )
            loss = (said.float() - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert loss.item() < 0.3


def test_stored_in_bfloat16_it_says_about_the_same() -> None:
    network, given = make(), inputs()
    exact = network(text=network.read(WORDS), **given)
    network = network.bfloat16()
    rough = network(
        text=network.read(WORDS),
        **{name: value.bfloat16() if name != "time" else value for name, value in given.items()},
    )
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).abs().mean() < 0.05 * exact.abs().mean()


@pytest.mark.parametrize("changes", [{"patch_size": 3}, {"num_heads": 3}])
def test_sizes_that_do_not_fit_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(InputError):
        dataclasses.replace(CONFIG, **changes)
