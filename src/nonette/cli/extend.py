"""`nonette extend`: paint what lies beyond a picture's borders; the picture itself stays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from nonette.cli import _drawing, _pictures
from nonette.cli import _options as options

OUTPUT = "extended.png"


def extend(
    image: options.Image,
    prompt: options.Sentence,
    left: Annotated[
        str | None, options.number(kind="INTEGER", help="Pixels to add at the left.", default="0")
    ] = None,
    right: Annotated[
        str | None, options.number(kind="INTEGER", help="Pixels to add at the right.", default="0")
    ] = None,
    top: Annotated[
        str | None, options.number(kind="INTEGER", help="Pixels to add above.", default="0")
    ] = None,
    bottom: Annotated[
        str | None, options.number(kind="INTEGER", help="Pixels to add below.", default="0")
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
    """Go on with a picture beyond its borders."""
    with options.named():
        picture = _pictures.read(image, "source")
        _drawing.make(
            {
                "task": "extend",
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
                "left": left,
                "top": top,
                "right": right,
                "bottom": bottom,
            },
            output=output,
            default_output=OUTPUT,
            each=each,
            as_json=as_json,
            force=force,
            no_metadata=no_metadata,
        )
