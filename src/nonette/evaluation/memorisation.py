"""Does the model draw or remember? Nearest training renders, near copies, a look-up baseline.

After Carlini et al. 2023 ("Extracting Training Data from Diffusion Models", section 4.2): two
pictures are as far apart as their most different tile, since flat backgrounds make whole-picture
distances small for strangers. Distances are root mean squares of pixels in [0, 1] at 32×32, so that
noise and resampling do not hide a copy.

Notable choices: a share of near copies says little alone, since simple scenes look alike by chance.
The same share is taken of fresh renders that the model never saw, and only what exceeds it is
memory. A copy that was moved escapes pixels but not features, so nearest features are compared in
the same way.

What it does not know: prompts' ground truth (the suite judges what `Retrieval` finds as if it were
drawn), and any training render outside the sample it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from nonette.data.scenes import captions, painter
from nonette.data.scenes import world as worlds
from nonette.data.scenes.dataset import hash_of
from nonette.data.scenes.scene import Scene
from nonette.evaluation.enough import require, require_variety
from nonette.models.clip import CLIP
from nonette.pipelines.rerank import embed_prompt
from nonette.text.tokenizer import Tokenizer

SIDE = 32  # pixels; where distances are taken
TILES = 4  # tiles a side
COPY_DISTANCE = 0.15  # Carlini et al., section 4.2
LEAST_PICTURES = 50
LEAST_TRAINING = 1_000
NUM_CLOSEST = 20
CHUNK = 256  # pictures compared at a time


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """For every picture the nearest training render: its index, and how far (0 is the same)."""

    indices: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """How close a set of pictures comes to the training renders.

    Attributes:
        num_pictures: Pictures in the set.
        num_copies: Those whose nearest training render is within `COPY_DISTANCE` in every tile.
        median_distance: Of the nearest renders, in pixels' root mean square over the worst tile, 0
            to 1.
        median_similarity: Of the nearest renders in features, as a cosine.
    """

    num_pictures: int
    num_copies: int
    median_distance: float
    median_similarity: float

    @property
    def copy_share(self) -> float:
        """Near copies as a share of the set."""
        return self.num_copies / self.num_pictures


@dataclass(frozen=True, kw_only=True)
class Memorisation:
    """Drawn pictures beside fresh renders: alike where nothing was memorised.

    Attributes:
        drawn: The model's pictures.
        fresh: Renders of the same world from seeds that the model never saw.
        num_training: Training renders searched.
        closest: (index drawn, index of the training render, distance) of the `NUM_CLOSEST` nearest
            pairs.
    """

    drawn: Nearness
    fresh: Nearness
    num_training: int
    closest: tuple[tuple[int, int, float], ...]


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures to compare: uint8 (N, H, W, 3), and their features (N, D) in a network of ours."""

    pixels: np.ndarray
    features: np.ndarray


def memorisation(drawn: Gallery, fresh: Gallery, training: Gallery) -> Memorisation:
    """Search the training renders for copies of drawn and of fresh pictures.

    Raises:
        NotEnoughData: Fewer than `LEAST_PICTURES` drawn or fresh pictures or `LEAST_TRAINING`
            training renders, or all pictures of a set are the same.
    """
    for name, gallery, least in (
        ("drawn pictures", drawn, LEAST_PICTURES),
        ("fresh renders", fresh, LEAST_PICTURES),
        ("training renders", training, LEAST_TRAINING),
    ):
        require(name, len(gallery.pixels), least)
        require_variety(name, gallery.pixels)
    neighbours = nearest_by_pixels(drawn.pixels, training.pixels)
    order = np.argsort(neighbours.distances, kind="stable")[:NUM_CLOSEST]
    closest = [(int(i), int(neighbours.indices[i]), float(neighbours.distances[i])) for i in order]
    return Memorisation(
        drawn=_nearness(neighbours, nearest_by_features(drawn.features, training.features)),
        fresh=_nearness(
            nearest_by_pixels(fresh.pixels, training.pixels),
            nearest_by_features(fresh.features, training.features),
        ),
        num_training=len(training.pixels),
        closest=tuple(closest),
    )


def nearest_by_pixels(pictures: np.ndarray, training: np.ndarray) -> Neighbours:
    """The nearest of `training` (M, H, W, 3) to each of `pictures` (N, H, W, 3), both uint8.

    Distances are the root mean square difference of the most different of `TILES`² tiles, 0 to 1.
    """
    ours, theirs = _tiles(pictures), _tiles(training)  # (T, N, P), (T, M, P)
    their_squares = theirs.square().sum(-1)  # (T, M)
    found = []
    for start in range(0, ours.shape[1], CHUNK):
        chunk = ours[:, start : start + CHUNK]  # (T, n, P)
        worst = torch.zeros(
            chunk.shape[1], theirs.shape[1]
        )  # (n, M), the square of the worst tile so far
        for tile, their_tile, squares in zip(chunk, theirs, their_squares, strict=True):
            apart = tile.square().sum(-1)[:, None] - 2 * tile @ their_tile.T + squares  # (n, M)
            worst = torch.maximum(worst, apart)
        found.append(worst.min(dim=1))
    squared = torch.cat([minimum.values for minimum in found]) / ours.shape[2]
    indices = torch.cat([minimum.indices for minimum in found])
    return Neighbours(indices=indices.numpy(), distances=squared.sqrt().numpy())


def nearest_by_features(features: np.ndarray, training: np.ndarray) -> Neighbours:
    """The most similar of `training` (M, D) to each of `features` (N, D), by 1 - cosine, 0 to 2."""
    ours, theirs = _unit(features), _unit(training)
    similarities = ours @ theirs.T  # (N, M)
    indices = similarities.argmax(axis=1)
    distances = 1 - np.take_along_axis(similarities, indices[:, None], axis=1)[:, 0]
    return Neighbours(indices=indices, distances=distances.clip(min=0))


class Retrieval:
    """The baseline that draws nothing: renders whose training captions are nearest to the prompt.

    A model must beat it on combinations that training never held, or it is a look-up table itself.

    Args:
        clip: Our network, whose text side compares sentences.
        tokenizer: Its tokenizer.
        world: The world that the model was trained on.
        seed: The seed of its training scenes.
        num_captions: How many training scenes can be found, from index 0.
        size: Pixels a side of what comes back.
        languages: What its captions are told in, the same one a scene as in training.
    """

    def __init__(
        self,
        *,
        clip: CLIP,
        tokenizer: Tokenizer,
        world: worlds.World,
        seed: int,
        num_captions: int,
        size: int,
        languages: Sequence[str] = ("en", "fr"),
    ) -> None:
        require("training captions", num_captions, 1)
        self.clip = clip
        self.tokenizer = tokenizer
        self.world = world
        self.seed = seed
        self.size = size
        self.captions = [
            captions.tell(
                self.scene(index), languages[hash_of(seed, index) % len(languages)], seed, index
            )
            for index in range(num_captions)
        ]
        chunks = range(0, num_captions, CHUNK)
        parts = [self._embed(self.captions[start : start + CHUNK]) for start in chunks]
        self.sentences = np.concatenate(parts)  # (N, E)

    def _embed(self, sentences: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32 (n, E)."""
        length = self.clip.config.text.length
        ids = torch.tensor([self.tokenizer.encode(sentence, length) for sentence in sentences])
        with torch.inference_mode():
            return self.clip.encode_text(ids.to(self.clip.logit_scale.device)).float().cpu().numpy()

    def scene(self, index: int) -> Scene:
        """The training scene of this index."""
        return worlds.draw_scene(self.world, self.seed, index)

    def nearest(self, prompt: str, count: int = 1) -> np.ndarray:
        """Indices of the `count` training captions most like the prompt, best first."""
        similarities = self.sentences @ embed_prompt(self.clip, self.tokenizer, prompt)  # (N,)
        return np.argsort(-similarities, kind="stable")[:count]

    def retrieve(self, prompt: str, count: int = 1) -> list[np.ndarray]:
        """Renders, uint8 (size, size, 3), of the `count` training captions most like the prompt."""
        return [
            painter.paint(self.scene(int(index)), self.size, self.seed, int(index)).pixels
            for index in self.nearest(prompt, count)
        ]


def _nearness(by_pixels: Neighbours, by_features: Neighbours) -> Nearness:
    """What two searches found, in four numbers."""
    return Nearness(
        num_pictures=len(by_pixels.distances),
        num_copies=int((by_pixels.distances <= COPY_DISTANCE).sum()),
        median_distance=float(np.median(by_pixels.distances)),
        median_similarity=float(1 - np.median(by_features.distances)),
    )


def _tiles(pictures: np.ndarray) -> Tensor:
    """uint8 (N, H, W, 3) as float32 in [0, 1], (tiles, N, values of a tile)."""
    small = [
        torch.nn.functional.interpolate(
            torch.from_numpy(pictures[start : start + CHUNK]).permute(0, 3, 1, 2).float() / 255,
            (SIDE, SIDE),
            mode="area",
        )
        for start in range(0, len(pictures), CHUNK)
    ]
    return rearrange(torch.cat(small), "n c (a h) (b w) -> (a b) n (c h w)", a=TILES, b=TILES)


def _unit(features: np.ndarray) -> np.ndarray:
    """Rows of length one, float32."""
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
