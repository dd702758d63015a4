"""A stranger's network and ours with the same weights, for tests of parity."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nonette.checkpoints.format import Checkpoint
from nonette.checkpoints.tables import Row, numbered, translate
from nonette.checkpoints.tensors import skeleton
from nonette.core.errors import InputError
from nonette.core.types import Request
from nonette.engine import LocalEngine
from nonette.pipelines._steps import Job

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


def draws_the_same_without_readers(checkpoint: Checkpoint) -> None:
    """Letting parts go once they have done theirs changes no pixel, in a second call either."""
    request = Request(prompt="a cat", num_pictures=2, steps=2, seed=5, ranks=False)
    requests = [request]
    kept, freeing = (
        LocalEngine(checkpoint, device="cpu", frees_parts=frees) for frees in (False, True)
    )
    if "edit" in kept.capabilities().tasks:
        width, height = kept.capabilities().native_size
        source = np.full((height, width, 3), 99, dtype=np.uint8)
        mask = np.tri(height, width, dtype=bool)
        edit = dataclasses.replace(request, task="edit", source=source, mask=mask)
        requests += [edit, dataclasses.replace(request, task="vary", source=source, strength=0.0)]
    wanted = [picture.pixels for drawing in kept.draw(requests) for picture in drawing]
    assert any(pixels.std() > 0 for pixels in wanted)
    assert freeing.readers == {"text_encoder"} and not kept.readers
    assert freeing.capabilities() == kept.capabilities()
    with pytest.raises(InputError, match="sampler"):  # nothing is loaded that could read
        freeing._assembled(()).read([Job(prompt="a cat", seeds=(5,), sampler="quickest")])
    for _ in range(2):
        found = [picture.pixels for drawing in freeing.draw(requests) for picture in drawing]
        assert all(np.array_equal(*pair) for pair in zip(found, wanted, strict=True))
    is_gone = "_pipeline" not in vars(freeing)
    pipeline = freeing._pipeline
    assert is_gone == hasattr(pipeline, "lets_go")
    readers = getattr(pipeline.denoiser, "readers", None) if hasattr(pipeline, "denoiser") else None
    places = [pipeline._place(part) for part in getattr(pipeline, "stages", ())]
    staged = [getattr(*place, None) for place in places]
    for part in (*(readers or [pipeline.text_encoder]), *filter(None, staged)):
        assert all(parameter.is_meta for parameter in part.parameters())
