"""Stable Diffusion's objective, as it was published: a UNet says the noise in latents.

Rombach et al. (2022), section 3.2: latents of a frozen autoencoder get the noise of a timestep
(Ho et al. 2020, algorithm 1), and the UNet, which looks at the states of the caption, is to say
that noise. Captions are dropped for a share of the samples, so that guidance has an unconditional
branch. There a CLIP that others trained reads; here a text encoder of its shape learns along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor, nn

from nonette.data.scenes import corpus
from nonette.data.scenes.world import World
from nonette.models.clip import TextEncoder, TextEncoderConfig
from nonette.models.unet import ResBlock, Transformer, UNet, UNetConfig
from nonette.pipelines.stable_diffusion import StableDiffusion
from nonette.training.latent_scenes import LatentScenes
from nonette.training.objective import Batch, Export, Objective
from nonette.training.objectives.diffusion import noise_generator
from nonette.training.pixel_diffusion import (
    drawn_examples,
    error,
    noised,
    path_of_pixels,
    shipped_with,
    silenced,
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to train on, and with what.

    Attributes:
        unet: Sizes of the UNet.
        text_encoder: Of what reads for it.
        world: The scenes; held-out pairs are left out of them.
        autoencoder: Name or folder of the checkpoint whose latents are drawn.
        tokenizer: File of the text tokenizer.
        resolution: Pictures' height and width in pixels.
        data_seed: Seed of the scenes.
        dropped_captions: Share of samples whose caption is empty.
        distinct: Scenes after which the series repeats, a multiple of the batch size; 0 for never.
        drawing: Pipeline settings that the finished model is shipped with.
    """

    unet: UNetConfig
    text_encoder: TextEncoderConfig
    world: World
    autoencoder: str
    tokenizer: str
    resolution: int
    data_seed: int = 1
    dropped_captions: float = 0.1
    distinct: int = 0
    drawing: dict[str, Any]


class PublishedObjective(Objective):
    """One optimiser, `denoiser`, for UNet and text encoder; the autoencoder is frozen."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.scenes = LatentScenes(
            world=settings.world,
            seed=settings.data_seed,
            resolution=settings.resolution,
            autoencoder=settings.autoencoder,
            tokenizer=settings.tokenizer,
            text_length=settings.text_encoder.text.length,
            dropped_captions=settings.dropped_captions,
            masked_share=0.0,
            distinct=settings.distinct,
            rounds=0,
        )
        self.path = path_of_pixels(settings.drawing)
        text_encoder = TextEncoder(settings.text_encoder)
        self.networks = nn.ModuleDict(
            {"denoiser": fresh_unet(settings.unet), "text_encoder": text_encoder}
        )
        self.optimised = {"denoiser": list(self.networks.parameters())}
        self._system(self.networks)  # parts that do not fit fail now

    def batch(self, indices: range) -> Batch:
        """See `LatentScenes.batch`."""
        return self.scenes.batch(indices)

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error of the noise; 1 for a network that says 0."""
        known = self.scenes.latents(batch)
        on_way = noised(self.path, known.x0, noise_generator(step))
        text_encoder = cast(TextEncoder, self.networks["text_encoder"])
        states, _ = text_encoder(known.text)  # (B, L, D)
        unet = cast(UNet, self.networks["denoiser"])
        x = on_way.x.contiguous(memory_format=torch.channels_last)
        return error(unet(x, on_way.time, states), on_way), {}

    def sheet(self, networks: nn.ModuleDict) -> Image.Image:
        """Two drawings of each of the world's example sentences."""
        settings = self.settings
        guidance = float(settings.drawing["guidance"])
        return drawn_examples(self._system(networks), settings.world, guidance)

    def export(self, networks: nn.ModuleDict) -> Export:
        """The whole system, with the parts that imported ones have."""
        world = self.settings.world
        return Export(
            system="stable_diffusion",
            networks={**dict(networks.items()), "autoencoder": self.scenes.autoencoder},
            registry_names={
                "denoiser": "unet",
                "text_encoder": "clip_text",
                "autoencoder": "kl_autoencoder",
            },
            settings=shipped_with(world, self._drawing()),
            files={
                "tokenizer.json": self.scenes.tokenizer.to_bytes(),
                "vocabulary.json": corpus.vocabulary(world).to_bytes(),
            },
            examples=corpus.examples(world),
        )

    def _system(self, networks: nn.ModuleDict) -> StableDiffusion:
        return StableDiffusion(
            denoiser=cast(UNet, networks["denoiser"]),
            text_encoder=cast(TextEncoder, networks["text_encoder"]),
            autoencoder=self.scenes.autoencoder,
            tokenizer=self.scenes.tokenizer,
            settings=self._drawing(),
        )

    def _drawing(self) -> dict[str, Any]:
        return {**self.settings.drawing, "size": self.settings.resolution}


def fresh_unet(config: UNetConfig) -> UNet:
    """A network whose blocks say nothing at first."""
    network = UNet(config)
    last: list[nn.Module] = [network.conv_out]
    last += [block.conv_2 for block in network.modules() if isinstance(block, ResBlock)]
    last += [block.linear_out for block in network.modules() if isinstance(block, Transformer)]
    return silenced(network, last)
