"""The pixel UNet against its published sizes, and what each of its switches must do."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nonette.core import config as configs
from nonette.core.errors import InputError
from nonette.models.pixel_unet import (
    IF_XL,
    KARLO_DECODER,
    KARLO_UPSAMPLER,
    PixelUNet,
    PixelUNetConfig,
)

SMALL = dataclasses.replace(
    KARLO_DECODER,
    channels=(8, 16, 16),
    num_res_blocks=(1, 2, 1),
    has_attention=(False, True, True),
    head_width=8,
    num_groups=4,
    context_width=12,
)


def network(config: PixelUNetConfig = SMALL) -> PixelUNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PixelUNet(config).eval()


def inputs(text_width: int = 12) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "x": torch.randn(2, 3, 8, 12, generator=generator),
        "timesteps": torch.tensor([3, 700]),
        "context": torch.randn(2, 5, text_width, generator=generator),
        "mask": torch.tensor([[True] * 5, [True] * 3 + [False] * 2]),
        "vector": torch.randn(2, 32, generator=generator),
    }


@pytest.mark.parametrize(
    ("config", "num_parameters"),
    [(KARLO_DECODER, 885_439_686), (KARLO_UPSAMPLER, 691_579_523), (IF_XL, 4_304_695_110)],
)
def test_published_sizes(config, num_parameters):
    with torch.device("meta"):
        published = PixelUNet(config)
    assert sum(p.numel() for p in published.parameters()) == num_parameters
    assert configs.from_dict(PixelUNetConfig, configs.to_dict(config)) == config


@pytest.mark.parametrize(
    "change",
    [
        {"num_res_blocks": (1, 2)},
        {"head_width": 6},
        {"num_groups": 5},
        {"context_width": None},
        {"num_pool_heads": 2},
    ],
)
def test_sizes_that_do_not_fit_are_refused(change):
    with pytest.raises(InputError):
        dataclasses.replace(SMALL, **change)


@torch.no_grad()
@pytest.mark.parametrize("name", ["timesteps", "context", "vector"])
def test_what_it_is_told_matters(name):
    model = network()
    drawn = model(**inputs())
    assert drawn.shape == (2, 6, 8, 12)
    told = inputs()
    told[name] = told[name].flip(0)
    assert (model(**told) - drawn).abs().max() > 1e-5


@torch.no_grad()
def test_masked_tokens_do_not_matter():
    model = network()
    drawn = model(**inputs())
    told = inputs()
    told["context"][1, 3:] += 1
    torch.testing.assert_close(model(**told), drawn)
    told["context"][1, 2] += 1
    assert (model(**told) - drawn).abs().max() > 1e-5


@torch.no_grad()
def test_an_upsampler_needs_no_text():
    config = dataclasses.replace(
        SMALL,
        in_channels=6,
        has_attention=(False,) * 3,
        has_middle_attention=False,
        context_width=None,
        told="noise_level",
    )
    model = network(config)
    x, timesteps = torch.randn(2, 6, 8, 8), torch.tensor([3, 700])
    one, other = (model(x, timesteps, noise_level=torch.full((2,), n)) for n in (10, 900))
    assert (one - other).abs().max() > 1e-5
    with pytest.raises(AssertionError, match="noise level"):
        model(x, timesteps)
