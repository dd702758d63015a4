"""Imagen's objective: a small picture of a caption, and the large one of a noisy small one.

Saharia et al. (2022), section 2. The first stage reads the text encoder's states and is trained on
small pictures; the upsampler on large ones, beside a small one to which a random amount of noise
was added and which it is told (section 2.4). They share nothing but the batch. Captions are dropped
for a share of the samples, so that guidance has an unconditional branch.

Unlike the paper's, the text encoder learns with the first stage: our world has a few hundred words,
and no larger corpus than its own captions to be trained on before.

    B batch, L text tokens, h w pixels of the first stage, H W of the upsampler
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor, nn

from nonette.data.scenes import corpus
from nonette.data.scenes.world import World
from nonette.models.pixel_unet import PixelUNet, PixelUNetConfig
from nonette.models.t5 import T5Config, T5Encoder
from nonette.pipelines._cascade import augmented, downscaled, upscaled
from nonette.pipelines.imagen import Imagen
from nonette.text.tokenizer import PAD_ID, Tokenizer
from nonette.training import pictures
from nonette.training.objective import Batch, Export, Objective
from nonette.training.objectives.diffusion import noise_generator
from nonette.training.pixel_diffusion import (
    drawn_examples,
    error,
    fresh_unet,
    noised,
    path_of_pixels,
    shipped_with,
)
from nonette.training.pixel_scenes import PixelScenes


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to train on, and with what.

    Attributes:
        text_encoder: Sizes of the text encoder.
        denoiser: Sizes of the first stage.
        upsampler: Sizes of the upsampler, which is told its noise level.
        size: h and w.
        resolution: H and W.
        text_length: L.
        world: The scenes; held-out pairs are left out of them.
        tokenizer: File of the text tokenizer.
        data_seed: Seed of the scenes.
        dropped_captions: Share of samples whose caption is empty.
        upsampled_share: Share of a batch that the upsampler learns from, at least one.
        most_noise: Timestep up to whose noise small pictures are given.
        distinct: Scenes after which the series repeats, a multiple of the batch size; 0 for never.
        drawing: Pipeline settings that the finished model is shipped with.
    """

    text_encoder: T5Config
    denoiser: PixelUNetConfig
    upsampler: PixelUNetConfig
    size: int
    resolution: int
    text_length: int
    world: World
    tokenizer: str
    data_seed: int = 1
    dropped_captions: float = 0.1
    upsampled_share: float = 0.5
    most_noise: int = 300
    distinct: int = 0
    drawing: dict[str, Any]


class ImagenObjective(Objective):
    """Optimisers `denoiser`, with the text encoder, and `upsampler`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.tokenizer = Tokenizer.load(Path(settings.tokenizer))
        self.scenes = PixelScenes(
            world=settings.world,
            seed=settings.data_seed,
            resolution=settings.resolution,
            tokenizer=self.tokenizer,
            text_length=settings.text_length,
            dropped_captions=settings.dropped_captions,
            distinct=settings.distinct,
        )
        self.path = path_of_pixels(settings.drawing)
        self.upsampler_path = path_of_pixels(settings.drawing["upsampler"])
        text_encoder = T5Encoder(settings.text_encoder)
        denoiser, upsampler = fresh_unet(settings.denoiser), fresh_unet(settings.upsampler)
        self.networks = nn.ModuleDict(
            {"denoiser": denoiser, "text_encoder": text_encoder, "upsampler": upsampler}
        )
        self.optimised = {
            "denoiser": [*denoiser.parameters(), *text_encoder.parameters()],
            "upsampler": list(upsampler.parameters()),
        }
        self._system(self.networks)  # parts that do not fit fail now

    def batch(self, indices: range) -> Batch:
        """See `PixelScenes.batch`."""
        return self.scenes.batch(indices)

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted squared error of what either stage is to say."""
        pixels, generator = pictures.to_float(batch["pixels"]), noise_generator(step)
        if name == "upsampler":
            count = max(1, round(len(pixels) * self.settings.upsampled_share))
            return self._upsampling_loss(pixels[:count], generator), {}
        on_way = noised(self.path, downscaled(pixels, self.settings.size), generator)
        text_encoder = cast(T5Encoder, self.networks["text_encoder"])
        states = text_encoder(batch["text"], batch["text"] != PAD_ID)  # (B, L, D)
        denoiser = cast(PixelUNet, self.networks["denoiser"])
        said = denoiser(_last(on_way.x), on_way.time, states)
        return error(said, on_way), {}

    def sheet(self, networks: nn.ModuleDict) -> Image.Image:
        """Two drawings of each of the world's example sentences."""
        settings = self.settings
        guidance = float(settings.drawing["guidance"])
        return drawn_examples(self._system(networks), settings.world, guidance)

    def export(self, networks: nn.ModuleDict) -> Export:
        """The whole system: text encoder, both stages, tokenizer and vocabulary."""
        world = self.settings.world
        return Export(
            system="imagen",
            networks=dict(networks.items()),
            registry_names={
                "denoiser": "pixel_unet",
                "text_encoder": "t5",
                "upsampler": "pixel_unet",
            },
            settings=shipped_with(world, self._drawing()),
            files={
                "tokenizer.json": self.tokenizer.to_bytes(),
                "vocabulary.json": corpus.vocabulary(world).to_bytes(),
            },
            examples=corpus.examples(world),
        )

    def _upsampling_loss(self, large: Tensor, generator: torch.Generator) -> Tensor:
        """Of pictures (B, 3, H, W) whose small ones were noised a random amount."""
        small = upscaled(downscaled(large, self.settings.size), self.settings.resolution)
        level = torch.randint(self.settings.most_noise + 1, (len(large),), generator=generator)
        sigma = torch.from_numpy(self.upsampler_path.table[level.numpy()]).to(large)
        noise = torch.randn(large.shape, generator=generator).to(large)
        seen = augmented(small, sigma[:, None, None, None], noise)
        on_way = noised(self.upsampler_path, large, generator)
        upsampler = cast(PixelUNet, self.networks["upsampler"])
        read = _last(torch.cat([on_way.x, seen], dim=1))
        said = upsampler(read, on_way.time, noise_level=level.to(large))
        return error(said, on_way)

    def _system(self, networks: nn.ModuleDict) -> Imagen:
        return Imagen(
            denoiser=cast(PixelUNet, networks["denoiser"]),
            text_encoder=cast(T5Encoder, networks["text_encoder"]),
            upsampler=cast(PixelUNet, networks["upsampler"]),
            tokenizer=self.tokenizer,
            settings=self._drawing(),
        )

    def _drawing(self) -> dict[str, Any]:
        settings = self.settings
        return {
            **settings.drawing,
            "size": settings.size,
            "text_length": settings.text_length,
            "upsampler": {**settings.drawing["upsampler"], "size": settings.resolution},
        }


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
