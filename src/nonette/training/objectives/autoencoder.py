"""The KL autoencoder's objective: scenes as few latents that diffusion can learn, and back.

Losses of Rombach et al. (2022), appendix G: reconstruction with a small pull of the latents
towards the normal distribution, and, in the last part of a run, a patch adversary (see
`training.adversary`). Latents are sampled with the spread that the encoder gives them, so the
decoder forgives a denoiser's small mistakes. What they must be scaled with to have unit variance
is measured at the end, and shipped in the network's config.

A decoder can be trained on alone, while diffusion already learns the latents or afterwards: these
must not change any more, pictures may.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn

from nonette.checkpoints import store
from nonette.checkpoints.format import read
from nonette.data.scenes.dataset import SceneDataset
from nonette.data.scenes.world import PREVIEW_SEED, World
from nonette.models.kl_autoencoder import AutoencoderKL, AutoencoderKLConfig, kl_divergence
from nonette.pipelines._steps import to_uint8
from nonette.training import pictures
from nonette.training.adversary import Adversary, deceive, edge_distance, hinge_loss, psnr
from nonette.training.objective import Batch, Export, Objective

NUM_MEASURED = 64  # scenes that the latents' scale is measured on


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to train on, and how the losses weigh.

    Attributes:
        network: Sizes of the autoencoder; its scale is 1 until it is measured.
        world: The scenes; held-out pairs are left out of them.
        resolution: Pictures' height and width in pixels.
        data_seed: Seed of the scenes.
        edge_weight: Of the distance between horizontal and vertical differences, which keeps
            outlines.
        kl_weight: Of the divergence from the standard normal, in nats a latent.
        adversary_weight: Share of the adversary, before the adaptive weight.
        feature_weight: Of the distance in the adversary's features.
        adversary_from: Share of the budget after which the adversary counts; 1 for never.
        adversary_channels: Channels of the adversary's first layer.
        start: Name or folder of a checkpoint to take the first weights from, or "".
        is_encoder_frozen: Whether the decoder alone is trained, and latents stay what they are.
    """

    network: AutoencoderKLConfig
    world: World
    resolution: int
    data_seed: int = 1
    edge_weight: float = 1.0
    kl_weight: float = 3e-3
    adversary_weight: float = 0.1
    feature_weight: float = 1.0
    adversary_from: float = 0.6
    adversary_channels: int = 32
    start: str = ""
    is_encoder_frozen: bool = False


class AutoencoderObjective(Objective):
    """Optimisers `autoencoder` and, if it ever counts, `adversary`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.dataset = SceneDataset(
            world=settings.world, seed=settings.data_seed, size=settings.resolution
        )
        network = AutoencoderKL(dataclasses.replace(settings.network, scale=1.0))
        if settings.start:
            network.load_state_dict(trained_autoencoder(settings.start).state_dict())
        if settings.is_encoder_frozen:
            network.encoder.requires_grad_(False)
            network.quant_conv.requires_grad_(False)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.networks = nn.ModuleDict({"autoencoder": network})
        self.adversary = Adversary(settings.adversary_channels)
        self.optimised = {"autoencoder": [one for one in network.parameters() if one.requires_grad]}
        if settings.adversary_from < 1:
            self.optimised["adversary"] = list(self.adversary.parameters())
        self._last: dict[str, Tensor] = {}

    def batch(self, indices: range) -> Batch:
        """Scenes as uint8 (B, H, W, 3)."""
        return {"pixels": pictures.stack([self.dataset[index]["pixels"] for index in indices])}

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Reconstruction and divergence for the autoencoder, hinge for the adversary."""
        is_adverse = progress >= self.settings.adversary_from
        if name == "adversary":
            return hinge_loss(self.adversary, self._last if is_adverse else {})
        network = _autoencoder(self.networks)
        pixels = pictures.to_float(batch["pixels"]).contiguous(memory_format=torch.channels_last)
        mean, log_variance = (one.float() for one in network.moments(pixels))  # (B, D, h, w) each
        generator = torch.Generator(mean.device).manual_seed(step)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        drawn = network.decode(mean + (log_variance / 2).exp() * noise).float()
        error = (drawn - pixels).abs().mean() + (drawn - pixels).square().mean()
        reconstruction = error + self.settings.edge_weight * edge_distance(drawn, pixels)
        divergence = kl_divergence(mean, log_variance).mean() / mean[0].numel()
        loss = reconstruction + self.settings.kl_weight * divergence
        figures = {"psnr": psnr(drawn, pixels), "nats": divergence.detach()}
        if is_adverse:
            last = network.decoder.conv_out.weight
            deception, features = deceive(self.adversary, drawn, pixels, reconstruction, last)
            loss = loss + self.settings.adversary_weight * deception
            loss = loss + self.settings.feature_weight * features
        self._last = {"drawn": drawn.detach(), "pixels": pixels}
        return loss, figures

    def after_step(self, step: int) -> None:
        """Forget the pictures that both losses looked at."""
        self._last = {}

    def sheet(self, networks: nn.ModuleDict) -> Image.Image:
        """Scenes above, what is left of them below."""
        shown, pixels = self._previews(networks, 24)
        network = _autoencoder(networks)
        drawn = network.decode(network.encode(pixels))
        return pictures.rows([list(shown.numpy()), list(to_uint8(drawn))], num_columns=12)

    def export(self, networks: nn.ModuleDict) -> Export:
        """The autoencoder alone, its latents scaled to unit variance."""
        trained = _autoencoder(networks)
        with torch.inference_mode():
            spread = float(trained.encode(self._previews(networks, NUM_MEASURED)[1]).std())
        scaled = AutoencoderKL(dataclasses.replace(trained.config, scale=1 / spread))
        scaled.load_state_dict(trained.state_dict())
        return Export(
            system="kl_autoencoder",
            networks={"autoencoder": scaled},
            registry_names={"autoencoder": "kl_autoencoder"},
            settings={"world": self.settings.world.name, "resolution": self.settings.resolution},
        )

    def _previews(self, networks: nn.ModuleDict, number: int) -> tuple[Tensor, Tensor]:
        """Scenes that are not trained on: uint8 (B, H, W, 3), and floats (B, 3, H, W)."""
        dataset = SceneDataset(
            world=self.settings.world, seed=PREVIEW_SEED, size=self.settings.resolution
        )
        shown = pictures.stack([dataset[index]["pixels"] for index in range(number)])
        device = next(networks.parameters()).device
        return shown, pictures.to_float(shown.to(device))


def trained_autoencoder(checkpoint: str) -> AutoencoderKL:
    """The autoencoder of a checkpoint."""
    network = read(store.find(checkpoint)).network("autoencoder")
    assert isinstance(network, AutoencoderKL), type(network)
    return network


def _autoencoder(networks: nn.ModuleDict) -> AutoencoderKL:
    network = networks["autoencoder"]
    assert isinstance(network, AutoencoderKL), type(network)
    return network
