"""Scenes as diffusion learns them: latents, what is known around a mask, captions.

A frozen autoencoder makes the latents on the fly. Where a world's scenes come round again (see
`turns`), what it made of them is kept, with one mask each. Which caption is dropped, and whether a
scene is drawn whole or filled in, changes every round.

    B batch, L text tokens, C latent channels, h w latents, H W pixels
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nonette.checkpoints import store
from nonette.checkpoints.format import read
from nonette.data.scenes.dataset import SceneDataset
from nonette.data.scenes.world import World
from nonette.models.kl_autoencoder import AutoencoderKL
from nonette.pipelines._latents import known_latents
from nonette.text.tokenizer import Tokenizer
from nonette.training import pictures
from nonette.training.masks import draw_mask, is_chosen
from nonette.training.objective import Batch
from nonette.training.turns import Turns

DROP_STREAM = 0xD809
MASKED_STREAM = 0x3A5D


class Latents(NamedTuple):
    """A batch as a network of latent diffusion is taught; the numbers are float32.

    Attributes:
        x0: The pictures, (B, C, h, w).
        mask: 1 where they are to be drawn, (B, 1, h, w); everywhere, where one is drawn whole.
        known: What is known around the mask, (B, C, h, w).
        text: Ids of the captions, some of the empty one, (B, L).
    """

    x0: Tensor
    mask: Tensor
    known: Tensor
    text: Tensor


class LatentScenes(nn.Module):
    """Batches by index, and their latents.

    Args:
        world: The scenes; held-out pairs are left out of them.
        seed: Of the scenes.
        resolution: Pictures' height and width in pixels.
        autoencoder: Name or folder of the checkpoint that makes the latents; frozen.
        tokenizer: File of the text tokenizer.
        text_length: L.
        dropped_captions: Share of samples whose caption is empty.
        masked_share: Share of samples that are filled in rather than drawn whole.
        distinct: Scenes after which the series repeats, a multiple of the batch size; 0 for never.
        rounds: Times that so many scenes come before as many new ones take their place; 0 for ever.
    """

    def __init__(
        self,
        *,
        world: World,
        seed: int,
        resolution: int,
        autoencoder: str,
        tokenizer: str,
        text_length: int,
        dropped_captions: float,
        masked_share: float,
        distinct: int,
        rounds: int,
    ) -> None:
        super().__init__()
        self.dataset = SceneDataset(
            world=world, seed=seed, size=resolution, languages=world.languages
        )
        painter = read(store.find(autoencoder)).network("autoencoder")
        assert isinstance(painter, AutoencoderKL), type(painter)
        self.autoencoder = painter.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.side = resolution // painter.config.downsampling
        self.tokenizer = Tokenizer.load(tokenizer)
        self.text_length = text_length
        self.dropped_captions, self.masked_share = dropped_captions, masked_share
        self.turns = Turns(distinct, rounds)
        self.empty = torch.tensor(self.tokenizer.encode("", text_length))

    def batch(self, indices: range) -> Batch:
        """The scenes' number "first", and whether each "is_masked" and "is_dropped", (B,).

        Those that `latents` does not keep yet come painted: "pixels", uint8 (B, H, W, 3), "hole",
        bool (B, H, W), and ids of the "caption" (B, L).

        Raises:
            InputError: `distinct` is no multiple of the batch size.
        """
        first = self.turns.first_of(indices)
        numbers = range(first, first + len(indices))
        scenes = {} if self.turns.are_kept(indices) else self._paint(numbers)
        return scenes | {
            "first": torch.tensor(first),
            "is_dropped": self._chosen(indices, DROP_STREAM, self.dropped_captions),
            "is_masked": self._chosen(indices, MASKED_STREAM, self.masked_share),
        }

    @torch.no_grad()
    def latents(self, batch: Batch) -> Latents:
        """What is taught of a batch; painted scenes are encoded, and kept where they come again."""
        first = int(batch["first"])
        scenes = self._encoded(batch) if "pixels" in batch else self.turns.kept[first]
        self.turns.keep(first, scenes)
        x0, mask, known = (scenes[name].float() for name in ("latents", "mask", "known"))
        is_masked = batch["is_masked"][:, None, None, None]
        return Latents(
            x0=x0,
            mask=torch.where(is_masked, mask, 1.0),
            known=torch.where(is_masked, known, torch.zeros_like(known)),
            text=torch.where(
                batch["is_dropped"][:, None], self.empty.to(scenes["caption"]), scenes["caption"]
            ),
        )

    def _encoded(self, batch: Batch) -> Batch:
        """Painted scenes as they are kept, in bfloat16: "latents", "mask", "known", "caption"."""
        pixels = pictures.to_float(batch["pixels"])
        hole = batch["hole"][:, None].to(pixels)  # (B, 1, H, W)
        mask, known = known_latents(self._encode, pixels, hole, self.side)
        return {
            "latents": self._encode(pixels).bfloat16(),
            "mask": mask.bfloat16(),
            "known": known.bfloat16(),
            "caption": batch["caption"],
        }

    def _encode(self, pixels: Tensor) -> Tensor:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return self.autoencoder.encode(pixels).float().contiguous()

    def _paint(self, numbers: range) -> Batch:
        samples = [self.dataset[number] for number in numbers]
        texts = [self.tokenizer.encode(sample["caption"], self.text_length) for sample in samples]
        holes = [
            draw_mask(
                self.dataset.seed,
                number,
                self.dataset.size,
                [(box.x0, box.y0, box.x1, box.y1) for box in sample["boxes"]],
            )
            for number, sample in zip(numbers, samples, strict=True)
        ]
        return {
            "pixels": pictures.stack([sample["pixels"] for sample in samples]),
            "hole": torch.from_numpy(np.stack(holes)),
            "caption": torch.tensor(texts),
        }

    def _chosen(self, indices: range, stream: int, share: float) -> Tensor:
        return torch.tensor([is_chosen(self.dataset.seed, one, stream, share) for one in indices])
