"""Nearest renders against brute force, planted copies, and a look-up that finds what it should."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nonette.data.scenes import corpus, painter
from nonette.data.scenes.world import TINY_WORLD, draw_scene
from nonette.evaluation.enough import NotEnoughData
from nonette.evaluation.memorisation import (
    LEAST_PICTURES,
    LEAST_TRAINING,
    Gallery,
    Retrieval,
    memorisation,
    nearest_by_features,
    nearest_by_pixels,
)
from nonette.models.clip import CLIP, CLIPConfig, ImageTowerConfig, TextTowerConfig
from nonette.text import tokenizer


def noise(count: int, seed: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def gallery(pixels: np.ndarray) -> Gallery:
    return Gallery(pixels=pixels, features=pixels.reshape(len(pixels), 32 * 96)[:, :32] / 255 + 0.1)


def test_pixel_distance_is_the_worst_tile_by_brute_force() -> None:
    pictures, training = noise(3, 0), noise(7, 1)
    found = nearest_by_pixels(pictures, training)
    for picture, index, distance in zip(pictures, found.indices, found.distances, strict=True):
        worst = [
            max(
                np.sqrt(np.mean((a - b)[y : y + 8, x : x + 8] ** 2))
                for y in range(0, 32, 8)
                for x in range(0, 32, 8)
            )
            for a, b in [(picture / 255, render / 255) for render in training]
        ]
        assert index == np.argmin(worst)
        assert distance == pytest.approx(min(worst), rel=1e-4)


def test_a_stranger_on_the_same_background_is_far_although_most_of_it_is_alike() -> None:
    white = np.full((1, 32, 32, 3), 255, np.uint8)
    spot = white.copy()
    spot[0, 8:16, 8:16] = 0
    assert nearest_by_pixels(white, spot).distances[0] == pytest.approx(1.0)


def test_distances_do_not_change_with_resolution() -> None:
    small, others = noise(4, 2), noise(9, 3)
    large = small.repeat(4, axis=1).repeat(4, axis=2)
    expected, found = nearest_by_pixels(small, others), nearest_by_pixels(large, others)
    assert expected.indices.tolist() == found.indices.tolist()
    np.testing.assert_allclose(found.distances, expected.distances, atol=1e-5)


def test_features_are_compared_by_angle_not_by_length() -> None:
    features = np.array([[1.0, 0.0], [1.0, 1.0]])
    training = np.array([[0.0, 5.0], [3.0, 3.0], [0.1, 0.0]])
    found = nearest_by_features(features, training)
    assert found.indices.tolist() == [2, 1]
    np.testing.assert_allclose(found.distances, 0, atol=1e-6)


def test_planted_copies_are_counted_and_fresh_pictures_are_not() -> None:
    training = noise(LEAST_TRAINING, 4)
    drawn = noise(LEAST_PICTURES, 5)
    grain = np.random.default_rng(6).normal(0, 8, drawn[:7].shape)
    drawn[:7] = (training[100:107] + grain).clip(0, 255).astype(np.uint8)
    found = memorisation(gallery(drawn), gallery(noise(LEAST_PICTURES, 7)), gallery(training))
    assert found.drawn.num_copies == 7
    assert found.drawn.copy_share == pytest.approx(7 / LEAST_PICTURES)
    assert found.fresh.num_copies == 0
    assert sorted(pair[:2] for pair in found.closest[:7]) == [(i, 100 + i) for i in range(7)]
    assert found.drawn.median_distance == pytest.approx(found.fresh.median_distance, rel=0.1)


@pytest.mark.parametrize("count", [0, 1, LEAST_PICTURES - 1])
def test_too_few_pictures_give_no_share(count: int) -> None:
    enough, training = gallery(noise(LEAST_PICTURES, 1)), gallery(noise(LEAST_TRAINING, 2))
    few = gallery(noise(count, 3))
    for drawn, fresh in ((few, enough), (enough, few)):
        with pytest.raises(NotEnoughData, match="not enough data"):
            memorisation(drawn, fresh, training)


def test_all_black_pictures_give_no_share() -> None:
    black = gallery(np.zeros((LEAST_PICTURES, 32, 32, 3), np.uint8))
    with pytest.raises(NotEnoughData, match="not enough data"):
        memorisation(black, gallery(noise(LEAST_PICTURES, 1)), gallery(noise(LEAST_TRAINING, 2)))


def test_retrieval_finds_the_very_caption_and_paints_its_scene() -> None:
    config = CLIPConfig(
        image=ImageTowerConfig(
            size=32,
            patch_size=16,
            width=8,
            num_layers=1,
            num_heads=1,
            stem_channels=(),
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        ),
        text=TextTowerConfig(
            vocabulary_size=400,
            length=32,
            width=32,
            num_layers=1,
            num_heads=2,
            end_token=2,
            is_causal=False,
        ),
        embedding_size=16,
        activation="gelu",
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = CLIP(config).eval()
    baseline = Retrieval(
        clip=clip,
        tokenizer=tokenizer.train(corpus.captions(TINY_WORLD, 1, 200), 400),
        world=TINY_WORLD,
        seed=1,
        num_captions=300,
        size=32,
    )
    for index in (0, 17, 299):
        caption = baseline.captions[index]
        first = baseline.captions.index(caption)
        assert baseline.nearest(caption, 1)[0] in (first, index)
        render = painter.paint(draw_scene(TINY_WORLD, 1, first), 32, 1, first)
        np.testing.assert_array_equal(baseline.retrieve(caption)[0], render.pixels)
    assert len(baseline.retrieve("a cat", 9)) == 9
