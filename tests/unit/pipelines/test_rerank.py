"""Ranking: scores are cosines, and a picture's score is its own whatever company it is in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nonette.models.clip import CLIP, CLIPConfig, ImageTowerConfig, TextTowerConfig
from nonette.pipelines.rerank import embed_picture, embed_prompt, rerank
from nonette.text.tokenizer import Tokenizer, train

CONFIG = CLIPConfig(
    image=ImageTowerConfig(
        size=32,
        patch_size=8,
        width=48,
        num_layers=2,
        num_heads=3,
        stem_channels=(8, 16),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
    text=TextTowerConfig(
        vocabulary_size=300,
        length=16,
        width=32,
        num_layers=2,
        num_heads=2,
        end_token=2,
        is_causal=False,
    ),
    embedding_size=24,
    activation="gelu",
)


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    return train(["a cat", "a red dog on the moon"], 300)


@pytest.fixture(scope="module")
def clip() -> CLIP:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return CLIP(CONFIG).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    generator = np.random.default_rng(5)
    return list(generator.integers(0, 256, (11, 32, 32, 3), dtype=np.uint8))


def test_scores_are_the_cosines_of_the_networks_own_vectors(
    clip: CLIP, words: Tokenizer, pictures: list[np.ndarray]
) -> None:
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 127.5 - 1
    ids = torch.tensor([words.encode("a cat", 16)])
    with torch.inference_mode():
        expected = (clip.encode_image(pixels) @ clip.encode_text(ids).T)[:, 0].numpy()
    scores = rerank(clip, words, pictures, "A  cat")
    assert scores.dtype == np.float32 and scores.shape == (11,)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_a_score_does_not_depend_on_strangers(
    clip: CLIP, words: Tokenizer, pictures: list[np.ndarray]
) -> None:
    together = rerank(clip, words, pictures, "a cat")
    backwards = rerank(clip, words, pictures[::-1], "a cat")[::-1]
    alone = [rerank(clip, words, [picture], "a cat")[0] for picture in pictures]
    assert together.tolist() == backwards.tolist() == alone


def test_no_pictures_have_no_scores(clip: CLIP, words: Tokenizer) -> None:
    assert rerank(clip, words, [], "a cat").shape == (0,)


def test_another_size_is_resized(clip: CLIP) -> None:
    large = np.full((64, 96, 3), (200, 30, 60), np.uint8)
    small = np.full((32, 32, 3), (200, 30, 60), np.uint8)
    np.testing.assert_allclose(embed_picture(clip, large), embed_picture(clip, small), atol=1e-4)


def test_bfloat16_weights_give_unit_vectors_in_float32(
    words: Tokenizer, pictures: list[np.ndarray]
) -> None:
    rounded = CLIP(CONFIG).eval().to(torch.bfloat16)
    for vector in (embed_picture(rounded, pictures[0]), embed_prompt(rounded, words, "a cat")):
        assert vector.dtype == np.float32
        assert abs(np.linalg.norm(vector) - 1) < 1e-5
