"""VQGAN: a picture as a grid of codes from one learned codebook, and back.

The architecture of Esser et al., "Taming Transformers for High-Resolution Image Synthesis" (2021),
appendix A and table 7, as published for f16-16384: residual blocks, attention at one resolution,
nearest-neighbour upsampling. One addition, off in the published config: `patch_size` folds square
patches of pixels into channels before the first convolution and unfolds them after the last, so
that a small model spends nothing at full resolution. Adversary, losses and codebook upkeep live in
`training/objectives/vqgan.py`.

B batch, H W pixels, h w codes, C channels, D code dimensions, K codebook size
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from nonette.nn.doubling import DoublingConv


@dataclass(frozen=True, kw_only=True)
class VQGANConfig:
    """All sizes of a VQGAN.

    Attributes:
        resolution: Native height and width in pixels.
        patch_size: Pixels folded into channels on each side; 1 as published.
        channels: Channels of the first level.
        channel_multipliers: One a level; each level but the last halves the resolution.
        num_res_blocks: Residual blocks a level in the encoder; the decoder has one more.
        attention_resolutions: Feature-map heights at which a level's blocks are followed by
            attention.
        num_groups: Groups of every GroupNorm.
        z_channels: Channels between encoder and quantiser, and quantiser and decoder.
        code_dim: Dimensions of a code vector.
        codebook_size: Number of codes.
        pixel_range: What a picture of [-1, 1] is mapped to inside: (-1, 1), or (0, 1) as DALL·E
            mini's weights want.
        has_encoder: Whether pictures can be read as well as painted; some copies hold no encoder.
    """

    resolution: int
    patch_size: int
    channels: int
    channel_multipliers: tuple[int, ...]
    num_res_blocks: int
    attention_resolutions: tuple[int, ...]
    num_groups: int
    z_channels: int
    code_dim: int
    codebook_size: int
    pixel_range: tuple[float, float] = (-1.0, 1.0)
    has_encoder: bool = True

    @property
    def downsampling(self) -> int:
        """Pixels a code spans on each side."""
        return int(self.patch_size * 2 ** (len(self.channel_multipliers) - 1))

    @property
    def grid_size(self) -> int:
        """Codes on each side of a native picture."""
        return self.resolution // self.downsampling


F16_16384 = VQGANConfig(
    resolution=256,
    patch_size=1,
    channels=128,
    channel_multipliers=(1, 1, 2, 2, 4),
    num_res_blocks=2,
    attention_resolutions=(16,),
    num_groups=32,
    z_channels=256,
    code_dim=256,
    codebook_size=16384,
    pixel_range=(0.0, 1.0),
)
"""The published ImageNet model (f16, 16,384 codes); the pixel range is DALL·E mini's."""


class VQGAN(nn.Module):
    """Pictures in [-1, 1] ↔ grids of codes."""

    def __init__(self, config: VQGANConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config) if config.has_encoder else None
        self.quant_conv = (
            nn.Conv2d(config.z_channels, config.code_dim, 1) if config.has_encoder else None
        )
        self.codebook = nn.Embedding(config.codebook_size, config.code_dim)
        self.post_quant_conv = nn.Conv2d(config.code_dim, config.z_channels, 1)
        self.decoder = Decoder(config)
        nn.init.uniform_(self.codebook.weight, -1 / config.codebook_size, 1 / config.codebook_size)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct pictures with gradients passed straight through the quantiser.

        Args:
            pixels: (B, 3, H, W) in [-1, 1].

        Returns:
            The reconstruction (B, 3, H, W) in about [-1, 1], the continuous latents (B, D, h, w)
            and the codes (B, h, w).
        """
        latents = self.latents(pixels)  # (B, D, h, w)
        codes = self.nearest(latents)  # (B, h, w)
        quantised = self.embed(codes)  # (B, D, h, w)
        passed = latents + (quantised - latents).detach()
        return self.decode(passed), latents, codes

    def encode(self, pixels: Tensor) -> Tensor:
        """Codes (B, h, w), int64, of pictures (B, 3, H, W) in [-1, 1]."""
        return self.nearest(self.latents(pixels))

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Pictures (B, 3, H, W), clipped to [-1, 1], of codes (B, h, w)."""
        return self.decode(self.embed(codes)).clamp(-1, 1)

    def latents(self, pixels: Tensor) -> Tensor:
        """Continuous latents (B, D, h, w) before quantising.

        Raises:
            ValueError: It has no encoder.
        """
        if self.encoder is None or self.quant_conv is None:
            raise ValueError("this VQGAN has no encoder: it paints pictures and cannot read any")
        low, high = self.config.pixel_range
        inner = (pixels + 1) * ((high - low) / 2) + low
        return self.quant_conv(self.encoder(F.pixel_unshuffle(inner, self.config.patch_size)))

    def nearest(self, latents: Tensor) -> Tensor:
        """The nearest code (B, h, w) of each latent (B, D, h, w), by Euclidean distance."""
        flat = rearrange(latents, "b d h w -> (b h w) d")
        table = self.codebook.weight  # (K, D)
        offsets = table.square().sum(1) / -2
        scores = torch.addmm(offsets, flat, table.T)  # (B·h·w, K): -distance² / 2 + const
        return scores.argmax(1).view(latents.shape[0], *latents.shape[2:])

    def embed(self, codes: Tensor) -> Tensor:
        """Code vectors (B, D, h, w) of codes (B, h, w)."""
        return rearrange(self.codebook(codes), "b h w d -> b d h w")

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in about [-1, 1] of latents (B, D, h, w)."""
        low, high = self.config.pixel_range
        inner = F.pixel_shuffle(self.decoder(self.post_quant_conv(latents)), self.config.patch_size)
        return (inner - low) * (2 / (high - low)) - 1


class Encoder(nn.Module):
    """Folded pixels (B, 3·patch², H/patch, W/patch) → (B, z_channels, h, w)."""

    def __init__(self, config: VQGANConfig) -> None:
        super().__init__()
        widths = [config.channels * multiplier for multiplier in config.channel_multipliers]
        size = config.resolution // config.patch_size
        self.conv_in = nn.Conv2d(3 * config.patch_size**2, config.channels, 3, padding=1)
        self.down = nn.ModuleList()
        width_in = config.channels
        for level, width in enumerate(widths):
            is_last = level == len(widths) - 1
            has_attention = size in config.attention_resolutions
            self.down.append(
                Level(
                    width_in,
                    width,
                    config.num_res_blocks,
                    has_attention,
                    config.num_groups,
                    None if is_last else "down",
                )
            )
            width_in = width
            size = size if is_last else size // 2
        self.mid = Middle(width_in, config.num_groups)
        self.norm_out = _norm(width_in, config.num_groups)
        self.conv_out = nn.Conv2d(width_in, config.z_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Encode folded pixels."""
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """(B, z_channels, h, w) → folded pixels (B, 3·patch², H/patch, W/patch)."""

    def __init__(self, config: VQGANConfig) -> None:
        super().__init__()
        widths = [config.channels * multiplier for multiplier in config.channel_multipliers]
        size = config.grid_size
        width_in = widths[-1]
        self.conv_in = nn.Conv2d(config.z_channels, width_in, 3, padding=1)
        self.mid = Middle(width_in, config.num_groups)
        self.up = nn.ModuleList()
        for level, width in reversed(list(enumerate(widths))):
            has_attention = size in config.attention_resolutions
            self.up.append(
                Level(
                    width_in,
                    width,
                    config.num_res_blocks + 1,
                    has_attention,
                    config.num_groups,
                    "up" if level else None,
                )
            )
            width_in = width
            size = size * 2 if level else size
        self.norm_out = _norm(width_in, config.num_groups)
        self.conv_out = nn.Conv2d(width_in, 3 * config.patch_size**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Decode latents into folded pixels."""
        x = self.mid(self.conv_in(x))
        for level in self.up:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Level(nn.Module):
    """The blocks at one resolution, then half or double it (`resample` "down", "up" or None)."""

    def __init__(
        self,
        width_in: int,
        width: int,
        num_blocks: int,
        has_attention: bool,
        num_groups: int,
        resample: str | None,
    ) -> None:
        super().__init__()
        widths_in = [width_in] + [width] * (num_blocks - 1)
        self.blocks = nn.ModuleList(ResBlock(before, width, num_groups) for before in widths_in)
        self.attentions = nn.ModuleList(
            Attention(width, num_groups) for _ in range(num_blocks * has_attention)
        )
        self.resample = resample
        if resample == "down":
            self.conv = nn.Conv2d(width, width, 3, stride=2)
        elif resample == "up":
            self.conv = DoublingConv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width_in, h, w) → (B, width, h', w')."""
        for i, block in enumerate(self.blocks):
            x = block(x)
            if self.attentions:
                x = self.attentions[i](x)
        if self.resample == "down":
            # Padded on the right and below only, as published.
            return self.conv(F.pad(x, (0, 1, 0, 1)))
        if self.resample == "up":
            return self.conv(x)
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

    def __init__(self, width_in: int, width: int, num_groups: int) -> None:
        super().__init__()
        self.norm_1 = _norm(width_in, num_groups)
        self.conv_1 = nn.Conv2d(width_in, width, 3, padding=1)
        self.norm_2 = _norm(width, num_groups)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(width_in, width, 1) if width_in != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, width_in, h, w) → (B, width, h, w)."""
        h = self.conv_1(F.silu(self.norm_1(x)))
        h = self.conv_2(F.silu(self.norm_2(h)))
        return self.shortcut(x) + h


class Attention(nn.Module):
    """Single-head self-attention over a feature map; its projections are 1×1 convolutions."""

    def __init__(self, width: int, num_groups: int) -> None:
        super().__init__()
        self.norm = _norm(width, num_groups)
        self.query = nn.Conv2d(width, width, 1)
        self.key = nn.Conv2d(width, width, 1)
        self.value = nn.Conv2d(width, width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C, h, w)."""
        h = self.norm(x)
        q, k, v = (
            rearrange(project(h), "b c h w -> b 1 (h w) c")
            for project in (self.query, self.key, self.value)
        )
        h = F.scaled_dot_product_attention(q, k, v)  # (B, 1, h·w, C), scaled by 1/√C
        return x + self.out(rearrange(h, "b 1 (h w) c -> b c h w", h=x.shape[2]))


def _norm(width: int, num_groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(num_groups, width, eps=1e-6)
