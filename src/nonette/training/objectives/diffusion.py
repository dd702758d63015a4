"""Our diffusion transformer's objective: say which way the picture lies, given caption and mask.

Rectified flow (Liu et al. 2023; Esser et al. 2024, section 3): latents x0 are mixed with noise eps
at a time t whose logit is normally distributed, and the network is to say eps - x0. Captions are
dropped for a share of the samples, so that guidance has an unconditional branch, and a share of the
samples is filled in around a mask rather than drawn whole: one network learns both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from nonette.checkpoints import store
from nonette.checkpoints.format import read
from nonette.data.scenes import corpus
from nonette.data.scenes.world import World
from nonette.models.dit import DiT, DiTConfig
from nonette.nn.device import compiled
from nonette.pipelines._steps import Job
from nonette.pipelines.stable_diffusion import StableDiffusion
from nonette.training import pictures
from nonette.training.latent_scenes import LatentScenes
from nonette.training.objective import Batch, Export, Objective

NUM_SHOWN = 18  # sentences on a sheet
NOISE_STREAM = 0x5EED


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to train on, and with what.

    Attributes:
        network: Sizes of the transformer.
        world: The scenes; held-out pairs are left out of them.
        autoencoder: Name or folder of the checkpoint whose latents are drawn.
        tokenizer: File of the text tokenizer.
        resolution: Pictures' height and width in pixels.
        data_seed: Seed of the scenes.
        dropped_captions: Share of samples whose caption is empty.
        masked_share: Share of samples that are filled in.
        distinct: Scenes after which the series repeats, a multiple of the batch size; 0 for never.
        rounds: Times that so many scenes come before as many new ones take their place; 0 for ever.
        time_mean: Of the logit of t; above 0 is more noise.
        time_spread: Its standard deviation.
        start: Name or folder of a checkpoint to take the first weights from, or "".
        compiled: Whether the network is compiled, where that is possible.
        drawing: Pipeline settings that the finished model is shipped with.
    """

    network: DiTConfig
    world: World
    autoencoder: str
    tokenizer: str
    resolution: int
    data_seed: int = 1
    dropped_captions: float = 0.1
    masked_share: float = 0.2
    distinct: int = 0
    rounds: int = 0
    time_mean: float = 0.3
    time_spread: float = 1.0
    start: str = ""
    compiled: bool = False
    drawing: dict[str, Any]


class DiffusionObjective(Objective):
    """One optimiser, `denoiser`; the autoencoder is frozen and not averaged."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.scenes = scenes_of(settings)
        network = DiT(settings.network)
        if settings.start:
            network.load_state_dict(trained_dit(settings.start).state_dict())
        self.networks = nn.ModuleDict({"denoiser": network})
        self.optimised = {"denoiser": list(network.parameters())}
        self.velocity = compiled(velocity) if settings.compiled else velocity
        drawer(self.networks, self.scenes, settings.drawing)  # parts that do not fit fail now

    def batch(self, indices: range) -> Batch:
        """See `LatentScenes.batch`."""
        return self.scenes.batch(indices)

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error of the velocity; 1 + the latents' variance for one that says 0."""
        settings, network = self.settings, dit_of(self.networks)
        x0, mask, known, text = self.scenes.latents(batch)
        generator = noise_generator(step, x0.device)
        logit = torch.randn(len(x0), generator=generator, device=x0.device) * settings.time_spread
        t = torch.sigmoid(logit + settings.time_mean)  # (B,)
        eps = torch.randn(x0.shape, generator=generator, device=x0.device)
        share = t[:, None, None, None]
        x = (1 - share) * x0 + share * eps
        said = self.velocity(network, x, t, text, mask, known)
        error = (said.float() - (eps - x0)).square().mean(dim=(1, 2, 3))  # (B,)
        is_noisy = (t > 0.5).float()
        noisy = (error.detach() * is_noisy).sum() / is_noisy.sum().clamp_min(1)
        return error.mean(), {"noisy_half_loss": noisy}

    def sheet(self, networks: nn.ModuleDict) -> Image.Image:
        """Two drawings a sentence of the world's example sentences, side by side."""
        shown = drawn_examples(networks, self.scenes, self.settings.drawing)
        return pictures.rows([shown], num_columns=12)

    def export(self, networks: nn.ModuleDict) -> Export:
        """The whole system: transformer, autoencoder, tokenizer and vocabulary."""
        return exported(networks, self.scenes, self.settings.drawing)


def velocity(
    network: DiT,
    x: Tensor,
    t: Tensor,
    text: Tensor,
    mask: Tensor,
    known: Tensor,
    step: Tensor | None = None,
    guidance: Tensor | None = None,
) -> Tensor:
    """What a transformer says of noisy latents and text ids (B, L); see `DiT.forward`."""
    said: Tensor = network(x, t, network.read(text), mask, known, step, guidance)
    return said


def scenes_of(settings: Settings) -> LatentScenes:
    """What these settings train on."""
    return LatentScenes(
        world=settings.world,
        seed=settings.data_seed,
        resolution=settings.resolution,
        autoencoder=settings.autoencoder,
        tokenizer=settings.tokenizer,
        text_length=settings.network.text_length,
        dropped_captions=settings.dropped_captions,
        masked_share=settings.masked_share,
        distinct=settings.distinct,
        rounds=settings.rounds,
    )


def noise_generator(step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """What every random choice of a step's loss is drawn from, where the loss is taken."""
    return torch.Generator(device).manual_seed(NOISE_STREAM + step)


def trained_dit(checkpoint: str) -> DiT:
    """The transformer of a checkpoint."""
    network = read(store.find(checkpoint)).network("denoiser")
    assert isinstance(network, DiT), type(network)
    return network


def dit_of(networks: nn.ModuleDict) -> DiT:
    """The transformer of an objective's networks."""
    network = networks["denoiser"]
    assert isinstance(network, DiT), type(network)
    return network


def drawer(
    networks: nn.ModuleDict, scenes: LatentScenes, drawing: Mapping[str, Any]
) -> StableDiffusion:
    """The system that draws with these networks.

    Raises:
        ValueError: The parts do not fit each other.
    """
    return StableDiffusion(
        denoiser=dit_of(networks),
        autoencoder=scenes.autoencoder,
        tokenizer=scenes.tokenizer,
        settings=drawing,
    )


def drawn_examples(
    networks: nn.ModuleDict, scenes: LatentScenes, drawing: Mapping[str, Any], **job: Any
) -> Sequence[Any]:
    """Two drawings of each of the world's example sentences: uint8 (H, W, 3)."""
    prompts = corpus.examples(scenes.dataset.world)[:NUM_SHOWN]
    jobs = [
        Job(prompt=prompt, seeds=(2 * i, 2 * i + 1), guidance=float(drawing["guidance"]), **job)
        for i, prompt in enumerate(prompts)  # seeds of their own fill the groups
    ]
    return [picture for group in drawer(networks, scenes, drawing)(jobs) for picture in group]


def exported(networks: nn.ModuleDict, scenes: LatentScenes, drawing: Mapping[str, Any]) -> Export:
    """The whole system: transformer, autoencoder, tokenizer and vocabulary."""
    world = scenes.dataset.world
    return Export(
        system="stable_diffusion",
        networks={"denoiser": networks["denoiser"], "autoencoder": scenes.autoencoder},
        registry_names={"denoiser": "dit", "autoencoder": "kl_autoencoder"},
        settings={
            "world": world.name,
            "ranker": "scenes-clip",
            "languages": list(world.languages),
            "diffusion": {"kind": "straight"},
            **drawing,
        },
        files={
            "tokenizer.json": scenes.tokenizer.to_bytes(),
            "vocabulary.json": corpus.vocabulary(world).to_bytes(),
        },
        examples=corpus.examples(world),
    )
