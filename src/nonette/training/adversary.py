"""What keeps reconstructions sharp: a patch adversary, its features, outlines; PSNR to watch.

Esser et al. (2021), section 3.1: a hinge loss whose weight follows the gradients at the last layer
(equation 7). The features that pictures are compared in are the adversary's own (Larsen et al.
2016, "Autoencoding beyond pixels"), since no pre-trained network is at hand.

    B batch, H W pixels
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Adversary(nn.Module):
    """Judges 34-pixel patches (Isola et al. 2017): real scenes high, reconstructions low.

    Group norms stand where the original has batch norms, so that a judgement does not depend on the
    batch.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [channels, 2 * channels, 4 * channels]
        self.first = nn.Conv2d(3, channels, 4, stride=2, padding=1)
        self.convs = nn.ModuleList(
            nn.Conv2d(before, width, 4, stride=2, padding=1) for before, width in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for width in widths[1:])
        self.last = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """The features of every layer and, last, one judgement a patch (B, 1, H/8, W/8)."""
        features = [F.leaky_relu(self.first(pixels), 0.2)]
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features.append(F.leaky_relu(norm(conv(features[-1])), 0.2))
        return [*features, self.last(features[-1])]


def hinge_loss(
    adversary: Adversary, last: Mapping[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """The adversary's own loss (Lim and Ye 2017), and its margin.

    Args:
        adversary: What learns to judge.
        last: "pixels" and "drawn", (B, 3, H, W) each; empty where the adversary does not count yet
            and has nothing to learn.
    """
    if not last:
        nothing = [parameter.sum() for parameter in adversary.parameters()]
        return torch.stack(nothing).sum() * 0.0, {}
    real = adversary(last["pixels"])[-1]
    fake = adversary(last["drawn"])[-1]
    loss = (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2
    return loss, {"adversary_margin": (real.mean() - fake.mean()).detach()}


def deceive(
    adversary: Adversary, drawn: Tensor, pixels: Tensor, reconstruction: Tensor, last: Tensor
) -> tuple[Tensor, Tensor]:
    """The autoencoder's side: how far the adversary sees through it, and how far features differ.

    Args:
        adversary: What judges; it learns nothing here.
        drawn: Reconstructions, (B, 3, H, W).
        pixels: Of the same pictures.
        reconstruction: The loss whose pull on `last` the deception's is scaled to (equation 7).
        last: The weight of the decoder's last layer.
    """
    adversary.requires_grad_(False)
    fake = adversary(drawn)
    with torch.no_grad():
        real = adversary(pixels)
    adversary.requires_grad_(True)
    deception = -fake[-1].mean()
    pull = torch.autograd.grad(reconstruction, last, retain_graph=True)[0].norm()
    push = torch.autograd.grad(deception, last, retain_graph=True)[0].norm()
    adaptive = (pull / (push + 1e-4)).clamp(0, 1e4).detach()
    pairs = zip(fake[:-1], real[:-1], strict=True)
    features = sum((F.l1_loss(f, r) for f, r in pairs), start=fake[0].new_zeros(()))
    return adaptive * deception, features


def edge_distance(drawn: Tensor, pixels: Tensor) -> Tensor:
    """Mean absolute distance of the differences between neighbouring pixels."""
    difference = drawn - pixels
    across = (difference[..., 1:] - difference[..., :-1]).abs().mean()
    down = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    return across + down


def psnr(drawn: Tensor, pixels: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of pictures in [-1, 1], in decibels."""
    return -10 * torch.log10((drawn.detach().clamp(-1, 1) - pixels).square().mean() / 4)
