"""The UNet against its published sizes, and what each of its switches must do."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nonette.core import config as configs
from nonette.core.errors import InputError
from nonette.models.unet import (
    SDXL,
    STABLE_DIFFUSION_1,
    STABLE_DIFFUSION_2,
    UPSCALER,
    UNet,
    UNetConfig,
)

SMALL = UNetConfig(
    in_channels=4,
    out_channels=3,
    channels=(16, 24, 24),
    num_res_blocks=1,
    transformer_layers=(1, 2, 0),
    middle_layers=1,
    num_heads=(2, 3, 3),
    context_width=12,
    num_groups=4,
    looks_only_out=(False, True, False),
)


def network(config: UNetConfig = SMALL) -> UNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return UNet(config).eval()


def inputs(height: int = 8, width: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 4, height, width, generator=generator)
    return x, torch.tensor([3, 700]), torch.randn(2, 5, 12, generator=generator)


@pytest.mark.parametrize(
    ("config", "num_parameters", "num_tensors"),
    [
        (STABLE_DIFFUSION_1, 859_520_964, 686),
        (dataclasses.replace(STABLE_DIFFUSION_1, in_channels=9), 859_535_364, 686),
        (dataclasses.replace(STABLE_DIFFUSION_1, guidance_width=256), 859_602_884, 687),
        (STABLE_DIFFUSION_2, 865_910_724, 686),
        (UPSCALER, 473_398_020, 687),
        (SDXL, 2_567_463_684, 1680),
    ],
)
def test_published_sizes(config, num_parameters, num_tensors):
    with torch.device("meta"):
        published = UNet(config)
    assert sum(p.numel() for p in published.parameters()) == num_parameters
    assert len(published.state_dict()) == num_tensors


def test_config_survives_json():
    assert configs.from_dict(UNetConfig, configs.to_dict(SDXL)) == SDXL


@pytest.mark.parametrize(
    "change", [{"num_heads": (2, 3)}, {"num_heads": (2, 5, 3)}, {"num_groups": 5}]
)
def test_sizes_that_do_not_fit_are_refused(change):
    with pytest.raises(InputError):
        dataclasses.replace(SMALL, **change)


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(8, 12), (7, 9), (4, 4)])
def test_any_size_comes_back_as_it_was(height, width):
    assert network()(*inputs(height, width)).shape == (2, 3, height, width)


@torch.no_grad()
def test_a_picture_does_not_hear_of_its_neighbours():
    model = network()
    x, timesteps, context = inputs()
    together = model(x, timesteps, context)
    alone = model(x[1:], timesteps[1:], context[1:])
    torch.testing.assert_close(together[1:], alone)


@torch.no_grad()
def test_time_and_text_matter():
    model = network()
    x, timesteps, context = inputs()
    drawn = model(x, timesteps, context)
    assert (model(x, timesteps + 20, context) - drawn).abs().max() > 1e-4
    assert (model(x, timesteps, context.flip(0)) - drawn).abs().max() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize(
    ("switch", "told"),
    [
        ({"num_classes": 10}, {"classes": torch.tensor([1, 7])}),
        ({"guidance_width": 8}, {"guidance": torch.tensor([1.5, 7.0])}),
        (
            {"pooled_width": 6, "size_width": 4},
            {"pooled": torch.arange(12.0).view(2, 6), "sizes": torch.arange(12.0).view(2, 6)},
        ),
    ],
)
def test_what_a_network_is_told_matters_and_must_be_told(switch, told):
    model = network(dataclasses.replace(SMALL, **switch))
    drawn = model(*inputs(), **told)
    for name, value in told.items():
        other = model(*inputs(), **(told | {name: value.flip(0)}))
        assert (other - drawn).abs().max() > 1e-5, name
    with pytest.raises(AssertionError, match="wants"):
        model(*inputs())


@torch.no_grad()
def test_channels_last_is_the_same():
    model = network()
    x, timesteps, context = inputs()
    drawn = model(x, timesteps, context)
    model.to(memory_format=torch.channels_last)
    other = model(x.to(memory_format=torch.channels_last), timesteps, context)
    torch.testing.assert_close(drawn, other, atol=1e-5, rtol=1e-5)


def test_a_kept_map_stands_for_all_that_lies_deeper():
    unet, (x, time, context) = network(), inputs()
    kept: list[torch.Tensor] = []
    with torch.no_grad():
        whole = unet(x, time, context)
        assert torch.equal(unet(x, time, context, kept=kept), whole) and len(kept) == 1
        later = unet(x + 1, time, context)
        del unet.middle, unet.down[1:]  # nobody asks for them any more
        assert torch.equal(unet(x, time, context, kept=kept), whole)
        about = unet(x + 1, time, context, kept=kept)
    assert not torch.equal(about, later) and not torch.equal(about, whole)
