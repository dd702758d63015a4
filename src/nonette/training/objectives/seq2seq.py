"""DALL·E mini's objective: say the next picture codes, given the caption.

Cross-entropy over the codes of a frozen VQGAN, teacher-forced, with captions dropped for a share of
the samples so that guidance has an unconditional branch (Ho and Salimans 2022, "Classifier-free
diffusion guidance", as DALL·E mini uses it). Codes are made on the fly, and kept, with their
captions, where scenes come round again (see `turns`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from nonette.checkpoints import store
from nonette.checkpoints.format import read
from nonette.core.errors import InputError
from nonette.data.scenes import corpus
from nonette.data.scenes.dataset import SceneDataset
from nonette.data.scenes.world import World
from nonette.models import bart
from nonette.models.vqgan import VQGAN
from nonette.nn.device import compiled
from nonette.pipelines._steps import Job, codes_to_blocks
from nonette.pipelines.dalle_mini import DalleMini
from nonette.text.normalise import normalise
from nonette.text.tokenizer import Tokenizer
from nonette.training import pictures
from nonette.training.objective import Batch, Export, Objective
from nonette.training.turns import Turns


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to train on, and with what.

    Attributes:
        network: Sizes of the encoder and decoder.
        world: The scenes; held-out pairs are left out of them.
        vqgan: Name or folder of the checkpoint whose VQGAN makes and draws the codes.
        tokenizer: File of the text tokenizer.
        resolution: Pictures' height and width in pixels.
        data_seed: Seed of the scenes.
        dropped_captions: Share of samples whose caption is empty.
        distinct: Scenes after which the series repeats, a multiple of the batch size; 0 for never.
        rounds: Times that so many scenes come before as many new ones take their place; 0 for ever.
        start: Name or folder of a checkpoint to take the first weights from, or "".
        compiled: Whether the network is compiled, where that is possible; captions then keep their
            padding.
        drawing: Pipeline settings that the finished model is shipped with.
    """

    network: bart.BartConfig
    world: World
    vqgan: str
    tokenizer: str
    resolution: int
    data_seed: int = 1
    dropped_captions: float = 0.1
    distinct: int = 0
    rounds: int = 0
    start: str = ""
    compiled: bool = False
    drawing: dict[str, float | int]


class Seq2SeqObjective(Objective):
    """One optimiser, `bart`; the VQGAN is frozen and not averaged."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.dataset = SceneDataset(
            world=settings.world,
            seed=settings.data_seed,
            size=settings.resolution,
            languages=settings.world.languages,
        )
        self.tokenizer = Tokenizer.load(settings.tokenizer)
        painter = read(store.find(settings.vqgan)).network("vqgan")
        assert isinstance(painter, VQGAN), type(painter)
        if not painter.config.has_encoder:
            raise InputError("vqgan", settings.vqgan, "it has no encoder, so it cannot read scenes")
        self.vqgan = painter
        self.vqgan.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network = bart.Bart(settings.network)
        if settings.start:
            start = read(store.find(settings.start)).network("bart")
            network.load_state_dict(start.state_dict())
        self.networks = nn.ModuleDict({"bart": network})
        self.optimised = {"bart": list(network.parameters())}
        self._pipeline(self.networks)  # parts that do not fit are known before anything is trained
        self.empty = torch.tensor(self.tokenizer.encode("", settings.network.text_length))
        self.turns = Turns(settings.distinct, settings.rounds)
        self.cross_entropy = compiled(cross_entropy) if settings.compiled else cross_entropy

    def batch(self, indices: range) -> Batch:
        """The scenes' number "first", and whether each caption "is_dropped", (B,).

        Those whose codes are not kept yet come painted: "pixels", uint8 (B, H, W, 3), and ids of
        the "caption" (B, L).

        Raises:
            InputError: `distinct` is no multiple of the batch size.
        """
        first = self.turns.first_of(indices)
        numbers = range(first, first + len(indices))
        scenes = {} if self.turns.are_kept(indices) else self._paint(numbers)
        is_dropped = torch.tensor([self._is_dropped(index) for index in indices])
        return scenes | {"first": torch.tensor(first), "is_dropped": is_dropped}

    def _paint(self, numbers: range) -> Batch:
        """The scenes of these numbers: "pixels" and "caption" ids."""
        samples = [self.dataset[number] for number in numbers]
        length = self.settings.network.text_length
        texts = [self.tokenizer.encode(normalise(sample["caption"]), length) for sample in samples]
        return {
            "pixels": pictures.stack([sample["pixels"] for sample in samples]),
            "caption": torch.tensor(texts),
        }

    @torch.no_grad()
    def _encoded(self, batch: Batch) -> Batch:
        """Painted scenes as they are kept: "codes", int16 (B, N, K), and "caption"."""
        pixels = pictures.to_float(batch["pixels"]).contiguous(memory_format=torch.channels_last)
        codes = codes_to_blocks(self.vqgan.encode(pixels), self.settings.network.codes_per_position)
        return {"codes": codes.to(torch.int16), "caption": batch["caption"]}

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean cross-entropy of a code in nats."""
        first = int(batch["first"])
        scenes = self._encoded(batch) if "pixels" in batch else self.turns.kept[first]
        self.turns.keep(first, scenes)
        caption = scenes["caption"]
        text = torch.where(batch["is_dropped"][:, None], self.empty.to(caption), caption)
        if not self.settings.compiled:  # padding behind the longest caption teaches nothing
            text = text[:, : int((text != self.settings.network.pad_id).sum(1).max())]
        network = self.networks["bart"]
        assert isinstance(network, bart.Bart), type(network)
        return self.cross_entropy(network, text, scenes["codes"].long()), {}

    def sheet(self, networks: nn.ModuleDict) -> Image.Image:
        """Four drawings a sentence, a line each, of the world's example sentences."""
        drawing = self.settings.drawing
        jobs = [
            Job(
                prompt=prompt,
                seeds=tuple(range(4)),
                guidance=drawing["guidance"],
                temperature=drawing["temperature"],
                top_k=int(drawing["top_k"]),
            )
            for prompt in corpus.examples(self.settings.world)[:18]
        ]
        drawn = self._pipeline(networks)(jobs)
        return pictures.rows([[picture for group in drawn for picture in group]], num_columns=12)

    def export(self, networks: nn.ModuleDict) -> Export:
        """The whole system: reader and writer of codes, VQGAN, tokenizer and vocabulary."""
        return Export(
            system="dalle_mini",
            networks={"bart": networks["bart"], "vqgan": self.vqgan},
            registry_names={"bart": "bart", "vqgan": "vqgan"},
            settings={
                "world": self.settings.world.name,
                "ranker": "scenes-clip",
                "languages": list(self.settings.world.languages),
                **self.settings.drawing,
            },
            files={
                "tokenizer.json": self.tokenizer.to_bytes(),
                "vocabulary.json": corpus.vocabulary(self.settings.world).to_bytes(),
            },
            examples=corpus.examples(self.settings.world),
        )

    def _pipeline(self, networks: nn.ModuleDict) -> DalleMini:
        """The system that draws with these networks; refuses parts that do not fit."""
        network = networks["bart"]
        assert isinstance(network, bart.Bart), type(network)
        return DalleMini(
            bart=network,
            vqgan=self.vqgan,
            tokenizer=self.tokenizer,
            settings=self.settings.drawing,
        )

    def _is_dropped(self, index: int) -> bool:
        key = np.random.SeedSequence([self.settings.data_seed, index, 0xD809])
        return bool(np.random.default_rng(key).random() < self.settings.dropped_captions)


def cross_entropy(network: bart.Bart, text: Tensor, codes: Tensor) -> Tensor:
    """Of a code in nats, the mean over codes (B, N, K) told by text ids (B, L)."""
    logits = network(text, codes)  # (B, N, K, V)
    return F.cross_entropy(logits.float().flatten(0, -2), codes.flatten())
