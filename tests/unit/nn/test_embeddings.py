"""Sinusoids against their definition."""

from __future__ import annotations

import math

import pytest
import torch

from nonette.nn.embeddings import sinusoids


@pytest.mark.parametrize("is_sine_first", [False, True])
@pytest.mark.parametrize("is_end_included", [False, True])
def test_sinusoids_are_what_they_say(is_sine_first, is_end_included):
    values = torch.tensor([0, 3, 999])
    ours = sinusoids(values, 8, is_sine_first=is_sine_first, is_end_included=is_end_included)
    assert ours.shape == (3, 8)
    for row, value in zip(ours.tolist(), values.tolist(), strict=True):
        angles = [value * 10_000 ** (-i / (4 - is_end_included)) for i in range(4)]
        cosines, sines = [math.cos(a) for a in angles], [math.sin(a) for a in angles]
        wanted = sines + cosines if is_sine_first else cosines + sines
        assert row == pytest.approx(wanted, abs=1e-4)


def test_half_precision_times_are_not_rounded():
    assert sinusoids(torch.tensor([1.0]).bfloat16(), 4).dtype == torch.float32
