"""Guidance, temperature, top-k and top-p against straightforward arithmetic, row by row."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from nonette.decoding.logits import (
    distribution,
    keep_top_k,
    keep_top_p,
    pick,
    super_condition,
)

NUM_CODES = 12
rows = st.lists(
    st.lists(
        st.floats(-8, 8, width=32).map(lambda value: round(value, 1)),
        min_size=NUM_CODES,
        max_size=NUM_CODES,
    ),
    min_size=1,
    max_size=4,
)
settings = st.tuples(
    st.floats(0.1, 5), st.integers(1, NUM_CODES + 3), st.one_of(st.just(1.0), st.floats(0.01, 1))
)


def obvious_distribution(
    logits: list[float], temperature: float, top_k: int, top_p: float
) -> np.ndarray:
    """One row: sort, keep, exponentiate."""
    scaled = np.float32(logits) / np.float32(temperature)
    kept = np.sort(scaled)[::-1][:top_k]
    scaled = np.where(scaled < kept[-1], -np.inf, scaled)
    order = np.argsort(-scaled, kind="stable")
    chances = softmax(scaled)[order]
    total, num_kept = 0.0, 0
    while num_kept < len(order) and (total < np.float32(top_p) or num_kept == 0 or top_p == 1):
        total += chances[num_kept]
        num_kept += 1
    return softmax(np.where(scaled < scaled[order[num_kept - 1]], -np.inf, scaled))


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(np.float64(logits) - np.float64(logits).max())
    return powers / powers.sum()


@given(rows, st.data())
def test_a_distribution_is_what_the_obvious_one_is(
    logits: list[list[float]], data: st.DataObject
) -> None:
    chosen = [data.draw(settings) for _ in logits]
    temperature, top_k, top_p = (torch.tensor(values) for values in zip(*chosen, strict=True))
    got = distribution(torch.tensor(logits), temperature, top_k, top_p)
    for i, row in enumerate(logits):
        expected = obvious_distribution(row, *chosen[i])
        np.testing.assert_allclose(got[i].numpy(), expected, rtol=1e-4, atol=1e-6)
        alone = distribution(
            torch.tensor([row]), temperature[i : i + 1], top_k[i : i + 1], top_p[i : i + 1]
        )
        assert alone[0].equal(got[i]), "a row depends on its neighbours"


def test_top_k_keeps_k_and_equals_of_the_last() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0, 2.0], [5.0, 1.0, 1.0, 0.0]])
    kept = keep_top_k(logits, torch.tensor([2, 2]))
    assert kept.isfinite().tolist() == [[False, True, False, True], [True, True, True, False]]


def test_top_p_keeps_as_few_as_reach_it() -> None:
    logits = torch.tensor([[0.5, 0.25, 0.15, 0.1]]).log().expand(5, -1)
    kept = keep_top_p(logits, torch.tensor([1e-6, 0.49, 0.51, 0.76, 1.0]))
    assert kept.isfinite().sum(dim=1).tolist() == [1, 1, 2, 3, 4]


def test_super_conditioning_is_exact_at_none_and_at_one() -> None:
    generator = torch.Generator().manual_seed(0)
    c, u = torch.randn(2, 3, 50, generator=generator).unbind()
    guided = super_condition(c, u, torch.tensor([0.0, 1.0, 3.0]))
    assert guided[0].equal(u[0])
    assert guided[1].equal(c[1])
    torch.testing.assert_close(guided[2], 3 * c[2] - 2 * u[2])


def test_pick_inverts_the_cumulative_distribution_and_never_picks_the_impossible() -> None:
    chances = torch.tensor([0.0, 0.25, 0.0, 0.5, 0.25, 0.0], dtype=torch.float64)
    below_one = math.nextafter(1, 0)
    uniforms = torch.tensor([0.0, 0.2499, 0.25, 0.7499, 0.75, below_one], dtype=torch.float64)
    picked = pick(chances.expand(6, -1), uniforms)
    assert picked.tolist() == [1, 1, 3, 3, 4, 4]
    for scale in (1e-30, 1 / 3, 7.7, 1e30):
        assert pick(chances.expand(6, -1) * scale, uniforms)[-1] == 4
