"""The conditional UNet of Stable Diffusion: noisy latents and a text in, the noise in them out.

The published network of Rombach et al. 2022 ("High-Resolution Image Synthesis with Latent Diffusion
Models", section 3.3 and appendix E.2; after Ho et al. 2020 and Dhariwal and Nichol 2021): residual
blocks that hear of the time, transformers at all but one resolution that look at the text, skips
from the way down to the way up. What it predicts (the noise, or v) is the checkpoint's affair.

One class draws them all. `STABLE_DIFFUSION_1` and `_2` are the text-to-picture networks; inpainting
reads nine channels, image variations read a picture's embedding for the text, the ×4 upscaler knows
how noisy its low-resolution picture is (`num_classes`), a latent consistency model is told the
guidance (`guidance_width`; Luo et al. 2023, section 4.1), `SDXL` the whole sentence and the
picture's sizes as well (Podell et al. 2023, section 2.2).

Notable choices: where some checkpoints have 1×1 convolutions around a transformer and others
linears, here are linears always, which is the same. Any height and width will do: the way up
follows the sizes that the way down left. Attention needs no upcasting, as it sums in float32.

    B batch, h w latents of a level, N = h·w tokens, L text tokens, C channels, D context width,
    T width of the time embedding, H heads, E width of a head
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from nonette.core.errors import InputError
from nonette.nn.attention import attention
from nonette.nn.doubling import DoublingConv
from nonette.nn.embeddings import sinusoids
from nonette.nn.gated import GEGLU
from nonette.nn.pointwise import Pointwise

TIME_EXPANSION = 4  # T is so many times the channels of the first level
NUM_SIZES = 6  # heights and widths: original, crop's top left, target
GUIDANCE_SCALE = 1000.0  # what guidance is multiplied with before it is embedded
NUM_SHALLOW = 2  # of the last blocks that are worked out where the deeper ones are kept
TRANSFORMER_NORM_EPSILON = 1e-6  # everywhere else it is 1e-5


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """All sizes of a UNet.

    Attributes:
        in_channels: Of the noisy latents and whatever is joined to them.
        out_channels: Of the prediction.
        channels: Of each level; each level but the last halves the resolution.
        num_res_blocks: Residual blocks a level on the way down; on the way up there is one more.
        transformer_layers: Transformer layers after each residual block of a level; 0 for none.
        middle_layers: Transformer layers in the middle.
        num_heads: Attention heads of each level; the middle has the last level's.
        context_width: D, of the text's states.
        num_groups: Groups of every GroupNorm.
        looks_only_out: Of each level: whether what would be self-attention looks at the text too.
        num_classes: How many classes (noise levels of the low-resolution picture) are told apart.
        guidance_width: Of the embedded guidance; None where the network is not told.
        pooled_width: Of the whole sentence's embedding, beside which the picture's sizes are told;
            None where neither is.
        size_width: Of each embedded size.
    """

    in_channels: int
    out_channels: int
    channels: tuple[int, ...]
    num_res_blocks: int
    transformer_layers: tuple[int, ...]
    middle_layers: int
    num_heads: tuple[int, ...]
    context_width: int
    num_groups: int
    looks_only_out: tuple[bool, ...]
    num_classes: int | None = None
    guidance_width: int | None = None
    pooled_width: int | None = None
    size_width: int = 256

    def __post_init__(self) -> None:
        for name in ("transformer_layers", "num_heads", "looks_only_out"):
            if len(getattr(self, name)) != len(self.channels):
                limit = f"it must have {len(self.channels)} entries, as channels has"
                raise InputError(name, getattr(self, name), limit)
        for width, num_heads in zip(self.channels, self.num_heads, strict=True):
            if width % num_heads or width % self.num_groups:
                limit = f"each must be a multiple of num_heads and of num_groups {self.num_groups}"
                raise InputError("channels", self.channels, limit)

    @property
    def time_width(self) -> int:
        """T."""
        return TIME_EXPANSION * self.channels[0]


STABLE_DIFFUSION_1 = UNetConfig(
    in_channels=4,
    out_channels=4,
    channels=(320, 640, 1280, 1280),
    num_res_blocks=2,
    transformer_layers=(1, 1, 1, 0),
    middle_layers=1,
    num_heads=(8, 8, 8, 8),
    context_width=768,
    num_groups=32,
    looks_only_out=(False,) * 4,
)
STABLE_DIFFUSION_2 = replace(STABLE_DIFFUSION_1, num_heads=(5, 10, 20, 20), context_width=1024)
UPSCALER = replace(
    STABLE_DIFFUSION_1,
    in_channels=7,
    channels=(256, 512, 512, 1024),
    transformer_layers=(0, 1, 1, 1),
    context_width=1024,
    looks_only_out=(True, True, True, False),
    num_classes=1000,
)
SDXL = replace(
    STABLE_DIFFUSION_1,
    channels=(320, 640, 1280),
    transformer_layers=(0, 2, 10),
    middle_layers=10,
    num_heads=(5, 10, 20),
    context_width=2048,
    looks_only_out=(False,) * 3,
    pooled_width=1280,
)


class UNet(nn.Module):
    """Noisy latents, their time and a text → what is to be predicted about the latents."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.channels
        self.time_embedding = TimeEmbedding(config)
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)

        before, skips = widths[0], [widths[0]]  # channels of what the way up will find
        down = []
        for level, width in enumerate(widths):
            is_last = level == len(widths) - 1
            befores = [before] + [width] * (config.num_res_blocks - 1)
            down.append(Level(config, level, befores, None if is_last else "down"))
            skips += [width] * (config.num_res_blocks + (not is_last))
            before = width
        self.down = cast(Sequence[Level], nn.ModuleList(down))

        self.middle = Middle(config)

        up = []
        for level, width in reversed(list(enumerate(widths))):
            befores = []
            for _ in range(config.num_res_blocks + 1):
                befores.append(before + skips.pop())
                before = width
            up.append(Level(config, level, befores, "up" if level else None))
        self.up = cast(Sequence[Level], nn.ModuleList(up))

        self.norm_out = nn.GroupNorm(config.num_groups, widths[0])
        self.conv_out = nn.Conv2d(widths[0], config.out_channels, 3, padding=1)

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        *,
        classes: Tensor | None = None,
        guidance: Tensor | None = None,
        pooled: Tensor | None = None,
        sizes: Tensor | None = None,
        kept: list[Tensor] | None = None,
    ) -> Tensor:
        """Predict.

        Args:
            x: Noisy latents and what is joined to them, (B, in_channels, h, w).
            timesteps: Steps of the training schedule, 0 to 999, (B,).
            context: States of the text (or an embedded picture), (B, L, D).
            classes: Class numbers, int64 (B,), where `num_classes` is set.
            guidance: Guidance scale minus one, (B,), where `guidance_width` is set.
            pooled: The whole sentence, (B, pooled_width), where that is set.
            sizes: With it, heights and widths in pixels: original, crop's top left, target, (B, 6).
            kept: An empty list takes the map that enters the last blocks; with that in it, what
                lies deeper is not worked out again (Ma et al. 2023, "DeepCache", section 3.2).

        Returns:
            (B, out_channels, h, w): the noise, or v, as the checkpoint was trained.
        """
        time = self.time_embedding(timesteps, classes, guidance, pooled, sizes)  # (B, T)
        x = self.conv_in(x)  # (B, C, h, w)
        skips = [x]
        *before_last, last = self.up
        if kept:
            for block in self.down[0].blocks[: NUM_SHALLOW - 1]:
                x = block(x, time, context)
                skips.append(x)
            (x,) = kept
        else:
            for level in self.down:
                for block in level.blocks:
                    x = block(x, time, context)
                    skips.append(x)
                if level.resample is not None:
                    x = level.resample(x)  # (B, C, h/2, w/2)
                    skips.append(x)
            x = self.middle(x, time, context)
            for level in before_last:
                for block in level.blocks:
                    x = block(torch.cat([x, skips.pop()], dim=1), time, context)
                if level.resample is not None:
                    x = level.resample(x, skips[-1].shape[2:])  # (B, C, 2·h, 2·w)
            for block in last.blocks[:-NUM_SHALLOW]:
                x = block(torch.cat([x, skips.pop()], dim=1), time, context)
            if kept is not None:
                kept.append(x)
        for block in last.blocks[-NUM_SHALLOW:]:
            x = block(torch.cat([x, skips.pop()], dim=1), time, context)
        return self.conv_out(F.silu(self.norm_out(x)))


class TimeEmbedding(nn.Module):
    """The time, and whatever else is one vector a picture, as one vector (B, T)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.time_width
        self.time = MLP(config.channels[0], width)
        if config.guidance_width is not None:
            self.guidance = nn.Linear(config.guidance_width, config.channels[0], bias=False)
        if config.num_classes is not None:
            self.classes = nn.Embedding(config.num_classes, width)
        if config.pooled_width is not None:
            self.sentence = MLP(config.pooled_width + NUM_SIZES * config.size_width, width)

    def forward(
        self,
        timesteps: Tensor,
        classes: Tensor | None,
        guidance: Tensor | None,
        pooled: Tensor | None,
        sizes: Tensor | None,
    ) -> Tensor:
        """Sum the parts that the config asks for."""
        config, dtype = self.config, self.time.linear_in.weight.dtype
        waves = sinusoids(timesteps, config.channels[0]).to(dtype)  # (B, C)
        if config.guidance_width is not None:
            assert guidance is not None, "this network wants to know the guidance"
            scaled = GUIDANCE_SCALE * guidance.float()
            embedded = sinusoids(
                scaled, config.guidance_width, is_sine_first=True, is_end_included=True
            )
            waves = waves + self.guidance(embedded.to(dtype))  # (B, C)
        time = self.time(waves)  # (B, T)
        if config.num_classes is not None:
            assert classes is not None, "this network wants classes"
            time = time + self.classes(classes)
        if config.pooled_width is not None:
            assert pooled is not None and sizes is not None, "this network wants pooled and sizes"
            waves = sinusoids(sizes.flatten(), config.size_width).to(dtype)
            waves = rearrange(waves, "(b s) w -> b (s w)", b=len(sizes))
            time = time + self.sentence(torch.cat([pooled, waves], dim=1))
        return time


class MLP(nn.Module):
    """Two linears with swish between."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.linear_in = nn.Linear(before, width)
        self.linear_out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, before) → (B, width)."""
        return self.linear_out(F.silu(self.linear_in(x)))


class Level(nn.Module):
    """The blocks at one resolution and the convolution that leaves it; the UNet calls them."""

    def __init__(
        self, config: UNetConfig, level: int, befores: Sequence[int], resample: str | None
    ) -> None:
        super().__init__()
        width = config.channels[level]
        blocks = [Block(config, level, before) for before in befores]
        self.blocks = cast(Sequence[Block], nn.ModuleList(blocks))
        self.resample: nn.Module | None = None
        if resample == "down":
            self.resample = nn.Conv2d(width, width, 3, stride=2, padding=1)
        elif resample == "up":
            self.resample = DoublingConv(width, width)


class Block(nn.Module):
    """A residual block and, where the level has one, a transformer."""

    def __init__(self, config: UNetConfig, level: int, before: int) -> None:
        super().__init__()
        width, num_layers = config.channels[level], config.transformer_layers[level]
        self.residual = ResBlock(before, width, config.time_width, config.num_groups)
        self.transformer = None
        if num_layers:
            self.transformer = Transformer(config, level, num_layers, config.looks_only_out[level])

    def forward(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """(B, before, h, w) → (B, C, h, w)."""
        x = self.residual(x, time)
        return x if self.transformer is None else self.transformer(x, context)


class Middle(nn.Module):
    """Residual block, transformer, residual block at the lowest resolution."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        last = len(config.channels) - 1
        width = config.channels[last]
        self.residual_1 = ResBlock(width, width, config.time_width, config.num_groups)
        self.transformer = Transformer(config, last, config.middle_layers, looks_only_out=False)
        self.residual_2 = ResBlock(width, width, config.time_width, config.num_groups)

    def forward(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C, h, w)."""
        return self.residual_2(self.transformer(self.residual_1(x, time), context), time)


class ResBlock(nn.Module):
    """Norm, swish, convolution, twice, the time added between; a 1×1 shortcut for a new width."""

    def __init__(self, before: int, width: int, time_width: int, num_groups: int) -> None:
        super().__init__()
        self.norm_1 = nn.GroupNorm(num_groups, before)
        self.conv_1 = nn.Conv2d(before, width, 3, padding=1)
        self.time = nn.Linear(time_width, width)
        self.norm_2 = nn.GroupNorm(num_groups, width)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(before, width, 1) if before != width else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(B, before, h, w) and (B, T) → (B, width, h, w)."""
        h = self.conv_1(F.silu(self.norm_1(x)))
        h = h + self.time(F.silu(time))[:, :, None, None]
        h = self.conv_2(F.silu(self.norm_2(h)))
        return self.shortcut(x) + h


class Transformer(nn.Module):
    """A feature map as tokens through some layers that look at the text, added to what came in."""

    def __init__(
        self, config: UNetConfig, level: int, num_layers: int, looks_only_out: bool
    ) -> None:
        super().__init__()
        width, num_heads = config.channels[level], config.num_heads[level]
        self.norm = nn.GroupNorm(config.num_groups, width, eps=TRANSFORMER_NORM_EPSILON)
        self.linear_in = Pointwise(width, width)
        self.layers = nn.ModuleList(
            TransformerLayer(width, num_heads, config.context_width, looks_only_out)
            for _ in range(num_layers)
        )
        self.linear_out = Pointwise(width, width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(B, C, h, w) and (B, L, D) → (B, C, h, w)."""
        tokens = rearrange(self.linear_in(self.norm(x)), "b c h w -> b (h w) c")  # (B, N, C)
        for layer in self.layers:
            tokens = layer(tokens, context)
        return x + self.linear_out(rearrange(tokens, "b (h w) c -> b c h w", h=x.shape[2]))


class TransformerLayer(nn.Module):
    """Attention to the tokens, attention to the text, feed-forward; normed before, added after."""

    def __init__(
        self, width: int, num_heads: int, context_width: int, looks_only_out: bool
    ) -> None:
        super().__init__()
        self.looks_only_out = looks_only_out
        self.norm_1 = nn.LayerNorm(width)
        self.attention_1 = Attention(width, num_heads, context_width if looks_only_out else width)
        self.norm_2 = nn.LayerNorm(width)
        self.attention_2 = Attention(width, num_heads, context_width)
        self.norm_3 = nn.LayerNorm(width)
        self.feed_forward = GatedFeedForward(width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(B, N, C) and (B, L, D) → (B, N, C)."""
        normed = self.norm_1(x)
        x = x + self.attention_1(normed, context if self.looks_only_out else normed)
        x = x + self.attention_2(self.norm_2(x), context)
        return x + self.feed_forward(self.norm_3(x))


class Attention(nn.Module):
    """Multi-head attention of tokens to others; only the last projection has a bias."""

    def __init__(self, width: int, num_heads: int, other_width: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(other_width, width, bias=False)
        self.value = nn.Linear(other_width, width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """(B, N, C) and (B, L, other_width) → (B, N, C)."""
        q, k, v = (
            rearrange(projected, "b n (h e) -> b h n e", h=self.num_heads)
            for projected in (self.query(x), self.key(other), self.value(other))
        )
        return self.out(rearrange(attention(q, k, v), "b h n e -> b n (h e)"))


class GatedFeedForward(nn.Module):
    """GEGLU and a linear, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.value_and_gate = GEGLU(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) → (B, N, C)."""
        return self.down(self.value_and_gate(x))
