"""The KL autoencoder: a picture as a small grid of continuous latents, and back.

The first stage of latent diffusion (Rombach et al. 2022, "High-Resolution Image Synthesis with
Latent Diffusion Models", section 3.1 and appendix G; the layers are those of Esser et al. 2021) as
published for Stable Diffusion: residual blocks, one single-head attention at the lowest resolution,
nearest-neighbour upsampling, every norm with an epsilon of 1e-6. `STABLE_DIFFUSION` shrinks a side
eight times, `UPSCALER` four times.

Notable choices: latents leave and enter scaled to about unit variance, as diffusion wants them, so
nobody else knows the factor. One addition, off in the published configs: `patch_size` folds square
patches of pixels into channels before the first convolution and unfolds them after the last, so
that a small model spends nothing at full resolution. Encoder and decoder are `encoder` and
`decoder` with their 1×1 convolutions beside them, so either half can be used alone. Losses, and the
adversary that training needs, live elsewhere.

    B batch, H W pixels, h w latents, C channels, D latent channels
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from nonette.core.errors import InputError
from nonette.nn.attention import attention
from nonette.nn.doubling import DoublingConv

NORM_EPSILON = 1e-6
MAX_STRIPE = 2**18  # places of a map that are worked on at once, of one picture without gradients
LOG_VARIANCE_RANGE = (-30.0, 20.0)  # what the encoder may say, as published


@dataclass(frozen=True, kw_only=True)
class AutoencoderKLConfig:
    """All sizes of a KL autoencoder.

    Attributes:
        patch_size: Pixels folded into channels on each side; 1 as published.
        channels: Of each level; each level but the last halves the resolution.
        num_res_blocks: Residual blocks a level in the encoder; the decoder has one more.
        latent_channels: D.
        num_groups: Groups of every GroupNorm; must divide all of `channels`.
        scale: What latents are multiplied with, to be of about unit variance.
    """

    patch_size: int
    channels: tuple[int, ...]
    num_res_blocks: int
    latent_channels: int
    num_groups: int
    scale: float

    def __post_init__(self) -> None:
        if any(width % self.num_groups for width in self.channels):
            limit = f"each must be a multiple of num_groups {self.num_groups}"
            raise InputError("channels", self.channels, limit)

    @property
    def downsampling(self) -> int:
        """Pixels a latent spans on each side."""
        return int(self.patch_size * 2 ** (len(self.channels) - 1))


STABLE_DIFFUSION = AutoencoderKLConfig(
    patch_size=1,
    channels=(128, 256, 512, 512),
    num_res_blocks=2,
    latent_channels=4,
    num_groups=32,
    scale=0.18215,
)
"""Stable Diffusion 1 and 2: f8, 83.65 million parameters; SDXL's differs in `scale` (0.13025)."""

UPSCALER = AutoencoderKLConfig(
    patch_size=1,
    channels=(128, 256, 512),
    num_res_blocks=2,
    latent_channels=4,
    num_groups=32,
    scale=0.08333,
)
"""The ×4 upscaler's: f4."""


class AutoencoderKL(nn.Module):
    """Pictures in [-1, 1] ↔ latents of about unit variance."""

    def __init__(self, config: AutoencoderKLConfig) -> None:
        super().__init__()
        self.config = config
        d = config.latent_channels
        self.encoder = Encoder(config)
        self.quant_conv = nn.Conv2d(2 * d, 2 * d, 1)
        self.post_quant_conv = nn.Conv2d(d, d, 1)
        self.decoder = Decoder(config)

    def forward(self, pixels: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct pictures, as training does.

        Args:
            pixels: (B, 3, H, W) in [-1, 1]; H and W multiples of `downsampling`.
            noise: Standard normal, (B, D, h, w), for a sample of the latents; None for their mean.

        Returns:
            The reconstruction (B, 3, H, W) in about [-1, 1], and the mean and the logarithm of the
            variance of the unscaled latents, (B, D, h, w) each, for the KL divergence.
        """
        mean, log_variance = self.moments(pixels)  # (B, D, h, w) each
        return self.decode(self._scaled(mean, log_variance, noise)), mean, log_variance

    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        """Scaled latents (B, D, h, w) of pictures; `noise` as in `forward`."""
        mean, log_variance = self.moments(pixels)
        return self._scaled(mean, log_variance, noise)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in about [-1, 1] of scaled latents (B, D, h, w)."""
        unscaled = latents / self.config.scale
        folded = self.decoder(self.post_quant_conv(unscaled))  # (B, 3·patch², H/patch, W/patch)
        return F.pixel_shuffle(folded, self.config.patch_size)

    def moments(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the unscaled latents, (B, D, h, w) each."""
        folded = F.pixel_unshuffle(pixels, self.config.patch_size)  # (B, 3·patch², ...)
        mean, log_variance = self.quant_conv(self.encoder(folded)).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def _scaled(self, mean: Tensor, log_variance: Tensor, noise: Tensor | None) -> Tensor:
        latents = mean if noise is None else mean + (log_variance / 2).exp() * noise
        return latents * self.config.scale


class Encoder(nn.Module):
    """Folded pixels (B, 3·patch², H/patch, W/patch) → moments (B, 2·D, h, w)."""

    def __init__(self, config: AutoencoderKLConfig) -> None:
        super().__init__()
        groups = config.num_groups
        first, last = config.channels[0], config.channels[-1]
        self.conv_in = nn.Conv2d(3 * config.patch_size**2, first, 3, padding=1)
        befores = (first, *config.channels[:-1])
        self.down = nn.ModuleList()
        for level, (before, width) in enumerate(zip(befores, config.channels, strict=True)):
            resample = "down" if level < len(config.channels) - 1 else None
            self.down.append(Level(before, width, config.num_res_blocks, groups, resample))
        self.mid = Middle(last, groups)
        self.norm_out = _norm(last, groups)
        self.conv_out = nn.Conv2d(last, 2 * config.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Encode folded pixels."""
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        x = self.mid(x)
        return _in_stripes(_activation(self.norm_out, x), self.conv_out, x)


class Decoder(nn.Module):
    """Unscaled latents (B, D, h, w) → folded pixels (B, 3·patch², H/patch, W/patch)."""

    def __init__(self, config: AutoencoderKLConfig) -> None:
        super().__init__()
        groups = config.num_groups
        widths = config.channels[::-1]
        self.conv_in = nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.mid = Middle(widths[0], groups)
        befores = (widths[0], *widths[:-1])
        self.up = nn.ModuleList()
        for level, (before, width) in enumerate(zip(befores, widths, strict=True)):
            resample = "up" if level < len(widths) - 1 else None
            self.up.append(Level(before, width, config.num_res_blocks + 1, groups, resample))
        self.norm_out = _norm(widths[-1], groups)
        self.conv_out = nn.Conv2d(widths[-1], 3 * config.patch_size**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Decode unscaled latents into folded pixels."""
        x = self.mid(self.conv_in(x))
        for level in self.up:
            x = level(x)
        return _in_stripes(_activation(self.norm_out, x), self.conv_out, x)


class Level(nn.Module):
    """The blocks at one resolution, then half or double it (`resample` "down", "up" or None)."""

    def __init__(
        self, before: int, width: int, num_blocks: int, num_groups: int, resample: str | None
    ) -> None:
        super().__init__()
        widths_in = [before] + [width] * (num_blocks - 1)
        self.blocks = nn.ModuleList(ResBlock(one, width, num_groups) for one in widths_in)
        self.resample = resample
        if resample == "down":
            self.conv = nn.Conv2d(width, width, 3, stride=2)
        elif resample == "up":
            self.conv = DoublingConv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, h, w) → (B, width, h', w')."""
        for block in self.blocks:
            x = block(x)
        if self.resample == "down":
            return self.conv(F.pad(x, (0, 1, 0, 1)))  # on the right and below only, as published
        if self.resample == "up":
            return _in_stripes(nn.Identity(), self.conv, x, factor=2)
        return x


class Middle(nn.Module):
    """Block, attention, block at the lowest resolution."""

    def __init__(self, width: int, num_groups: int) -> None:
        super().__init__()
        self.block_1 = ResBlock(width, width, num_groups)
        self.attention = Attention(width, num_groups)
        self.block_2 = ResBlock(width, width, num_groups)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C, h, w)."""
        return self.block_2(self.attention(self.block_1(x)))


class ResBlock(nn.Module):
    """Norm, swish, convolution, twice; a 1×1 shortcut where the width changes."""

    def __init__(self, before: int, width: int, num_groups: int) -> None:
        super().__init__()
        self.norm_1 = _norm(before, num_groups)
        self.conv_1 = nn.Conv2d(before, width, 3, padding=1)
        self.norm_2 = _norm(width, num_groups)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(before, width, 1) if before != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, h, w) → (B, width, h, w)."""
        h = _in_stripes(_activation(self.norm_1, x), self.conv_1, x)
        h = _in_stripes(_activation(self.norm_2, h), self.conv_2, h)
        return self.shortcut(x) + h


class Attention(nn.Module):
    """Single-head self-attention over a feature map."""

    def __init__(self, width: int, num_groups: int) -> None:
        super().__init__()
        self.norm = _norm(width, num_groups)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C, h, w)."""
        tokens = rearrange(self.norm(x), "b c h w -> b 1 (h w) c")
        seen = attention(self.query(tokens), self.key(tokens), self.value(tokens))
        seen = self.out(seen)  # (B, 1, h·w, C)
        return x + rearrange(seen, "b 1 (h w) c -> b c h w", h=x.shape[2])


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """From the unscaled latents' normal distribution to the standard one, in nats a picture, (B,).

    Rombach et al., appendix G.
    """
    terms = mean.square() + log_variance.exp() - 1 - log_variance  # (B, D, h, w)
    return terms.flatten(1).sum(1) / 2


def _norm(width: int, num_groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(num_groups, width, eps=NORM_EPSILON)


def _is_long(x: Tensor, factor: int = 1) -> bool:
    """Whether a map (B, C, h, w), enlarged so many times a side, is worked on in stripes."""
    num_places = x.shape[2] * x.shape[3] * factor**2
    return len(x) == 1 and num_places > MAX_STRIPE and not torch.is_grad_enabled()


def _in_stripes(
    before: Callable[[Tensor], Tensor], conv: nn.Conv2d, x: Tensor, factor: int = 1
) -> Tensor:
    """A 3×3 convolution of `before(x)` that makes `factor` rows and columns of each."""
    height, width = x.shape[2:]
    if not _is_long(x, factor):
        return conv(before(x))
    num_rows = max(1, MAX_STRIPE // (width * factor**2))
    form = torch.contiguous_format
    if x.is_contiguous(memory_format=torch.channels_last):
        form = torch.channels_last
    shape = (1, conv.out_channels, factor * height, factor * width)
    whole = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=form)
    for top in range(0, height, num_rows):
        bottom = min(height, top + num_rows)
        above, below = min(1, top), min(1, height - bottom)  # rows of the neighbours
        stripe = conv(before(x[:, :, top - above : bottom + below]))  # and what they see beyond
        stripe = stripe[:, :, factor * above : stripe.shape[2] - factor * below]
        whole[:, :, factor * top : factor * bottom] = stripe
    return whole


def _activation(norm: nn.GroupNorm, x: Tensor) -> Callable[[Tensor], Tensor]:
    """Norm and swish of a whole map x or, where that is long, of any of its rows."""
    if not _is_long(x):
        return lambda rows: F.silu(norm(rows))
    num_rows = max(1, MAX_STRIPE // x.shape[3])
    sums = torch.zeros(2, norm.num_groups, dtype=torch.float64, device=x.device)
    for rows in x.split(num_rows, dim=2):
        groups = rearrange(rows.float(), "1 (g c) h w -> g (c h w)", g=norm.num_groups)
        sums += torch.stack([groups.sum(1), groups.square().sum(1)])
    mean, square = sums / (x.numel() // norm.num_groups)
    variance = square - mean.square()
    each = x.shape[1] // norm.num_groups
    mean, variance = (one.float().repeat_interleave(each) for one in (mean, variance))  # (C,)
    scale, shift = norm.weight.float(), norm.bias.float()
    return lambda rows: F.silu(
        F.batch_norm(rows, mean, variance, scale, shift, eps=norm.eps), inplace=True
    )
