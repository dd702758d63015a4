"""Packed linears against plain ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nonette.nn import packed

needs_onednn = pytest.mark.skipif(not packed.can_pack(), reason="torch was built without oneDNN")


def make(is_biased: bool = False) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(48, 40, bias=is_biased).requires_grad_(False)


def rows(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 48, generator=torch.Generator().manual_seed(count))


@needs_onednn
@pytest.mark.parametrize("is_biased", [False, True])
@pytest.mark.parametrize("count", [1, 6, 21])
def test_in_float32_it_is_the_linear(count: int, is_biased: bool) -> None:
    linear = make(is_biased)
    torch.testing.assert_close(packed.PackedLinear(linear)(rows(count)), linear(rows(count)))


@needs_onednn
def test_in_bfloat16_it_rounds_to_bfloat16_and_no_further() -> None:
    linear = make()
    rounded = nn.Linear(48, 40, bias=False)
    rounded.load_state_dict({"weight": linear.weight.bfloat16().float()})
    x = rows(6).bfloat16().float()
    got = packed.PackedLinear(linear.bfloat16())(x)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, rounded(x).detach(), rtol=2**-8, atol=1e-4)


@needs_onednn
def test_all_linears_inside_are_packed_and_their_weights_let_go() -> None:
    network = nn.Sequential(make(), nn.ModuleDict({"inner": nn.Sequential(nn.Linear(40, 8))}))
    network.requires_grad_(False)
    expected = network[1]["inner"](network[0](rows(2)))
    packed.pack(network)
    assert not list(network.parameters())
    got = network[1]["inner"](network[0](rows(2)))
    torch.testing.assert_close(got, expected)
