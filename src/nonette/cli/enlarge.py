"""`nonette enlarge`: the same picture with more pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nonette.cli import _drawing, _pictures
from nonette.cli import _options as options

OUTPUT = "enlarged.png"


def enlarge(
    image: options.Image,
    factor: Annotated[
        str | None,
        options.number(
            kind="NUMBER", help="How many times as wide and high, 1 to 16.", default="2"
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="WIDTHxHEIGHT", help="Or how large, in the picture's own shape.")
    ] = "auto",
    output: Annotated[Path | None, options.output(OUTPUT)] = None,
    model: options.Model = "",
    as_json: options.AsJson = False,
    force: options.Force = False,
    threads: options.Threads = None,
) -> None:
    """Enlarge a picture."""
    with options.named():
        picture = _pictures.read(image, "source")
        _drawing.make(
            {
                "task": "enlarge",
                "prompt": "",
                "model": model,
                "num_pictures": 1,
                "size": size,
                "seed": 0,
                "threads": threads,
                "source": picture.pixels,
                "factor": factor,
            },
            output=output,
            default_output=OUTPUT,
            as_json=as_json,
            force=force,
            no_metadata=True,
        )
