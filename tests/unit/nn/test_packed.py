"""Packed linears against plain ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nonette.nn import packed
from nonette.nn.doubling import DoublingConv
from nonette.nn.gated import GEGLU

needs_onednn = pytest.mark.skipif(not packed.can_pack(), reason="torch was built without oneDNN")


def make(is_biased: bool = False) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(48, 40, bias=is_biased).requires_grad_(False)


def stand_in(layer: nn.Module) -> nn.Module:
    """What `pack` puts in the place of a layer."""
    holder = nn.Sequential(layer)
    packed.pack(holder)
    return holder[0]


def rows(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 48, generator=torch.Generator().manual_seed(count))


@needs_onednn
@pytest.mark.parametrize("is_biased", [False, True])
@pytest.mark.parametrize("count", [1, 6, 21])
def test_in_float32_it_is_the_linear(count: int, is_biased: bool) -> None:
    linear = make(is_biased)
    torch.testing.assert_close(stand_in(linear)(rows(count)), linear(rows(count)))


@needs_onednn
def test_in_bfloat16_it_rounds_to_bfloat16_and_no_further() -> None:
    linear = make()
    rounded = nn.Linear(48, 40, bias=False)
    rounded.load_state_dict({"weight": linear.weight.bfloat16().float()})
    x = rows(6).bfloat16().float()
    got = stand_in(linear.bfloat16())(x)
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


@needs_onednn
@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "kind", [{"kernel_size": 1}, {"kernel_size": 3, "padding": 1}, {"kernel_size": 3, "stride": 2}]
)
def test_a_packed_convolution_is_the_convolution(
    kind: dict[str, int], dtype: torch.dtype, form: torch.memory_format
) -> None:
    conv = nn.Conv2d(24, 40, **kind).requires_grad_(False).to(dtype).to(memory_format=form)
    x = torch.randn(2, 24, 9, 8, generator=torch.Generator().manual_seed(0))
    x = x.to(dtype).to(memory_format=form)
    packed_conv = stand_in(conv)
    assert type(packed_conv) is not nn.Conv2d and not list(packed_conv.parameters())
    torch.testing.assert_close(packed_conv(x), conv(x))


@needs_onednn
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_packed_gate_is_the_gate(dtype: torch.dtype) -> None:
    gate = GEGLU(48, 40).requires_grad_(False)
    x = rows(6)
    expected = gate(x)
    got = stand_in(gate.to(dtype))(x)
    assert got.dtype == torch.float32
    exact = dtype == torch.float32
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 if exact else 2e-2)


@needs_onednn
@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_packed_doubling_is_the_convolution_of_the_doubled_map(
    dtype: torch.dtype, form: torch.memory_format
) -> None:
    conv = DoublingConv(24, 40).requires_grad_(False)
    x = torch.randn(2, 24, 5, 4, generator=torch.Generator().manual_seed(0))
    expected = conv(x)
    got = stand_in(conv.to(dtype).to(memory_format=form))(x.to(memory_format=form))
    assert got.dtype == torch.float32 and got.shape == (2, 40, 10, 8)
    exact = dtype == torch.float32
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 if exact else 3e-2)


@needs_onednn
def test_a_doubling_stays_where_sizes_may_be_odd() -> None:
    layer = nn.Sequential(DoublingConv(24, 40))
    packed.pack(layer, doubles=False)
    assert layer[0](torch.zeros(1, 24, 3, 3), (5, 6)).shape == (1, 40, 5, 6)
