"""VQGAN against the published sizes and against its own definition."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nonette.models.vqgan import F16_16384, VQGAN, VQGANConfig

SMALL = VQGANConfig(
    resolution=32,
    patch_size=2,
    channels=8,
    channel_multipliers=(1, 2),
    num_res_blocks=1,
    attention_resolutions=(8,),
    num_groups=4,
    z_channels=8,
    code_dim=4,
    codebook_size=16,
)


def network(config: VQGANConfig = SMALL) -> VQGAN:
    torch.manual_seed(0)
    return VQGAN(config).eval()


def pixels(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_published_sizes():
    with torch.device("meta"):
        published = VQGAN(F16_16384)
    drawing = (published.decoder, published.post_quant_conv, published.codebook)
    count = sum(p.numel() for part in drawing for p in part.parameters())
    assert round(count / 1e6, 1) == 46.7  # decoder and codebook as DALL·E mini's users load them
    assert F16_16384.grid_size == 16
    assert published.encoder.conv_out.weight.shape == (256, 512, 3, 3)


def test_shapes_and_range():
    model = network()
    codes = model.encode(pixels())
    assert codes.shape == (2, 8, 8)
    assert codes.dtype == torch.int64
    drawn = model.decode_codes(codes)
    assert drawn.shape == (2, 3, 32, 32)
    assert drawn.abs().max() <= 1


def test_nearest_is_the_nearest_by_distance():
    model = network()
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2)) / 16
    flat = latents.permute(0, 2, 3, 1).reshape(-1, 4)
    obvious = torch.cdist(flat, model.codebook.weight).argmin(1).view(2, 8, 8)
    assert torch.equal(model.nearest(latents), obvious)


def test_codes_of_code_vectors_are_themselves():
    model = network()
    codes = torch.arange(16).view(1, 4, 4)
    assert torch.equal(model.nearest(model.embed(codes)), codes)


def test_gradients_pass_straight_through_the_codebook():
    model = network()
    drawn, latents, codes = model(pixels())
    assert torch.allclose(drawn, model.decode(model.embed(codes)), atol=1e-5)
    drawn.square().mean().backward()
    assert model.encoder.conv_in.weight.grad.abs().sum() > 0
    assert latents.shape == (2, 4, 8, 8)


def test_without_an_encoder_it_paints_the_same_and_says_that_it_cannot_read():
    whole = network()
    half = VQGAN(dataclasses.replace(SMALL, has_encoder=False)).eval()
    state = {name: whole.state_dict()[name] for name in half.state_dict()}
    half.load_state_dict(state, strict=True)
    codes = torch.arange(16).view(1, 4, 4)
    assert torch.equal(half.decode_codes(codes), whole.decode_codes(codes))
    with pytest.raises(ValueError, match="this VQGAN has no encoder"):
        half.encode(pixels())


def test_pixel_range_is_undone():
    ours, zero_to_one = network(), network(dataclasses.replace(SMALL, pixel_range=(0.0, 1.0)))
    seen = {}
    zero_to_one.encoder.register_forward_hook(lambda m, inputs, out: seen.update(x=inputs[0]))
    zero_to_one.latents(torch.full((1, 3, 32, 32), -1.0))
    assert seen["x"].abs().max() == 0
    zero_to_one.decoder.forward = lambda x: torch.ones(1, 12, 16, 16)
    assert torch.equal(zero_to_one.decode(torch.zeros(1, 4, 8, 8)), torch.ones(1, 3, 32, 32))
    assert ours.config.pixel_range == (-1, 1)
