"""The fast ways of attention against the plain one, forwards and backwards."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nonette.nn.attention import attention, plain_attention


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
