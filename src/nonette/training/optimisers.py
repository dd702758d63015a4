"""Optimisers: AdamW, or Muon for the matrices inside and AdamW for all the rest.

Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks") moves a weight
matrix along the orthogonal matrix nearest to its momentum, found by five Newton-Schulz steps. Per
sample it learned about twice as fast as AdamW in our small runs. Kernels of convolutions count as
matrices (out, in · height · width). torch has a Muon of its own, which iterates in bfloat16
whatever the machine; without bfloat16 products that takes longer than the training step, so this
one does so only where the machine multiplies bfloat16 in hardware, and all matrices of a shape at
once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from nonette.nn import device as devices

NEWTON_SCHULZ = (
    3.4445,
    -4.7750,
    2.0315,
)  # Jordan et al.: steepest at zero, ends near 1 rather than at it
NUM_NEWTON_SCHULZ_STEPS = 5
ADAMW_RMS = 0.2  # of an AdamW update, which Muon's is scaled to (Liu et al. 2025, section 2.2)


class Muon(Optimizer):
    """Nesterov momentum, orthogonalised; rates and weight decay mean what they mean for AdamW."""

    def __init__(
        self,
        params: Sequence[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        assert closure is None, "closures are not supported"
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape].append(parameter)
            for parameters in alike.values():
                self._move(parameters, group)

    def _move(self, parameters: list[Tensor], group: Mapping[str, Any]) -> None:
        """Update parameters of one shape, all of which have a gradient."""
        gradients = [one.grad for one in parameters if one.grad is not None]
        momenta = []
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            momenta.append(state["momentum"])
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        updates = torch._foreach_lerp(gradients, momenta, group["momentum"])
        stacked = torch.stack(updates).flatten(2)  # (K, out, in)
        nearest = orthogonalised(stacked, devices.pick_dtype(stacked.device))
        nearest = nearest.to(stacked.dtype, memory_format=torch.contiguous_format)
        scale = ADAMW_RMS * max(stacked.shape[1:]) ** 0.5
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        moves = [one.view_as(parameters[0]) for one in nearest]
        torch._foreach_add_(parameters, moves, alpha=-group["lr"] * scale)


def orthogonalised(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """About the nearest matrices (K, m, n) with all singular values 1, found with products alone.

    The iteration needs no precision (its authors run it in bfloat16): `dtype` is what it works in
    and returns.
    """
    a, b, c = NEWTON_SCHULZ
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if is_tall else matrices
    x = (x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)).to(dtype)
    for _ in range(NUM_NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x


def build(
    kind: Literal["adamw", "muon"],
    module: nn.Module,
    parameters: Sequence[nn.Parameter],
    betas: tuple[float, float],
    weight_decay: float,
) -> list[Optimizer]:
    """The optimisers that together update `parameters`, all of them in `module`.

    Muon takes the weights of linear layers and convolutions inside; embeddings, vectors, and the
    first and last layers (fewer than 64 inputs, or named `head`, `conv_in`, `conv_out`) stay with
    AdamW, as its authors advise.
    """
    inner = _inner_weights(module) if kind == "muon" else set()
    matrices = [parameter for parameter in parameters if id(parameter) in inner]
    others = [parameter for parameter in parameters if id(parameter) not in inner]
    optimisers: list[Optimizer] = []
    if matrices:
        optimisers.append(Muon(matrices, lr=0.0, weight_decay=weight_decay))
    if others:
        optimisers.append(AdamW(_decay_groups(others, weight_decay), lr=0.0, betas=betas))
    return optimisers


def _inner_weights(module: nn.Module) -> set[int]:
    outer = ("head", "conv_in", "conv_out")
    return {
        id(part.weight)
        for name, part in module.named_modules()
        if isinstance(part, (nn.Linear, nn.Conv2d))
        and name.split(".")[-1] not in outer
        and part.weight.flatten(1).shape[1] >= 64
        and part.weight.shape[0] >= 16
    }


def _decay_groups(parameters: Sequence[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Norms and biases are not decayed."""
    return [
        {
            "params": [parameter for parameter in parameters if parameter.ndim >= 2],
            "weight_decay": weight_decay,
        },
        {
            "params": [parameter for parameter in parameters if parameter.ndim < 2],
            "weight_decay": 0.0,
        },
    ]
