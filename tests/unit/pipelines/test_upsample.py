"""Enlarging in tiles: the same as whole, at every size, stopped within a tile."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nonette.core.errors import Stopped
from nonette.core.sizes import resized
from nonette.core.types import Progress
from nonette.models.upsampler import Upsampler, UpsamplerConfig
from nonette.pipelines import _upsample
from nonette.pipelines._steps import Meter


def meter(**given: object) -> Meter:
    return Meter(1, given.get("on_progress"), given.get("should_stop"))


@pytest.fixture(scope="module")
def network() -> Upsampler:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Upsampler(UpsamplerConfig(factor=2, width=8, num_blocks=1))
    for parameter in made.parameters():
        parameter.data.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator()))
    made.conv_out.weight.data.mul_(10)
    return made.eval().requires_grad_(False)


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_tiles_leave_no_seam(network: Upsampler, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = noise(70, 45)
    whole = _upsample.upsampled(network, picture, (140, 90), meter())
    monkeypatch.setattr(_upsample, "TILE", 16)
    tiled = _upsample.upsampled(network, picture, (140, 90), meter())
    difference = np.abs(whole.astype(int) - tiled)
    assert difference.max() <= 1, "rounding at most"
    assert (difference > 0).mean() < 1e-3
    assert np.abs(whole.astype(int) - resized(picture, (140, 90))).mean() > 1, "it does something"


def test_with_less_around_them_tiles_would_leave_seams(
    network: Upsampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = noise(70, 45)
    whole = _upsample.upsampled(network, picture, (140, 90), meter())
    monkeypatch.setattr(_upsample, "TILE", 16)
    monkeypatch.setattr(UpsamplerConfig, "reach", 1)
    tiled = _upsample.upsampled(network, picture, (140, 90), meter())
    assert np.abs(whole.astype(int) - tiled).max() > 1


@pytest.mark.parametrize("wanted", [(40, 24), (30, 18), (80, 48), (77, 46), (21, 13), (320, 192)])
def test_every_larger_size_comes_out(network: Upsampler, wanted: tuple[int, int]) -> None:
    picture, seen = noise(20, 12), list[Progress]()
    large = _upsample.upsampled(network, picture, wanted, meter(on_progress=seen.append))
    assert large.shape == (wanted[1], wanted[0], 3) and large.dtype == np.uint8
    assert len(seen) == _upsample.num_tiles((20, 12), wanted, 2)
    assert {event.phase for event in seen} == {"enlarging"}


def test_no_tile_is_larger_than_allowed_and_all_is_covered() -> None:
    size = (_upsample.TILE * 2 + 5, _upsample.TILE)
    tiles = list(_upsample._tiles(size))
    assert len(tiles) == 3
    covered = np.zeros((size[1], size[0]), int)
    for tile in tiles:
        assert tile.right - tile.left <= _upsample.TILE and tile.bottom - tile.top <= _upsample.TILE
        covered[tile.top : tile.bottom, tile.left : tile.right] += 1
    assert (covered == 1).all()


def test_what_is_not_larger_is_not_enlarged() -> None:
    assert not _upsample.can_enlarge((20, 12), (20, 12))
    assert not _upsample.can_enlarge((20, 12), (40, 11))
    assert _upsample.can_enlarge((20, 12), (21, 12))
    assert _upsample.num_tiles((20, 12), (20, 12), 2) == 0


def test_stopping_is_honoured_between_tiles(
    network: Upsampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_upsample, "TILE", 8)
    answers = iter([False, False, True])
    with pytest.raises(Stopped, match="stopped after 2 of"):
        _upsample.upsampled(network, noise(20, 12), (40, 24), meter(should_stop=answers.__next__))
