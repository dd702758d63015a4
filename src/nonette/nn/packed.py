"""Layers whose weights are laid out once for the processor: for drawing, never for learning.

A decoder that works on one position of a few pictures multiplies the same matrices by a handful of
rows hundreds of times, and a UNet's widest convolutions see maps of a few places. torch lays a
weight out anew for every product, which then takes longer than the product itself; here that is
done once, by oneDNN, and what is kept is all there is of the weight.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nonette.nn.gated import GEGLU


def can_pack() -> bool:
    """Whether this build of torch has oneDNN's products."""
    names = (
        "_reorder_linear_weight",
        "_linear_pointwise",
        "_reorder_convolution_weight",
        "_convolution_pointwise",
    )
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in names
    )


class PackedLinear(nn.Module):
    """A frozen linear that multiplies in the type of its weight, float32 or bfloat16.

    Its weight is no parameter: `to` and `float` leave it alone, and it is in no state dict.

    Args:
        weight: (out, in), on the CPU.
        bias: (out,), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.dtype = weight.dtype
        self.bias = None if bias is None else bias.detach()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), in x's type."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x.to(self.dtype), self.packed, self.bias, "none", [], ""
        )
        return product.to(x.dtype)


class PackedConv2d(nn.Module):
    """A frozen convolution that multiplies in the type of its weight, float32 or bfloat16.

    As with the linear, its weight is no parameter.

    Args:
        conv: The one to stand in for, on the CPU, with numbers for its padding.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.dtype = conv.weight.dtype
        self.bias = None if conv.bias is None else conv.bias.detach()
        self.layout = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.packed = torch.ops.mkldnn._reorder_convolution_weight(
            conv.weight.detach(), *self.layout
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, out, h', w'), in x's type."""
        product: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x.to(self.dtype), self.packed, self.bias, *self.layout, "none", [], ""
        )
        return product.to(x.dtype)


class PackedPointwise(PackedLinear):
    """A frozen 1×1 convolution as what it is: a linear over the channels of each place."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(conv.weight.flatten(1), conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, out, h, w), in x's type; channels last, which costs no copy."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class PackedGEGLU(nn.Module):
    """A frozen GEGLU that multiplies in the type of its weight, its gate applied on the way out."""

    def __init__(self, linear: GEGLU) -> None:
        super().__init__()
        self.dtype = linear.weight.dtype
        self.value, self.gate = (
            torch.ops.mkldnn._reorder_linear_weight(half.clone())
            for half in linear.weight.detach().chunk(2)
        )
        self.value_bias, self.gate_bias = (half.clone() for half in linear.bias.detach().chunk(2))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), in x's type."""
        product, rows = torch.ops.mkldnn._linear_pointwise, x.to(self.dtype)
        gate = product(rows, self.gate, self.gate_bias, "gelu", [], "none")
        gated: Tensor = product.binary(rows, gate, self.value, self.value_bias, "mul")
        return gated.to(x.dtype)


def pack(module: nn.Module) -> None:
    """Put packed layers in the place of all linears and convolutions inside `module`, one by one.

    Each weight is let go before the next is packed, so this takes hardly more memory than before.
    """
    for name, child in list(module.named_children()):
        setattr(module, name, _packed(child))


def _packed(layer: nn.Module) -> nn.Module:
    """What stands in for a layer; others stay, with what is inside them packed."""
    if type(layer) is GEGLU:
        return PackedGEGLU(layer)
    if type(layer) is nn.Linear:
        return PackedLinear(layer.weight, layer.bias)
    if type(layer) is nn.Conv2d:
        return PackedPointwise(layer) if layer.kernel_size == (1, 1) else PackedConv2d(layer)
    pack(layer)
    return layer
