"""Bart: published sizes, an obvious re-derivation, causality, cached steps, learning."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nonette.decoding.cache import static_cache
from nonette.models.bart import MEGA, MINI, Bart, BartConfig
from nonette.nn.text_memory import TextMemory

BLOCKS = BartConfig(
    text_vocab_size=50,
    text_length=7,
    image_vocab_size=20,
    image_length=5,
    width=24,
    num_heads=3,
    hidden=40,
    num_encoder_layers=2,
    num_decoder_layers=2,
    codes_per_position=4,
    code_width=6,
    head_width=10,
    init_std=0.3,
)
SINGLE = dataclasses.replace(BLOCKS, codes_per_position=1, start_id=20, scales_before_dense=True)
BOTH = pytest.mark.parametrize("config", [SINGLE, BLOCKS], ids=["single", "blocks"])


def make(config: BartConfig) -> Bart:
    """A network whose every parameter is random: norms and positions too."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        bart = Bart(config)
        with torch.no_grad():
            for parameter in bart.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return bart.eval()


def inputs(config: BartConfig, num_rows: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    text = torch.randint(
        2, config.text_vocab_size, (num_rows, config.text_length), generator=generator
    )
    text[0, 4:] = config.pad_id
    shape = (num_rows, config.image_length, config.codes_per_position)
    return text, torch.randint(0, config.image_vocab_size, shape, generator=generator)


@pytest.mark.parametrize(
    ("config", "encoder", "decoder"),
    [(MINI, 202.6, 235.3), (MEGA, 1110.2, 1477.7)],
    ids=["mini", "mega"],
)
def test_published_sizes_have_the_published_parameter_counts(
    config: BartConfig, encoder: float, decoder: float
) -> None:
    with torch.device("meta"):
        bart = Bart(config)
        trained = Bart(dataclasses.replace(config, scales_before_dense=False))
    assert round(count(bart.encoder) / 1e6, 1) == encoder
    assert round(count(bart.decoder) / 1e6, 1) == decoder
    # A layer has 3 (4) norms before dense layers in the encoder (decoder); one more is at the end.
    d, h, n, m = config.width, config.hidden, config.num_encoder_layers, config.num_decoder_layers
    assert count(bart) - count(trained) == n * (2 * d + h) + m * (3 * d + h) + 2 * d


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@BOTH
def test_forward_is_what_the_obvious_derivation_says(config: BartConfig) -> None:
    bart = make(config)
    text, codes = inputs(config)
    with torch.no_grad():
        logits = bart(text, codes)
    for row in range(len(text)):
        expected = Obvious(bart).logits(text[row].numpy(), codes[row].numpy())
        np.testing.assert_allclose(logits[row].numpy(), expected, rtol=1e-4, atol=2e-5)


@BOTH
def test_a_code_is_seen_by_later_ones_only(config: BartConfig) -> None:
    bart = make(config)
    text, codes = inputs(config)
    k = config.codes_per_position
    with torch.no_grad():
        before = bart(text, codes).flatten(1, 2)  # (B, N·K, V)
        for changed in range(config.image_length * k - 1):
            other = codes.flatten(1).clone()
            other[:, changed] = (other[:, changed] + 1) % config.image_vocab_size
            after = bart(text, other.view_as(codes)).flatten(1, 2)
            torch.testing.assert_close(after[:, : changed + 1], before[:, : changed + 1])
            assert (after[:, changed + 1] - before[:, changed + 1]).abs().amin(dim=0).max() > 1e-3


@BOTH
def test_padding_is_not_looked_at_and_every_word_is(config: BartConfig) -> None:
    bart = make(config)
    text, codes = inputs(config, num_rows=1)
    with torch.no_grad():
        padded = bart(text, codes)
        torch.testing.assert_close(padded, bart(text[:, :4], codes))
        for i in range(4):
            other = text.clone()
            other[0, i] = 2 + (int(other[0, i]) - 1) % (config.text_vocab_size - 2)
            assert (bart(other, codes) - padded).abs().max() > 1e-3


@BOTH
def test_cached_steps_are_the_teacher_forced_forward(config: BartConfig) -> None:
    bart = make(config)
    text, codes = inputs(config)
    with torch.no_grad():
        expected = bart(text, codes)
        memory = bart.cross_cache(bart.encode(text), text)
        got = step_through(bart, memory, codes)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=2e-5)


def test_rows_of_a_memory_look_at_their_own_texts() -> None:
    bart = make(BLOCKS)
    text, codes = inputs(BLOCKS)
    index = torch.tensor([2, 0, 2, 1, 0])
    codes = codes[torch.tensor([0, 1, 2, 0, 1])]
    with torch.no_grad():
        alone = [bart.cross_cache(bart.encode(one[None]), one[None]) for one in text]
        memory = TextMemory.join(alone).rows(index)
        got = step_through(bart, memory, codes)
        fewer = step_through(bart, memory.rows(torch.tensor([1, 4])), codes[[1, 4]])
        expected = bart(text[index], codes)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(fewer, expected[[1, 4]], rtol=1e-4, atol=2e-5)


def step_through(bart: Bart, memory: TextMemory, codes: Tensor) -> Tensor:
    """Logits (B, N, K, V) of given codes, by cached steps."""
    config = bart.config
    cache = static_cache(
        num_layers=config.num_decoder_layers,
        num_rows=len(codes),
        num_heads=config.num_heads,
        length=config.image_length,
        head_width=config.width // config.num_heads,
    )
    positions = []
    for n in range(config.image_length):
        hidden = bart.step(codes[:, n - 1] if n else None, n, cache, memory)
        slots = range(config.codes_per_position)
        positions.append(torch.stack([bart.code_logits(hidden, codes[:, n, :k]) for k in slots], 1))
    return torch.stack(positions, dim=1)


@BOTH
def test_it_learns_one_batch_by_heart(config: BartConfig) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bart = Bart(dataclasses.replace(config, init_std=0.05))
    text, codes = inputs(config, num_rows=4)
    optimiser = torch.optim.Adam(bart.parameters(), lr=5e-3)
    for _ in range(250):
        logits = bart(text, codes)
        loss = F.cross_entropy(logits.flatten(0, 2), codes.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.1
    assert bart(text, codes).argmax(dim=-1).equal(codes)


def test_fresh_logits_are_nearly_uniform_and_every_parameter_has_a_gradient() -> None:
    config = dataclasses.replace(BLOCKS, init_std=0.02)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bart = Bart(config)
    text, codes = inputs(config)
    loss = F.cross_entropy(bart(text, codes).flatten(0, 2), codes.flatten())
    loss.backward()
    assert abs(loss.item() - math.log(config.image_vocab_size)) < 0.05
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in bart.parameters())


class Obvious:
    """The same function, one row, one position, one head at a time, in float64."""

    def __init__(self, bart: Bart) -> None:
        self.config = bart.config
        self.w = {name: value.double().numpy() for name, value in bart.state_dict().items()}

    def logits(self, text: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Text ids (L,), codes (N, K) -> (N, K, V)."""
        config = self.config
        text = text[text != config.pad_id]  # padding is at the end and nobody looks at it
        x = np.stack(
            [
                self.norm(
                    "encoder.norm_embedding",
                    self.w["encoder.embedding.weight"][token] + self.w["encoder.positions"][i],
                )
                for i, token in enumerate(text)
            ]
        )
        for i in range(config.num_encoder_layers):
            name = f"encoder.layers.{i}"
            x = x + self.attention(f"{name}.self_attention", x, None, is_causal=False)
            x = x + self.feed_forward(f"{name}.feed_forward", x)
        encoded = self.norm("encoder.norm_out", x)

        y = np.stack([self.read(codes, n) for n in range(config.image_length)])
        y = self.norm("decoder.norm_embedding", y + self.w["decoder.positions"])
        for i in range(config.num_decoder_layers):
            name = f"decoder.layers.{i}"
            y = y + self.attention(f"{name}.self_attention", y, None, is_causal=True)
            y = y + self.attention(f"{name}.cross_attention", y, encoded, is_causal=False)
            y = y + self.feed_forward(f"{name}.feed_forward", y)
        y = self.norm("decoder.norm_out", y)
        slots = range(config.codes_per_position)
        return np.array([[self.write(y[n], codes[n], k) for k in slots] for n in range(len(y))])

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(axis=-1, keepdims=True)
        unit = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        return unit * self.w.get(f"{name}.weight", 1.0) + self.w[f"{name}.bias"]

    def attention(
        self, name: str, x: np.ndarray, text: np.ndarray | None, *, is_causal: bool
    ) -> np.ndarray:
        width, heads = self.config.width, self.config.num_heads
        z = self.norm(f"{name}.norm_in", x)
        if text is None:
            query, key, value = np.split(z @ self.w[f"{name}.query_key_value.weight"].T, 3, axis=1)
        else:
            query = z @ self.w[f"{name}.query.weight"].T
            key, value = np.split(text @ self.w[f"{name}.key_value.weight"].T, 2, axis=1)
        mixed = np.zeros((len(x), width))
        for i in range(len(x)):
            seen = slice(0, i + 1) if is_causal else slice(None)
            for head in np.split(np.arange(width), heads):
                scores = key[seen][:, head] @ query[i, head] / math.sqrt(width / heads)
                weights = np.exp(scores - scores.max())
                mixed[i, head] = weights @ value[seen][:, head] / weights.sum()
        return self.norm(f"{name}.norm_out", mixed @ self.w[f"{name}.out.weight"].T)

    def feed_forward(self, name: str, x: np.ndarray) -> np.ndarray:
        z = self.norm(f"{name}.norm_in", x)
        fc0, fc1 = np.split(self.w[f"{name}.gate_and_up.weight"], 2)
        z = self.norm(f"{name}.norm_hidden", gelu(z @ fc0.T) * (z @ fc1.T))
        return z @ self.w[f"{name}.down.weight"].T

    def embed(self, codes: np.ndarray) -> np.ndarray:
        table = self.w["decoder.codes.embedding.weight"]
        table = table.reshape(self.config.codes_per_position, self.config.image_vocab_size, -1)
        return np.concatenate([table[k, code] for k, code in enumerate(codes)])

    def read(self, codes: np.ndarray, n: int) -> np.ndarray:
        if self.config.codes_per_position == 1:
            code = codes[n - 1, 0] if n else self.config.start_id
            return self.w["decoder.codes.embedding.weight"][code]
        if n == 0:
            return self.w["decoder.codes.start"]
        return self.w["decoder.codes.to_width.weight"] @ self.embed(codes[n - 1])

    def write(self, hidden: np.ndarray, codes: np.ndarray, k: int) -> np.ndarray:
        name = "decoder.codes"
        if self.config.codes_per_position == 1:
            return self.w[f"{name}.head.weight"] @ hidden
        rows = slice(k * self.config.head_width, (k + 1) * self.config.head_width)
        u = self.w[f"{name}.from_hidden.weight"][rows] @ hidden
        u = u + self.w[f"{name}.from_hidden.bias"][rows]
        if k:
            u = u + self.w[f"{name}.from_codes.{k - 1}.weight"] @ self.embed(codes[:k])
        z = self.w[f"{name}.mlp_in.weight"] @ self.norm(f"{name}.norm_mlp", u)
        u = u + self.w[f"{name}.mlp_out.weight"] @ gelu(z + self.w[f"{name}.mlp_in.bias"])
        return self.w[f"{name}.head.weight"] @ self.norm(f"{name}.norm_out", u)


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
