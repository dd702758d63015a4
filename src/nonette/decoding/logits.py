"""From logits to probabilities: guidance, temperature, top-k, top-p, each with its own value a row.

A row's result depends on nothing but that row: neither on the values of other rows nor on which of
them are truncated how.

    C candidates, V code vocabulary
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def super_condition(conditional: Tensor, unconditional: Tensor, guidance: Tensor) -> Tensor:
    """Guided logits u + s·(c - u): "super conditioning" (Katherine Crowson, for DALL·E mini).

    Args:
        conditional: c, logits with the prompt, (C, V).
        unconditional: u, logits with the empty or negative prompt, (C, V).
        guidance: s, (C,); 1 gives c itself, to the bit.

    Returns:
        (C, V).
    """
    scale = guidance[:, None]
    guided = unconditional + scale * (conditional - unconditional)
    return torch.where(scale == 1, conditional, guided)


def keep_top_k(logits: Tensor, top_k: Tensor) -> Tensor:
    """All but each row's `top_k` (C,) largest logits become -inf; equals of the last one stay."""
    last_kept = torch.full_like(logits[:, :1], -math.inf)
    for k in top_k.unique().tolist():
        if k < logits.shape[-1]:
            kth = logits.topk(k, dim=-1, sorted=False).values.amin(dim=-1, keepdim=True)  # (C, 1)
            last_kept = torch.where(top_k[:, None] == k, kth, last_kept)
    return logits.masked_fill(logits < last_kept, -math.inf)


def keep_top_p(logits: Tensor, top_p: Tensor) -> Tensor:
    """Each row keeps its likeliest codes, as few as reach the probability `top_p` (C,).

    Nucleus sampling (Holtzman et al. 2020, section 3.1); equals of the last code kept stay, and 1
    keeps everything.
    """
    ordered, _ = logits.sort(dim=-1, descending=True)
    probabilities = ordered.double().softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities  # of all likelier codes together
    limit = top_p[:, None].double()
    num_kept = ((before < limit) | (limit >= 1)).sum(dim=-1, keepdim=True).clamp(min=1)
    last_kept = ordered.gather(1, num_kept - 1)
    return logits.masked_fill(logits < last_kept, -math.inf)


def distribution(logits: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """Probabilities after temperature, then top-k, then top-p, in that order.

    Args:
        logits: (C, V).
        temperature: (C,), above 0.
        top_k: (C,) int64; V or more keeps everything.
        top_p: (C,); 1 keeps everything.

    Returns:
        (C, V), each row sums to 1.
    """
    logits = keep_top_k(logits / temperature[:, None], top_k)
    if bool((top_p < 1).any()):
        logits = keep_top_p(logits, top_p)
    return logits.softmax(dim=-1)


def pick(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """The code where the cumulative probability passes u: inverse-transform sampling.

    One uniform a code instead of one a vocabulary entry, so small differences between machines
    change a pick only where u lies within them of a boundary.

    Args:
        probabilities: (C, V); need not sum to 1.
        uniforms: u, (C,), float64 in [0, 1).

    Returns:
        (C,) int64; never a code of probability 0.
    """
    cumulative = probabilities.double().cumsum(dim=-1)
    targets = uniforms[:, None] * cumulative[:, -1:]  # below the last entry, since u < 1
    return torch.searchsorted(cumulative, targets, right=True)[:, 0]
