"""unCLIP's prior and text projection: published sizes, what is seen, what guidance uses."""

from __future__ import annotations

import pytest
import torch

from nonette.core.errors import InputError
from nonette.models.unclip import (
    KARLO_PRIOR,
    KARLO_TEXT_PROJECTION,
    Prior,
    PriorConfig,
    TextProjection,
    TextProjectionConfig,
)

SMALL = PriorConfig(embedding_size=12, length=6, width=24, num_heads=3, num_layers=2)


def prior() -> Prior:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Prior(SMALL).eval()


def inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "x": torch.randn(2, 12, generator=generator),
        "timesteps": torch.tensor([5, 800]),
        "sentence": torch.randn(2, 12, generator=generator),
        "states": torch.randn(2, 6, 12, generator=generator),
        "mask": torch.tensor([[True] * 6, [True] * 2 + [False] * 4]),
    }


def test_published_sizes():
    with torch.device("meta"):
        networks = Prior(KARLO_PRIOR), TextProjection(KARLO_TEXT_PROJECTION)
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts == [1_022_030_080, 7_878_400]


def test_widths_that_do_not_divide_are_refused():
    with pytest.raises(InputError, match="num_heads"):
        PriorConfig(embedding_size=12, length=6, width=25, num_heads=3, num_layers=2)


@torch.no_grad()
@pytest.mark.parametrize("name", ["x", "timesteps", "sentence", "states"])
def test_everything_the_prior_is_told_matters(name):
    model, told = prior(), inputs()
    predicted = model(**told)
    assert predicted.shape == (2, 12)
    told[name] = told[name].flip(0)
    assert (model(**told) - predicted).abs().min(dim=0).values.max() > 1e-5


@torch.no_grad()
def test_masked_text_does_not_matter():
    model, told = prior(), inputs()
    predicted = model(**told)
    told["states"][1, 2:] += 1
    torch.testing.assert_close(model(**told), predicted)


@torch.no_grad()
def test_normalising_is_undone():
    model = prior()
    model.mean.copy_(torch.arange(12.0))
    model.std.copy_(torch.arange(1.0, 13.0))
    embedding = inputs()["x"]
    torch.testing.assert_close(model.denormalise(model.normalise(embedding)), embedding)


@torch.no_grad()
def test_no_picture_is_a_picture_of_its_own():
    config = TextProjectionConfig(
        embedding_size=12, num_extra_tokens=4, context_width=8, time_width=16
    )
    model, told = TextProjection(config), inputs()
    model.no_picture.copy_(torch.arange(12.0))
    context, vector = model(None, told["sentence"], told["states"])
    assert context.shape == (2, 10, 8)
    assert vector.shape == (2, 16)
    same = model(model.no_picture.expand(2, -1), told["sentence"], told["states"])
    torch.testing.assert_close(context, same[0])
    torch.testing.assert_close(vector, same[1])
