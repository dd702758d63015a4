"""The upsampler's objective: scenes painted large, from what is left of them when they are small.

The small pictures are what will be enlarged: well-made ones, flawed ones (see `degrade.shrink`),
and what our own autoencoders leave of well-made ones, which is how every picture that we draw
looks. Losses are those that keep our autoencoders' outlines (see `training.adversary`): the mean
absolute distance (Lim et al. 2017, section 3.4), that of edges, and, in the last part of a run, a
little of a patch adversary.

Targets are no larger than the glyphs' own bitmaps allow: a larger render is itself an enlargement,
and would teach softness.

    B batch, H W large pixels, h w small pixels
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from nonette.checkpoints import store
from nonette.checkpoints.format import read
from nonette.core.errors import InputError
from nonette.core.sizes import resized
from nonette.data.scenes.dataset import SceneDataset
from nonette.data.scenes.world import PREVIEW_SEED, World
from nonette.evaluation.enlarging import autoencoder_part, remade
from nonette.models.upsampler import Upsampler, UpsamplerConfig
from nonette.pipelines._steps import to_uint8
from nonette.training import pictures
from nonette.training.adversary import Adversary, deceive, edge_distance, hinge_loss, psnr
from nonette.training.degrade import shrink
from nonette.training.objective import Batch, Export, Objective

NUM_SHOWN = 8  # scenes of a sheet


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to train on, and how the losses weigh.

    Attributes:
        network: Sizes of the upsampler.
        world: The scenes; held-out pairs are left out of them.
        resolution: Height and width of the large pictures in pixels.
        crop: Height and width in small pixels of what is learned from each.
        autoencoders: Names or folders of the checkpoints whose autoencoders remake small pictures;
            they take turns, step by step.
        remade_share: Share of the pictures that they remake.
        flawed_share: Share of the others that get flaws.
        data_seed: Seed of the scenes.
        edge_weight: Of the distance between horizontal and vertical differences, which keeps
            outlines.
        adversary_weight: Share of the adversary, before the adaptive weight.
        feature_weight: Of the distance in the adversary's features.
        adversary_from: Share of the budget after which the adversary counts.
        adversary_channels: Channels of the adversary's first layer.
    """

    network: UpsamplerConfig
    world: World
    resolution: int
    crop: int
    autoencoders: tuple[str, ...] = ()
    remade_share: float = 0.4
    flawed_share: float = 0.5
    data_seed: int = 1
    edge_weight: float = 1.0
    adversary_weight: float = 0.02
    feature_weight: float = 0.1
    adversary_from: float = 0.7
    adversary_channels: int = 32

    def __post_init__(self) -> None:
        small = self.resolution // self.network.factor
        if self.resolution % self.network.factor or not 1 <= self.crop <= small:
            limit = f"it must be 1 to {small}, the side of the small pictures"
            raise InputError("crop", self.crop, limit)


class UpsamplerObjective(Objective):
    """Optimisers `upsampler` and, once it counts, `adversary`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.dataset = SceneDataset(
            world=settings.world, seed=settings.data_seed, size=settings.resolution
        )
        network = Upsampler(settings.network)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.networks = nn.ModuleDict({"upsampler": network})
        self.adversary = Adversary(settings.adversary_channels)
        self.autoencoders = nn.ModuleList(_autoencoder(name) for name in settings.autoencoders)
        self.optimised = {
            "upsampler": list(network.parameters()),
            "adversary": list(self.adversary.parameters()),
        }
        self._last: dict[str, Tensor] = {}

    def batch(self, indices: range) -> Batch:
        """Large scenes as uint8 (B, H, W, 3)."""
        return {"pixels": pictures.stack([self.dataset[index]["pixels"] for index in indices])}

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Distance and deception for the upsampler, hinge for the adversary."""
        is_adverse = progress >= self.settings.adversary_from
        if name == "adversary":
            return hinge_loss(self.adversary, self._last if is_adverse else {})
        network = _upsampler(self.networks)
        generator = torch.Generator().manual_seed(step)
        large = pictures.to_float(batch["pixels"])
        small, large = self._crops(self.small(large, step, generator), large, generator)
        drawn = network(small.contiguous(memory_format=torch.channels_last))  # (B, 3, H, W)
        error = (drawn - large).abs().mean()
        distance = error + self.settings.edge_weight * edge_distance(drawn, large)
        loss = distance
        bicubic = F.interpolate(small, scale_factor=self.settings.network.factor, mode="bicubic")
        quality = psnr(drawn, large)
        figures = {"psnr": quality, "over_bicubic": quality - psnr(bicubic, large)}
        if is_adverse:
            last = network.conv_out.weight
            deception, features = deceive(self.adversary, drawn, large, distance, last)
            loss = loss + self.settings.adversary_weight * deception
            loss = loss + self.settings.feature_weight * features
        self._last = {"drawn": drawn.detach(), "pixels": large}
        return loss, figures

    def after_step(self, step: int) -> None:
        """Forget the pictures that both losses looked at."""
        self._last = {}

    @torch.no_grad()
    def small(self, large: Tensor, step: int, generator: torch.Generator) -> Tensor:
        """Small pictures (B, 3, h, w) of large ones (B, 3, H, W), as they come to be enlarged."""
        settings = self.settings
        flawed = shrink(large, settings.network.factor, settings.flawed_share, generator)
        if not self.autoencoders:
            return flawed
        is_remade = torch.rand(len(large), generator=generator) < settings.remade_share
        is_remade = is_remade.to(large.device)
        if is_remade.any():
            autoencoder = self.autoencoders[step % len(self.autoencoders)]
            clean = shrink(large[is_remade], settings.network.factor, 0.0, generator)
            flawed[is_remade] = remade(autoencoder, clean).to(flawed.dtype)
        return flawed

    def sheet(self, networks: nn.ModuleDict) -> Image.Image:
        """Scenes as painted; small ones as they come; enlarged by Lanczos; enlarged by ours."""
        dataset = SceneDataset(
            world=self.settings.world, seed=PREVIEW_SEED, size=self.settings.resolution
        )
        shown = pictures.stack([dataset[index]["pixels"] for index in range(NUM_SHOWN)])
        large = pictures.to_float(shown.to(next(networks.parameters()).device))
        small = self.small(large, 0, torch.Generator().manual_seed(0))
        enlarged = to_uint8(_upsampler(networks)(small))
        factor = self.settings.network.factor
        coarse = to_uint8(F.interpolate(small, scale_factor=factor, mode="nearest"))
        size = (shown.shape[2], shown.shape[1])
        lanczos = [resized(picture, size) for picture in to_uint8(small)]
        kinds = [list(shown.numpy()), list(coarse), lanczos, list(enlarged)]
        return pictures.rows(kinds, num_columns=NUM_SHOWN)

    def export(self, networks: nn.ModuleDict) -> Export:
        """The upsampler alone."""
        return Export(
            system="upsampler",
            networks={"upsampler": networks["upsampler"]},
            registry_names={"upsampler": "upsampler"},
            settings={"world": self.settings.world.name, "resolution": self.settings.resolution},
        )

    def _crops(
        self, small: Tensor, large: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The same place of each small picture and its large one, by lot."""
        side, factor = self.settings.crop, self.settings.network.factor
        most = small.shape[2] - side + 1
        tops, lefts = torch.randint(most, (2, len(small)), generator=generator).tolist()

        def cut(pictures: Tensor, scale: int) -> Tensor:
            rows = zip(pictures, tops, lefts, strict=True)
            high = wide = side * scale
            return torch.stack(
                [one[:, top * scale :, left * scale :][:, :high, :wide] for one, top, left in rows]
            )

        return cut(small, 1), cut(large, factor)


def _autoencoder(name: str) -> nn.Module:
    """The frozen autoencoder of a checkpoint."""
    checkpoint = read(store.find(name, field="autoencoders"))
    part = autoencoder_part(checkpoint.manifest.networks)
    if part is None:
        raise InputError("autoencoders", name, "it has no autoencoder that reads pictures")
    network = checkpoint.network(part)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _upsampler(networks: nn.ModuleDict) -> Upsampler:
    network = networks["upsampler"]
    assert isinstance(network, Upsampler), type(network)
    return network
