"""Enlarging measured: nothing beats the truth, Lanczos beats nothing, and what is alike is 1."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import tiny_model
from nonette.checkpoints.format import Part
from nonette.core.sizes import resized
from nonette.data.scenes import splits
from nonette.data.scenes.world import TINY_WORLD, draw_scene
from nonette.evaluation import enlarging
from nonette.evaluation.enough import NotEnoughData
from nonette.models.kl_autoencoder import AutoencoderKL
from nonette.models.vqgan import VQGAN
from nonette.recipes.autoencoder import TINY_NETWORK


@pytest.fixture(scope="module")
def large() -> list[np.ndarray]:
    return enlarging.large_scenes(TINY_WORLD, 32, 10)


def test_what_knows_the_truth_wins_every_time(large: list[np.ndarray]) -> None:
    small = enlarging.shrunk(large, 2)
    assert small[0].shape == (16, 16, 3)
    known = {one.tobytes(): whole for one, whole in zip(small, large, strict=True)}
    found = enlarging.compare(large, small, lambda picture, size: known[picture.tobytes()])
    assert found.ours.psnr > found.lanczos.psnr + 10 and found.ours.similarity == 1
    assert 0.3 < found.lanczos.similarity < 1
    assert found.low < found.gain < found.high and found.better.value == 1
    assert found.gain == pytest.approx(found.ours.psnr - found.lanczos.psnr)


def test_lanczos_is_as_good_as_itself(large: list[np.ndarray]) -> None:
    found = enlarging.compare(large, enlarging.shrunk(large, 2), resized)
    assert (found.gain, found.low, found.high, found.better.right) == (0, 0, 0, 0)
    assert dataclasses.astuple(found.ours) == dataclasses.astuple(found.lanczos)


def test_similarity_is_that_of_the_formula() -> None:
    dice = np.random.default_rng(0)
    x, y = dice.integers(0, 256, (2, 11, 11, 3), dtype=np.uint8)
    line = np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2)
    window = np.outer(line, line) / line.sum() ** 2
    wanted = []
    for channel in range(3):
        a, b = x[..., channel].astype(float), y[..., channel].astype(float)
        mean_a, mean_b = (window * a).sum(), (window * b).sum()
        var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
        both = (window * (a - mean_a) * (b - mean_b)).sum()
        c1, c2 = 2.55**2, 7.65**2
        wanted.append(
            (2 * mean_a * mean_b + c1)
            * (2 * both + c2)
            / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
        )
    assert enlarging.similarity(x, y) == pytest.approx(np.mean(wanted), abs=1e-4)
    assert enlarging.similarity(x, x) == pytest.approx(1)


def test_psnr_is_that_of_the_formula() -> None:
    black, grey = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 51, np.uint8)
    assert enlarging.quality(grey, black).psnr == pytest.approx(20 * np.log10(5))


def test_scenes_are_held_out_of_training(large: list[np.ndarray]) -> None:
    scenes = [draw_scene(TINY_WORLD, enlarging.SCENE_SEED, index, "held_out") for index in range(9)]
    assert all(splits.held_out_pairs(scene) for scene in scenes)
    assert len({picture.tobytes() for picture in large}) == len(large)


def test_what_autoencoders_of_either_kind_leave_is_a_picture() -> None:
    small = [np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = AutoencoderKL(TINY_NETWORK), VQGAN(tiny_model.VQGAN_CONFIG)
    for network in networks:
        (picture,) = enlarging.remade_each(network.eval(), small)
        assert picture.shape == (16, 16, 3) and picture.dtype == np.uint8
    part = Part(network="any", config={})
    assert enlarging.autoencoder_part({"bart": part, "vqgan": part}) == "vqgan"
    assert enlarging.autoencoder_part({"denoiser": part, "autoencoder": part}) == "autoencoder"
    assert enlarging.autoencoder_part({"clip": part}) is None
    blind = Part(network="vqgan", config={"has_encoder": False})
    assert enlarging.autoencoder_part({"vqgan": blind}) is None


def test_a_few_pictures_are_not_enough_data(large: list[np.ndarray]) -> None:
    with pytest.raises(NotEnoughData):
        enlarging.compare(large[:3], enlarging.shrunk(large[:3], 2), resized)
