"""Attention, worked out whichever way is faster where it runs; the plain way is the oracle.

B batch, H heads, N queries, L keys, E width of a head
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nonette.nn import device

MAX_PLAIN_SCORES = 320 * 320  # N · L up to which plain products beat the fused backward on a CPU
MIN_TILED_SCORES = 256 * 256  # N · L from which tiles beat the fused kernel on a CPU without AMX
MIN_TILED_KEYS = 256  # L, as well: few keys leave its tiles half empty
TILE_SCORES = 256 * 4096  # of so many queries at a time that their scores stay in a core's cache
MOST_POWER = 100.0  # of 2: sums of so large and so small weights are float32's without care
ALIGNMENT = 8  # a product's columns come in as many
KEY_STEP = 16  # keys that the fused kernel takes at a time; what is left over it takes one by one
MAX_PADDED_KEYS = 1024  # up to which copying them costs nothing beside that


def attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, is_causal: bool = False
) -> Tensor:
    """softmax(query · keyᵀ / √E) · value.

    torch's fused attention is slow on a CPU in bfloat16 in three places. Its backward pass takes
    three to five times as long as that of the products it stands for, while sequences are short.
    On a processor that multiplies bfloat16 without AMX it reaches a sixth of the rate of large
    products, and tiles half of it. And of 77 keys, as CLIP's texts have, those beyond the 64th take
    as long as the rest, so they are filled up (`benchmarks/bench_attention.py`).

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
    num_scores = query.shape[-2] * key.shape[-2]
    # who traces has attention of its own to put in place of torch's
    is_traced = torch.jit.is_tracing()  # type: ignore[attr-defined]
    if query.dtype == torch.bfloat16 and query.device.type == "cpu" and not is_traced:
        if is_trained and num_scores <= MAX_PLAIN_SCORES:
            return plain_attention(query, key, value, mask, is_causal)
        if mask is None and not is_causal and not is_trained:
            is_large = num_scores >= MIN_TILED_SCORES and key.shape[-2] >= MIN_TILED_KEYS
            if is_large and not device.has_amx():
                return tiled_attention(query, key, value)
            if key.shape[-2] <= MAX_PADDED_KEYS:
                key, value, mask = _filled_up(key, value)
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


def tiled_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """`attention` to all keys by products of so few queries at a time that scores stay in cache.

    Softmax does not change if all of a query's scores do by the same, so keys are taken relative to
    their mean, as in SageAttention (Zhang et al. 2024, section 4.2): scores become smaller, and
    their rounding with them. Where no score of a head can be large (Cauchy and Schwarz), a weight
    is 2 to the power of its score, without the pass that looks for the largest; a column of ones
    beside the values sums up the weights. In-place, so there are no gradients.
    """
    width = query.shape[-1]
    spread = key - key.mean(dim=-2, keepdim=True, dtype=torch.float32)
    keys = (spread * (math.log2(math.e) / math.sqrt(width))).to(key.dtype)  # scores in powers of 2
    bounds = (_longest(query) * _longest(keys)).flatten().tolist()  # of each head's scores
    columns = math.ceil((width + 1) / ALIGNMENT) * ALIGNMENT
    values = F.pad(value, (0, columns - width), value=1.0)  # (B, H, L, E and ones)
    sums = query.new_empty(*query.shape[:-1], columns)
    tile_rows = max(1, TILE_SCORES // key.shape[-2])
    heads = zip(bounds, *(one.flatten(0, 1) for one in (query, keys, values, sums)), strict=True)
    for bound, own_query, own_keys, own_values, own_sums in heads:
        for tile, out in zip(own_query.split(tile_rows), own_sums.split(tile_rows), strict=True):
            scores = tile @ own_keys.T  # (rows, L)
            if bound <= MOST_POWER:
                weights = scores.exp2_()
            else:
                weights = scores.mul_(math.log(2)).softmax(dim=-1)
            torch.mm(weights, own_values, out=out)
    return sums[..., :width] / sums[..., width : width + 1]


def _filled_up(key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """Keys and values (B, H, L, E) with zeros up to a multiple of `KEY_STEP`, and their mask."""
    length = key.shape[-2]
    more = -length % KEY_STEP
    if more == 0:
        return key, value, None
    is_key = torch.arange(length + more, device=key.device) < length
    return F.pad(key, (0, 0, 0, more)), F.pad(value, (0, 0, 0, more)), is_key[None, None, None]


def _longest(vectors: Tensor) -> Tensor:
    """The length of the longest vector of each head, float32, (B, H)."""
    return vectors.float().norm(dim=-1).amax(dim=-1)
