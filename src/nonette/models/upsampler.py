"""The upsampler: a picture with more pixels, every one of them looked at in the small picture.

The shape of EDSR (Lim et al. 2017, "Enhanced Deep Residual Networks for Single Image
Super-Resolution", section 3): plain residual blocks without norms, which would flatten colours, and
one long skip around them. Pixels come out by sub-pixel convolution (Shi et al. 2016, "Real-Time
Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network",
section 3.2) straight from the features, so that nothing is computed at the large size.

Notable choices: what is learned is added to the picture enlarged bicubically, and begins as
nothing, so a fresh network is bicubic enlargement. It counts a tenth, as EDSR's residuals do, since
steps that suit the layers inside would otherwise make the last one overshoot what there is to add.
The sum is float32 whatever the weights are: bfloat16 has too few digits for pixels, but enough for
what is added to them. It knows no tiles and no sizes but its own factor.

    B batch, C channels, h w small pixels, F factor
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

RESIDUAL_SCALE = 0.1  # of what is added to bicubic enlargement
BICUBIC_REACH = 2  # pixels to each side that bicubic enlargement looks at


@dataclass(frozen=True, kw_only=True)
class UpsamplerConfig:
    """All sizes of an upsampler.

    Attributes:
        factor: F, how many times as wide and high pictures become.
        width: C.
        num_blocks: Residual blocks, of two convolutions each.
    """

    factor: int
    width: int
    num_blocks: int

    @property
    def reach(self) -> int:
        """How many small pixels to each side can change a large one."""
        return max(BICUBIC_REACH, 2 * self.num_blocks + 3)


class Upsampler(nn.Module):
    """Pictures in [-1, 1] → the same pictures with F times the pixels on each side."""

    def __init__(self, config: UpsamplerConfig) -> None:
        super().__init__()
        self.config = config
        self.conv_in = nn.Conv2d(3, config.width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(config.width) for _ in range(config.num_blocks))
        self.conv_mid = nn.Conv2d(config.width, config.width, 3, padding=1)
        self.conv_out = nn.Conv2d(config.width, 3 * config.factor**2, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        assert self.conv_out.bias is not None
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """Enlarge pictures.

        Args:
            pixels: (B, 3, h, w) in [-1, 1], best in float32.

        Returns:
            float32 (B, 3, F·h, F·w), a little beyond [-1, 1] in places.
        """
        begun = self.conv_in(pixels.to(self.conv_in.weight.dtype))  # (B, C, h, w)
        x = begun
        for block in self.blocks:
            x = block(x)  # (B, C, h, w)
        x = self.conv_out(begun + self.conv_mid(x))  # (B, 3·F², h, w)
        enlarged = F.interpolate(pixels.float(), scale_factor=self.config.factor, mode="bicubic")
        added = F.pixel_shuffle(x, self.config.factor).float()  # (B, 3, F·h, F·w)
        return enlarged + RESIDUAL_SCALE * added


class Block(nn.Module):
    """Convolution, ReLU, convolution, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C, h, w)."""
        return x + self.conv_2(F.relu(self.conv_1(x)))
