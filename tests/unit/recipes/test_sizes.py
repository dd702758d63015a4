"""The bundled diffusion model stays within what the package may hold."""

from __future__ import annotations

import pytest
import torch

from nonette.models.dit import DiT
from nonette.models.kl_autoencoder import AutoencoderKL
from nonette.recipes import autoencoder, diffusion

MOST_BYTES = 15 * 2**20
BYTES_EACH = 2  # bfloat16


@pytest.mark.parametrize("network", [autoencoder.NETWORK, autoencoder.GPU_NETWORK])
def test_the_transformer_and_its_autoencoder_are_small_enough(network):
    with torch.device("meta"):
        parts = DiT(diffusion.NETWORK), AutoencoderKL(network)
    count = sum(parameter.numel() for part in parts for parameter in part.parameters())
    assert 0.9 * MOST_BYTES < BYTES_EACH * count < MOST_BYTES
