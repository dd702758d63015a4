"""TAESD: a tiny stand-in for a KL autoencoder, to preview and draw in a twentieth of the time.

The published network (github.com/madebyollin/taesd, a distillation of Stable Diffusion's
autoencoder into 2.4 million parameters): plain 3×3 convolutions and ReLU, one width throughout, no
norms and no attention. It reads and writes the same scaled latents as the autoencoder it stands in
for, and loses fine detail.

Notable choices: the decoder squashes latents softly into [-3, 3], as published; pixels are [0, 1]
inside and [-1, 1] outside.

    B batch, H W pixels, h w latents, C width, D latent channels
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LATENT_LIMIT = 3.0  # standard deviations; latents beyond it say nothing more


@dataclass(frozen=True, kw_only=True)
class TAESDConfig:
    """All sizes of a TAESD.

    Attributes:
        width: C, channels of every layer inside.
        latent_channels: D.
        encoder_blocks: Blocks at each resolution, from the pixels down; every level but the first
            halves the resolution.
        decoder_blocks: Blocks at each resolution, from the latents up; every level but the last
            doubles it.
    """

    width: int
    latent_channels: int
    encoder_blocks: tuple[int, ...]
    decoder_blocks: tuple[int, ...]

    @property
    def downsampling(self) -> int:
        """Pixels a latent spans on each side."""
        return int(2 ** (len(self.decoder_blocks) - 1))


PUBLISHED = TAESDConfig(
    width=64, latent_channels=4, encoder_blocks=(1, 3, 3, 3), decoder_blocks=(3, 3, 3, 1)
)
"""For Stable Diffusion 1 and 2, and under other weights for SDXL."""


class TAESD(nn.Module):
    """Pictures in [-1, 1] ↔ latents of about unit variance."""

    def __init__(self, config: TAESDConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, pixels: Tensor) -> Tensor:
        """The reconstruction of pictures (B, 3, H, W) in [-1, 1], in about the same range."""
        return self.decode(self.encode(pixels))

    def encode(self, pixels: Tensor) -> Tensor:
        """Latents (B, D, h, w) of pictures (B, 3, H, W) in [-1, 1]."""
        return self.encoder((pixels + 1) / 2)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in about [-1, 1] of latents (B, D, h, w)."""
        return self.decoder(torch.tanh(latents / LATENT_LIMIT) * LATENT_LIMIT) * 2 - 1


class Encoder(nn.Module):
    """Pixels in [0, 1], (B, 3, H, W) → latents (B, D, h, w)."""

    def __init__(self, config: TAESDConfig) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for level, num_blocks in enumerate(config.encoder_blocks):
            conv = (
                nn.Conv2d(config.width, config.width, 3, stride=2, padding=1, bias=False)
                if level
                else nn.Conv2d(3, config.width, 3, padding=1)
            )
            blocks = (Block(config.width) for _ in range(num_blocks))
            self.levels.append(nn.Sequential(conv, *blocks))
        self.conv_out = nn.Conv2d(config.width, config.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Encode pixels."""
        for level in self.levels:
            x = level(x)  # (B, C, H / 2^level, W / 2^level)
        return self.conv_out(x)


class Decoder(nn.Module):
    """Squashed latents (B, D, h, w) → pixels in about [0, 1], (B, 3, H, W)."""

    def __init__(self, config: TAESDConfig) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(config.latent_channels, config.width, 3, padding=1)
        self.levels = nn.ModuleList(
            nn.Sequential(*(Block(config.width) for _ in range(num_blocks)))
            for num_blocks in config.decoder_blocks
        )
        self.ups = nn.ModuleList(
            nn.Conv2d(config.width, config.width, 3, padding=1, bias=False)
            for _ in config.decoder_blocks[1:]
        )
        self.conv_out = nn.Conv2d(config.width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Decode squashed latents."""
        x = self.levels[0](F.relu(self.conv_in(x)))  # (B, C, h, w)
        for up, level in zip(self.ups, self.levels[1:], strict=True):
            x = level(up(F.interpolate(x, scale_factor=2.0, mode="nearest")))  # twice the size
        return self.conv_out(x)


class Block(nn.Module):
    """Three convolutions with ReLU between, added to what came in, and ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_3 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C, h, w)."""
        return F.relu(x + self.conv_3(F.relu(self.conv_2(F.relu(self.conv_1(x))))))
