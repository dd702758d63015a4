"""Wear: its share, its range, its determinism, and that what matters stays visible."""

from __future__ import annotations

import torch

from nonette.training.degrade import degrade


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
