"""T5's encoder: a sentence as states that know their neighbours on both sides.

The published network of T5 version 1.1 (Raffel et al. 2020, "Exploring the Limits of Transfer
Learning with a Unified Text-to-Text Transformer", section 2.1; version 1.1 has the gated
feed-forwards of Shazeer 2020), frozen, as Imagen reads text (Saharia et al. 2022, section 2.1).

Notable choices: norms scale and never shift (RMS norm); attention scores are not divided by √E; one
table of biases, by the distance between two tokens in buckets that grow with it, is shared by all
layers. Nothing here depends on the padding's id: `mask` says where a sentence has tokens.

    B batch, L text tokens, D width, H heads, E width of a head
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

NORM_EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True)
class T5Config:
    """All sizes of an encoder.

    Attributes:
        vocabulary_size: Number of token ids.
        width: D.
        num_heads: H.
        head_width: E; heads together need not be as wide as D.
        hidden: Width inside the gated feed-forward.
        num_layers: Transformer layers.
        num_buckets: Buckets of distances, half of them for each direction.
        max_distance: In tokens; beyond it all distances are one.
    """

    vocabulary_size: int
    width: int
    num_heads: int
    head_width: int
    hidden: int
    num_layers: int
    num_buckets: int = 32
    max_distance: int = 128


XXL = T5Config(
    vocabulary_size=32_128, width=4096, num_heads=64, head_width=64, hidden=10_240, num_layers=24
)
"""The encoder of t5-v1_1-xxl, 4.8 billion parameters, which DeepFloyd IF reads."""


class T5Encoder(nn.Module):
    """Token ids → states."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary_size, config.width)
        self.distances = nn.Embedding(config.num_buckets, config.num_heads)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.norm_out = RMSNorm(config.width)

    def forward(self, text_ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Ids (B, L) and where they are tokens (True, (B, L); None for everywhere) → (B, L, D)."""
        place = torch.arange(text_ids.shape[1], device=text_ids.device)
        buckets = bucket(place - place[:, None], self.config)  # (L queries, L keys)
        bias = rearrange(self.distances(buckets), "q k h -> 1 h q k")  # (1, H, L, L)
        if mask is not None:
            lowest = torch.finfo(bias.dtype).min
            bias = bias.masked_fill(~mask[:, None, None, :], lowest)  # (B, H, L, L)
        x = self.tokens(text_ids)  # (B, L, D)
        for layer in self.layers:
            x = layer(x, bias)
        return self.norm_out(x)


class Layer(nn.Module):
    """Attention, then a gated feed-forward, each normed before and added after; no biases."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        inner = config.num_heads * config.head_width
        self.num_heads = config.num_heads
        self.norm_attention = RMSNorm(config.width)
        self.query = nn.Linear(config.width, inner, bias=False)
        self.key = nn.Linear(config.width, inner, bias=False)
        self.value = nn.Linear(config.width, inner, bias=False)
        self.out = nn.Linear(inner, config.width, bias=False)
        self.norm_feed_forward = RMSNorm(config.width)
        self.gate = nn.Linear(config.width, config.hidden, bias=False)
        self.up = nn.Linear(config.width, config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, L, D) → (B, L, D); `bias` (1 or B, H, L, L) is added to attention's scores."""
        normed = self.norm_attention(x)
        q, k, v = (
            rearrange(project(normed), "b l (h e) -> b h l e", h=self.num_heads)
            for project in (self.query, self.key, self.value)
        )
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)  # (B, H, L, E)
        x = x + self.out(rearrange(seen, "b h l e -> b l (h e)"))
        normed = self.norm_feed_forward(x)
        return x + self.down(F.gelu(self.gate(normed), approximate="tanh") * self.up(normed))


class RMSNorm(nn.Module):
    """Divides by the root of the mean square, in float32, and scales (Zhang and Sennrich 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) → (..., width)."""
        mean_square = x.float().square().mean(dim=-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(mean_square + NORM_EPSILON)).to(self.weight.dtype)


def bucket(distances: Tensor, config: T5Config) -> Tensor:
    """The bucket of each distance, key's place less query's, of any shape, int64.

    Of each direction's buckets the first half hold one distance each, the others ranges that grow
    to `max_distance` (Raffel et al., section 2.1).
    """
    half = config.num_buckets // 2
    num_exact = half // 2
    size = distances.abs()
    growth = (size.clamp(min=1) / num_exact).log() / math.log(config.max_distance / num_exact)
    ranged = num_exact + (growth * (half - num_exact)).long()
    inner = torch.where(size < num_exact, size, ranged.clamp(max=half - 1))
    return inner + half * (distances > 0)
