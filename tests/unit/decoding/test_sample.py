"""The loop: cached equals naive, codes follow their distribution, candidates are strangers."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from nonette.core.errors import Stopped
from nonette.decoding.cache import static_cache
from nonette.decoding.naive import sample_naively
from nonette.decoding.sample import Controls, draw_uniforms, sample
from nonette.models.bart import Bart, BartConfig

CONFIG = BartConfig(
    text_vocab_size=30,
    text_length=6,
    image_vocab_size=40,
    image_length=9,
    width=32,
    num_heads=2,
    hidden=48,
    num_encoder_layers=1,
    num_decoder_layers=2,
    codes_per_position=4,
    code_width=8,
    head_width=16,
    init_std=0.4,
)


def controls(
    num_candidates: int, num_positions: int, k: int, seed: int = 0, **changes: float
) -> Controls:
    """Plain settings, with one seed a candidate."""
    generators = [torch.Generator().manual_seed(seed + i) for i in range(num_candidates)]
    values = {"guidance": 1.0, "temperature": 1.0, "top_p": 1.0} | changes
    return Controls(
        top_k=torch.full((num_candidates,), int(values.pop("top_k", 10**6))),
        uniforms=draw_uniforms(generators, num_positions, k),
        **{name: torch.full((num_candidates,), value) for name, value in values.items()},
    )


def constant(logits: Tensor, num_candidates: int) -> tuple:
    """A network that always says the same: conditional and unconditional logits (2, V)."""
    rows = logits.repeat_interleave(num_candidates, dim=0)
    return (lambda codes, position: rows), (lambda hidden, codes: hidden)


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize(
    "changes",
    [{}, {"guidance": 3.0}, {"guidance": 2.0, "top_k": 8, "temperature": 1.5}, {"top_p": 0.7}],
)
def test_cached_sampling_draws_what_naive_sampling_draws(k: int, changes: dict[str, float]) -> None:
    config = dataclasses.replace(CONFIG, codes_per_position=k, start_id=40)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        bart = Bart(config).eval()
    text = torch.tensor([[0, 7, 8, 9, 2, 1]] * 3 + [[0, 2, 1, 1, 1, 1]] * 3)
    settings = controls(3, config.image_length, k, **changes)
    cache = static_cache(
        num_layers=2, num_rows=6, num_heads=2, length=config.image_length, head_width=16
    )
    with torch.no_grad():
        memory = bart.cross_cache(bart.encode(text), text)
        cached = sample(
            lambda codes, position: bart.step(codes, position, cache, memory),
            bart.code_logits,
            settings,
            num_codes=40,
        )
        naive = sample_naively(lambda codes: bart(text, codes), settings, num_codes=40)
    assert cached.equal(naive)
    assert cached.unique().numel() > 5


def test_codes_follow_the_guided_distribution() -> None:
    c, u = torch.tensor([0.2, 0.3, 0.1, 0.4]).log(), torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    settings = controls(4, 1000, 2, guidance=2.0)
    step, code_logits = constant(torch.stack([c, u]), 4)
    codes = sample(step, code_logits, settings, num_codes=4)
    expected = (u + 2 * (c - u)).softmax(dim=0).double()
    counts = codes.flatten().bincount(minlength=4).double()
    num_drawn = counts.sum()
    chi_squared = ((counts - num_drawn * expected) ** 2 / (num_drawn * expected)).sum()
    assert chi_squared < 16.27  # the 0.1 % tail with three degrees of freedom


def test_only_codes_of_the_codebook_are_drawn() -> None:
    logits = torch.zeros(2, 10)
    logits[:, 6:] = 50.0  # rows of a published head that are no codes
    step, code_logits = constant(logits, 2)
    codes = sample(step, code_logits, controls(2, 50, 1), num_codes=6)
    assert codes.max() == 5


def test_a_candidate_does_not_notice_who_else_draws_and_how() -> None:
    generator = torch.Generator().manual_seed(9)
    logits = torch.randn(2, 30, generator=generator)
    step, code_logits = constant(logits, 3)
    first = controls(3, 20, 2, seed=5, guidance=2.0)
    other = controls(3, 20, 2, seed=50, guidance=4.0, temperature=2.0, top_k=3, top_p=0.5)
    mixed = Controls(
        **{
            field.name: torch.where(
                torch.tensor([True, False, False]).view(
                    -1, *[1] * (getattr(first, field.name).ndim - 1)
                ),
                getattr(first, field.name),
                getattr(other, field.name),
            )
            for field in dataclasses.fields(Controls)
        }
    )
    alone = sample(step, code_logits, first, num_codes=30)
    among = sample(step, code_logits, mixed, num_codes=30)
    assert among[0].equal(alone[0])
    assert not among[1].equal(alone[1])


def test_uniforms_are_each_generators_own() -> None:
    def draw(*seeds: int) -> Tensor:
        return draw_uniforms([torch.Generator().manual_seed(seed) for seed in seeds], 6, 4)

    assert draw(3, 1, 2)[1].equal(draw(1)[0])
    assert draw(1, 1)[0].equal(draw(1, 1)[1])
    assert not draw(1, 2)[0].equal(draw(1, 2)[1])
    assert draw(1).dtype == torch.float64


def test_it_stops_before_the_next_step_and_tells_every_position() -> None:
    steps, told = [], []
    logits = torch.zeros(2, 5)

    def step(codes: Tensor | None, position: int) -> Tensor:
        steps.append(position)
        return logits

    with pytest.raises(Stopped):
        sample(
            step,
            lambda hidden, codes: hidden,
            controls(1, 8, 1),
            num_codes=5,
            on_position=lambda position, codes: told.append((position, tuple(codes.shape))),
            should_stop=lambda: len(told) == 3,
        )
    assert steps == [0, 1, 2]
    assert told == [(1, (1, 8, 1)), (2, (1, 8, 1)), (3, (1, 8, 1))]
