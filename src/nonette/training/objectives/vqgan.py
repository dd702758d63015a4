"""VQGAN's objective: reconstruct scenes through a codebook, sharply.

Losses of Esser et al. (2021), section 3.1: reconstruction, commitment, a patch adversary with hinge
loss whose weight follows the gradients at the last layer (equation 7), and a distance in feature
space. The features are the adversary's own (Larsen et al. 2016, "Autoencoding beyond pixels"),
since no pre-trained network is at hand. The first part of a run has no codebook at all, only a
little noise on the latents: outlines are learned several times faster so. The codebook then starts
as k-means of recent latents, follows them as a moving average (van den Oord et al. 2017, appendix
A.1), and codes nobody uses are moved onto latents of the current batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from PIL import Image
from torch import Tensor, nn

from nonette.data.scenes.dataset import SceneDataset
from nonette.data.scenes.world import PREVIEW_SEED, World
from nonette.models import vqgan
from nonette.pipelines._steps import to_uint8
from nonette.training import pictures
from nonette.training.adversary import Adversary, deceive, edge_distance, hinge_loss, psnr
from nonette.training.objective import Batch, Export, Objective

RECENT_PER_CODE = 16  # latents kept for k-means
NUM_LLOYD_STEPS = 12


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to train on, and how the losses weigh.

    Attributes:
        network: Sizes of the VQGAN.
        world: The scenes; held-out pairs are left out of them.
        data_seed: Seed of the scenes.
        edge_weight: Of the distance between horizontal and vertical differences, which keeps
            outlines.
        commitment_weight: β of van den Oord et al.
        adversary_weight: Share of the adversary, before the adaptive weight.
        feature_weight: Of the distance in the adversary's features.
        adversary_from: Share of the budget after which the adversary counts.
        adversary_channels: Channels of the adversary's first layer.
        quantise_from: Share of the budget before which latents are not quantised.
        latent_noise: Standard deviation of what is added to them until then.
        codebook_decay: Of the moving average of latents a code.
        revive_below: A code used less than this many times a batch, on average, is moved.
    """

    network: vqgan.VQGANConfig
    world: World
    data_seed: int = 1
    edge_weight: float = 1.0
    commitment_weight: float = 0.25
    adversary_weight: float = 0.1
    feature_weight: float = 1.0
    adversary_from: float = 0.6
    adversary_channels: int = 32
    quantise_from: float = 0.3
    latent_noise: float = 0.1
    codebook_decay: float = 0.98
    revive_below: float = 0.1


class VQGANObjective(Objective):
    """Optimisers `autoencoder` and, once it counts, `adversary`."""

    code_counts: Tensor
    code_sums: Tensor
    is_started: Tensor
    recent: Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.dataset = SceneDataset(
            world=settings.world, seed=settings.data_seed, size=settings.network.resolution
        )
        network = vqgan.VQGAN(settings.network)
        network.codebook.requires_grad_(False)  # follows the latents instead
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.networks = nn.ModuleDict({"vqgan": network})
        self.adversary = Adversary(settings.adversary_channels)
        size, dims = settings.network.codebook_size, settings.network.code_dim
        self.register_buffer("code_counts", torch.ones(size))
        self.register_buffer("code_sums", network.codebook.weight.detach().clone())
        self.register_buffer("is_started", torch.zeros((), dtype=torch.bool))
        self.register_buffer("recent", torch.zeros(RECENT_PER_CODE * size, dims))
        self.optimised = {
            "autoencoder": [p for p in network.parameters() if p.requires_grad],
            "adversary": list(self.adversary.parameters()),
        }
        self._last: dict[str, Tensor] = {}

    @property
    def network(self) -> vqgan.VQGAN:
        """The autoencoder that learns."""
        return _vqgan(self.networks)

    def batch(self, indices: range) -> Batch:
        """Scenes as uint8 (B, H, W, 3)."""
        return {"pixels": pictures.stack([self.dataset[index]["pixels"] for index in indices])}

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Reconstruction and codebook for the autoencoder, hinge for the adversary."""
        is_adverse = progress >= self.settings.adversary_from
        if name == "adversary":
            return hinge_loss(self.adversary, self._last if is_adverse else {})
        network = self.network
        pixels = pictures.to_float(batch["pixels"]).contiguous(memory_format=torch.channels_last)
        latents = network.latents(pixels)  # (B, D, h, w)
        self._remember(latents.detach())
        if progress < self.settings.quantise_from:
            noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(step)).to(
                latents
            )
            passed, codes = latents + self.settings.latent_noise * noise, None
            commitment = 0.01 * latents.square().mean()
        else:
            if not self.is_started:
                self._start_codebook()
            codes = network.nearest(latents.detach())
            quantised = network.embed(codes)
            passed = latents + (quantised - latents).detach()
            commitment = F.mse_loss(latents, quantised.detach())
        drawn = network.decode(passed)
        error = (drawn - pixels).abs().mean() + (drawn - pixels).square().mean()
        reconstruction = error + self.settings.edge_weight * edge_distance(drawn, pixels)
        loss = reconstruction + self.settings.commitment_weight * commitment
        figures = {
            "psnr": psnr(drawn, pixels),
            "commitment": commitment.detach(),
            "codes_used": (self.code_counts > self.settings.revive_below).float().mean(),
        }
        if is_adverse:
            last = network.decoder.conv_out.weight
            deception, features = deceive(self.adversary, drawn, pixels, reconstruction, last)
            loss = loss + self.settings.adversary_weight * deception
            loss = loss + self.settings.feature_weight * features
        self._last = {"drawn": drawn.detach(), "pixels": pixels}
        if codes is not None:
            self._last |= {"latents": latents.detach(), "codes": codes}
        return loss, figures

    def after_step(self, step: int) -> None:
        """Move the codes after the latents, and the unused ones onto latents of this batch."""
        last, self._last = self._last, {}
        if "codes" not in last:
            return
        flat = rearrange(last["latents"], "b d h w -> (b h w) d")
        codes = last["codes"].flatten()
        decay = self.settings.codebook_decay
        counts = torch.zeros_like(self.code_counts).index_add_(
            0, codes, torch.ones_like(codes, dtype=torch.float32)
        )
        sums = torch.zeros_like(self.code_sums).index_add_(0, codes, flat.float())
        self.code_counts.lerp_(counts, 1 - decay)
        self.code_sums.lerp_(sums, 1 - decay)
        dead = (self.code_counts < self.settings.revive_below).nonzero().flatten()
        if len(dead):
            generator = torch.Generator().manual_seed(step)
            chosen = torch.randint(len(flat), (len(dead),), generator=generator).to(flat.device)
            self.code_counts[dead] = 1.0
            self.code_sums[dead] = flat[chosen].float()
        table = self.network.codebook.weight
        table.data.copy_(self.code_sums / self.code_counts.clamp_min(1e-5)[:, None])

    def sheet(self, networks: nn.ModuleDict) -> Image.Image:
        """Scenes above, what is left of them below."""
        dataset = SceneDataset(
            world=self.settings.world, seed=PREVIEW_SEED, size=self.settings.network.resolution
        )
        shown = pictures.stack([dataset[index]["pixels"] for index in range(24)])
        network = _vqgan(networks)
        device = next(network.parameters()).device
        pixels = pictures.to_float(shown.to(device))
        drawn = (
            network.decode_codes(network.encode(pixels))
            if self.is_started
            else network.decode(network.latents(pixels))
        )
        return pictures.rows([list(shown.numpy()), list(to_uint8(drawn))], num_columns=12)

    def export(self, networks: nn.ModuleDict) -> Export:
        """The autoencoder alone."""
        return Export(
            system="vqgan",
            networks={"vqgan": networks["vqgan"]},
            registry_names={"vqgan": "vqgan"},
            settings={"world": self.settings.world.name},
        )

    def _remember(self, latents: Tensor) -> None:
        """Keep the newest latents for k-means."""
        flat = rearrange(latents, "b d h w -> (b h w) d").float()
        if not self.is_started:
            self.recent = torch.cat([self.recent, flat])[-len(self.recent) :]

    def _start_codebook(self) -> None:
        """Codes start as the centres of recent latents (Lloyd's algorithm)."""
        filled = self.recent[self.recent.any(dim=1)]
        generator = torch.Generator().manual_seed(0)
        chosen = torch.randint(len(filled), (len(self.code_sums),), generator=generator).to(
            filled.device
        )
        centres = filled[chosen].clone()
        for _ in range(NUM_LLOYD_STEPS):
            nearest = torch.addmm(centres.square().sum(1) / -2, filled, centres.T).argmax(1)
            counts = torch.zeros_like(self.code_counts).index_add_(
                0, nearest, torch.ones_like(filled[:, 0])
            )
            sums = torch.zeros_like(centres).index_add_(0, nearest, filled)
            centres = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], centres)
        self.code_counts.fill_(1.0)
        self.code_sums.copy_(centres)
        self.network.codebook.weight.data.copy_(centres)
        self.is_started.fill_(True)


def _vqgan(networks: nn.ModuleDict) -> vqgan.VQGAN:
    network = networks["vqgan"]
    assert isinstance(network, vqgan.VQGAN), type(network)
    return network
