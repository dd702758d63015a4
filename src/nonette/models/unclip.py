"""unCLIP's prior, from a sentence to a CLIP picture embedding, and how its decoder hears of both.

Ramesh et al. 2022, "Hierarchical Text-Conditional Image Generation with CLIP Latents", as published
in Karlo. `Prior` (section 2.2) is a causal transformer over the text's tokens, the sentence's
embedding, the time, the noisy picture embedding and a place to answer from; it predicts the clean
embedding. `TextProjection` (section 2.1) turns both embeddings and the text's states into what the
decoder reads: the decoder itself is `pixel_unet.KARLO_DECODER`.

Notable choices: picture embeddings are diffused normalised, each component by its mean and standard
deviation over CLIP's pictures, which are weights of `Prior` (`normalise`, `denormalise`); what
stands for no picture in guidance is a weight of `TextProjection`.

    B batch, L text tokens, N tokens, D width, E CLIP's embedding, C context width, T time width,
    K extra context tokens, h heads
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from nonette.core.errors import InputError
from nonette.nn.attention import attention
from nonette.nn.embeddings import sinusoids

NUM_OTHER_TOKENS = 4  # the sentence, the time, the noisy embedding, the answer


@dataclass(frozen=True, kw_only=True)
class PriorConfig:
    """All sizes of a prior.

    Attributes:
        embedding_size: E; CLIP's text states are as wide.
        length: L.
        width: D, a multiple of `num_heads`.
        num_heads: Attention heads.
        num_layers: Transformer layers.
    """

    embedding_size: int
    length: int
    width: int
    num_heads: int
    num_layers: int

    def __post_init__(self) -> None:
        if self.width % self.num_heads:
            raise InputError(
                "width", self.width, f"it must be a multiple of num_heads {self.num_heads}"
            )


KARLO_PRIOR = PriorConfig(embedding_size=768, length=77, width=2048, num_heads=32, num_layers=20)


class Prior(nn.Module):
    """A noisy picture embedding, its time and a sentence → the clean embedding."""

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        width, size = config.width, config.embedding_size
        self.mean = nn.Parameter(torch.zeros(size))
        self.std = nn.Parameter(torch.ones(size))
        self.time_in = nn.Linear(width, width)
        self.time_out = nn.Linear(width, width)
        self.text_in = nn.Linear(size, width)
        self.sentence_in = nn.Linear(size, width)
        self.picture_in = nn.Linear(size, width)
        self.answer = nn.Parameter(torch.zeros(width))
        self.positions = nn.Parameter(torch.zeros(config.length + NUM_OTHER_TOKENS, width))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.norm_out = nn.LayerNorm(width)
        self.picture_out = nn.Linear(width, size)

    def forward(
        self, x: Tensor, timesteps: Tensor, sentence: Tensor, states: Tensor, mask: Tensor
    ) -> Tensor:
        """Predict the clean embedding.

        Args:
            x: Noisy normalised picture embeddings, (B, E).
            timesteps: Steps of the training schedule, 0 to 999, (B,).
            sentence: CLIP's sentence embeddings, not of unit length, (B, E).
            states: CLIP's last states of the text, (B, L, E).
            mask: True where the text has a token, its first one always, (B, L).

        Returns:
            Normalised picture embeddings, (B, E).
        """
        waves = sinusoids(timesteps, self.config.width).to(x.dtype)  # (B, D)
        others = [
            self.sentence_in(sentence),
            self.time_out(F.silu(self.time_in(waves))),
            self.picture_in(x),
            self.answer.expand(len(x), -1),
        ]
        tokens = torch.cat([self.text_in(states), torch.stack(others, dim=1)], dim=1)  # (B, N, D)
        tokens = tokens + self.positions
        place = torch.arange(tokens.shape[1], device=x.device)
        is_there = F.pad(mask, (0, NUM_OTHER_TOKENS), value=True)  # (B, N)
        sees = is_there[:, None, None, :] & (place[:, None] >= place)  # (B, 1, N, N)
        for layer in self.layers:
            tokens = layer(tokens, sees)
        return self.picture_out(self.norm_out(tokens[:, -1]))  # (B, E)

    def normalise(self, embedding: Tensor) -> Tensor:
        """CLIP's picture embeddings (B, E) as they are diffused."""
        return (embedding - self.mean) / self.std

    def denormalise(self, x: Tensor) -> Tensor:
        """Normalised picture embeddings (B, E) as CLIP gives them."""
        return x * self.std + self.mean


class Layer(nn.Module):
    """Attention, then a feed-forward four times as wide, each normed before and added after."""

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        width = config.width
        self.num_heads = config.num_heads
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward_in = nn.Linear(width, 4 * width)
        self.feed_forward_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Tokens (B, N, D) to the same shape; `mask` is True where a query may see a key."""
        qkv = self.query_key_value(self.norm_attention(x))  # (B, N, 3·D)
        q, k, v = rearrange(qkv, "b n (three h e) -> three b h n e", three=3, h=self.num_heads)
        seen = rearrange(attention(q, k, v, mask), "b h n e -> b n (h e)")
        x = x + self.attention_out(seen)
        hidden = F.gelu(self.feed_forward_in(self.norm_feed_forward(x)))  # (B, N, 4·D)
        return x + self.feed_forward_out(hidden)


@dataclass(frozen=True, kw_only=True)
class TextProjectionConfig:
    """All sizes of a text projection.

    Attributes:
        embedding_size: E.
        num_extra_tokens: K.
        context_width: C, the decoder's.
        time_width: T, the decoder's.
    """

    embedding_size: int
    num_extra_tokens: int
    context_width: int
    time_width: int


KARLO_TEXT_PROJECTION = TextProjectionConfig(
    embedding_size=768, num_extra_tokens=4, context_width=1536, time_width=1280
)


class TextProjection(nn.Module):
    """Embeddings of a picture and a sentence, and the text's states → the decoder's context."""

    def __init__(self, config: TextProjectionConfig) -> None:
        super().__init__()
        self.config = config
        size, width = config.embedding_size, config.context_width
        self.no_picture = nn.Parameter(torch.zeros(size))
        self.sentence_to_time = nn.Linear(size, config.time_width)
        self.picture_to_time = nn.Linear(size, config.time_width)
        self.picture_to_tokens = nn.Linear(size, config.num_extra_tokens * width)
        self.states_to_tokens = nn.Linear(size, width)
        self.norm_tokens = nn.LayerNorm(width)

    def forward(
        self, picture: Tensor | None, sentence: Tensor, states: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the decoder is told.

        Args:
            picture: CLIP's picture embeddings, not of unit length, (B, E); None for no picture, as
                guidance needs.
            sentence: CLIP's sentence embeddings, not of unit length, (B, E).
            states: CLIP's last states of the text, (B, L, E).

        Returns:
            The context (B, K + L, C), of whose tokens the first K are always there, and what is
            added to the decoder's time (B, T).
        """
        if picture is None:
            picture = self.no_picture.expand(len(sentence), -1)
        vector = self.picture_to_time(picture) + self.sentence_to_time(sentence)  # (B, T)
        extra = rearrange(
            self.picture_to_tokens(picture), "b (c k) -> b k c", k=self.config.num_extra_tokens
        )  # the tokens alternate in the weights, as published
        tokens = self.norm_tokens(self.states_to_tokens(states))  # (B, L, C)
        return torch.cat([extra, tokens], dim=1), vector
