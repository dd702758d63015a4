"""T5's encoder: published size, distances in buckets, and what a mask must hide."""

from __future__ import annotations

import torch

from nonette.models.t5 import XXL, RMSNorm, T5Config, T5Encoder, bucket

SMALL = T5Config(vocabulary_size=40, width=16, num_heads=3, head_width=4, hidden=24, num_layers=2)


def encoder() -> T5Encoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return T5Encoder(SMALL).eval()


def test_published_size():
    with torch.device("meta"):
        published = T5Encoder(XXL)
    assert sum(p.numel() for p in published.parameters()) == 4_762_310_656


def test_near_distances_have_buckets_of_their_own_and_far_ones_share():
    distances = torch.arange(-300, 301)
    buckets = bucket(distances, SMALL)
    assert buckets[300 - 7 : 301].tolist() == [7, 6, 5, 4, 3, 2, 1, 0]
    assert buckets[301 : 301 + 7].tolist() == [17, 18, 19, 20, 21, 22, 23]
    assert buckets[0] == buckets[300 - 128] == 15
    assert buckets[-1] == buckets[300 + 128] == 31
    assert (buckets[301:].diff() >= 0).all()


def test_norm_makes_the_mean_square_one():
    x = torch.randn(3, 16) * 7
    torch.testing.assert_close(RMSNorm(16)(x).square().mean(dim=1), torch.ones(3))


@torch.no_grad()
def test_masked_tokens_do_not_matter_and_others_do():
    model = encoder()
    ids = torch.tensor([[5, 6, 7, 1, 0, 0]])
    mask = ids != 0
    states = model(ids, mask)
    assert states.shape == (1, 6, 16)
    other = torch.where(mask, ids, 9)
    torch.testing.assert_close(model(other, mask)[:, :4], states[:, :4])
    assert (model(other)[:, :4] - states[:, :4]).abs().max() > 1e-4
    assert (model(ids.flip(1), mask.flip(1))[:, 2:] - states[:, :4].flip(1)).abs().max() > 1e-4
