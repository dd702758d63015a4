"""`nonette edit`: repaint what a mask marks; every other pixel of the picture stays as it is.

The mask repaints where it is transparent or, where nothing of it is, white. Without one, what is
transparent in the picture itself is repainted, or else the whole picture, starting from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nonette.cli import _drawing, _pictures
from nonette.cli import _options as options

OUTPUT = "edited.png"


def edit(
    image: options.Image,
    prompt: options.Sentence,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="IMAGE",
            help="Repaint where this is transparent or, where nothing is, white. "
            "[default: where IMAGE is transparent, or all of it]",
        ),
    ] = None,
    strength: Annotated[
        str | None,
        options.number(
            kind="NUMBER", help="How far to go, 0 (as it was) to 1 (all anew).", default="1"
        ),
    ] = None,
    feather: options.Feather = None,
    output: Annotated[Path | None, options.output(OUTPUT)] = None,
    num_pictures: options.NumPictures = "9",
    seed: options.Seed = None,
    model: options.EditingModel = "",
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
    """Repaint a part of a picture as a sentence says."""
    with options.named():
        picture = _pictures.read(image, "source")
        marked = picture.erased
        if mask is not None:
            height, width = picture.pixels.shape[:2]
            marked = _pictures.read_mask(mask, (width, height), "mask")
        _drawing.make(
            {
                "task": "edit",
                "prompt": prompt,
                "model": model,
                "negative_prompt": negative,
                "num_pictures": num_pictures,
                "candidates": candidates,
                "seed": seed,
                "guidance": guidance,
                "steps": steps,
                "sampler": sampler,
                "ranks": not no_rank,
                "threads": threads,
                "device": device,
                "source": picture.pixels,
                "feather": feather,
                "mask": marked,
                "strength": strength,
            },
            output=output,
            default_output=OUTPUT,
            each=each,
            as_json=as_json,
            force=force,
            no_metadata=no_metadata,
        )
