"""The options that verbs which draw have in common, so that they read and mean the same in each.

Numbers are read as text first, so that what is no number gets our own line of error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from nonette.core.errors import InputError

NAMES = {  # what a field of Request is called on the command line
    "source": "IMAGE",
    "mask": "--mask",
    "negative_prompt": "--negative",
    "num_pictures": "-n",
    "candidates": "--candidates",
    "size": "--size",
    "seed": "--seed",
    "guidance": "--guidance",
    "temperature": "--temperature",
    "top_k": "--top-k",
    "top_p": "--top-p",
    "steps": "--steps",
    "sampler": "--sampler",
    "model": "--model",
    "threads": "--threads",
    "device": "--device",
    "strength": "--strength",
    "feather": "--feather",
    "factor": "--factor",
    "left": "--left",
    "top": "--top",
    "right": "--right",
    "bottom": "--bottom",
}
WHOLE = (
    *("num_pictures", "candidates", "seed", "top_k", "steps", "threads"),
    *("left", "top", "right", "bottom", "feather"),
)
REAL = ("guidance", "temperature", "top_p", "strength", "factor")


def number(*names: str, kind: str, help: str, default: str = "the model's") -> Any:
    """An option that is read as text first."""
    return typer.Option(*names, metavar=kind, help=f"{help} [default: {default}]")


def output(default: str) -> Any:
    """Where the pictures go, with the name that they get otherwise."""
    stem, ending = default.rsplit(".", 1)
    taken = f"[default: {default}, or {stem}-2.{ending} and so on where that is taken]"
    return typer.Option("-o", "--output", help=f"The file: .png, .webp or .jpg. {taken}")


Image = Annotated[
    Path, typer.Argument(metavar="IMAGE", help="A PNG, JPEG or WebP file.", show_default=False)
]
Sentence = Annotated[
    str, typer.Argument(metavar="PROMPT", help="The sentence to draw.", show_default=False)
]
NumPictures = Annotated[
    str,
    typer.Option("-n", "--num-pictures", metavar="INTEGER", help="How many pictures, 1 to 64."),
]
Seed = Annotated[
    str | None, number(kind="INTEGER", help="The first candidate's seed.", default="by lot")
]
Model = Annotated[
    str, typer.Option(help="A model's name, or the path of its folder. [default: scenes]")
]
EditingModel = Annotated[
    str, typer.Option(help="A model's name, or the path of its folder. [default: scenes]")
]
Size = Annotated[
    str,
    typer.Option(
        metavar="WIDTHxHEIGHT", help="Of each picture; what the model does not draw is resampled."
    ),
]
Candidates = Annotated[
    str | None, number(kind="INTEGER", help="How many to draw before the best are kept.")
]
Guidance = Annotated[
    str | None, number(kind="NUMBER", help="How strongly the sentence pulls, 0 to 100.")
]
Steps = Annotated[str | None, number(kind="INTEGER", help="Sampling steps of a diffusion model.")]
Sampler = Annotated[
    str | None,
    typer.Option(help="How a diffusion model goes those steps. [default: the model's]"),
]
Negative = Annotated[str, typer.Option(help="What should not be there.")]
Each = Annotated[
    Path | None, typer.Option(help="Also save every picture, as SEED.png in this folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]
Threads = Annotated[
    str | None, number(kind="INTEGER", help="CPU threads to use.", default="all cores")
]
Device = Annotated[
    str,
    typer.Option(
        help="Where to draw: cpu, cuda, or openvino, which is the CPU with OpenVINO for imported "
        "Stable Diffusion (pip install 'nonette[openvino]'); auto is a GPU where there is one."
    ),
]
Feather = Annotated[
    str | None,
    number(
        kind="PX",
        help="Fade what is new in over so many pixels beside what stays, 0 to 64.",
        default="6 of an extension, else 0",
    ),
]
NoMetadata = Annotated[
    bool,
    typer.Option(
        "--no-metadata",
        help="Leave the sentence out of the files. Settings and the mark that a "
        "machine drew them stay.",
    ),
]
NoRank = Annotated[
    bool, typer.Option("--no-rank", help="Keep the first pictures instead of the best.")
]


@contextmanager
def named() -> Iterator[None]:
    """Errors within it call each field as the command line does."""
    try:
        yield
    except InputError as error:
        if error.field not in NAMES:
            raise
        raise InputError(NAMES[error.field], error.value, error.limit) from error


def with_numbers(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values with every number read.

    Raises:
        InputError: One is no number.
    """
    values = dict(given)
    for names, kind, wanted in ((WHOLE, int, "a whole number"), (REAL, float, "a number")):
        for name in names:
            if values.get(name) is not None:
                try:
                    values[name] = kind(values[name])
                except ValueError as error:
                    raise InputError(name, values[name], f"it must be {wanted}") from error
    return values
