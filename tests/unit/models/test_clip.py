"""CLIP against its published sizes, a slow twin of its attention, and what a mask must hide."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nonette.core import config as configs
from nonette.core.errors import InputError
from nonette.models.clip import (
    CLIP,
    VIT_B_32,
    VIT_BIGG_14,
    VIT_H_14,
    VIT_L_14,
    Block,
    CLIPConfig,
    ImageEncoder,
    ImageEncoderConfig,
    ImageTowerConfig,
    TextEncoder,
    TextEncoderConfig,
    TextTowerConfig,
)

END = 2
SMALL = CLIPConfig(
    image=ImageTowerConfig(
        size=32,
        patch_size=8,
        width=32,
        num_layers=2,
        num_heads=2,
        stem_channels=(8,),
        mean=(0.5, 0.4, 0.3),
        std=(0.2, 0.3, 0.4),
    ),
    text=TextTowerConfig(
        vocabulary_size=50,
        length=12,
        width=24,
        num_layers=2,
        num_heads=3,
        end_token=END,
        is_causal=True,
    ),
    embedding_size=16,
    activation="gelu",
)
TWO_WAY = dataclasses.replace(SMALL, text=dataclasses.replace(SMALL.text, is_causal=False))


def build(config: CLIPConfig) -> CLIP:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CLIP(config).eval()


@pytest.mark.parametrize(
    ("config", "num_parameters"),
    [
        (VIT_B_32, 151_277_313),
        (VIT_L_14, 427_616_513),
        (VIT_H_14, 986_109_441),
        (VIT_BIGG_14, 2_539_567_105),
    ],
)
def test_published_sizes_have_the_published_number_of_parameters(
    config: CLIPConfig, num_parameters: int
) -> None:
    with torch.device("meta"):
        clip = CLIP(config)
    assert sum(parameter.numel() for parameter in clip.parameters()) == num_parameters


def test_config_survives_json() -> None:
    assert configs.from_dict(CLIPConfig, configs.to_dict(SMALL)) == SMALL


@pytest.mark.parametrize(
    "changes", [{"image.patch_size": 9}, {"image.size": 30}, {"text.width": 25}]
)
def test_sizes_that_do_not_divide_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(InputError):
        configs.replace(SMALL, changes)


@pytest.mark.parametrize("stem", [(), (8,), (8, 12)])
def test_embeddings_are_unit_vectors_and_logits_their_scaled_cosines(
    stem: tuple[int, ...],
) -> None:
    config = dataclasses.replace(SMALL, image=dataclasses.replace(SMALL.image, stem_channels=stem))
    clip = build(config)
    pixels = torch.rand(3, 3, 32, 32) * 2 - 1
    ids = torch.tensor([[0, 7, 8, END, 1], [0, 9, END, 1, 1]])
    pictures, sentences = clip.encode_image(pixels), clip.encode_text(ids)
    torch.testing.assert_close(pictures.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(sentences.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(clip(pixels, ids), pictures @ sentences.T / 0.07)


@pytest.mark.parametrize("config", [SMALL, TWO_WAY])
def test_what_follows_the_end_never_matters(config: CLIPConfig) -> None:
    clip = build(config)
    base = torch.tensor([[0, 7, 8, 9, END, 1, 1, 1]])
    other = torch.tensor([[0, 7, 8, 9, END, END, 33, 4]])
    torch.testing.assert_close(clip.encode_text(base), clip.encode_text(other))
    torch.testing.assert_close(clip.encode_text(base), clip.encode_text(base[:, :5]))


@pytest.mark.parametrize("config", [SMALL, TWO_WAY])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_whatever_precedes_the_end_matters(config: CLIPConfig, place: int) -> None:
    clip = build(config)
    base = torch.tensor([[0, 7, 8, 9, END, 1]])
    other = base.clone()
    other[0, place] = 20
    assert (clip.encode_text(base) - clip.encode_text(other)).abs().max() > 1e-4


def gradient_of_token(clip: CLIP, read_at: int) -> Tensor:
    """How strongly the text tower, read at one place, depends on each token, (L,)."""
    tower = clip.text_tower
    ids = torch.tensor([[0, 7, 8, 9, 10, 11]])
    ids[0, read_at] = END
    embedded = tower.tokens(ids).detach().requires_grad_()
    tower.tokens.forward = lambda _: embedded  # type: ignore[method-assign]
    tower(ids).square().sum().backward()
    assert embedded.grad is not None
    return embedded.grad[0].abs().sum(dim=1)


@pytest.mark.parametrize("config", [SMALL, TWO_WAY])
def test_a_token_sees_nothing_after_the_end(config: CLIPConfig) -> None:
    gradient = gradient_of_token(build(config), read_at=3)
    assert (gradient[:4] > 0).all()
    assert (gradient[4:] == 0).all()


def test_causal_tokens_see_only_the_past() -> None:
    tower = build(SMALL).text_tower
    embedded = torch.randn(1, 6, 24, requires_grad=True)
    place = torch.arange(6)
    tower.blocks[0](embedded, place[:, None] >= place[None])[0, 2].square().sum().backward()
    assert embedded.grad is not None
    assert (embedded.grad[0, :3].abs().sum(1) > 0).all()
    assert (embedded.grad[0, 3:] == 0).all()


def test_a_sentence_without_an_end_is_read_at_its_last_token() -> None:
    clip = build(SMALL)
    first = torch.tensor([[0, 7, 8, 9]])
    last_changed = torch.tensor([[0, 7, 8, 10]])
    assert not torch.allclose(clip.encode_text(first), clip.encode_text(last_changed))


def slow_block(block: Block, x: Tensor, activation: str) -> Tensor:
    """One token, one head and one key at a time."""
    num_tokens, width = x.shape
    size = width // block.num_heads
    q, k, v = block.query_key_value(block.norm_attention(x)).split(width, dim=1)
    seen = torch.zeros_like(x)
    for head in range(block.num_heads):
        own = slice(head * size, (head + 1) * size)
        for i in range(num_tokens):
            logits = torch.stack([q[i, own] @ k[j, own] for j in range(num_tokens)])
            weights = torch.exp(logits / math.sqrt(size))
            weights = weights / weights.sum()
            seen[i, own] = sum(weights[j] * v[j, own] for j in range(num_tokens))
    x = x + block.attention_out(seen)
    hidden = block.feed_forward_in(block.norm_feed_forward(x))
    if activation == "quick_gelu":
        hidden = hidden / (1 + torch.exp(-1.702 * hidden))
    else:
        hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    return x + block.feed_forward_out(hidden)


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_a_block_equals_its_slow_twin(activation: str) -> None:
    block = Block(12, 3, activation, num_layers=1)
    x = torch.randn(5, 12)
    with torch.inference_mode():
        torch.testing.assert_close(block(x[None], None)[0], slow_block(block, x, activation))


def test_pixels_are_normalised_as_the_config_says() -> None:
    """White in one normalisation is what another sees where (1 - mean) / std is the same."""
    clip = build(SMALL)
    moved = dataclasses.replace(
        SMALL, image=dataclasses.replace(SMALL.image, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    )
    plain = build(moved)
    plain.load_state_dict(clip.state_dict())
    pixels = torch.rand(2, 3, 32, 32) * 2 - 1
    mean = torch.tensor(SMALL.image.mean).view(3, 1, 1)
    std = torch.tensor(SMALL.image.std).view(3, 1, 1)
    normalised = ((pixels + 1) / 2 - mean) / std
    torch.testing.assert_close(
        clip.encode_image(pixels), plain.encode_image(normalised * 2 - 1), atol=1e-5, rtol=1e-5
    )


def test_a_tower_alone_reads_as_it_does_beside_the_other() -> None:
    clip = build(SMALL)
    text = TextEncoder(
        TextEncoderConfig(
            text=SMALL.text, embedding_size=16, activation="gelu", reads="penultimate"
        )
    )
    text.text_tower.load_state_dict(clip.text_tower.state_dict())
    image = ImageEncoder(
        ImageEncoderConfig(image=SMALL.image, embedding_size=16, activation="gelu")
    )
    image.image_tower.load_state_dict(clip.image_tower.state_dict())
    ids, pixels = torch.tensor([[0, 7, 8, END, 1]]), torch.rand(1, 3, 32, 32)
    states, vectors = text(ids)
    torch.testing.assert_close(F.normalize(vectors, dim=1), clip.encode_text(ids))
    torch.testing.assert_close(F.normalize(image(pixels), dim=1), clip.encode_image(pixels))
    last = clip.text_tower.blocks[-1](states, torch.ones(5, 5, dtype=torch.bool).tril())
    read = clip.text_tower.projection(clip.text_tower.norm_after(last))[:, 3]  # at the end token
    torch.testing.assert_close(read, vectors)
