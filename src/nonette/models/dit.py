"""Our diffusion transformer: noisy latents, a text and what is known of the picture in, a flow out.

A transformer over the latents that attends to the words in the same attention, as Esser et al. 2024
("Scaling rectified flow transformers", section 4) have it; but the words are read once, by layers
of their own, and only looked at afterwards, with the weights that look at the latents: a third of
the work less, in training and at every step of a drawing. Time reaches every layer as shift, scale
and gate (Peebles and Xie 2023, "Scalable diffusion models with transformers", section 3.2), worked
out once and varied by a small table a layer (Chen et al. 2023, "PixArt-α", section 2.3). Queries
and keys are normed (Dehghani et al. 2023, section 2.1), feed-forwards gated (Shazeer 2020,
"SwiGLU").

It predicts the velocity eps - x0 of a straight path at time t, or its average over a stretch of
length `step` back towards the picture: a distilled model takes long steps (Frans et al. 2024, "One
step diffusion via shortcut models", section 3), and knows the guidance it was distilled with.
Inpainting is not another network: a mask and the latents around it are inputs always, all masked
where nothing is known.

Words come padded to a fixed length and padding is attended to like any word, so there is no
attention mask and a picture's numbers do not depend on its neighbours' words. It knows no
tokenizer, sampling, guidance or pictures.

    B batch, L text tokens, h w latents, P patch size, N = (h / P)·(w / P) tokens of the picture,
    C latent channels, D width, H heads, E width of a head
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from nonette.core.errors import InputError
from nonette.nn.attention import attention
from nonette.nn.embeddings import sinusoids

NORM_EPSILON = 1e-6
TIME_SCALE = 1000.0  # what times and steps in 0 to 1 are multiplied with before they are embedded
GUIDANCE_SCALE = 100.0
NUM_MODULATIONS = 6  # shift, scale and gate of attention and of the feed-forward


@dataclass(frozen=True, kw_only=True)
class DiTConfig:
    """The sizes of a `DiT`.

    Attributes:
        text_vocab_size: Rows of the text embedding.
        text_length: L.
        grid_size: h and w.
        latent_channels: C.
        patch_size: P; divides `grid_size`.
        width: D; divisible by `num_heads`.
        num_heads: H.
        hidden: Width inside the feed-forwards.
        num_text_layers: Layers that read the text.
        num_layers: Layers of the picture.
        condition_width: Width inside the embedding of time, step and guidance.
        init_std: Standard deviation of fresh embeddings and positions.
    """

    text_vocab_size: int
    text_length: int
    grid_size: int
    latent_channels: int
    patch_size: int
    width: int
    num_heads: int
    hidden: int
    num_text_layers: int
    num_layers: int
    condition_width: int
    init_std: float = 0.02

    def __post_init__(self) -> None:
        if self.grid_size % self.patch_size:
            limit = f"it must be a multiple of patch_size {self.patch_size}"
            raise InputError("grid_size", self.grid_size, limit)
        if self.width % (2 * self.num_heads) or self.condition_width % 2:
            limit = f"it must be a multiple of twice num_heads {self.num_heads}"
            raise InputError("width", self.width, limit)


class DiT(nn.Module):
    """Noisy latents, time, words and the known surroundings → the velocity of the latents."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        width, patch = config.width, config.patch_size
        self.words = nn.Embedding(config.text_vocab_size, width)
        self.word_positions = nn.Parameter(torch.empty(config.text_length, width))
        self.text_layers = _layers(config, config.num_text_layers)
        self.conv_in = nn.Conv2d(2 * config.latent_channels + 1, width, patch, stride=patch)
        self.positions = nn.Parameter(torch.empty((config.grid_size // patch) ** 2, width))
        self.condition = Condition(config)
        self.layers = _layers(config, config.num_layers)
        self.last_table = nn.Parameter(torch.zeros(2, width))
        self.head = nn.Linear(width, config.latent_channels * patch**2)
        for parameter in (self.words.weight, self.word_positions, self.positions):
            nn.init.normal_(parameter, std=config.init_std)
        nn.init.zeros_(self.head.weight)  # no velocity at first
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        text: Tensor,
        mask: Tensor,
        known: Tensor,
        step: Tensor | None = None,
        guidance: Tensor | None = None,
    ) -> Tensor:
        """Predict the velocity.

        Args:
            x: (1 - t) x0 + t eps, (B, C, h, w).
            time: t in 0 to 1, (B,).
            text: What `read` made of the words, (B, L, D).
            mask: 1 where the picture is to be drawn, 0 where it is known, (B, 1, h, w).
            known: The latents of the known picture, 0 where it is masked, (B, C, h, w).
            step: Length of the stretch that the velocity is averaged over, in time, (B,); None for
                0, the velocity at t itself.
            guidance: Scale minus one that the answer is to hold already, (B,); None for 0.

        Returns:
            (B, C, h, w).
        """
        nothing = torch.zeros_like(time)
        condition = self.condition(
            time, nothing if step is None else step, nothing if guidance is None else guidance
        )  # (B, 6, D)
        tokens = self.conv_in(torch.cat([x, mask, known], dim=1))  # (B, D, h/P, w/P)
        tokens = rearrange(tokens, "b d h w -> b (h w) d") + self.positions  # (B, N, D)
        text = _norm(text.to(tokens))
        for layer in self.layers:
            tokens = layer(tokens, condition, text)
        shift, scale = (condition[:, :2] + self.last_table).chunk(2, dim=1)  # (B, 1, D) each
        last = _norm(tokens) * (1 + scale) + shift  # (B, N, D)
        side, patch = self.config.grid_size // self.config.patch_size, self.config.patch_size
        return rearrange(
            self.head(last), "b (h w) (c i j) -> b c (h i) (w j)", h=side, i=patch, j=patch
        )

    def read(self, text_ids: Tensor) -> Tensor:
        """Text ids (B, L) → what `forward` wants of them, (B, L, D); the same at every step."""
        x = self.words(text_ids) + self.word_positions
        still = x.new_zeros(len(x), NUM_MODULATIONS, self.config.width)
        for layer in self.text_layers:
            x = layer(x, still)
        return x


class Condition(nn.Module):
    """Time, step and guidance as what every layer varies."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.width, inner = config.width, config.condition_width
        self.inner = inner
        self.time = nn.Linear(inner, inner)
        self.step = nn.Linear(inner, inner, bias=False)
        self.guidance = nn.Linear(inner, inner, bias=False)
        self.middle = nn.Linear(inner, inner)
        self.head = nn.Linear(inner, NUM_MODULATIONS * config.width)
        for late in (self.step, self.guidance, self.head):  # learned when there is a use for them
            nn.init.zeros_(late.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, time: Tensor, step: Tensor, guidance: Tensor) -> Tensor:
        """Three numbers a picture, (B,) each, → (B, 6, D)."""
        joined = (
            self.time(self._embed(time * TIME_SCALE))
            + self.step(self._apart(step * TIME_SCALE))
            + self.guidance(self._apart(guidance * GUIDANCE_SCALE))
        )  # (B, inner)
        varied = self.head(F.silu(self.middle(F.silu(joined))))
        return rearrange(varied, "b (m d) -> b m d", m=NUM_MODULATIONS)

    def _embed(self, values: Tensor) -> Tensor:
        return sinusoids(values, self.inner).to(self.time.weight.dtype)

    def _apart(self, values: Tensor) -> Tensor:
        """What tells values from 0, which teaches nothing: a student starts as its teacher."""
        return self._embed(values) - self._embed(torch.zeros_like(values))


class Layer(nn.Module):
    """Attention and a gated feed-forward, each shifted, scaled and gated by the condition."""

    def __init__(self, config: DiTConfig, gate: float) -> None:
        super().__init__()
        width = config.width
        self.num_heads = config.num_heads
        table = torch.zeros(NUM_MODULATIONS, width)
        table[2::3] = gate
        self.table = nn.Parameter(table)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.query_scale = nn.Parameter(torch.ones(width // config.num_heads))
        self.key_scale = nn.Parameter(torch.ones(width // config.num_heads))
        self.out = nn.Linear(width, width, bias=False)
        self.gate_and_up = nn.Linear(width, 2 * config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, width, bias=False)

    def forward(self, x: Tensor, condition: Tensor, text: Tensor | None = None) -> Tensor:
        """Tokens (B, T, D), the condition (B, 6, D) and normed words (B, L, D) → (B, T, D)."""
        varied = (condition + self.table).to(x)  # (B, 6, D)
        shift, scale, gate, shift_2, scale_2, gate_2 = varied.chunk(6, dim=1)  # (B, 1, D) each
        x = x + gate * self._attend(_norm(x) * (1 + scale) + shift, text)
        return x + gate_2 * self._feed(_norm(x) * (1 + scale_2) + shift_2)

    def _attend(self, x: Tensor, text: Tensor | None) -> Tensor:
        query, key, value = self._heads(self.query_key_value(x), 3)  # (B, H, T, E) each
        if text is not None:
            weight = self.query_key_value.weight[x.shape[-1] :]  # of keys and values
            text_key, text_value = self._heads(F.linear(text, weight), 2)  # (B, H, L, E) each
            key = torch.cat([text_key, key], dim=2)  # (B, H, L + T, E)
            value = torch.cat([text_value, value], dim=2)
        query = _norm(query) * self.query_scale.to(query)
        key = _norm(key) * self.key_scale.to(key)
        return self.out(rearrange(attention(query, key, value), "b h t e -> b t (h e)"))

    def _heads(self, joined: Tensor, parts: int) -> Tensor:
        return rearrange(joined, "b t (p h e) -> p b h t e", p=parts, h=self.num_heads)

    def _feed(self, x: Tensor) -> Tensor:
        gate, up = self.gate_and_up(x).chunk(2, dim=-1)  # (B, T, hidden) each
        return self.down(F.silu(gate) * up)


def _layers(config: DiTConfig, number: int) -> Sequence[Layer]:
    """Layers whose branches begin so that the stream's variance stays about 1."""
    gate = 1 / math.sqrt(2 * max(1, number))
    return cast(Sequence[Layer], nn.ModuleList(Layer(config, gate) for _ in range(number)))


def _norm(x: Tensor) -> Tensor:
    """Root-mean-square norm without a scale; Zhang and Sennrich 2019."""
    return F.rms_norm(x, x.shape[-1:], eps=NORM_EPSILON)
