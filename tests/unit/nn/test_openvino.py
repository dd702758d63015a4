"""OpenVINO's answers are torch's, whatever the shapes; its weights are laid out once for each."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonette.core.errors import InputError
from nonette.nn import openvino
from nonette.nn.attention import MIN_TILED_SCORES, attention
from nonette.nn.openvino import OpenVINONetwork

pytestmark = pytest.mark.openvino

RunPython = Callable[..., "subprocess.CompletedProcess[str]"]
MOST_TOKENS = math.isqrt(MIN_TILED_SCORES)


class Small(nn.Module):
    """A map that looks at words."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.linear = nn.Linear(5, 8)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        places = self.conv(x)  # (B, 8, h, w)
        queries, keys = places.flatten(2).transpose(1, 2)[:, None], self.linear(words)[:, None]
        return F.scaled_dot_product_attention(queries, keys, keys)[:, 0]  # (B, h·w, 8)


def small(dtype: torch.dtype) -> tuple[Small, OpenVINONetwork]:
    torch.manual_seed(0)
    network = Small().to(dtype).eval().requires_grad_(False)
    examples = torch.zeros(2, 3, 4, 4), torch.zeros(2, 2, 5)
    return network, OpenVINONetwork(network, examples, free_axes=((), (1,)))


def inputs(batch: int = 1, side: int = 6, length: int = 7) -> tuple[Tensor, Tensor]:
    numbers = torch.Generator().manual_seed(batch * side * length)
    return (
        torch.randn(batch, 3, side, side, generator=numbers),
        torch.randn(batch, length, 5, generator=numbers),
    )


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-4), (torch.bfloat16, 0.03)])
def test_it_says_what_torch_says_in_its_type(dtype: torch.dtype, most: float) -> None:
    network, other = small(dtype)
    for asked in (inputs(length=1), inputs(), inputs(batch=3), inputs(side=9, length=70)):
        got = other(*asked)
        assert got.dtype == torch.float32 and got.is_contiguous()
        network.float()  # which lets go of bfloat16's weights, but not OpenVINO
        assert (got - network(*asked)).abs().max() < most


class Looking(nn.Module):
    """Attention alone, of so many tokens that outside of OpenVINO it goes by tiles."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)[:, None]
        return attention(x, x, x)[:, 0]


def test_attention_is_openvinos_own() -> None:
    torch.manual_seed(0)
    network = Looking().bfloat16().eval().requires_grad_(False)
    x = torch.randn(1, 2 * MOST_TOKENS, 8)
    other = OpenVINONetwork(network, [torch.zeros(2, MOST_TOKENS, 8)], free_axes=((),))
    kinds = {one.get_type_name() for one in other.model.get_ops()}
    assert "ScaledDotProductAttention" in kinds and "Exp" not in kinds
    assert (other(x) - network(x.bfloat16())).abs().max() < 0.03


def test_an_answer_stays_when_the_next_one_comes() -> None:
    _, other = small(torch.float32)
    first = other(*inputs())
    kept = first.clone()
    other(*inputs(length=3))
    assert torch.equal(first, kept)
    assert torch.equal(other(*inputs()), kept)


def test_only_new_shapes_and_numbers_of_threads_are_laid_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    laid_out: list[object] = []
    plain = openvino.compiled_for_cpu

    def watched(model: object, shapes: object, dtype: str) -> object:
        laid_out.append(shapes)
        return plain(model, shapes, dtype)

    monkeypatch.setattr(openvino, "compiled_for_cpu", watched)
    _, other = small(torch.float32)
    assert laid_out == []
    for length in (7, 3, 7):
        other(*inputs(length=length))
    assert laid_out == [[[1, 3, 6, 6], [1, -1, 5]]]
    other(*inputs(batch=2, length=1))
    assert laid_out[1:] == [[[2, 3, 6, 6], [2, 1, 5]]]
    other(*inputs(batch=2))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    other(*inputs(batch=2))
    assert len(laid_out) == 4


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    openvino.need()
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"device is 'openvino', .* 'nonette\[openvino\]'$"):
        openvino.need()


def test_openvino_sends_no_statistics_and_writes_nothing(
    run_python: RunPython, tmp_path: Path
) -> None:
    script = """
import sys, torch
from nonette.nn.openvino import OpenVINONetwork
network = OpenVINONetwork(torch.nn.Linear(8, 8), [torch.zeros(2, 8)], [()])
network(torch.ones(3, 8))
import openvino
assert "openvino_telemetry" not in sys.modules
assert openvino.tools.ovc.telemetry_utils.tm.__name__.endswith("telemetry_stub")
"""
    done = run_python("-c", script, HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "intel").exists()
