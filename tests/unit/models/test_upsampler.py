"""The upsampler: its sizes, what it is before it learned anything, and how far it looks."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from nonette.models.upsampler import Upsampler, UpsamplerConfig
from nonette.recipes import upsampler as recipes

SMALL = UpsamplerConfig(factor=2, width=8, num_blocks=2)
MOST_BYTES = 3 * 2**20
BYTES_EACH = 2  # bfloat16


def stirred(config: UpsamplerConfig) -> Upsampler:
    torch.manual_seed(0)
    network = Upsampler(config).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@torch.no_grad()
def test_a_fresh_network_enlarges_bicubically_by_its_factor():
    for factor in (2, 3, 4):
        network = Upsampler(UpsamplerConfig(factor=factor, width=8, num_blocks=1)).eval()
        pixels = torch.rand(2, 3, 9, 7) * 2 - 1
        wanted = F.interpolate(pixels, scale_factor=factor, mode="bicubic")
        assert torch.equal(network(pixels), wanted)


def test_a_large_pixel_knows_the_small_ones_within_reach_and_no_others():
    for config in (SMALL, UpsamplerConfig(factor=3, width=8, num_blocks=0)):
        network, middle, reach = stirred(config), 20, config.reach
        pixels = torch.rand(1, 3, 41, 41, requires_grad=True)
        place = middle * config.factor
        network(pixels)[..., place : place + config.factor, place].sum().backward()
        assert pixels.grad is not None
        rows = pixels.grad.abs().sum((0, 1, 3)).nonzero().flatten().tolist()
        assert min(rows) >= middle - reach and max(rows) <= middle + reach
        assert max(rows) - min(rows) >= 2 * reach - 1


@torch.no_grad()
def test_in_bfloat16_the_picture_itself_stays_exact():
    network = Upsampler(SMALL).eval().to(torch.bfloat16)
    pixels = torch.rand(1, 3, 8, 8) * 2 - 1
    enlarged = network(pixels)
    assert enlarged.dtype == torch.float32
    assert torch.equal(enlarged, F.interpolate(pixels, scale_factor=2, mode="bicubic"))


def test_what_is_bundled_stays_within_its_size():
    for config in (recipes.NETWORK, recipes.GPU_NETWORK):
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in Upsampler(config).parameters())
        assert BYTES_EACH * count < MOST_BYTES
