"""The UNet that draws pixels: unCLIP's decoder and upsamplers, and Imagen's cascade.

The network of Dhariwal and Nichol 2021 ("Diffusion Models Beat GANs on Image Synthesis", section 3)
as text-to-picture systems took it up: residual blocks that also halve and double, attention of the
feature map to itself and to a text at once (Nichol et al. 2021, "GLIDE", section 3.1), and a way to
hear of the text as one vector beside the time.

One class draws them all. `KARLO_DECODER` and `KARLO_UPSAMPLER` are the published unCLIP (Ramesh et
al. 2022, section 2.1) of Karlo; the second has no attention and no text. `IF_XL` is the first stage
of DeepFloyd IF, the open Imagen (Saharia et al. 2022, section 2): it reads T5's states, pools them
into the time, uses GELU throughout and divides the sum after every residual block.

Notable choices: all layers are linears and 3×3 or 1×1 convolutions, so `ResBlock` and `Attention`
hold every difference between the systems as switches of the config. The UNet of Stable Diffusion is
another one (`unet.py`): it has transformers where this has single attentions.

    B batch, h w pixels of a level, N = h·w tokens, L text tokens, C channels, D context width,
    T width of the time embedding, H heads, E width of a head, P patch size
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from nonette.core.errors import InputError
from nonette.nn.attention import attention
from nonette.nn.doubling import DoublingConv
from nonette.nn.embeddings import sinusoids

TIME_EXPANSION = 4  # T is so many times the channels of the first level


@dataclass(frozen=True, kw_only=True)
class PixelUNetConfig:
    """All sizes and switches of a pixel UNet.

    Attributes:
        in_channels: Of the noisy picture and whatever is joined to it.
        out_channels: Of the prediction; twice the picture's where the variance is learned.
        channels: Of each level; each level but the last halves the resolution.
        num_res_blocks: Residual blocks of each level on the way down; one more on the way up.
        has_attention: Of each level: whether attention follows each residual block.
        has_middle_attention: Whether attention stands in the middle.
        head_width: E.
        num_groups: Groups of every GroupNorm.
        activation: Everywhere.
        context_width: D, of what attention looks at beside the picture; None for nothing.
        text_width: Of the text's states, where they are projected to D; None where they are D wide.
        num_pool_heads: Heads of the attention that pools the text into the time; None for no such.
        normalises_context: Whether every attention normalises the text for itself.
        looks_only_at_text: Whether attention leaves the picture itself out.
        scales_with_time: Whether the time scales and shifts features, or is only added.
        is_time_activated_once: Whether the time is activated once for all, or in every block.
        residual_divisor: What the sum after a residual block is divided by.
        told: What else is told as one vector: nothing, a vector T wide that is added to the time,
            or the noise level of the low-resolution picture.
        patch_size: Pixels folded into channels on each side before the first convolution and
            unfolded after the last, so that a small network spends nothing at full resolution
            (Hoogeboom et al. 2023, "Simple Diffusion"); 1 as published.
    """

    in_channels: int
    out_channels: int
    channels: tuple[int, ...]
    num_res_blocks: tuple[int, ...]
    has_attention: tuple[bool, ...]
    has_middle_attention: bool
    head_width: int
    num_groups: int
    activation: Literal["silu", "gelu"]
    context_width: int | None
    text_width: int | None
    num_pool_heads: int | None
    normalises_context: bool
    looks_only_at_text: bool
    scales_with_time: bool
    is_time_activated_once: bool
    residual_divisor: float
    told: Literal["nothing", "vector", "noise_level"]
    patch_size: int = 1

    def __post_init__(self) -> None:
        for name in ("num_res_blocks", "has_attention"):
            if len(getattr(self, name)) != len(self.channels):
                limit = f"it must have {len(self.channels)} entries, as channels has"
                raise InputError(name, getattr(self, name), limit)
        if any(width % self.num_groups for width in self.channels):
            limit = f"each must be a multiple of num_groups {self.num_groups}"
            raise InputError("channels", self.channels, limit)
        attended = [c for c, has in zip(self.channels, self.has_attention, strict=True) if has]
        if any(width % self.head_width for width in attended):
            limit = f"those with attention must be multiples of head_width {self.head_width}"
            raise InputError("channels", self.channels, limit)
        has_any = any(self.has_attention) or self.has_middle_attention
        if has_any and self.context_width is None:
            raise InputError("context_width", None, "attention needs it")
        if self.text_width is None and self.num_pool_heads is not None:
            raise InputError("num_pool_heads", self.num_pool_heads, "pooling needs text_width")

    @property
    def time_width(self) -> int:
        """T."""
        return TIME_EXPANSION * self.channels[0]

    @property
    def side_step(self) -> int:
        """Pixels that every picture's sides must be a multiple of."""
        return int(self.patch_size * 2 ** (len(self.channels) - 1))


KARLO_DECODER = PixelUNetConfig(
    in_channels=3,
    out_channels=6,
    channels=(320, 640, 960, 1280),
    num_res_blocks=(3, 3, 3, 3),
    has_attention=(False, True, True, True),
    has_middle_attention=True,
    head_width=64,
    num_groups=32,
    activation="silu",
    context_width=1536,
    text_width=None,
    num_pool_heads=None,
    normalises_context=False,
    looks_only_at_text=False,
    scales_with_time=True,
    is_time_activated_once=False,
    residual_divisor=1.0,
    told="vector",
)
"""64×64 pixels, with learned variance."""

KARLO_UPSAMPLER = replace(
    KARLO_DECODER,
    in_channels=6,
    out_channels=3,
    has_attention=(False,) * 4,
    has_middle_attention=False,
    context_width=None,
    scales_with_time=False,
    told="nothing",
)
"""64 → 256 pixels; under other weights it is the last step as well."""

IF_XL = replace(
    KARLO_DECODER,
    channels=(704, 1408, 2112, 2816),
    activation="gelu",
    context_width=2816,
    text_width=4096,
    num_pool_heads=64,
    normalises_context=True,
    is_time_activated_once=True,
    residual_divisor=1.414,
    told="nothing",
)
"""DeepFloyd IF's first stage at 64×64 pixels, 4.3 billion parameters."""


class PixelUNet(nn.Module):
    """A noisy picture, its time and a text → what is to be predicted about the picture."""

    def __init__(self, config: PixelUNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.channels
        self.time = MLP(config, widths[0])
        if config.told == "noise_level":
            self.noise_level = MLP(config, widths[0])
        if config.num_pool_heads is not None:
            self.text_pool = TextPool(config)
        if config.text_width is not None and config.context_width is not None:
            self.context = nn.Linear(config.text_width, config.context_width)
        in_channels = config.in_channels * config.patch_size**2
        self.conv_in = nn.Conv2d(in_channels, widths[0], 3, padding=1)

        before, skips = widths[0], [widths[0]]  # channels of what the way up will find
        down = []
        for level, width in enumerate(widths):
            is_last = level == len(widths) - 1
            befores = [before] + [width] * (config.num_res_blocks[level] - 1)
            down.append(Level(config, level, befores, None if is_last else "down"))
            skips += [width] * (config.num_res_blocks[level] + (not is_last))
            before = width
        self.down = cast(Sequence[Level], nn.ModuleList(down))

        self.middle = Middle(config)

        up = []
        for level, width in reversed(list(enumerate(widths))):
            befores = []
            for _ in range(config.num_res_blocks[level] + 1):
                befores.append(before + skips.pop())
                before = width
            up.append(Level(config, level, befores, "up" if level else None))
        self.up = cast(Sequence[Level], nn.ModuleList(up))

        self.norm_out = nn.GroupNorm(config.num_groups, widths[0])
        out_channels = config.out_channels * config.patch_size**2
        self.conv_out = nn.Conv2d(widths[0], out_channels, 3, padding=1)

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        vector: Tensor | None = None,
        noise_level: Tensor | None = None,
    ) -> Tensor:
        """Predict.

        Args:
            x: A noisy picture in about [-1, 1] and what is joined to it, (B, in_channels, h, w);
                sides are multiples of `side_step`.
            timesteps: Steps of the training schedule, 0 to 999, (B,).
            context: The text's states, (B, L, text_width or D), where there is attention.
            mask: True where the text has a token, (B, L); None where it always has.
            vector: Added to the time, (B, T), where `told` is "vector".
            noise_level: 0 to 999, (B,), where `told` is "noise_level".

        Returns:
            (B, out_channels, h, w).
        """
        time, context = self._tell(timesteps, context, vector, noise_level)  # (B, T), (B, L, D)
        x = self.conv_in(F.pixel_unshuffle(x, self.config.patch_size))  # (B, C, h/P, w/P)
        skips = [x]
        for level in self.down:
            for block in level.blocks:
                x = block(x, time, context, mask)
                skips.append(x)
            if level.resample is not None:
                x = level.resample(x, time)  # (B, C, h/2, w/2)
                skips.append(x)
        x = self.middle(x, time, context, mask)
        for level in self.up:
            for block in level.blocks:
                x = block(torch.cat([x, skips.pop()], dim=1), time, context, mask)
            if level.resample is not None:
                x = level.resample(x, time)  # (B, C, 2·h, 2·w)
        patches = self.conv_out(_activate(self.norm_out(x), self.config))
        return F.pixel_shuffle(patches, self.config.patch_size)

    def _tell(
        self,
        timesteps: Tensor,
        context: Tensor | None,
        vector: Tensor | None,
        noise_level: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """The time with whatever is one vector added, and the text as attention wants it."""
        config, dtype = self.config, self.norm_out.weight.dtype
        time = self.time(sinusoids(timesteps, config.channels[0]).to(dtype))  # (B, T)
        if config.told == "vector":
            assert vector is not None, "this network wants a vector"
            time = time + vector
        if config.told == "noise_level":
            assert noise_level is not None, "this network wants a noise level"
            waves = sinusoids(noise_level, config.channels[0]).to(dtype)
            time = time + self.noise_level(waves)
        if config.context_width is not None:
            assert context is not None, "this network wants a text"
            if config.num_pool_heads is not None:
                time = time + self.text_pool(context)
            if config.text_width is not None:
                context = self.context(context)  # (B, L, D)
        return (_activate(time, config) if config.is_time_activated_once else time), context


class MLP(nn.Module):
    """Two linears with an activation between, to the width of the time."""

    def __init__(self, config: PixelUNetConfig, before: int) -> None:
        super().__init__()
        self.config = config
        self.linear_in = nn.Linear(before, config.time_width)
        self.linear_out = nn.Linear(config.time_width, config.time_width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, before) → (B, T)."""
        return self.linear_out(_activate(self.linear_in(x), self.config))


class TextPool(nn.Module):
    """The text's states as one vector: their mean, and where it stands, looks at all of them."""

    def __init__(self, config: PixelUNetConfig) -> None:
        super().__init__()
        assert config.text_width is not None and config.num_pool_heads is not None
        width = config.text_width
        self.num_heads = config.num_pool_heads
        self.norm_in = nn.LayerNorm(width)
        self.position = nn.Parameter(torch.zeros(width))
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, config.time_width)
        self.norm_out = nn.LayerNorm(config.time_width)

    def forward(self, context: Tensor) -> Tensor:
        """(B, L, text_width) → (B, T)."""
        tokens = self.norm_in(context)
        mean = tokens.mean(dim=1, keepdim=True) + self.position  # (B, 1, text_width)
        tokens = torch.cat([mean, tokens], dim=1)  # (B, 1 + L, text_width)
        q, k, v = (
            rearrange(projected, "b l (h e) -> b h l e", h=self.num_heads)
            for projected in (self.query(mean), self.key(tokens), self.value(tokens))
        )
        pooled = rearrange(attention(q, k, v), "b h 1 e -> b (h e)")
        return self.norm_out(self.out(pooled))


class Level(nn.Module):
    """The blocks at one resolution and the block that leaves it; the UNet calls them."""

    def __init__(
        self,
        config: PixelUNetConfig,
        level: int,
        befores: Sequence[int],
        resample: Literal["down", "up"] | None,
    ) -> None:
        super().__init__()
        width = config.channels[level]
        blocks = [Block(config, before, width, config.has_attention[level]) for before in befores]
        self.blocks = cast(Sequence[Block], nn.ModuleList(blocks))
        self.resample = ResBlock(config, width, width, resample) if resample else None


class Block(nn.Module):
    """A residual block and, where the level has it, attention."""

    def __init__(
        self, config: PixelUNetConfig, before: int, width: int, has_attention: bool
    ) -> None:
        super().__init__()
        self.residual = ResBlock(config, before, width)
        self.attention = Attention(config, width) if has_attention else None

    def forward(
        self, x: Tensor, time: Tensor, context: Tensor | None, mask: Tensor | None
    ) -> Tensor:
        """(B, before, h, w) → (B, C, h, w)."""
        x = self.residual(x, time)
        return x if self.attention is None else self.attention(x, context, mask)


class Middle(nn.Module):
    """Residual block, attention where there is any, residual block at the lowest resolution."""

    def __init__(self, config: PixelUNetConfig) -> None:
        super().__init__()
        width = config.channels[-1]
        self.residual_1 = ResBlock(config, width, width)
        self.attention = Attention(config, width) if config.has_middle_attention else None
        self.residual_2 = ResBlock(config, width, width)

    def forward(
        self, x: Tensor, time: Tensor, context: Tensor | None, mask: Tensor | None
    ) -> Tensor:
        """(B, C, h, w) → (B, C, h, w)."""
        x = self.residual_1(x, time)
        if self.attention is not None:
            x = self.attention(x, context, mask)
        return self.residual_2(x, time)


class ResBlock(nn.Module):
    """Norm, activation, convolution, twice, the time in between; may halve or double the size."""

    def __init__(
        self,
        config: PixelUNetConfig,
        before: int,
        width: int,
        resample: Literal["down", "up"] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.resample = resample
        self.norm_1 = nn.GroupNorm(config.num_groups, before)
        doubles = resample == "up"
        self.conv_1 = (
            DoublingConv(before, width) if doubles else nn.Conv2d(before, width, 3, padding=1)
        )
        self.time = nn.Linear(config.time_width, 2 * width if config.scales_with_time else width)
        self.norm_2 = nn.GroupNorm(config.num_groups, width)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(before, width, 1) if before != width else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(B, before, h, w) and (B, T) → (B, width, h', w')."""
        config = self.config
        h = _activate(self.norm_1(x), config)
        if self.resample == "down":
            x, h = F.avg_pool2d(x, 2), F.avg_pool2d(h, 2)
        if self.resample == "up":
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        h = self.conv_1(h)  # which doubles, too, where it has to
        told = self.time(time if config.is_time_activated_once else _activate(time, config))
        if config.scales_with_time:
            scale, shift = told[:, :, None, None].chunk(2, dim=1)  # (B, width, 1, 1) each
            h = self.norm_2(h) * (1 + scale) + shift
        else:
            h = self.norm_2(h + told[:, :, None, None])
        h = self.conv_2(_activate(h, config))
        return (self.shortcut(x) + h) / config.residual_divisor


class Attention(nn.Module):
    """Attention of a feature map to a text and to itself at once, added to what came in."""

    def __init__(self, config: PixelUNetConfig, width: int) -> None:
        super().__init__()
        assert config.context_width is not None
        context_width = config.context_width
        self.num_heads = width // config.head_width
        self.looks_only_at_text = config.looks_only_at_text
        self.norm = nn.GroupNorm(config.num_groups, width)
        self.norm_context = None
        if config.normalises_context:
            self.norm_context = nn.GroupNorm(config.num_groups, context_width)
        self.query = nn.Linear(width, width)
        if not config.looks_only_at_text:
            self.key = nn.Linear(width, width)
            self.value = nn.Linear(width, width)
        self.text_key = nn.Linear(context_width, width)
        self.text_value = nn.Linear(context_width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, h, w), a text (B, L, D) and where it has tokens (B, L) → (B, C, h, w)."""
        if self.norm_context is not None:
            context = self.norm_context(context.transpose(1, 2)).transpose(1, 2)
        tokens = rearrange(self.norm(x), "b c h w -> b (h w) c")  # (B, N, C)
        keys, values = self.text_key(context), self.text_value(context)  # (B, L, C)
        if not self.looks_only_at_text:
            keys = torch.cat([keys, self.key(tokens)], dim=1)  # (B, L + N, C)
            values = torch.cat([values, self.value(tokens)], dim=1)
        if mask is not None:
            num_pixels = keys.shape[1] - mask.shape[1]
            mask = F.pad(mask, (0, num_pixels), value=True)[:, None, None, :]  # (B, 1, 1, L + N)
        q, k, v = (
            rearrange(projected, "b n (h e) -> b h n e", h=self.num_heads)
            for projected in (self.query(tokens), keys, values)
        )
        seen = rearrange(attention(q, k, v, mask), "b h n e -> b n (h e)")
        return x + rearrange(self.out(seen), "b (h w) c -> b c h w", h=x.shape[2])


def _activate(x: Tensor, config: PixelUNetConfig) -> Tensor:
    return F.silu(x) if config.activation == "silu" else F.gelu(x)
