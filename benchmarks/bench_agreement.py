"""How often a faster way of drawing codes has the same likeliest code as float32.

    python benchmarks/bench_agreement.py                 the bundled model, all its example prompts
    python benchmarks/bench_agreement.py --model FOLDER --prompts 2

Codes are drawn in float32 with the model's own settings. Then the steps are gone through again with
these codes in each mode: the share of codes whose likeliest choice is float32's, with the prompt
and without it; and the mean total variation between the two distributions.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nonette.checkpoints import format as checkpoints
from nonette.checkpoints import store
from nonette.decoding.cache import static_cache
from nonette.decoding.sample import Controls, Step, draw_uniforms, sample
from nonette.pipelines.dalle_mini import DalleMini

MODES = ("bfloat16 throughout", "as drawn")


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line a mode."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="scenes-ar")
    parser.add_argument("--prompts", type=int, default=18)
    parser.add_argument("--pictures", type=int, default=4, help="of each prompt")
    options = parser.parse_args(arguments)
    checkpoint = checkpoints.read(store.find(options.model))
    prompts = checkpoint.examples[: options.prompts]
    with torch.no_grad():
        exact = load(checkpoint, torch.float32)
        codes = [drawn(exact, checkpoint.settings, prompt, options.pictures) for prompt in prompts]
        wanted = [logits(exact, *one) for one in zip(prompts, codes, strict=True)]
        for mode in MODES:
            pipeline = load(checkpoint, torch.bfloat16)
            if mode == "as drawn":
                pipeline.hurry()
            got = [logits(pipeline, *one) for one in zip(prompts, codes, strict=True)]
            print(json.dumps({"mode": mode} | compared(torch.cat(got), torch.cat(wanted))))


def load(checkpoint: checkpoints.Checkpoint, dtype: torch.dtype) -> DalleMini:
    """The model in a type."""
    return DalleMini(
        bart=checkpoint.network("bart", dtype),
        vqgan=checkpoint.network("vqgan", dtype),
        tokenizer=checkpoint.tokenizer(),
        settings=checkpoint.settings,
    )


def drawn(pipeline: DalleMini, settings: Mapping[str, Any], prompt: str, count: int) -> Tensor:
    """Codes (C, N, K) of some pictures."""
    config = pipeline.bart.config
    ones = torch.ones(count)
    controls = Controls(
        guidance=float(settings["guidance"]) * ones,
        temperature=float(settings["temperature"]) * ones,
        top_k=torch.full((count,), int(settings["top_k"] or config.image_vocab_size)),
        top_p=ones,
        uniforms=draw_uniforms(
            [torch.Generator().manual_seed(seed) for seed in range(count)],
            config.image_length,
            config.codes_per_position,
        ),
    )
    step = stepper(pipeline, prompt, count)
    return sample(step, pipeline.bart.code_logits, controls, num_codes=config.image_vocab_size)


def logits(pipeline: DalleMini, prompt: str, codes: Tensor) -> Tensor:
    """Logits (2C, N, K, V) of given codes (C, N, K), by the same steps as in drawing."""
    step, both = stepper(pipeline, prompt, len(codes)), codes.repeat(2, 1, 1)
    positions = []
    for n in range(codes.shape[1]):
        hidden = step(both[:, n - 1] if n else None, n)
        slots = [pipeline.bart.code_logits(hidden, both[:, n, :k]) for k in range(both.shape[2])]
        positions.append(torch.stack(slots, dim=1))
    return torch.stack(positions, dim=1).float()


def stepper(pipeline: DalleMini, prompt: str, count: int) -> Step:
    """The decoder's step for some pictures of a prompt, then as many of none."""
    bart, config = pipeline.bart, pipeline.bart.config
    rows = torch.tensor([0] * count + [1] * count)
    memory = pipeline._read([prompt, ""]).rows(rows)
    cache = static_cache(
        num_layers=config.num_decoder_layers,
        num_rows=2 * count,
        num_heads=config.num_heads,
        length=config.image_length,
        head_width=config.width // config.num_heads,
        dtype=pipeline.cache_dtype,
    )
    return lambda previous, position: bart.step(previous, position, cache, memory)


def compared(got: Tensor, wanted: Tensor) -> dict[str, float]:
    """How like logits (rows, N, K, V) are."""
    distance = (got.softmax(-1) - wanted.softmax(-1)).abs().sum(-1).mean() / 2
    return {
        "codes": got.shape[:-1].numel(),
        "top_1": round(float((got.argmax(-1) == wanted.argmax(-1)).float().mean()), 5),
        "total_variation": round(float(distance), 5),
        "logits_rms": round(float((got - wanted).square().mean().sqrt()), 5),
        "logits_deviation": round(float(wanted.std()), 3),
    }


if __name__ == "__main__":
    main()
