"""One-object accuracy of a small world: is the thing there that a sentence of one thing names?

The judge knows larger pictures than small models draw, so these are enlarged for it by Lanczos
first; what that costs is told by putting real renders of the models' own size through the same.
Nothing is ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from nonette.core.types import Engine, Request
from nonette.data.scenes import captions, painter
from nonette.data.scenes import world as worlds
from nonette.data.scenes.scene import Scene, Thing
from nonette.data.scenes.world import World
from nonette.evaluation.intervals import Share, share
from nonette.evaluation.reading import Reading
from nonette.evaluation.verdicts import judge

CATEGORY = "one_object"
PAINT_SEED = worlds.PROMPT_SEED + 600_000  # of the renders, which nothing was trained on

Read = Callable[[Sequence[np.ndarray]], list[Reading]]
Pictures = Mapping[str, np.ndarray]
"""By the object's id, uint8 (N, H, W, 3)."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Shares of pictures that show what was asked for: of all, and object by object."""

    all: Share
    objects: Mapping[str, Share]


def keys(world: World) -> dict[str, Scene]:
    """Every object of the world alone, untold in everything else."""
    return {name: Scene(things=(Thing(name=name),)) for name in world.objects}


def sentence(key: Scene, language: str) -> str:
    """The one canonical sentence of a scene."""
    return captions.tell(key, language, 0, 0, style="plain")


def drawn(engine: Engine, world: World, count: int, seed: int = 0) -> Pictures:
    """`count` pictures of every object as a model draws them.

    Args:
        engine: The model.
        world: What it was trained on.
        count: Pictures an object, 1 to 64.
        seed: Of the first object's first picture; every picture has its own.
    """
    requests = [
        Request(
            prompt=sentence(key, world.languages[0]),
            num_pictures=count,
            candidates=count,
            seed=seed + place * count,
            ranks=False,
        )
        for place, key in enumerate(keys(world).values())
    ]
    return {
        name: np.stack([picture.pixels for picture in drawing.pictures])
        for name, drawing in zip(world.objects, engine.draw(requests), strict=True)
    }


def rendered(world: World, count: int, size: int) -> Pictures:
    """`count` real renders of every object, `size` pixels a side."""
    return {
        name: np.stack(
            [
                painter.paint(key, size, PAINT_SEED, place * count + index).pixels
                for index in range(count)
            ]
        )
        for place, (name, key) in enumerate(keys(world).items())
    }


def accuracy(read: Read, pictures: Pictures, world: World, size: int) -> Accuracy:
    """What a judge that sees pictures of `size` pixels makes of smaller ones."""
    right: dict[str, list[bool]] = {}
    for name, key in keys(world).items():
        readings = read([enlarged(picture, size) for picture in pictures[name]])
        right[name] = [judge(reading, key, CATEGORY).is_right for reading in readings]
    every = [one for row in right.values() for one in row]
    return Accuracy(
        all=share(sum(every), len(every), "pictures"),
        objects={
            name: share(sum(row), len(row), "pictures", least=1) for name, row in right.items()
        },
    )


def enlarged(picture: np.ndarray, size: int) -> np.ndarray:
    """A picture, uint8 (H, W, 3), at `size` pixels a side, by Lanczos where that differs."""
    if picture.shape[:2] == (size, size):
        return picture
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS))
