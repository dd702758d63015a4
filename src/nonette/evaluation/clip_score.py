"""CLIP score in our own CLIP: how well drawn pictures fit their prompts, on average.

CLIPScore (Hessel et al. 2021, "CLIPScore: A Reference-free Evaluation Metric for Image Captioning",
equation 1) is 2.5 · max(cosine, 0). Ours comes from the CLIP that we trained on scenes, so its
numbers compare only with numbers from the very same weights, never with published ones, and reports
must call it by `NAME`. Where the same CLIP ranked the pictures, the score flatters: print it for
unranked pictures beside it.

The interval resamples prompts, not pictures, since the pictures of one prompt stand and fall
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nonette.evaluation.enough import require, require_variety
from nonette.models.clip import CLIP
from nonette.pipelines.rerank import rerank
from nonette.text.tokenizer import Tokenizer

NAME = "CLIP score in our own CLIP"
WEIGHT = 2.5  # equation 1's w, which stretches cosines towards [0, 1]
LEAST_PROMPTS = 10
NUM_RESAMPLES = 1_000
COVERAGE = 0.95


@dataclass(frozen=True, kw_only=True)
class ClipScore:
    """The mean score (0 to 2.5), its 95% bootstrap interval, and what it was taken on."""

    mean: float
    low: float
    high: float
    num_prompts: int
    num_pictures: int


def clip_score(
    clip: CLIP,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    pictures: Sequence[Sequence[np.ndarray]],
    generator: np.random.Generator,
) -> ClipScore:
    """Score the pictures of every prompt.

    Args:
        clip: Our network, in eval mode.
        tokenizer: Its tokenizer.
        prompts: At least `LEAST_PROMPTS`.
        pictures: For each prompt at least one picture, uint8 (H, W, 3).
        generator: Of the bootstrap.

    Raises:
        NotEnoughData: Too few prompts, a prompt without pictures, or pictures that are all alike.
    """
    require("prompts", len(prompts), LEAST_PROMPTS)
    for prompt, drawn in zip(prompts, pictures, strict=True):
        require(f"pictures of {prompt!r}", len(drawn), 1)
    cosines = [
        rerank(clip, tokenizer, drawn, prompt)
        for prompt, drawn in zip(prompts, pictures, strict=True)
    ]
    require_variety("cosines of pictures and prompts", np.concatenate(cosines))
    return summarise(cosines, generator)


def summarise(cosines: Sequence[np.ndarray], generator: np.random.Generator) -> ClipScore:
    """The score of cosines that are already there, one array of at least one number a prompt."""
    require("prompts", len(cosines), LEAST_PROMPTS)
    means = (
        np.array([np.maximum(of_prompt, 0.0).mean(dtype=np.float64) for of_prompt in cosines])
        * WEIGHT
    )
    draws = generator.integers(len(means), size=(NUM_RESAMPLES, len(means)))
    low, high = np.quantile(means[draws].mean(axis=1), [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return ClipScore(
        mean=float(means.mean()),
        low=float(low),
        high=float(high),
        num_prompts=len(means),
        num_pictures=sum(len(of_prompt) for of_prompt in cosines),
    )
