"""Scenes as diffusion of pixels learns them: pictures and captions.

Where a world's scenes come round again they are kept, since painting costs about as much as a step.
Which caption is dropped changes every round.

    B batch, L text tokens, H W pixels
"""

from __future__ import annotations

import torch
from torch import Tensor

from nonette.data.scenes.dataset import SceneDataset
from nonette.data.scenes.world import World
from nonette.text.tokenizer import Tokenizer
from nonette.training import pictures
from nonette.training.masks import is_chosen
from nonette.training.objective import Batch
from nonette.training.turns import Turns

DROP_STREAM = 0xD80A


class PixelScenes:
    """Batches by index.

    Args:
        world: The scenes; held-out pairs are left out of them.
        seed: Of the scenes.
        resolution: Pictures' height and width in pixels.
        tokenizer: Captions to ids.
        text_length: L.
        dropped_captions: Share of samples whose caption is empty.
        distinct: Scenes after which the series repeats, a multiple of the batch size; 0 for never.
    """

    def __init__(
        self,
        *,
        world: World,
        seed: int,
        resolution: int,
        tokenizer: Tokenizer,
        text_length: int,
        dropped_captions: float,
        distinct: int,
    ) -> None:
        self.dataset = SceneDataset(
            world=world, seed=seed, size=resolution, languages=world.languages
        )
        self.tokenizer, self.text_length = tokenizer, text_length
        self.dropped_captions = dropped_captions
        self.turns = Turns(distinct)
        self.empty = torch.tensor(tokenizer.encode("", text_length))

    def batch(self, indices: range) -> Batch:
        """Pictures "pixels", uint8 (B, H, W, 3), and ids "text" (B, L), some of no caption.

        Raises:
            InputError: `distinct` is no multiple of the batch size.
        """
        first = self.turns.first_of(indices)
        numbers = range(first, first + len(indices))
        scenes = self.turns.kept.get(first) or self._paint(numbers)
        self.turns.keep(first, scenes)
        seed, share = self.dataset.seed, self.dropped_captions
        is_dropped = torch.tensor([is_chosen(seed, one, DROP_STREAM, share) for one in indices])
        return {
            "pixels": scenes["pixels"],
            "text": torch.where(is_dropped[:, None], self.empty, scenes["caption"]),
        }

    def _paint(self, numbers: range) -> dict[str, Tensor]:
        samples = [self.dataset[number] for number in numbers]
        texts = [self.tokenizer.encode(sample["caption"], self.text_length) for sample in samples]
        return {
            "pixels": pictures.stack([sample["pixels"] for sample in samples]),
            "caption": torch.tensor(texts),
        }
