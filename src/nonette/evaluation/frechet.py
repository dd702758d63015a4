"""The Fréchet distance between two sets of pictures, in features of our own.

Heusel et al. 2017 ("GANs Trained by a Two Time-Scale Update Rule ...", equation 6) after Dowson &
Landau 1982: fit a Gaussian to each set, d² = |μ₁ - μ₂|² + Tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½). The published
FID takes features of Inception-v3; ours come from networks that we trained, so the number is called
by `NAME`, never FID, and compares only with numbers in the same features on as many pictures: the
estimate is biased upwards, more so the fewer the pictures.

Notable choices: float64 throughout, and only symmetric eigenvalues. Tr (Σ₁ Σ₂)^½ is the sum of the
square roots of the eigenvalues of Σ₁^½ Σ₂ Σ₁^½, which is symmetric and never negative, so no
complex square root of a near-singular product is needed. The spread comes from splitting both sets,
the floor from splitting the real one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nonette.core.errors import InputError
from nonette.evaluation.enough import require, require_variety

NAME = "Fréchet distance in our features"
NUM_SPLITS = 10


@dataclass(frozen=True, kw_only=True)
class Frechet:
    """A distance and how far to trust it.

    Attributes:
        distance: d² of all the pictures, from 0.
        spread: Standard deviation over `NUM_SPLITS` random halvings of both sets, divided by √2 as
            half the pictures scatter √2 times as far.
        halves: Mean distance of those halves; what it exceeds `distance` by shows the bias of few
            pictures.
        floor: Mean distance of two halves of the real set, which a perfect model would score on as
            many.
        num_drawn: Pictures of the first set.
        num_real: Pictures of the second set.
    """

    distance: float
    spread: float
    halves: float
    floor: float
    num_drawn: int
    num_real: int


def frechet(drawn: np.ndarray, real: np.ndarray, generator: np.random.Generator) -> Frechet:
    """Compare features of drawn pictures with those of real ones.

    Args:
        drawn: (N, D) features.
        real: (M, D) features of pictures from seeds that no network was trained on.
        generator: Chooses the halves.

    Raises:
        NotEnoughData: A half has no more than D rows, so that its covariance would be singular; or
            a set's rows are not finite or all alike.
        InputError: The two sets' features are not of one length.
    """
    drawn, real = _checked(drawn, real)
    least = 2 * (drawn.shape[1] + 1)
    require("drawn pictures", len(drawn), least)
    require("real pictures", len(real), least)
    between, within = [], []
    for _ in range(NUM_SPLITS):
        of_drawn, of_real = _halve(drawn, generator), _halve(real, generator)
        between += [frechet_distance(a, b) for a, b in zip(of_drawn, of_real, strict=True)]
        within.append(frechet_distance(*of_real))
    return Frechet(
        distance=frechet_distance(drawn, real),
        spread=float(np.std(between, ddof=1) / np.sqrt(2)),
        halves=float(np.mean(between)),
        floor=float(np.mean(within)),
        num_drawn=len(drawn),
        num_real=len(real),
    )


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """d² between the Gaussians fitted to features (N, D) and (M, D), N and M above D.

    Raises:
        NotEnoughData: A set has no more than D rows, or its rows are not finite or all alike.
        InputError: The features are not of one length.
    """
    first, second = _checked(first, second)
    require("first set", len(first), first.shape[1] + 1)
    require("second set", len(second), first.shape[1] + 1)
    return gaussian_distance(
        first.mean(axis=0), np.cov(first.T, ddof=1), second.mean(axis=0), np.cov(second.T, ddof=1)
    )


def gaussian_distance(
    mean: np.ndarray, covariance: np.ndarray, other_mean: np.ndarray, other_covariance: np.ndarray
) -> float:
    """d² between two Gaussians of means (D,) and covariances (D, D), symmetric and not negative."""
    covariance, other_covariance = np.atleast_2d(covariance), np.atleast_2d(other_covariance)
    root = _square_root(covariance)
    product = root @ other_covariance @ root
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
    trace = (
        np.trace(covariance)
        + np.trace(other_covariance)
        - 2 * np.sqrt(eigenvalues.clip(min=0)).sum()
    )
    return max(0.0, float(np.square(mean - other_mean).sum() + trace))


def _square_root(matrix: np.ndarray) -> np.ndarray:
    """The root of a symmetric matrix whose eigenvalues are at least 0, rounding aside."""
    eigenvalues, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(eigenvalues.clip(min=0))) @ vectors.T


def _checked(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sets in float64, two-dimensional, of one feature length, finite and not all alike."""
    for name, features in (("first features", first), ("second features", second)):
        if features.ndim != 2 or features.shape[1] != np.shape(second)[-1]:
            raise InputError(name, features.shape, f"it must be (pictures, {np.shape(second)[-1]})")
        require(name, len(features), 2)
        require_variety(name, features)
    return first.astype(np.float64), second.astype(np.float64)


def _halve(features: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The rows in two random halves; an odd one is left out."""
    order = generator.permutation(len(features))
    half = len(features) // 2
    return features[order[:half]], features[order[half : 2 * half]]
