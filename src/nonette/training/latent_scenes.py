"""Scenes as diffusion learns them: latents, what is known around a mask, captions.

A frozen autoencoder makes the latents on the fly. Where a world's scenes come round again, what it
made of them is kept, with one mask each, since painting and encoding cost about as much as a step.
Which caption is dropped, and whether a scene is drawn whole or filled in, changes every round.

    B batch, L text tokens, C latent channels, h w latents, H W pixels
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from nonette.checkpoints import store
from nonette.checkpoints.format import read
from nonette.core.errors import InputError
from nonette.data.scenes.dataset import SceneDataset
from nonette.data.scenes.world import World
from nonette.models.kl_autoencoder import AutoencoderKL
from nonette.pipelines._latents import known_latents
from nonette.text.tokenizer import Tokenizer
from nonette.training import pictures
from nonette.training.masks import draw_mask, is_chosen
from nonette.training.objective import Batch

DROP_STREAM = 0xD809
MASKED_STREAM = 0x3A5D


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
        self.distinct = distinct
        self.empty = torch.tensor(self.tokenizer.encode("", text_length))
        self.kept: dict[int, Batch] = {}  # by their first scene

    def batch(self, indices: range) -> Batch:
        """Caption ids "text" (B, L), some of the empty caption; "is_masked" (B,); and the scenes.

        These are "latents", "known" (B, C, h, w) and "mask" (B, 1, h, w) where this process has
        encoded them before, else "pixels", uint8 (B, H, W, 3), "hole", bool (B, H, W), and
        "first", the number of their first.

        Raises:
            InputError: `distinct` is no multiple of the batch size.
        """
        if self.distinct and self.distinct % len(indices):
            limit = f"it must be a multiple of batch_size {len(indices)}"
            raise InputError("distinct", self.distinct, limit)
        first = indices.start % self.distinct if self.distinct else indices.start
        scenes = self.kept.get(first) or self._paint(range(first, first + len(indices)))
        is_dropped = self._chosen(indices, DROP_STREAM, self.dropped_captions)
        return scenes | {
            "text": torch.where(is_dropped[:, None], self.empty, scenes["caption"]),
            "is_masked": self._chosen(indices, MASKED_STREAM, self.masked_share),
        }

    @torch.no_grad()
    def latents(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The pictures (B, C, h, w), the masks (B, 1, h, w) and what is known (B, C, h, w).

        All float32; a sample that is drawn whole is masked everywhere, and nothing is known of it.
        """
        if "latents" in batch:
            x0, mask, known = (batch[name].float() for name in ("latents", "mask", "known"))
        else:
            pixels = pictures.to_float(batch["pixels"])
            hole = batch["hole"][:, None].to(pixels)  # (B, 1, H, W)
            x0 = self._encode(pixels)
            mask, known = known_latents(self._encode, pixels, hole, self.side)
            if self.distinct:
                self.kept[int(batch["first"])] = {
                    "latents": x0.to("cpu", torch.bfloat16),
                    "mask": mask.to("cpu", torch.bfloat16),
                    "known": known.to("cpu", torch.bfloat16),
                    "caption": batch["caption"].cpu(),
                }
        is_masked = batch["is_masked"][:, None, None, None]
        nothing = torch.zeros_like(known)
        return x0, torch.where(is_masked, mask, 1.0), torch.where(is_masked, known, nothing)

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
            "first": torch.tensor(numbers.start),
        }

    def _chosen(self, indices: range, stream: int, share: float) -> Tensor:
        return torch.tensor([is_chosen(self.dataset.seed, one, stream, share) for one in indices])
