"""What objectives of pixel diffusion share: fresh networks, noise with what is to be said of it.

B batch; x, x0 and eps (B, C, H, W), or (B, E) where no pictures are diffused
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from nonette.data.scenes import corpus
from nonette.data.scenes.world import World
from nonette.diffusion.paths import Tabled
from nonette.models.pixel_unet import Attention, PixelUNet, PixelUNetConfig, ResBlock
from nonette.pipelines._cascade import pixel_path
from nonette.pipelines._steps import Job
from nonette.training import pictures

NUM_SHOWN = 18  # sentences on a sheet
MOST_WEIGHT = 10.0  # of a clean picture that is all but in sight

Network = TypeVar("Network", bound=nn.Module)


class System(Protocol):
    """A pipeline, as far as sheets need one."""

    def __call__(self, jobs: list[Job]) -> list[np.ndarray]:
        """See the pipelines."""
        ...


class Noised(NamedTuple):
    """Samples on their way to noise.

    Attributes:
        x: Of unit variance, as networks see it.
        time: What they are told, (B,).
        wanted: What they are to say.
        weight: Of each sample's squared error, of the shape (B, 1, ...).
    """

    x: Tensor
    time: Tensor
    wanted: Tensor
    weight: Tensor


def path_of_pixels(settings: Mapping[str, Any]) -> Tabled:
    """The path that a checkpoint's settings state.

    Raises:
        ValueError: It has no table of timesteps, which training draws from.
    """
    path = pixel_path(settings)
    if not isinstance(path, Tabled):
        raise ValueError("diffusion of pixels is trained on a table of timesteps: kind 'tabled'")
    return path


def noised(path: Tabled, x0: Tensor, generator: torch.Generator) -> Noised:
    """x0 with the noise of timesteps drawn evenly; Ho et al. (2020), algorithm 1.

    v is √ᾱ eps - √(1 - ᾱ) x0 (Salimans and Ho 2022, appendix D). Errors of x0 are weighed as those
    of v would be, with a limit (Hang et al. 2023, "Min-SNR").
    """
    time = torch.randint(len(path.table), (len(x0),), generator=generator)
    eps = torch.randn(x0.shape, generator=generator).to(x0)
    sigma = torch.from_numpy(path.table[time.numpy()]).to(x0)
    sigma = sigma.view(-1, *[1] * (x0.ndim - 1))
    root = (1 + sigma**2).sqrt()  # 1 / √ᾱ
    wanted = {
        "epsilon": eps,
        "sample": x0,
        "v_prediction": (eps - sigma * x0) / root,
    }[path.prediction]
    weight = torch.ones_like(sigma)
    if path.prediction == "sample":
        weight = 1 + (1 / sigma**2).clamp(max=MOST_WEIGHT)
    return Noised((x0 + sigma * eps) / root, time.to(x0), wanted, weight)


def error(said: Tensor, on_way: Noised) -> Tensor:
    """The mean of the weighted squared errors."""
    return (on_way.weight * (said.float() - on_way.wanted).square()).mean()


def fresh_unet(config: PixelUNetConfig) -> PixelUNet:
    """A network whose blocks say nothing at first."""
    network = PixelUNet(config)
    last: list[nn.Module] = [network.conv_out]
    last += [block.conv_2 for block in network.modules() if isinstance(block, ResBlock)]
    last += [block.out for block in network.modules() if isinstance(block, Attention)]
    return silenced(network, last)


def silenced(network: Network, last: Iterable[nn.Module]) -> Network:
    """A network whose last layers, its own and its blocks', give zeros at first.

    So Dhariwal and Nichol (2021) begin. It is laid out for convolutions, channels last.
    """
    for layer in last:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def drawn_examples(system: System, world: World, guidance: float) -> Image.Image:
    """Two drawings a sentence of the world's example sentences, side by side."""
    prompts = corpus.examples(world)[:NUM_SHOWN]
    jobs = [
        Job(prompt=prompt, seeds=(2 * i, 2 * i + 1), guidance=guidance)
        for i, prompt in enumerate(prompts)  # seeds of their own fill the groups
    ]
    shown = [picture for drawn in system(jobs) for picture in drawn]
    return pictures.rows([shown], num_columns=12)


def shipped_with(world: World, drawing: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's settings: how it draws, and what of."""
    return {
        "world": world.name,
        "ranker": "scenes-clip",
        "languages": list(world.languages),
        **drawing,
    }
