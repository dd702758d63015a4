"""How fast Stable Diffusion 1.5 draws at 512×512 on a GPU: diffusers and Nonette in one run.

    python benchmarks/bench_stable_diffusion_gpu.py

As `bench_stable_diffusion.py`: the same random weights in bfloat16, each pipeline with its own
default scheduler and settings, one picture. `compiled` is what diffusers' guide to faster inference
has: UNet and decoder in channels_last and through `torch.compile` in a mode of `--mode`, whole
graphs. `nonette` is what `nonette draw` does on a GPU. A step is how much longer twice as many
take; a picture goes from token ids (diffusers) or words (Nonette) to pixels. Each the median of
`--repeats`, synchronised.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import diffusers
import torch
from bench_stable_diffusion import GUIDANCE, difference, pipeline, reference

from nonette.checkpoints.importers import stable_diffusion
from nonette.pipelines._steps import Job

THEIR_STEPS = 50
SYSTEMS = ("diffusers", "nonette", "nonette-compiled", "compiled")


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line a system."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--steps", type=int, default=20, help="against twice as many")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--mode", default="max-autotune", help="of torch.compile")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    options = parser.parse_args(arguments)
    for system in options.systems:
        with torch.inference_mode():
            report = measured(system, options)
        print(json.dumps({"system": system} | report), flush=True)


def measured(system: str, options: argparse.Namespace) -> dict[str, float]:
    """Seconds to get ready, of a step and of a picture."""
    theirs = reference().to(options.device)
    begun = time.perf_counter()
    report = {}
    if system in ("diffusers", "compiled"):
        draw = their_draw(theirs)
        default_steps = THEIR_STEPS
        for part in (theirs.unet, theirs.vae):
            part.to(memory_format=torch.channels_last)
        if system == "compiled":
            theirs.unet.compile(mode=options.mode, fullgraph=True)
            theirs.vae.decode = torch.compile(theirs.vae.decode, mode=options.mode, fullgraph=True)
    else:
        ours = pipeline(theirs)
        ours.hurry()
        if system == "nonette-compiled":
            ours.denoiser.unet.network.compile(dynamic=False)
        report["difference"] = difference(theirs, ours, options.device)  # of what is replayed
        default_steps = stable_diffusion.STEPS

        def draw(num_steps: int) -> None:
            ours([Job(prompt="a red cat", seeds=(1,), guidance=GUIDANCE, steps=num_steps)])

    draw(options.steps)  # compiles and records
    report["ready"] = round(time.perf_counter() - begun, 1)
    few, many, whole = (
        statistics.median(timed(draw, num_steps) for _ in range(options.repeats))
        for num_steps in (options.steps, 2 * options.steps, default_steps)
    )
    step = (many - few) / options.steps
    return report | {"step": round(step, 5), "picture": round(whole, 4), "steps": default_steps}


def their_draw(theirs: diffusers.StableDiffusionPipeline) -> Callable[[int], None]:
    """Their pipeline from token ids to pixels, as a function of the number of steps."""
    theirs.set_progress_bar_config(disable=True)
    ids = torch.randint(49406, (2, 77), device=theirs.device)

    def draw(num_steps: int) -> None:
        states = theirs.text_encoder(ids).last_hidden_state
        theirs(
            prompt_embeds=states[:1],
            negative_prompt_embeds=states[1:],
            num_inference_steps=num_steps,
            guidance_scale=GUIDANCE,
            output_type="np",
        )

    return draw


def timed(draw: Callable[[int], None], num_steps: int) -> float:
    """Seconds; pixels have come back to the processor when a picture is there."""
    begun = time.perf_counter()
    draw(num_steps)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
