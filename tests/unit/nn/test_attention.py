"""The fast ways of attention against the plain one, forwards and backwards."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nonette.nn import attention as ways
from nonette.nn.attention import attention, plain_attention, tiled_attention


def tensors(dtype: torch.dtype) -> list[Tensor]:
    """A query of 6 and keys and values of 5 places, two heads of width 8."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 2, 6, 8), (3, 2, 5, 8), (3, 2, 5, 8)]
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


def test_plain_attention_is_what_torch_works_out():
    query, key, value = tensors(torch.float32)
    mask = torch.ones(3, 1, 1, 5, dtype=torch.bool)
    mask[1, ..., 3:] = False
    for chosen in (mask, None):
        wanted = F.scaled_dot_product_attention(query, key, value, attn_mask=chosen)
        torch.testing.assert_close(plain_attention(query, key, value, chosen), wanted)
    wanted = F.scaled_dot_product_attention(key, key, value, is_causal=True)
    torch.testing.assert_close(plain_attention(key, key, value, is_causal=True), wanted)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_gradients_are_the_same_whichever_way_is_taken(dtype):
    given = tensors(dtype)
    attention(*given).float().square().sum().backward()
    exact = [tensor.detach().double().requires_grad_() for tensor in given]
    plain_attention(*exact).square().sum().backward()
    tolerance = 0.05 if dtype == torch.bfloat16 else 1e-5
    for ours, theirs in zip(given, exact, strict=True):
        torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("strength", [1.0, 8.0])
def test_tiles_are_attention_whether_scores_are_small_or_large(strength):
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, size, 40, generator=generator) for size in (300, 77, 77))
    query, key = query * strength, key * strength + 5  # the mean says nothing
    wanted = plain_attention(query, key, value)
    torch.testing.assert_close(tiled_attention(query, key, value), wanted, atol=1e-4, rtol=1e-4)
    halves = [one.bfloat16() for one in (query, key, value)]
    exact = plain_attention(*(one.float() for one in halves))
    apart = (tiled_attention(*halves).float() - exact).norm() / exact.norm()
    assert apart < (0.01 if strength == 1 else 0.1)


def test_scores_beyond_every_power_of_two_give_weights_of_one():
    query = torch.tensor([[300.0, 0.0], [0.0, 300.0]]).bfloat16().expand(1, 1, 2, 2)
    value = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).bfloat16().expand(1, 1, 2, 2)
    assert torch.equal(tiled_attention(query, query, value), value)


def test_tiles_are_taken_for_long_bfloat16_without_amx_and_gradients_alone(monkeypatch):
    taken = []
    monkeypatch.setattr(ways, "tiled_attention", lambda *given: taken.append(1) or given[0])
    monkeypatch.setattr(ways, "MIN_TILED_SCORES", 5 * 5)
    monkeypatch.setattr(ways, "MIN_TILED_KEYS", 5)
    monkeypatch.setattr(ways.device, "has_amx", lambda: False)
    query, key, value = tensors(torch.bfloat16)
    attention(query, key, value)
    attention(*(one.detach().float() for one in (query, key, value)))
    assert not taken
    with torch.no_grad():
        attention(query, key, value, torch.ones(6, 5, dtype=torch.bool))
        attention(query, key, value, is_causal=True)
        assert not taken
        attention(query, key, value)
        assert taken
        attention(query, key[..., :4, :], value[..., :4, :])  # too few keys
        monkeypatch.setattr(ways.device, "has_amx", lambda: True)
        attention(query, key, value)
    assert len(taken) == 1


def test_keys_are_filled_up_to_what_the_kernel_takes_at_a_time_and_count_for_nothing(monkeypatch):
    seen = []

    def fused(query, key, value, attn_mask=None, is_causal=False):
        seen.append(key.shape[-2])
        return original(query, key, value, attn_mask=attn_mask, is_causal=is_causal)

    original = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", fused)
    monkeypatch.setattr(ways, "MAX_PADDED_KEYS", 77)
    monkeypatch.setattr(ways.device, "has_amx", lambda: True)
    generator = torch.Generator().manual_seed(0)
    for num_keys, expected in ((77, 80), (64, 64), (78, 78)):
        shapes = [(2, 3, 20, 40), (2, 3, num_keys, 40), (2, 3, num_keys, 40)]
        given = [torch.randn(shape, generator=generator).bfloat16() for shape in shapes]
        given[1] = given[1] - 5  # some scores far below 0, that of a key of zeros
        exact = plain_attention(*(one.float() for one in given))
        torch.testing.assert_close(attention(*given).float(), exact, atol=0.02, rtol=0)
        assert seen.pop() == expected
