"""Attention, worked out whichever way is faster where it runs; the plain way is the oracle.

B batch, H heads, N queries, L keys, E width of a head
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_PLAIN_SCORES = 320 * 320  # N · L up to which plain products beat the fused backward on a CPU


def attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, is_causal: bool = False
) -> Tensor:
    """softmax(query · keyᵀ / √E) · value.

    torch's fused attention has a backward pass in bfloat16 that takes three to five times as long
    on a CPU as that of the products it stands for, while sequences are short. Without a backward
    pass it is the fastest way there is at every shape of `benchmarks/bench_attention.py`.

    Args:
        query: (B, H, N, E).
        key: (B, H, L, E).
        value: (B, H, L, E).
        mask: Boolean, broadcast to (B, H, N, L): which keys a query sees; None for all.
        is_causal: Whether query n sees the keys up to n only; then there must be no mask.

    Returns:
        (B, H, N, E).
    """
    is_trained = torch.is_grad_enabled() and query.requires_grad
    is_short = query.shape[-2] * key.shape[-2] <= MAX_PLAIN_SCORES
    if is_trained and is_short and query.dtype == torch.bfloat16 and query.device.type == "cpu":
        return plain_attention(query, key, value, mask, is_causal)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=is_causal)


def plain_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, is_causal: bool = False
) -> Tensor:
    """`attention` by two products and a softmax in float32; all scores are held at once."""
    assert mask is None or not is_causal, "a causal mask and another one"
    if is_causal:
        shape = (query.shape[-2], key.shape[-2])
        mask = torch.ones(shape, dtype=torch.bool, device=query.device).tril()
    scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-2, -1)  # (B, H, N, L)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.float().softmax(dim=-1).to(value.dtype) @ value
