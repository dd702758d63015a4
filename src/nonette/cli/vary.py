"""`nonette vary`: more pictures like one that is there. With a sentence they are ranked by it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nonette.cli import _drawing, _pictures
from nonette.cli import _options as options

OUTPUT = "varied.png"


def vary(
    image: options.Image,
    prompt: Annotated[
        str,
        typer.Argument(metavar="PROMPT", help="A sentence to go by as well.", show_default=False),
    ] = "",
    strength: Annotated[
        str | None,
        options.number(
            kind="NUMBER", help="How far to go, 0 (as it was) to 1 (all anew).", default="0.5"
        ),
    ] = None,
    output: Annotated[Path | None, options.output(OUTPUT)] = None,
    num_pictures: options.NumPictures = "9",
    seed: options.Seed = None,
    model: options.EditingModel = "",
    size: options.Size = "auto",
    candidates: options.Candidates = None,
    guidance: options.Guidance = None,
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
    """Draw variations of a picture."""
    with options.named():
        picture = _pictures.read(image, "source")
        _drawing.make(
            {
                "task": "vary",
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
                "ranks": not no_rank,
                "threads": threads,
                "device": device,
                "source": picture.pixels,
                "strength": strength,
            },
            output=output,
            default_output=OUTPUT,
            each=each,
            as_json=as_json,
            force=force,
            no_metadata=no_metadata,
        )
