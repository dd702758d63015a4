"""Linears whose weights are laid out once for the processor: for drawing, never for learning.

A decoder that works on one position of a few pictures multiplies the same matrices by a handful of
rows hundreds of times. torch lays a weight out anew for every product, which then takes longer than
the product itself; here that is done once, by oneDNN, and what is kept is all there is of the
weight.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def can_pack() -> bool:
    """Whether this build of torch has oneDNN's products."""
    names = ("_reorder_linear_weight", "_linear_pointwise")
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in names
    )


class PackedLinear(nn.Module):
    """A frozen linear that multiplies in the type of its weight, float32 or bfloat16.

    Its weight is no parameter: `to` and `float` leave it alone, and it is in no state dict.

    Args:
        linear: The one to stand in for, on the CPU.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.dtype = linear.weight.dtype
        self.bias = None if linear.bias is None else linear.bias.detach()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), in x's type."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x.to(self.dtype), self.packed, self.bias, "none", [], ""
        )
        return product.to(x.dtype)


def pack(module: nn.Module) -> None:
    """Put packed linears in the place of all linears inside `module`, one after another.

    Each weight is let go before the next is packed, so this takes hardly more memory than before.
    """
    for name, child in list(module.named_children()):
        if type(child) is nn.Linear:
            setattr(module, name, PackedLinear(child))
        else:
            pack(child)
