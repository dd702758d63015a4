"""Layers whose weights are laid out once for the processor: for drawing, never for learning.

A decoder that works on one position of a few pictures multiplies the same matrices by a handful of
rows hundreds of times, and a UNet's widest convolutions see maps of a few places. torch lays a
weight out anew for every product, which then takes longer than the product itself; here that is
done once, by oneDNN, and what is kept is all there is of the weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonette.nn.doubling import DoublingConv
from nonette.nn.gated import GEGLU
from nonette.nn.pointwise import Pointwise


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
        self.dtype, self.out_channels = conv.weight.dtype, conv.out_channels
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

    def __init__(self, conv: nn.Conv2d | Pointwise) -> None:
        super().__init__(conv.weight.flatten(1), conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, out, h, w), in x's type; channels last, which costs no copy."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class PackedDoubling(nn.Module):
    """A frozen convolution of a doubled map, as four of the map itself, 2×2 each.

    Of the nine places that a 3×3 kernel covers in a doubled map some hold the same value, by twos
    and fours, so their weights are added up once: four kernels, for the outputs in even and odd
    rows and columns, and less than half of the products.

    Args:
        conv: The one to stand in for, on the CPU.
    """

    def __init__(self, conv: DoublingConv) -> None:
        super().__init__()
        self.dtype, self.out_channels = conv.weight.dtype, conv.out_channels
        self.bias = None if conv.bias is None else conv.bias.detach()
        kernels = conv.weight.detach().float()  # (out, in, 3, 3)
        self.packed = [
            torch.ops.mkldnn._reorder_convolution_weight(
                _added_up(_added_up(kernels, 2, is_odd_row), 3, is_odd_column).to(self.dtype)
            )
            for is_odd_row in (False, True)
            for is_odd_column in (False, True)
        ]

    def forward(self, x: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """(B, in, h, w) -> (B, out, 2·h, 2·w), in x's type, channels last; no other size."""
        height, width = x.shape[2:]
        twice = (2 * height, 2 * width)
        assert size is None or tuple(size) == twice, "a packed layer doubles sides exactly"
        padded = F.pad(x.to(self.dtype), (1, 1, 1, 1))
        shape = (len(x), self.out_channels, *twice)
        whole = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
        for i, kernel in enumerate(self.packed):
            row, column = divmod(i, 2)
            seen = padded[:, :, row : row + height + 1, column : column + width + 1]
            whole[:, :, row::2, column::2] = torch.ops.mkldnn._convolution_pointwise(
                seen, kernel, self.bias, [0, 0], [1, 1], [1, 1], 1, "none", [], ""
            )
        return whole


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


def pack(module: nn.Module, doubles: bool = True) -> None:
    """Put packed layers in the place of all linears and convolutions inside `module`, one by one.

    Each weight is let go before the next is packed, so this takes hardly more memory than before.

    Args:
        module: A network, or a part of one.
        doubles: Whether every `DoublingConv` is asked for twice its sides; if not, they stay.
    """
    for name, child in list(module.named_children()):
        setattr(module, name, _packed(child, doubles))


def _packed(layer: nn.Module, doubles: bool) -> nn.Module:
    """What stands in for a layer; others stay, with what is inside them packed."""
    if type(layer) is DoublingConv and doubles:
        return PackedDoubling(layer)
    if type(layer) is GEGLU:
        return PackedGEGLU(layer)
    if type(layer) is Pointwise:
        return PackedPointwise(layer)
    if type(layer) is nn.Linear:
        return PackedLinear(layer.weight, layer.bias)
    if type(layer) is nn.Conv2d:
        return PackedPointwise(layer) if layer.kernel_size == (1, 1) else PackedConv2d(layer)
    pack(layer, doubles)
    return layer


def _added_up(kernels: Tensor, axis: int, is_odd: bool) -> Tensor:
    """Along an axis of three weights those that meet the same value, for even or odd outputs."""
    first, middle, last = kernels.split(1, dim=axis)
    return torch.cat([first + middle, last] if is_odd else [first, middle + last], dim=axis)
