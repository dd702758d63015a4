"""The KL autoencoder against its published sizes and its own definition."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nonette.core import config as configs
from nonette.core.errors import InputError
from nonette.models import kl_autoencoder
from nonette.models.kl_autoencoder import (
    STABLE_DIFFUSION,
    UPSCALER,
    AutoencoderKL,
    AutoencoderKLConfig,
    kl_divergence,
)

SMALL = AutoencoderKLConfig(
    patch_size=2, channels=(8, 16), num_res_blocks=1, latent_channels=3, num_groups=4, scale=0.5
)


def network(config: AutoencoderKLConfig = SMALL) -> AutoencoderKL:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoencoderKL(config).eval()


def pixels() -> torch.Tensor:
    return torch.rand(2, 3, 32, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(
    ("config", "num_parameters", "downsampling"),
    [(STABLE_DIFFUSION, 83_653_863, 8), (UPSCALER, 55_325_927, 4)],
)
def test_published_sizes(config, num_parameters, downsampling):
    with torch.device("meta"):
        published = AutoencoderKL(config)
    assert sum(p.numel() for p in published.parameters()) == num_parameters
    assert config.downsampling == downsampling


def test_config_survives_json_and_refuses_widths_that_do_not_divide():
    assert configs.from_dict(AutoencoderKLConfig, configs.to_dict(SMALL)) == SMALL
    with pytest.raises(InputError, match="num_groups"):
        dataclasses.replace(SMALL, channels=(8, 18))


@torch.no_grad()
def test_shapes_and_scale():
    ours, unscaled = network(), network(dataclasses.replace(SMALL, scale=1.0))
    latents = ours.encode(pixels())
    assert latents.shape == (2, 3, 8, 4)
    torch.testing.assert_close(latents, unscaled.encode(pixels()) * 0.5)
    torch.testing.assert_close(ours.decode(latents), unscaled.decode(latents * 2))
    drawn, mean, log_variance = ours(pixels())
    assert drawn.shape == (2, 3, 32, 16)
    torch.testing.assert_close(drawn, ours.decode(mean * 0.5))
    assert log_variance.shape == mean.shape


@torch.no_grad()
def test_noise_is_spread_by_the_variance():
    model = network()
    noise = torch.randn(2, 3, 8, 4, generator=torch.Generator().manual_seed(2))
    mean, log_variance = model.moments(pixels())
    sample = model.encode(pixels(), noise)
    torch.testing.assert_close((sample / 0.5 - mean) / log_variance.exp().sqrt(), noise)


def test_divergence_is_that_of_normal_distributions():
    mean, log_variance = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    ours = torch.distributions.Normal(mean, (log_variance / 2).exp())
    standard = torch.distributions.Normal(0.0, 1.0)
    exact = torch.distributions.kl_divergence(ours, standard).sum((1, 2, 3))
    torch.testing.assert_close(kl_divergence(mean, log_variance), exact)


@torch.no_grad()
@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(32, 16), (38, 20)])
def test_stripes_leave_no_seam(monkeypatch, form, size):
    ours = network(dataclasses.replace(SMALL, patch_size=1))
    for name, one in ours.named_parameters():
        if "norm" in name:
            one.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(2))
    ours.to(memory_format=form)
    picture = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    whole = ours.encode(picture)
    painted = ours.decode(whole)
    assert painted.std() > 0.05
    for most in (20, 70, 200):
        monkeypatch.setattr(kl_autoencoder, "MAX_STRIPE", most)
        torch.testing.assert_close(ours.encode(picture), whole, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.decode(whole), painted, atol=1e-5, rtol=1e-5)
    halves = ours.bfloat16().decode(whole.bfloat16()).float()
    assert (halves - painted).abs().mean() < 0.01


def test_where_there_are_gradients_there_are_no_stripes(monkeypatch):
    ours, gradients = network(), []
    for most in (10**6, 40):
        monkeypatch.setattr(kl_autoencoder, "MAX_STRIPE", most)
        picture = pixels()[:1].requires_grad_()
        ours(picture)[0].square().sum().backward()
        gradients.append(picture.grad)
    assert torch.equal(*gradients)
