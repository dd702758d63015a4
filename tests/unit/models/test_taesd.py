"""TAESD against its published size and shapes."""

from __future__ import annotations

import torch

from nonette.models.taesd import PUBLISHED, TAESD, TAESDConfig

SMALL = TAESDConfig(width=8, latent_channels=4, encoder_blocks=(1, 2), decoder_blocks=(2, 1))


def test_published_size():
    with torch.device("meta"):
        published = TAESD(PUBLISHED)
    assert sum(p.numel() for p in published.parameters()) == 2_445_063
    assert PUBLISHED.downsampling == 8


@torch.no_grad()
def test_shapes():
    model = TAESD(SMALL).eval()
    latents = model.encode(torch.zeros(2, 3, 16, 8))
    assert latents.shape == (2, 4, 8, 4)
    assert model.decode(latents).shape == (2, 3, 16, 8)


@torch.no_grad()
def test_far_latents_say_nothing_more():
    model = TAESD(SMALL).eval()
    far = torch.full((1, 4, 4, 4), 60.0)
    torch.testing.assert_close(model.decode(far), model.decode(2 * far))
