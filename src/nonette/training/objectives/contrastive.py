"""CLIP's objective: a picture and its own caption belong together, and nothing else does.

The symmetric cross-entropy of Radford et al. (2021, section 2.3, figure 3), also known as InfoNCE
(van den Oord et al. 2018), made harder in two ways, since strangers in a batch differ in everything
and teach only the object. Scenes come in groups: one drawn by lot and others that differ from it by
a single attribute, all of them painted and told in the same words. And every picture gets more
captions that were altered once (Yuksekgonul et al. 2023, "When and Why Vision-Language Models
Behave like Bags-of-Words"). Telling one's own from these counts on its own: it is what ranking
does, whose candidates were all drawn for one sentence.

Captions that came out equal are not held against each other. A part of the
pictures is worn as generated pictures are (`training.degrade`). Held-out pairs never appear,
altered scenes included.

Shapes: B pictures in groups of g, A altered captions a picture, L tokens, E size of the shared
embedding.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from PIL import Image
from torch import Tensor, nn

from nonette.core.errors import InputError
from nonette.data.scenes import captions, painter
from nonette.data.scenes.alterations import alter, changed_facts
from nonette.data.scenes.dice import Dice
from nonette.data.scenes.scene import Scene
from nonette.data.scenes.world import PREVIEW_SEED, World, draw_scene
from nonette.models.clip import CLIP, CLIPConfig
from nonette.text.tokenizer import Tokenizer
from nonette.training import pictures
from nonette.training.degrade import degrade
from nonette.training.objective import Batch, Export, Objective

MAX_LOGIT_SCALE = math.log(100)  # Radford et al., section 2.5
MAX_ATTEMPTS = 5  # a scene wanted, at one that is new
NUM_LENGTHS = 4  # parts of a batch of sentences that are padded to one length
NUM_SHEET_PROMPTS = 12
NUM_SHEET_PICTURES = 120


@dataclass(frozen=True, kw_only=True)
class _Member:
    """One picture of a group: pixels, its caption, and captions of scenes that it does not show."""

    pixels: np.ndarray
    caption: str
    altered: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to train on, and how the losses weigh.

    Attributes:
        network: Sizes of both towers.
        world: The scenes; held-out pairs are left out of them.
        tokenizer: Path of the `tokenizer.json` that captions are read with.
        data_seed: Seed of the scenes.
        languages: Groups take turns.
        group_size: Scenes a group; 1 is plain CLIP. Batches hold whole groups.
        num_alterations: Further captions a picture, told of scenes altered once and not painted.
        hard_weight: Of telling own from group and alterations, beside the batch's cross-entropy.
        same_layout_share: Groups whose pictures share one layout and so differ in nothing but the
            attribute.
        plain_share: Groups told in the plain style, the rest in varied words.
        worn_share: Pictures that are worn.
    """

    network: CLIPConfig
    world: World
    tokenizer: str
    data_seed: int = 1
    languages: tuple[str, ...] = ("en", "fr")
    group_size: int = 4
    num_alterations: int = 1
    hard_weight: float = 1.0
    same_layout_share: float = 0.5
    plain_share: float = 0.25
    worn_share: float = 0.5


class ContrastiveObjective(Objective):
    """One optimiser, `clip`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.tokenizer = Tokenizer.load(Path(settings.tokenizer))
        self.networks = nn.ModuleDict({"clip": CLIP(settings.network)})
        self.optimised = {"clip": list(self.networks["clip"].parameters())}

    def batch(self, indices: range) -> Batch:
        """Pictures, uint8 (B, H, W, 3), own captions (B, L) and altered ones (B, A, L)."""
        size = self.settings.group_size
        if indices.start % size or indices.stop % size:
            raise InputError(
                "batch_size", len(indices), f"it must be a multiple of group_size {size}"
            )
        groups = range(indices.start // size, indices.stop // size)
        members = [member for group in groups for member in self._group(group)]
        own = torch.tensor([self._encode(member.caption) for member in members])
        altered = torch.tensor(
            [[self._encode(text) for text in member.altered] for member in members]
        )
        return {
            "pixels": pictures.stack([member.pixels for member in members]),
            "own": own,
            "altered": altered.long().view(len(own), self.settings.num_alterations, own.shape[1]),
        }

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """InfoNCE over the batch plus the weighted choice among group and alterations."""
        clip = cast(CLIP, self.networks["clip"])
        generator = torch.Generator().manual_seed(step)
        pixels = degrade(pictures.to_float(batch["pixels"]), self.settings.worn_share, generator)
        own, altered = batch["own"], batch["altered"]
        seen = clip.encode_image(pixels).float()  # (B, E)
        told = _encode_texts(clip, torch.cat([own, altered.flatten(0, 1)])).float()  # (B + B A, E)
        told_own = told[: len(own)]  # (B, E)
        told_altered = told[len(own) :].view(*altered.shape[:2], -1)  # (B, A, E)
        scale = clip.logit_scale.exp()
        logits = scale * seen @ told_own.T  # (B pictures, B captions)
        hard = scale * torch.einsum("be,bae->ba", seen, told_altered)  # (B, A)
        is_equal = (own[:, None] == own[None]).all(-1)  # (B, B)
        is_equal.fill_diagonal_(False)
        logits = logits.masked_fill(is_equal, -torch.inf)
        hard = hard.masked_fill((altered == own[:, None]).all(-1), -torch.inf)
        among_all = info_nce(logits, hard)
        among_hard = own_choice(logits, hard, self.settings.group_size)
        figures = {
            "among_all": among_all.detach(),
            "among_hard": among_hard.detach(),
            "scale": scale.detach(),
            **_shares_right(logits.detach(), hard.detach(), self.settings.group_size),
        }
        return among_all + self.settings.hard_weight * among_hard, figures

    def after_step(self, step: int) -> None:
        """Keep the temperature above 1/100."""
        clip = cast(CLIP, self.networks["clip"])
        clip.logit_scale.data.clamp_(max=MAX_LOGIT_SCALE)

    def sheet(self, networks: nn.ModuleDict) -> Image.Image:
        """A column a sentence: its own picture on top, then the five that fit best among all."""
        size = self.settings.network.image.size
        scenes = [
            draw_scene(self.settings.world, PREVIEW_SEED, index)
            for index in range(NUM_SHEET_PICTURES)
        ]
        painted = [
            painter.paint(scene, size, PREVIEW_SEED, index).pixels
            for index, scene in enumerate(scenes)
        ]
        told = [
            captions.tell(scene, self.settings.languages[0], PREVIEW_SEED, index, style="plain")
            for index, scene in enumerate(scenes[:NUM_SHEET_PROMPTS])
        ]
        clip = cast(CLIP, networks["clip"])
        ids = torch.tensor(
            [self._encode(caption) for caption in told], device=clip.logit_scale.device
        )
        pixels = pictures.to_float(pictures.stack(painted)).to(ids.device)
        best = (
            (clip.encode_text(ids) @ clip.encode_image(pixels).T)
            .argsort(dim=1, descending=True)[:, :5]
            .cpu()
        )
        ranked = [
            [painted[int(best[column, rank])] for column in range(len(told))] for rank in range(5)
        ]
        return pictures.rows([painted[:NUM_SHEET_PROMPTS], *ranked], num_columns=NUM_SHEET_PROMPTS)

    def export(self, networks: nn.ModuleDict) -> Export:
        """A ranking checkpoint: one network and its tokenizer."""
        return Export(
            system="clip",
            networks={"clip": networks["clip"]},
            registry_names={"clip": "clip"},
            settings={},
            files={"tokenizer.json": Path(self.settings.tokenizer).read_bytes()},
        )

    def _encode(self, caption: str) -> list[int]:
        """Token ids of a caption, as ranking reads a prompt."""
        return self.tokenizer.encode(caption, self.settings.network.text.length)

    def _group(self, group: int) -> list[_Member]:
        """The scene drawn at this index, and others that differ from it by one attribute each."""
        settings = self.settings
        world, seed, size = settings.world, settings.data_seed, settings.network.image.size
        language = settings.languages[group % len(settings.languages)]
        dice = Dice("group", seed, group)
        first = draw_scene(world, seed, group)
        scenes = [first, *self._altered(first, settings.group_size - 1, ("scene", seed, group))]
        keep = frozenset().union(*(changed_facts(first, scene) for scene in scenes))
        has_one_layout = dice.chance(settings.same_layout_share)
        manner: captions.Manner = "plain" if dice.chance(settings.plain_share) else "varied"

        def tell(scene: Scene, facts: Set[str] = frozenset()) -> str:
            return captions.tell(scene, language, seed, group, manner, keep=keep | facts)

        members = []
        for place, scene in enumerate(scenes):
            others = self._altered(scene, settings.num_alterations, ("text", seed, group, place))
            layout = group if has_one_layout else group * settings.group_size + place
            pixels = painter.paint(scene, size, seed, layout).pixels
            altered = tuple(tell(other, changed_facts(scene, other)) for other in others)
            members.append(_Member(pixels=pixels, caption=tell(scene), altered=altered))
        return members

    def _altered(self, scene: Scene, count: int, key: tuple[object, ...]) -> list[Scene]:
        """Scenes that differ from this one by an attribute, none held out, all new if possible."""
        found: list[Scene] = []
        for attempt in range(MAX_ATTEMPTS * count):
            other = alter(scene, Dice(*key, attempt), self.settings.world)
            if other not in found:
                found.append(other)
            if len(found) == count:
                break
        return [found[place % len(found)] for place in range(count)]


def info_nce(logits: Tensor, hard: Tensor) -> Tensor:
    """The symmetric cross-entropy of a batch, the mean over pictures and captions.

    Args:
        logits: (B pictures, B captions), own pairs on the diagonal; -inf where nothing should be
            held against.
        hard: (B, A), each picture against its own altered captions, which only pictures must tell
            apart.
    """
    own = torch.arange(len(logits), device=logits.device)
    of_pictures = F.cross_entropy(torch.cat([logits, hard], dim=1), own)
    of_captions = F.cross_entropy(logits.T, own)
    return (of_pictures + of_captions) / 2


def own_choice(logits: Tensor, hard: Tensor, group_size: int) -> Tensor:
    """The same cross-entropy within each own group (and alterations) alone."""
    blocks = _group_blocks(logits, group_size)  # (n, pictures g, captions g)
    own = torch.arange(len(logits), device=logits.device) % group_size
    of_pictures = F.cross_entropy(torch.cat([blocks.flatten(0, 1), hard], dim=1), own)
    of_captions = F.cross_entropy(blocks.transpose(1, 2).flatten(0, 1), own)
    return (of_pictures + of_captions) / 2


def _group_blocks(logits: Tensor, group_size: int) -> Tensor:
    """The blocks (n, g, g) on the diagonal of (n g, n g)."""
    blocks = rearrange(logits, "(n g) (m h) -> n m g h", g=group_size, h=group_size)
    return blocks.diagonal(dim1=0, dim2=1).permute(2, 0, 1)


def _shares_right(logits: Tensor, hard: Tensor, group_size: int) -> dict[str, Tensor]:
    """How often the own one wins, 0 to 1: in the batch, by caption, by picture."""
    blocks = _group_blocks(logits, group_size)
    own = torch.arange(len(logits), device=logits.device)
    near_captions = torch.cat([blocks.flatten(0, 1), hard], dim=1)
    near_pictures = blocks.transpose(1, 2).flatten(0, 1)
    return {
        "right_in_batch": (logits.argmax(1) == own).float().mean(),
        "right_caption": (near_captions.argmax(1) == own % group_size).float().mean(),
        "right_picture": (near_pictures.argmax(1) == own % group_size).float().mean(),
    }


def _encode_texts(clip: CLIP, ids: Tensor) -> Tensor:
    """Sentences (B, L) as vectors (B, E), without the padding none needs."""
    lengths = (ids == clip.config.text.end_token).int().argmax(dim=1) + 1
    order = lengths.argsort(stable=True)
    told = [
        clip.encode_text(ids[rows, : int(lengths[rows[-1]])]) for rows in order.chunk(NUM_LENGTHS)
    ]
    return torch.cat(told)[order.argsort()]
