"""DALL·E's discrete VAE: a picture as a grid of 8,192 codes, eight pixels a code, and back.

The architecture of Ramesh et al. 2021, "Zero-Shot Text-to-Image Generation", section 2.1 and
appendix A, as OpenAI published it (openai/DALL-E): four groups of bottleneck residual blocks with
ReLUs, max pooling on the way in, nearest upsampling on the way out. The decoder gives mean and
scale of a logit-Laplace distribution (appendix A.3), of whose six channels drawing needs the first
three. Training it is not part of this.

    B batch, H W pixels, h w codes (H/8, W/8), V vocabulary, C channels
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MARGIN = 0.1  # logit-Laplace epsilon: pixels of [0, 1] are moved into [0.1, 0.9] (appendix A.3)
ENCODER_WIDTHS = (1, 2, 4, 8)  # of each group, times `width`
DECODER_WIDTHS = (8, 4, 2, 1)


@dataclass(frozen=True, kw_only=True)
class DVAEConfig:
    """The sizes of a `DVAE`.

    Attributes:
        resolution: Native height and width in pixels.
        vocabulary_size: V, the number of codes.
        width: Channels of the first group; a multiple of 4.
        initial_width: Channels that the decoder gives each code.
        blocks_per_group: Residual blocks in each of the four groups.
    """

    resolution: int
    vocabulary_size: int
    width: int
    initial_width: int
    blocks_per_group: int


OPENAI = DVAEConfig(
    resolution=256, vocabulary_size=8192, width=256, initial_width=128, blocks_per_group=2
)


class DVAE(nn.Module):
    """Pictures in [-1, 1] ↔ grids of codes."""

    def __init__(self, config: DVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, pixels: Tensor) -> Tensor:
        """Reconstruct pictures (B, 3, H, W) in [-1, 1] through their likeliest codes."""
        return self.decode_codes(self.encode(pixels))

    def encode(self, pixels: Tensor) -> Tensor:
        """The likeliest codes (B, h, w), int64, of pictures (B, 3, H, W) in [-1, 1]."""
        return self.logits(pixels).argmax(dim=1)

    def logits(self, pixels: Tensor) -> Tensor:
        """Logits of codes (B, V, h, w) of pictures (B, 3, H, W) in [-1, 1]."""
        shares = (pixels + 1) / 2  # [0, 1]
        return self.encoder((1 - 2 * MARGIN) * shares + MARGIN)

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1] of codes (B, h, w)."""
        means = torch.sigmoid(self.decoder(codes)[:, :3])
        shares = ((means - MARGIN) / (1 - 2 * MARGIN)).clamp(0, 1)
        return shares * 2 - 1


class Encoder(nn.Module):
    """Pixels in [0.1, 0.9], (B, 3, H, W) -> logits (B, V, h, w)."""

    def __init__(self, config: DVAEConfig) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, config.width, 7, padding=3)
        self.groups = _groups(config, config.width, ENCODER_WIDTHS, kernels=(3, 3, 3, 1))
        self.conv_out = nn.Conv2d(ENCODER_WIDTHS[-1] * config.width, config.vocabulary_size, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Each group but the last halves the sides."""
        x = self.conv_in(x)  # (B, C, H, W)
        for i, group in enumerate(self.groups):
            x = group(x if i == 0 else F.max_pool2d(x, 2))
        return self.conv_out(F.relu(x))


class Decoder(nn.Module):
    """Codes (B, h, w) -> mean and scale of pixels, before the sigmoid, (B, 6, H, W)."""

    def __init__(self, config: DVAEConfig) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(config.vocabulary_size, config.initial_width, 1)
        self.groups = _groups(config, config.initial_width, DECODER_WIDTHS, kernels=(1, 3, 3, 3))
        self.conv_out = nn.Conv2d(DECODER_WIDTHS[-1] * config.width, 6, 1)

    def forward(self, codes: Tensor) -> Tensor:
        """Each group but the last doubles the sides."""
        columns = self.conv_in.weight[:, :, 0, 0].T  # what the convolution makes of a one-hot code
        assert self.conv_in.bias is not None
        x = (F.embedding(codes, columns) + self.conv_in.bias).permute(0, 3, 1, 2)  # (B, C, h, w)
        for i, group in enumerate(self.groups):
            x = group(x if i == 0 else F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(F.relu(x))


class Block(nn.Module):
    """ReLU and convolution four times through a quarter of the width, added to the input.

    The branch is scaled by 1 / layers², where `num_layers` counts the blocks of the whole stack.
    """

    def __init__(
        self, width_in: int, width: int, kernels: tuple[int, int, int, int], num_layers: int
    ) -> None:
        super().__init__()
        hidden = width // 4
        widths = (width_in, hidden, hidden, hidden, width)
        self.gain = 1 / num_layers**2
        self.shortcut = nn.Conv2d(width_in, width, 1) if width_in != width else nn.Identity()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, kernel, padding=kernel // 2)
            for before, after, kernel in zip(widths[:-1], widths[1:], kernels, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, width_in, H, W) -> (B, width, H, W)."""
        branch = x
        for convolution in self.convolutions:
            branch = convolution(F.relu(branch))
        return self.shortcut(x) + self.gain * branch


def _groups(
    config: DVAEConfig,
    width_in: int,
    multipliers: tuple[int, ...],
    kernels: tuple[int, int, int, int],
) -> nn.ModuleList:
    """The four groups of blocks; what changes the sides between them is the caller's."""
    num_layers = len(multipliers) * config.blocks_per_group
    groups = nn.ModuleList()
    for multiplier in multipliers:
        width = multiplier * config.width
        befores = [width_in] + [width] * (config.blocks_per_group - 1)
        groups.append(
            nn.Sequential(*(Block(before, width, kernels, num_layers) for before in befores))
        )
        width_in = width
    return groups
