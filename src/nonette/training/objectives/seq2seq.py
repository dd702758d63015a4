"""DALL·E mini's objective: say the next picture codes, given the caption.

Cross-entropy over the codes of a frozen VQGAN, teacher-forced, with captions dropped for a share of
the samples so that guidance has an unconditional branch (Ho and Salimans 2022, "Classifier-free
diffusion guidance", as DALL·E mini uses it). Codes are made on the fly. Where the network is small,
painting and encoding cost as much as learning: `distinct` then lets the series of scenes repeat,
with codes and captions kept in memory from their first time on.
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
from nonette.pipelines._steps import Job, codes_to_blocks
from nonette.pipelines.dalle_mini import DalleMini
from nonette.text.normalise import normalise
from nonette.text.tokenizer import Tokenizer
from nonette.training import pictures
from nonette.training.objective import Batch, Export, Objective


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
        start: Name or folder of a checkpoint to take the first weights from, or "".
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
    start: str = ""
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
        self.kept: dict[int, dict[str, Tensor]] = {}  # batches without pixels, by their first scene

    def batch(self, indices: range) -> Batch:
        """Caption ids (B, L), some of the empty caption, with "codes" (B, N, K) or "pixels".

        Codes are there where this process has encoded these scenes before, else uint8 pixels
        (B, H, W, 3) and "first", the number of their first.

        Raises:
            InputError: `distinct` is no multiple of the batch size.
        """
        distinct = self.settings.distinct
        if distinct and distinct % len(indices):
            limit = f"it must be a multiple of batch_size {len(indices)}"
            raise InputError("distinct", distinct, limit)
        first = indices.start % distinct if distinct else indices.start
        scenes = self.kept.get(first) or self._paint(range(first, first + len(indices)))
        is_dropped = torch.tensor([self._is_dropped(index) for index in indices])
        return scenes | {"text": torch.where(is_dropped[:, None], self.empty, scenes["caption"])}

    def _paint(self, numbers: range) -> Batch:
        """The scenes of these numbers: "pixels", "caption" ids and "first"."""
        samples = [self.dataset[number] for number in numbers]
        length = self.settings.network.text_length
        texts = [self.tokenizer.encode(normalise(sample["caption"]), length) for sample in samples]
        return {
            "pixels": pictures.stack([sample["pixels"] for sample in samples]),
            "caption": torch.tensor(texts),
            "first": torch.tensor(numbers.start),
        }

    def _encode(self, batch: Batch) -> Tensor:
        """The codes (B, N, K) of a batch with pixels, kept if these scenes will come again."""
        with torch.no_grad():
            pixels = pictures.to_float(batch["pixels"]).contiguous(
                memory_format=torch.channels_last
            )
            codes = codes_to_blocks(
                self.vqgan.encode(pixels), self.settings.network.codes_per_position
            )
        if self.settings.distinct:
            self.kept[int(batch["first"])] = {
                "codes": codes.to("cpu", torch.int16),
                "caption": batch["caption"].cpu(),
            }
        return codes

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean cross-entropy of a code in nats."""
        codes = batch["codes"].long() if "codes" in batch else self._encode(batch)  # (B, N, K)
        text = batch["text"]
        longest = int(
            (text != self.settings.network.pad_id).sum(1).max()
        )  # padding after it teaches nothing
        logits = self.networks["bart"](text[:, :longest], codes)  # (B, N, K, V)
        vocabulary = logits.shape[-1]
        loss = F.cross_entropy(logits.float().reshape(-1, vocabulary), codes.flatten())
        return loss, {}

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
