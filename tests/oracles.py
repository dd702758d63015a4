"""A stranger's network and ours with the same weights, for tests of parity."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nonette.checkpoints.tables import Row, numbered, translate
from nonette.checkpoints.tensors import skeleton

TOLERANCE = 1e-4  # of every output, in float32


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Fill every parameter, norms and biases too, so that none can be mistaken for another."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(noise * parameter[0].numel() ** -0.5)
            else:
                is_scale = "norm" in name and name.endswith("weight")
                parameter.copy_(is_scale + 0.2 * noise)
    return network.eval()


def normal(*shape: int, seed: int = 1) -> Tensor:
    """Standard normal numbers, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def file_values(network: Any) -> dict[str, Any]:
    """The values of the config file that a stranger's network would be saved with."""
    return json.loads(network.to_json_string())


def with_weights_of(
    theirs: Mapping[str, Tensor],
    network_class: Callable[[Any], nn.Module],
    config: Any,
    patterns: Iterable[Row],
    is_numbered: bool = True,
) -> nn.Module:
    """Our network with a stranger's weights, each of which must be used."""
    ours = skeleton(network_class, config)
    state = ours.state_dict()
    table = numbered(patterns, state) if is_numbered else patterns
    loaded = dict(translate(table, theirs, state, where="the oracle"))
    ours.load_state_dict(loaded, strict=True, assign=True)
    return ours.eval().requires_grad_(False)


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    """Within the tolerance, and large enough for that to say something."""
    assert theirs.std() > 0.05, "the oracle says next to nothing"
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0)
