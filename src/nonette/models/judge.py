"""The judge: says what stands where in a picture, without ever seeing its sentence.

A small convolutional detector in the manner of CenterNet (Zhou et al. 2019, "Objects as Points",
sections 3 and 4): at every cell of a grid of four-pixel cells it says whether a thing has its
centre there, which thing, with which look (its own, a colour, a material), how large its box is and
how much of it is visible; and of the picture as a whole which setting, time and style it has.
Stages at strides 4, 8 and 16 are folded back into the grid as in feature pyramids (Lin et al. 2017,
"Feature Pyramid Networks for Object Detection", section 3).

Notable choices: one map of centres for all things and one softmax over things at each cell, which
learns faster than a map a thing; colour and material are one question, since a thing never has
both; every cell also sees the picture's pooled features, so that night or a style does not pass for
a colour. The answers' words are part of the config, so that a judge describes itself.

What it does not know: peaks, thresholds and verdicts (`evaluation/reader.py`), targets and losses
(`training/objectives/judge.py`), prompts.

Shapes: B batch, C channels, H, W pixels, h, w cells (H/4, W/4), D features, O objects, L looks,
S settings, T times, Y styles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonette.core.errors import InputError

CELL = 4  # pixels a side of a cell of the grid
COARSEST = 16  # stride of the last stage; pictures must be a multiple of it
RARE_CENTRE = (
    -4.6
)  # initial logit of a centre: one cell in a hundred (Lin et al. 2017, "Focal Loss", section 3.3)


@dataclass(frozen=True, kw_only=True)
class Config:
    """All sizes of a judge and the words of its answers.

    Attributes:
        resolution: Height and width of a picture in pixels, a multiple of 16.
        objects: The things it knows.
        colours: Colours a thing can have instead of its own.
        materials: Materials a thing can be made of.
        settings: Places, plain backgrounds included.
        times: Times of day and weathers.
        styles: Styles of the whole picture.
        stem_width: Channels at stride 2.
        widths: Channels at strides 4, 8 and 16.
        depths: Residual blocks at strides 4, 8 and 16.
        head_width: Channels of a cell before its answers.
        feature_width: D, the pooled features that whole-picture answers and Fréchet distances are
            taken from.
    """

    resolution: int
    objects: tuple[str, ...]
    colours: tuple[str, ...]
    materials: tuple[str, ...]
    settings: tuple[str, ...]
    times: tuple[str, ...]
    styles: tuple[str, ...]
    stem_width: int
    widths: tuple[int, int, int]
    depths: tuple[int, int, int]
    head_width: int
    feature_width: int

    def __post_init__(self) -> None:
        if self.resolution <= 0 or self.resolution % COARSEST:
            raise InputError(
                "resolution", self.resolution, f"it must be a positive multiple of {COARSEST}"
            )

    @property
    def looks(self) -> tuple[str, ...]:
        """The answers about a thing's look: "" for its own, then colours, then materials."""
        return ("", *self.colours, *self.materials)

    @property
    def grid_size(self) -> int:
        """Cells on each side."""
        return self.resolution // CELL


class Answers(NamedTuple):
    """What the judge says of B pictures; logits unless said otherwise.

    Attributes:
        centres: (B, h, w), that a thing's centre lies in the cell.
        objects: (B, O, h, w), which thing has its centre there.
        looks: (B, L, h, w), in the order of `Config.looks`.
        boxes: (B, 4, h, w): the box's centre from the cell's centre, x then y, in cells; the
            natural logarithms of its width and height in cells.
        visible: (B, h, w), the share of the thing that nothing hides.
        settings: (B, S).
        times: (B, T).
        styles: (B, Y).
        features: (B, D), at least 0; not logits.
    """

    centres: Tensor
    objects: Tensor
    looks: Tensor
    boxes: Tensor
    visible: Tensor
    settings: Tensor
    times: Tensor
    styles: Tensor
    features: Tensor


class Judge(nn.Module):
    """Pictures in [-1, 1] → `Answers`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        fine, middle, coarse = config.widths
        self.stem = nn.Sequential(Halve(3, config.stem_width), Halve(config.stem_width, fine))
        self.fine = _blocks(fine, config.depths[0])
        self.to_middle = Halve(fine, middle)
        self.middle = _blocks(middle, config.depths[1])
        self.to_coarse = Halve(middle, coarse)
        self.coarse = _blocks(coarse, config.depths[2])

        self.pooled = nn.Linear(2 * fine + middle + 2 * coarse, config.feature_width)
        self.settings = nn.Linear(config.feature_width, len(config.settings))
        self.times = nn.Linear(config.feature_width, len(config.times))
        self.styles = nn.Linear(config.feature_width, len(config.styles))

        self.coarse_up = nn.Conv2d(coarse, middle, 1)
        self.middle_up = nn.Conv2d(middle, config.head_width, 1)
        self.fine_in = nn.Conv2d(fine, config.head_width, 1)
        self.picture_in = nn.Linear(config.feature_width, config.head_width)
        self.mix = Convolution(config.head_width, config.head_width)
        self.centres = nn.Conv2d(config.head_width, 1, 1)
        self.objects = nn.Conv2d(config.head_width, len(config.objects), 1)
        self.looks = nn.Conv2d(config.head_width, len(config.looks), 1)
        self.boxes = nn.Conv2d(config.head_width, 4, 1)
        self.visible = nn.Conv2d(config.head_width, 1, 1)
        assert self.centres.bias is not None
        nn.init.constant_(self.centres.bias, RARE_CENTRE)

    def forward(self, pixels: Tensor) -> Answers:
        """Answers of pictures (B, 3, H, W) in [-1, 1]; H and W are multiples of 16."""
        fine = self.fine(self.stem(pixels))  # (B, C, H/4, W/4)
        middle = self.middle(self.to_middle(fine))  # (B, C, H/8, W/8)
        coarse = self.coarse(self.to_coarse(middle))  # (B, C, H/16, W/16)

        spread = (
            fine.flatten(2).var(dim=2, unbiased=False).add(1e-6).sqrt()
        )  # (B, C): texture, which style lives in
        means = [stage.mean(dim=(2, 3)) for stage in (fine, middle, coarse)]
        features = F.relu(
            self.pooled(torch.cat([spread, *means, coarse.amax(dim=(2, 3))], dim=1))
        )  # (B, D)

        x = F.relu(
            middle + F.interpolate(self.coarse_up(coarse), scale_factor=2.0)
        )  # (B, C, H/8, W/8)
        x = self.fine_in(fine) + F.interpolate(self.middle_up(x), scale_factor=2.0)  # (B, C, h, w)
        x = F.relu(x + self.picture_in(features)[:, :, None, None])
        x = self.mix(x)  # (B, C, h, w)
        return Answers(
            centres=self.centres(x).squeeze(1),
            objects=self.objects(x),
            looks=self.looks(x),
            boxes=self.boxes(x),
            visible=self.visible(x).squeeze(1),
            settings=self.settings(features),
            times=self.times(features),
            styles=self.styles(features),
            features=features,
        )


class Convolution(nn.Module):
    """3×3 convolution, batch norm, ReLU; stride 1 or 2."""

    def __init__(self, width_in: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width_in, width, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width_in, H, W) → (B, width, H/stride, W/stride)."""
        return F.relu(self.norm(self.convolution(x)))


class Halve(Convolution):
    """A `Convolution` that halves height and width."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__(width_in, width, stride=2)


class Block(nn.Module):
    """Two 3×3 convolutions added to what came in (He et al. 2016, figure 2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Convolution(width, width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.zeros_(
            self.norm.weight
        )  # a block begins as the identity, which lets deep stages learn at once

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H, W)."""
        return F.relu(x + self.norm(self.second(self.first(x))))


def _blocks(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(depth)))
