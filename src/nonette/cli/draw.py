"""`nonette draw`: a sentence in, a grid of pictures out, the best match first.

The sentence comes as an argument or in the environment variable PROMPT, so that a Makefile never
pastes it into a shell line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nonette.cli import _drawing
from nonette.cli import _options as options

OUTPUT = "grid.png"


def draw(
    prompt: Annotated[
        str, typer.Argument(envvar="PROMPT", help="The sentence to draw.", show_default=False)
    ] = "",
    output: Annotated[Path | None, options.output(OUTPUT)] = None,
    num_pictures: options.NumPictures = "9",
    seed: options.Seed = None,
    model: options.Model = "",
    size: options.Size = "auto",
    candidates: options.Candidates = None,
    guidance: options.Guidance = None,
    temperature: Annotated[
        str | None, options.number(kind="NUMBER", help="Above 1 is bolder, below 1 safer.")
    ] = None,
    top_k: Annotated[
        str | None, options.number(kind="INTEGER", help="Choose among the k likeliest codes.")
    ] = None,
    top_p: Annotated[
        str | None,
        options.number(kind="NUMBER", help="Choose among the likeliest up to this share."),
    ] = None,
    steps: options.Steps = None,
    sampler: options.Sampler = None,
    negative: options.Negative = "",
    each: options.Each = None,
    as_json: options.AsJson = False,
    force: options.Force = False,
    threads: options.Threads = None,
    device: options.Device = "auto",
    no_metadata: options.NoMetadata = False,
    no_rank: options.NoRank = False,
) -> None:
    """Draw pictures of a sentence, the best match first."""
    _drawing.make(
        {
            "prompt": prompt,
            "model": model,
            "negative_prompt": negative,
            "num_pictures": num_pictures,
            "candidates": candidates,
            "size": size,
            "seed": seed,
            "guidance": guidance,
            "steps": steps,
            "sampler": sampler,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "ranks": not no_rank,
            "threads": threads,
            "device": device,
        },
        output=output,
        default_output=OUTPUT,
        each=each,
        as_json=as_json,
        force=force,
        no_metadata=no_metadata,
    )
