"""Wear: its share, its range, its determinism, and that what matters stays visible."""

from __future__ import annotations

import pytest
import torch

from nonette.training.degrade import _blurred, degrade, shrink


def chequers(num_pictures: int) -> torch.Tensor:
    """Squares of 16 pixels in red and blue, (B, 3, 64, 64)."""
    place = torch.arange(64) // 16
    is_red = (place[:, None] + place) % 2 == 0
    picture = torch.where(is_red, torch.tensor([1.0, -1, -1])[:, None, None], -torch.ones(3, 1, 1))
    picture[2][~is_red] = 1.0
    return picture.expand(num_pictures, 3, 64, 64)


def worn(pictures: torch.Tensor, share: float, seed: int = 1) -> torch.Tensor:
    return degrade(pictures, share, torch.Generator().manual_seed(seed))


def test_same_generator_same_wear_and_the_pictures_are_left_alone() -> None:
    pictures = chequers(6).clone()
    assert torch.equal(worn(pictures, 0.5), worn(pictures, 0.5))
    assert not torch.equal(worn(pictures, 1.0, 1), worn(pictures, 1.0, 2))
    assert torch.equal(pictures, chequers(6))


def test_a_share_of_the_pictures_is_worn() -> None:
    pictures = chequers(400)
    is_worn = (worn(pictures, 0.3) != pictures).flatten(1).any(1)
    assert abs(float(is_worn.float().mean()) - 0.3) < 0.08
    assert torch.equal(worn(pictures, 0.0), pictures)


def test_worn_pictures_stay_in_range_and_recognisable() -> None:
    pictures = chequers(64)
    found = worn(pictures, 1.0)
    assert found.abs().max() <= 1
    distance = (found - pictures).square().mean(dim=(1, 2, 3)).sqrt()
    assert (distance > 0.01).all()
    assert (distance < 0.5).all()  # the other colour's squares would be 1.6 away
    is_right = (found[:, 0] > found[:, 2]) == (pictures[:, 0] > pictures[:, 2])
    assert is_right.float().mean() > 0.9


def test_shrinking_keeps_colours_and_only_a_share_gets_flaws():
    large = torch.linspace(-1, 1, 3)[None, :, None, None].expand(40, 3, 16, 16)
    for seed in range(6):
        clean = shrink(large, 2, 0.0, torch.Generator().manual_seed(seed))
        assert clean.shape == (40, 3, 8, 8)
        torch.testing.assert_close(clean, large[..., ::2, ::2])
        flawed = shrink(large, 2, 0.5, torch.Generator().manual_seed(seed))
        changed = (flawed - clean).flatten(1).abs().amax(1) > 0.001
        assert 5 < changed.sum() < 35
        assert flawed.abs().max() <= 1


def test_shrinking_is_the_same_for_the_same_seed_and_of_several_kinds():
    large = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(9)) * 2 - 1
    kinds = {
        shrink(large, 2, 0.0, torch.Generator().manual_seed(seed)).numpy().tobytes()
        for seed in range(20)
    }
    assert len(kinds) == 3
    one, other = (shrink(large, 2, 1.0, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, other)


def test_blur_keeps_the_mean_and_spreads_a_point_as_far_as_told():
    point = torch.zeros(2, 3, 15, 15)
    point[..., 7, 7] = 1
    narrow, wide = _blurred(point, torch.tensor([0.5, 1.2]))
    for blurred in (narrow, wide):
        assert blurred[0].sum().item() == pytest.approx(1, abs=1e-5)
    assert narrow[0, 7, 7] > wide[0, 7, 7] > wide[0, 7, 8] > wide[0, 7, 9] > 0
