"""How fast codes are drawn: the cached loop against the naive one, on the same work.

    python benchmarks/bench_decode.py                    the size of the bundled model
    python benchmarks/bench_decode.py --size mini        the published DALL·E mini

Weights are random: speed does not depend on them. The naive loop runs the whole network over the
whole sequence for every code; of a long sequence only some positions are timed, spread evenly, and
the sum is interpolated. Wall seconds on an otherwise idle machine are the figure to quote;
processor seconds, given beside them, hold roughly on a busy one too.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import Tensor

from nonette.decoding.cache import static_cache
from nonette.decoding.sample import Controls, draw_uniforms, next_code, sample
from nonette.models.bart import MINI, Bart, BartConfig
from nonette.recipes.seq2seq import CPU_NETWORK

SIZES = {"bundled": (CPU_NETWORK, CPU_NETWORK.image_vocab_size), "mini": (MINI, 16384)}


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="bundled")
    parser.add_argument("--candidates", type=int, default=18)
    parser.add_argument(
        "--naive-positions", type=int, default=4, help="how many are timed; 0: none"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    config, num_codes = SIZES[options.size]
    bart = make(config)
    text = torch.full((1, config.text_length), config.pad_id)
    text[0, :14] = torch.arange(14) + 4
    empty = torch.full_like(text, config.pad_id)
    empty[0, :2] = torch.tensor([0, 2])
    texts = torch.cat([text, empty])
    controls = plain_controls(config, options.candidates)

    cached = best(lambda: draw(bart, texts, controls, num_codes), options.repeats)
    report = {
        "size": options.size,
        "candidates": options.candidates,
        "threads": options.threads,
        "parameters": sum(parameter.numel() for parameter in bart.parameters()),
        "cached_seconds": round(cached[0], 3),
        "cached_cpu_seconds": round(cached[1], 3),
    }
    if options.naive_positions:
        naive = naive_seconds(bart, texts, controls, num_codes, options.naive_positions)
        report |= {
            "naive_seconds": round(naive[0], 1),
            "naive_cpu_seconds": round(naive[1], 1),
            "times_faster": round(naive[1] / cached[1], 1),
        }
    print(json.dumps(report))


def make(config: BartConfig) -> Bart:
    """Random weights, without the cost of drawing them from a normal distribution."""
    with torch.device("meta"):
        bart = Bart(config)
    bart = bart.to_empty(device="cpu").eval().requires_grad_(False)
    for parameter in bart.parameters():
        parameter.uniform_(-0.03, 0.03)
    return bart


def plain_controls(config: BartConfig, num_candidates: int) -> Controls:
    """Guidance 4 and the 256 likeliest codes."""
    generators = [torch.Generator().manual_seed(seed) for seed in range(num_candidates)]
    ones = torch.ones(num_candidates)
    return Controls(
        guidance=4 * ones,
        temperature=ones,
        top_k=torch.full((num_candidates,), 256),
        top_p=ones,
        uniforms=draw_uniforms(generators, config.image_length, config.codes_per_position),
    )


@torch.no_grad()
def draw(bart: Bart, texts: Tensor, controls: Controls, num_codes: int) -> Tensor:
    """All codes of all candidates, reading the prompt and the empty text included."""
    config = bart.config
    num_candidates = len(controls.guidance)
    rows = torch.arange(2).repeat_interleave(num_candidates)
    memory = bart.cross_cache(bart.encode(texts), texts).rows(rows)
    cache = static_cache(
        num_layers=config.num_decoder_layers,
        num_rows=2 * num_candidates,
        num_heads=config.num_heads,
        length=config.image_length,
        head_width=config.width // config.num_heads,
    )
    return sample(
        lambda previous, position: bart.step(previous, position, cache, memory),
        bart.code_logits,
        controls,
        num_codes=num_codes,
    )


@torch.no_grad()
def naive_seconds(
    bart: Bart, texts: Tensor, controls: Controls, num_codes: int, num_timed: int
) -> tuple[float, float]:
    """Wall and processor seconds of the naive loop.

    The sequence is cut into `num_timed` equal stretches and the middle position of each is timed.
    """
    num_candidates, length, k = controls.uniforms.shape
    ids = texts.repeat_interleave(num_candidates, dim=0)
    codes = torch.zeros(num_candidates, length, k, dtype=torch.int64)
    stretch = length / num_timed
    wall = processor = 0.0
    for i in range(num_timed):
        position = int((i + 0.5) * stretch)

        def one_code(position: int = position) -> None:
            logits = bart(ids, codes[:, : position + 1].repeat(2, 1, 1))[:, position, 0]
            next_code(logits, controls, position, 0, num_codes)

        seconds = best(one_code, 1)
        wall += seconds[0] * stretch * k
        processor += seconds[1] * stretch * k
    return wall, processor


def best(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """The fewest wall and processor seconds of some repeats."""
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return min(walls), min(processors)


if __name__ == "__main__":
    main()
