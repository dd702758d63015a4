"""Scenes as a data set by index: picture, caption and ground truth, the same from any worker.

Needs no torch: what `torch.utils.data.DataLoader` asks of a map-style data set are a length and
items. Caches live in each worker's process and only make it faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nonette.data.scenes import captions, painter
from nonette.data.scenes.world import Split, World, draw_scene

ENDLESS = 2**40  # scenes are made on the fly; nobody reaches the end


@dataclass(frozen=True, kw_only=True)
class SceneDataset:
    """An endless, captioned set of pictures of one world.

    Attributes:
        world: What there is to see.
        seed: Which series of scenes.
        size: Side of the pictures in pixels, a multiple of 32.
        split: "train", "held_out" or "all", as `draw_scene` wants it.
        languages: One is drawn for each caption.
        length: How many there are.
    """

    world: World
    seed: int
    size: int = 128
    split: Split = "train"
    languages: tuple[str, ...] = ("en", "fr")
    length: int = ENDLESS

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sample: "pixels" (uint8, (S, S, 3)), "caption", "scene", "boxes"."""
        if not 0 <= index < self.length:
            raise IndexError(f"index {index} is outside of the {self.length:,} scenes")
        scene = draw_scene(self.world, self.seed, index, self.split)
        render = painter.paint(scene, self.size, self.seed, index)
        language = self.languages[hash_of(self.seed, index) % len(self.languages)]
        return {
            "pixels": render.pixels,
            "caption": captions.tell(scene, language, self.seed, index),
            "scene": scene,
            "boxes": render.boxes,
        }


def hash_of(seed: int, index: int) -> int:
    """A well-mixed 64-bit number (the finaliser of SplitMix64), which decides the language."""
    z = (seed * 0x9E3779B97F4A7C15 + index + 1) * 0x9E3779B97F4A7C15 & (2**64 - 1)
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
    z = (z ^ z >> 27) * 0x94D049BB133111EB & (2**64 - 1)
    return z ^ z >> 31
