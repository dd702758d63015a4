"""Lots: fixed by their key, fair, and independent between keys."""

from __future__ import annotations

import numpy as np

from nonette.data.scenes.lots import Lot


def numbers(seed: int, index: int, stream: int, num: int = 40) -> list[float]:
    lot = Lot(seed, index, stream)
    return [lot.number() for _ in range(num)]


def test_the_same_key_gives_the_same_lots() -> None:
    assert numbers(3, 14, 1) == numbers(3, 14, 1)


def test_every_part_of_the_key_matters() -> None:
    first = numbers(3, 14, 1)
    for other in ((4, 14, 1), (3, 15, 1), (3, 14, 2)):
        assert not set(first) & set(numbers(*other))


def test_numbers_are_uniform() -> None:
    drawn = np.array([number for index in range(500) for number in numbers(1, index, 1)])
    assert drawn.min() >= 0
    assert drawn.max() < 1
    shares = np.histogram(drawn, bins=10, range=(0, 1))[0] / len(drawn)
    assert np.abs(shares - 0.1).max() < 4 * np.sqrt(0.1 * 0.9 / len(drawn))


def test_weights_are_kept() -> None:
    lot = Lot(1, 2, 3)
    drawn = [lot.weighted("abc", (1, 0, 3)) for _ in range(4000)]
    assert drawn.count("b") == 0
    assert abs(drawn.count("c") / 4000 - 0.75) < 0.03


def test_a_pick_reaches_every_value() -> None:
    lot = Lot(1, 2, 4)
    assert {lot.pick(range(7)) for _ in range(300)} == set(range(7))
