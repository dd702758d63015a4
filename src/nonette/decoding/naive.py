"""The slow, obvious loop: the whole network over the whole sequence for every single code.

It is the oracle of `sample`, which must draw the same codes, and the rival in the benchmark.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nonette.decoding.sample import Controls, next_code


def sample_naively(
    forward: Callable[[Tensor], Tensor], controls: Controls, *, num_codes: int
) -> Tensor:
    """Draw the codes of C candidates without any cache.

    Args:
        forward: Teacher-forced: codes (2C, N, K) -> logits (2C, N, K, V), where the logits of a
            code depend on none that come after it. Conditional rows, then unconditional ones.
        controls: The candidates' settings and random numbers; they say C, N and K.
        num_codes: Only ids below it are drawn.

    Returns:
        (C, N, K) int64.
    """
    codes = torch.zeros_like(controls.uniforms, dtype=torch.int64)
    _, num_positions, k = codes.shape
    for position in range(num_positions):
        for slot in range(k):
            logits = forward(codes[:, : position + 1].repeat(2, 1, 1))[:, position, slot]
            codes[:, position, slot] = next_code(logits, controls, position, slot, num_codes)
    return codes
