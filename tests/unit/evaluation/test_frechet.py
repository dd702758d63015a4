"""The Fréchet distance against Gaussians whose distance is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonette.core.errors import InputError
from nonette.evaluation.enough import NotEnoughData
from nonette.evaluation.frechet import frechet, frechet_distance, gaussian_distance


def random_covariance(generator: np.random.Generator, size: int) -> np.ndarray:
    root = generator.normal(size=(size, size))
    return root @ root.T


def rotation(generator: np.random.Generator, size: int) -> np.ndarray:
    return np.linalg.qr(generator.normal(size=(size, size)))[0]


def test_commuting_gaussians_have_the_closed_form() -> None:
    """Diagonal covariances: |μ₁ - μ₂|² + Σ (σ₁ - σ₂)²."""
    mean, other_mean = np.array([1.0, 2.0, 3.0]), np.array([0.0, 4.0, 3.0])
    deviation, other_deviation = np.array([1.0, 2.0, 0.5]), np.array([2.0, 0.0, 0.5])
    distance = gaussian_distance(
        mean, np.diag(deviation**2), other_mean, np.diag(other_deviation**2)
    )
    assert distance == pytest.approx(1 + 4 + 1 + 4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 12))
def test_trace_equals_that_of_the_unsymmetric_square_root(seed: int, size: int) -> None:
    """Tr (Σ₁ Σ₂)^½ from the complex eigenvalues of the product, as the definition has it."""
    generator = np.random.default_rng(seed)
    first, second = random_covariance(generator, size), random_covariance(generator, size)
    roots = np.sqrt(np.linalg.eigvals(first @ second).astype(complex))
    expected = np.trace(first) + np.trace(second) - 2 * roots.sum().real
    zero = np.zeros(size)
    found = gaussian_distance(zero, first, zero, second)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-4 * np.trace(first + second))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_distance_is_symmetric_and_rotating_both_changes_nothing(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first = generator.normal(size=(60, 5)) @ generator.normal(size=(5, 5))
    second = generator.normal(size=(70, 5)) + generator.normal(size=5)
    distance = frechet_distance(first, second)
    turned = rotation(generator, 5)
    assert frechet_distance(second, first) == pytest.approx(distance, rel=1e-6)
    assert frechet_distance(first @ turned, second @ turned) == pytest.approx(distance, rel=1e-6)


def test_a_set_is_at_no_distance_from_itself_and_a_shift_counts_squared() -> None:
    features = np.random.default_rng(1).normal(size=(200, 8))
    scale = features.var(axis=0).sum()
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9 * scale)
    assert frechet_distance(features, features[::-1] + 2.0) == pytest.approx(4 * 8)


def test_estimates_meet_the_truth_within_their_spread() -> None:
    generator = np.random.default_rng(7)
    drawn = generator.normal(size=(4_000, 6)) * 1.5 + 0.5
    real = generator.normal(size=(4_000, 6))
    found = frechet(drawn, real, generator)
    truth = 6 * 0.5**2 + 6 * 0.5**2
    assert abs(found.distance - truth) < 4 * found.spread
    assert 0 < found.floor < 0.05
    assert found.halves >= found.distance - 4 * found.spread
    assert (found.num_drawn, found.num_real) == (4_000, 4_000)


@pytest.mark.parametrize("num_pictures", [0, 1, 2, 17])
def test_too_few_pictures_give_an_error_and_no_number(num_pictures: int) -> None:
    generator = np.random.default_rng(0)
    real = generator.normal(size=(100, 8))
    drawn = generator.normal(size=(num_pictures, 8))
    with pytest.raises(NotEnoughData, match="not enough data"):
        frechet(drawn, real, generator)
    with pytest.raises(NotEnoughData, match="not enough data"):
        frechet(real, drawn, generator)


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan, np.inf])
def test_pictures_that_all_look_alike_give_no_number(value: float) -> None:
    """All-black pictures have one feature vector; a broken network has none that is finite."""
    generator = np.random.default_rng(0)
    with pytest.raises(NotEnoughData, match="not enough data"):
        frechet(np.full((100, 8), value), generator.normal(size=(100, 8)), generator)


def test_features_of_two_networks_cannot_be_compared() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(InputError):
        frechet(generator.normal(size=(100, 8)), generator.normal(size=(100, 9)), generator)
