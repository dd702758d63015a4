"""The autoregressive loop: codes of many candidates, position by position, guided.

It works over two callables, so it knows no network. Rows are the candidates with their prompts,
then the same candidates with their empty or negative prompts; both halves read the same codes.
Candidates share every matrix product and nothing else: each has its own settings and its own random
numbers, drawn in advance from its own generator.

    C candidates, N positions, K codes a position, V code vocabulary, D width
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nonette.core.errors import Stopped
from nonette.decoding.logits import distribution, pick, super_condition

Step = Callable[[Tensor | None, int], Tensor]
"""(previous position's codes (2C, K) or None, position) -> hidden (2C, D)."""

CodeLogits = Callable[[Tensor, Tensor], Tensor]
"""(hidden (2C, D), this position's codes so far (2C, k)) -> logits (2C, V) of code k."""


@dataclass(frozen=True, kw_only=True)
class Controls:
    """How each of C candidates is drawn; every tensor is (C,) but `uniforms`.

    Attributes:
        guidance: 1 is none.
        temperature: Above 0.
        top_k: int64; the vocabulary's size or more keeps everything.
        top_p: 1 keeps everything.
        uniforms: The random numbers to draw with, float64 in [0, 1), (C, N, K).
    """

    guidance: Tensor
    temperature: Tensor
    top_k: Tensor
    top_p: Tensor
    uniforms: Tensor


def draw_uniforms(generators: Sequence[torch.Generator], num_positions: int, k: int) -> Tensor:
    """Every candidate's random numbers from its own CPU generator: (C, N, K), float64."""
    return torch.stack(
        [torch.rand(num_positions, k, generator=g, dtype=torch.float64) for g in generators]
    )


def next_code(
    logits: Tensor, controls: Controls, position: int, slot: int, num_codes: int
) -> Tensor:
    """Draw code `slot` of a position.

    Args:
        logits: (2C, V or more): conditional rows, then unconditional ones.
        controls: The candidates' settings.
        position: 0 to N - 1.
        slot: 0 to K - 1.
        num_codes: Only ids below it are drawn; published heads have rows that are no code.

    Returns:
        (C,) int64.
    """
    conditional, unconditional = logits[:, :num_codes].float().chunk(2)  # (C, V) each
    guided = super_condition(conditional, unconditional, controls.guidance)
    chances = distribution(guided, controls.temperature, controls.top_k, controls.top_p)
    return pick(chances, controls.uniforms[:, position, slot])


def sample(
    step: Step,
    code_logits: CodeLogits,
    controls: Controls,
    *,
    num_codes: int,
    on_position: Callable[[int, Tensor], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Tensor:
    """Draw the codes of C candidates.

    Args:
        step: Advances the network by one position.
        code_logits: Reads one code's logits from a position's hidden state.
        controls: The candidates' settings and random numbers; they say C, N and K.
        num_codes: Only ids below it are drawn.
        on_position: Called after every position with the number of positions done and the codes
            so far (C, N, K), whose later positions are 0.
        should_stop: Asked before every position.

    Returns:
        (C, N, K) int64.

    Raises:
        Stopped: `should_stop` said so.
    """
    num_candidates, num_positions, k = controls.uniforms.shape
    codes = torch.zeros(
        num_candidates, num_positions, k, dtype=torch.int64, device=controls.uniforms.device
    )
    previous = None
    for position in range(num_positions):
        if should_stop is not None and should_stop():
            raise Stopped(f"stopped after {position} of {num_positions} positions")
        hidden = step(previous, position)  # (2C, D)
        for slot in range(k):
            so_far = codes[:, position, :slot].repeat(2, 1)  # (2C, slot)
            logits = code_logits(hidden, so_far)  # (2C, V)
            codes[:, position, slot] = next_code(logits, controls, position, slot, num_codes)
        previous = codes[:, position].repeat(2, 1)
        if on_position is not None:
            on_position(position + 1, codes)
    return codes
