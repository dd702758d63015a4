"""Muon against the singular value decomposition it stands for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nonette.training.optimisers import Muon, build, orthogonalised


@pytest.mark.parametrize("shape", [(32, 32), (16, 48), (48, 16)])
def test_orthogonalised_keeps_directions_and_levels_singular_values(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalised(matrix[None])[0]
    levels = torch.linalg.svdvals(found)
    assert (
        0.5 < levels.min() and levels.max() < 1.3
    )  # the iteration hovers about 1, as its authors say
    aligned = u.T @ found @ v.T
    off_diagonal = aligned - torch.diag(aligned.diagonal())
    assert off_diagonal.abs().max() < 1e-3


def test_orthogonalised_needs_no_precision():
    matrix = torch.randn(24, 40, generator=torch.Generator().manual_seed(0))
    rough = orthogonalised(matrix[None], torch.bfloat16)[0]
    assert rough.dtype == torch.bfloat16
    levels = torch.linalg.svdvals(rough.float())
    assert 0.5 < levels.min() and levels.max() < 1.4


def test_matrices_of_a_shape_are_moved_at_once_as_they_would_be_alone():
    generator = torch.Generator().manual_seed(0)
    together = [nn.Parameter(torch.randn(24, 16, generator=generator)) for _ in range(3)]
    together.append(nn.Parameter(torch.randn(8, 4, 3, 3, generator=generator)))
    alone = [nn.Parameter(one.detach().clone()) for one in together]
    optimisers = [Muon(together, lr=0.1)] + [Muon([one], lr=0.1) for one in alone]
    for _ in range(3):
        for one, other in zip(together, alone, strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    for one, other in zip(together, alone, strict=True):
        assert torch.allclose(one, other, atol=5e-3)


def test_muon_solves_least_squares():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(256, 32, generator=generator)
    wanted = torch.randn(24, 32, generator=generator)
    layer = nn.Linear(32, 24, bias=False)
    nn.init.zeros_(layer.weight)
    optimiser = Muon([layer.weight], lr=0.5, weight_decay=0.0)
    for step in range(150):
        optimiser.param_groups[0]["lr"] = 0.5 * (1 - step / 150)
        loss = (layer(inputs) - inputs @ wanted.T).square().mean()
        layer.weight.grad = None
        loss.backward()
        optimiser.step()
    assert loss < 0.05


def test_every_parameter_has_one_optimiser():
    module = nn.ModuleDict(
        {
            "inner": nn.Linear(64, 64),
            "head": nn.Linear(64, 100),
            "table": nn.Embedding(10, 64),
            "norm": nn.LayerNorm(64),
        }
    )
    parameters = list(module.parameters())
    built = build("muon", module, parameters, (0.9, 0.99), 0.1)
    taken = [
        id(p) for optimiser in built for group in optimiser.param_groups for p in group["params"]
    ]
    assert sorted(taken) == sorted(map(id, parameters))
    muon, adamw = built
    assert muon.param_groups[0]["params"] == [module["inner"].weight]
    undecayed = adamw.param_groups[1]
    assert undecayed["weight_decay"] == 0 and all(p.ndim == 1 for p in undecayed["params"])
    assert len(build("adamw", module, parameters, (0.9, 0.99), 0.1)) == 1
