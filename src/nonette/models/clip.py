"""CLIP: a picture and a sentence as two unit vectors whose cosine says how well they fit.

The published towers exactly (Radford et al. 2021, "Learning Transferable Visual Models From Natural
Language Supervision", section 2.4; sizes in its tables 19 and 20): a pre-norm vision transformer
read at its class token, and a causal text transformer read at the end-of-text token. `VIT_B_32` and
`VIT_L_14` are OpenAI's, `VIT_H_14` and `VIT_BIGG_14` OpenCLIP's (Cherti et al. 2023, "Reproducible
Scaling Laws for Contrastive Language-Image Learning", and its code's model configs).

`TextEncoder` and `ImageEncoder` are one tower alone, for networks that look at every token of a
text (Stable Diffusion, unCLIP) or are told of a picture.

Notable choices: three switches make the small towers that we train ourselves on little compute.
`stem_channels` puts 3×3 convolutions of stride 2 before the patches (Xiao et al. 2021, "Early
Convolutions Help Transformers See Better"; off in the published towers); `is_causal` off lets words
see what follows; the normalisation of pixels belongs to the config, so callers give pictures in
[-1, 1] like to every other network here. Whatever follows the first end token never matters:
causality or a mask hides it, so any padding will do.

What it does not know: words (it takes ids), resizing (pictures come at `image.size`), and losses.

Shapes: B batch, C channels, H, W pixels, N image tokens (class token first), L text tokens, D width
of a tower, E size of the shared embedding, h heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from nonette.core.errors import InputError
from nonette.nn.attention import attention

INITIAL_LOGIT_SCALE = math.log(1 / 0.07)  # section 2.5: temperature 0.07


def _check_heads(width: int, num_heads: int) -> None:
    """A width must split evenly into heads."""
    if width % num_heads:
        raise InputError("width", width, f"it must be a multiple of num_heads {num_heads}")


@dataclass(frozen=True, kw_only=True)
class ImageTowerConfig:
    """The picture's side.

    Attributes:
        size: Height and width of a picture in pixels, a multiple of `patch_size`.
        patch_size: Pixels a side of what becomes one token.
        width: Channels of a token, a multiple of `num_heads`.
        num_layers: Transformer blocks.
        num_heads: Attention heads.
        hidden: Width inside the feed-forwards; None for four times `width`.
        stem_channels: Output channels of the 3×3 stride-2 convolutions before the patches; () for
            none. Their common stride, 2 ** len, must divide `patch_size`.
        mean: Of each colour in [0, 1]; pixels are normalised as (x - mean) / std.
        std: Of each colour in [0, 1].
    """

    size: int
    patch_size: int
    width: int
    num_layers: int
    num_heads: int
    stem_channels: tuple[int, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    hidden: int | None = None

    def __post_init__(self) -> None:
        if self.patch_size % 2 ** len(self.stem_channels):
            limit = f"a stem of stride {2 ** len(self.stem_channels)} must divide it"
            raise InputError("patch_size", self.patch_size, limit)
        if self.size % self.patch_size:
            raise InputError(
                "size", self.size, f"it must be a multiple of patch_size {self.patch_size}"
            )
        _check_heads(self.width, self.num_heads)


@dataclass(frozen=True, kw_only=True)
class TextTowerConfig:
    """The sentence's side.

    Attributes:
        vocabulary_size: Number of token ids.
        length: Longest sentence in tokens, start and end included; shorter rows are allowed.
        width: Channels of a token, a multiple of `num_heads`.
        num_layers: Transformer blocks.
        num_heads: Attention heads.
        end_token: Id at whose first occurrence the sentence is read.
        is_causal: Whether a token sees only itself and what precedes it.
    """

    vocabulary_size: int
    length: int
    width: int
    num_layers: int
    num_heads: int
    end_token: int
    is_causal: bool

    def __post_init__(self) -> None:
        _check_heads(self.width, self.num_heads)


@dataclass(frozen=True, kw_only=True)
class CLIPConfig:
    """Both towers, the size E of their shared embedding, the activation of their feed-forwards."""

    image: ImageTowerConfig
    text: TextTowerConfig
    embedding_size: int
    activation: Literal["quick_gelu", "gelu"]


OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)

VIT_B_32 = CLIPConfig(
    image=ImageTowerConfig(
        size=224,
        patch_size=32,
        width=768,
        num_layers=12,
        num_heads=12,
        stem_channels=(),
        mean=OPENAI_MEAN,
        std=OPENAI_STD,
    ),
    text=TextTowerConfig(
        vocabulary_size=49_408,
        length=77,
        width=512,
        num_layers=12,
        num_heads=8,
        end_token=49_407,
        is_causal=True,
    ),
    embedding_size=512,
    activation="quick_gelu",
)

VIT_L_14 = CLIPConfig(
    image=ImageTowerConfig(
        size=224,
        patch_size=14,
        width=1024,
        num_layers=24,
        num_heads=16,
        stem_channels=(),
        mean=OPENAI_MEAN,
        std=OPENAI_STD,
    ),
    text=TextTowerConfig(
        vocabulary_size=49_408,
        length=77,
        width=768,
        num_layers=12,
        num_heads=12,
        end_token=49_407,
        is_causal=True,
    ),
    embedding_size=768,
    activation="quick_gelu",
)
VIT_H_14 = CLIPConfig(
    image=replace(VIT_L_14.image, width=1280, num_layers=32),
    text=replace(VIT_L_14.text, width=1024, num_layers=24, num_heads=16),
    embedding_size=1024,
    activation="gelu",
)
VIT_BIGG_14 = CLIPConfig(
    image=replace(VIT_L_14.image, width=1664, num_layers=48, hidden=8192),
    text=replace(VIT_L_14.text, width=1280, num_layers=32, num_heads=20),
    embedding_size=1280,
    activation="gelu",
)


class CLIP(nn.Module):
    """Two towers into one space of E dimensions, and the learned sharpness of their comparison."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.image_tower = ImageTower(config.image, config.embedding_size, config.activation)
        self.text_tower = TextTower(config.text, config.embedding_size, config.activation)
        self.logit_scale = nn.Parameter(
            torch.tensor(INITIAL_LOGIT_SCALE)
        )  # the logarithm of 1 / temperature

    def forward(self, pixels: Tensor, text_ids: Tensor) -> Tensor:
        """Logits (B pictures, B' sentences): cosines times `exp(logit_scale)`."""
        pictures = self.encode_image(pixels)  # (B, E)
        sentences = self.encode_text(text_ids)  # (B', E)
        return self.logit_scale.exp() * pictures @ sentences.T  # (B, B')

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Pictures (B, 3, size, size) in [-1, 1] as unit vectors (B, E)."""
        return F.normalize(self.image_tower(pixels), dim=-1)

    def encode_text(self, text_ids: Tensor) -> Tensor:
        """Sentences, ids (B, L) with L at most `text.length`, as unit vectors (B, E)."""
        return F.normalize(self.text_tower(text_ids), dim=-1)


@dataclass(frozen=True, kw_only=True)
class TextEncoderConfig:
    """A text tower alone.

    Attributes:
        text: The tower.
        embedding_size: E, of the projected vectors; None where there is no projection.
        activation: Of the feed-forwards.
        reads: Which states of the tokens are given: the last block's, normed, or those before it.
    """

    text: TextTowerConfig
    embedding_size: int | None
    activation: Literal["quick_gelu", "gelu"]
    reads: Literal["last", "penultimate"]


class TextEncoder(nn.Module):
    """Sentences as states of every token and one vector each."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.text_tower = TextTower(config.text, config.embedding_size, config.activation)

    def forward(self, text_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Ids (B, L) as states (B, L, D) and vectors of any length (B, E), or (B, D)."""
        penultimate, last, vectors = self.text_tower.read(text_ids)
        return (last if self.config.reads == "last" else penultimate), vectors


@dataclass(frozen=True, kw_only=True)
class ImageEncoderConfig:
    """An image tower alone, the size E of its vectors and its feed-forwards' activation."""

    image: ImageTowerConfig
    embedding_size: int
    activation: Literal["quick_gelu", "gelu"]


class ImageEncoder(nn.Module):
    """Pictures as one vector each."""

    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.image_tower = ImageTower(config.image, config.embedding_size, config.activation)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pictures (B, 3, size, size) in [-1, 1] as vectors (B, E) of any length."""
        return self.image_tower(pixels)


class ImageTower(nn.Module):
    """A vision transformer (Dosovitskiy et al. 2021), normed first, read at the class token."""

    def __init__(self, config: ImageTowerConfig, embedding_size: int, activation: str) -> None:
        super().__init__()
        self.config = config
        channels = (3, *config.stem_channels)
        self.stem = nn.ModuleList(
            nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1)
            for before, after in zip(channels, config.stem_channels, strict=False)
        )
        patch = config.patch_size // 2 ** len(config.stem_channels)
        self.patches = nn.Conv2d(
            channels[-1], config.width, kernel_size=patch, stride=patch, bias=False
        )
        num_tokens = 1 + (config.size // config.patch_size) ** 2
        self.class_token = nn.Parameter(torch.empty(config.width))
        self.positions = nn.Parameter(torch.empty(num_tokens, config.width))
        self.norm_before = nn.LayerNorm(config.width)
        self.blocks = nn.ModuleList(
            Block(config.width, config.num_heads, activation, config.num_layers, config.hidden)
            for _ in range(config.num_layers)
        )
        self.norm_after = nn.LayerNorm(config.width)
        self.projection = nn.Linear(config.width, embedding_size, bias=False)
        nn.init.normal_(self.class_token, std=config.width**-0.5)
        nn.init.normal_(self.positions, std=config.width**-0.5)
        nn.init.normal_(self.projection.weight, std=config.width**-0.5)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pictures (B, 3, size, size) in [-1, 1] as vectors (B, E) of any length."""
        mean = pixels.new_tensor(self.config.mean).view(3, 1, 1)
        std = pixels.new_tensor(self.config.std).view(3, 1, 1)
        x = ((pixels + 1) / 2 - mean) / std  # (B, 3, H, W)
        for convolution in self.stem:
            x = F.gelu(convolution(x))  # (B, C, H/2, W/2) each time
        x = rearrange(self.patches(x), "b d h w -> b (h w) d")  # (B, N-1, D)
        class_token = self.class_token.expand(x.shape[0], 1, -1)
        x = torch.cat([class_token, x], dim=1) + self.positions  # (B, N, D)
        x = self.norm_before(x)
        for block in self.blocks:
            x = block(x, mask=None)  # (B, N, D)
        return self.projection(self.norm_after(x[:, 0]))  # (B, E)


class TextTower(nn.Module):
    """A transformer over token ids, read at the first end token; without a size, unprojected."""

    def __init__(
        self, config: TextTowerConfig, embedding_size: int | None, activation: str
    ) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary_size, config.width)
        self.positions = nn.Parameter(torch.empty(config.length, config.width))
        self.blocks = nn.ModuleList(
            Block(config.width, config.num_heads, activation, config.num_layers)
            for _ in range(config.num_layers)
        )
        self.norm_after = nn.LayerNorm(config.width)
        self.projection = None
        if embedding_size is not None:
            self.projection = nn.Linear(config.width, embedding_size, bias=False)
            nn.init.normal_(self.projection.weight, std=config.width**-0.5)
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.positions, std=0.01)

    def forward(self, text_ids: Tensor) -> Tensor:
        """Sentences, ids (B, L), as vectors (B, E); a row without an end is read at its last."""
        return self.read(text_ids)[2]

    def read(self, text_ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What there is to know of sentences, ids (B, L).

        Returns:
            The tokens before the last block (B, L, D), the tokens after it, normed (B, L, D), and
            the vectors (B, E), or (B, D) where there is no projection.
        """
        num_tokens = text_ids.shape[1]
        place = torch.arange(num_tokens, device=text_ids.device)
        ends = torch.where(text_ids == self.config.end_token, place, num_tokens - 1).amin(
            dim=1
        )  # (B,)
        if self.config.is_causal:
            mask = place[:, None] >= place[None, :]  # (L, L), True where a row may look
        else:
            mask = (place <= ends[:, None])[:, None, None, :]  # (B, 1, 1, L)
        x = self.tokens(text_ids) + self.positions[:num_tokens]  # (B, L, D)
        before = x
        for block in self.blocks:
            before, x = x, block(x, mask)  # (B, L, D)
        tokens = self.norm_after(x)
        vectors = tokens[torch.arange(len(x), device=x.device), ends]  # (B, D)
        if self.projection is not None:
            vectors = self.projection(vectors)  # (B, E)
        return before, tokens, vectors


class Block(nn.Module):
    """Attention, then a feed-forward, each normed before and added after."""

    def __init__(
        self,
        width: int,
        num_heads: int,
        activation: str,
        num_layers: int,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        hidden = hidden or 4 * width
        self.num_heads = num_heads
        self.activation = activation
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward_in = nn.Linear(width, hidden)
        self.feed_forward_out = nn.Linear(hidden, width)
        self._initialise(width, num_layers)

    def _initialise(self, width: int, num_layers: int) -> None:
        """Normal weights, narrower where they add to the residual stream, as published."""
        residual_std = width**-0.5 * (2 * num_layers) ** -0.5
        nn.init.normal_(self.query_key_value.weight, std=width**-0.5)
        nn.init.normal_(self.attention_out.weight, std=residual_std)
        nn.init.normal_(self.feed_forward_in.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(self.feed_forward_out.weight, std=residual_std)
        nn.init.zeros_(self.query_key_value.bias)
        nn.init.zeros_(self.attention_out.bias)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Tokens (B, N, D) to the same shape; `mask` is True where a query may see a key."""
        qkv = self.query_key_value(self.norm_attention(x))  # (B, N, 3 D)
        q, k, v = rearrange(qkv, "b n (three h d) -> three b h n d", three=3, h=self.num_heads)
        seen = attention(q, k, v, mask)  # (B, h, N, D/h)
        x = x + self.attention_out(rearrange(seen, "b h n d -> b n (h d)"))
        hidden = self.feed_forward_in(self.norm_feed_forward(x))  # (B, N, 4 D)
        hidden = (
            hidden * torch.sigmoid(1.702 * hidden)
            if self.activation == "quick_gelu"
            else F.gelu(hidden)
        )
        return x + self.feed_forward_out(hidden)
