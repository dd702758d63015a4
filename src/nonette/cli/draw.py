"""`nonette draw`: a sentence in, a grid of pictures out, the best match first.

The order is what keeps it quick and safe: the words are checked, then the places the files will go
to, and only then is torch imported and the model loaded; files are written when everything is
drawn. The sentence comes as an argument or in the environment variable PROMPT, so that a Makefile
never pastes it into a shell line.
"""

from __future__ import annotations

import json
import os
import secrets
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nonette.cli import _files
from nonette.cli._progress import ProgressBar
from nonette.core.errors import InputError, SettingIgnored
from nonette.core.types import MAX_RANDOM_SEED, Drawing, Request
from nonette.provenance import encode as files

DEFAULT_OUTPUT = Path("grid.png")
MAX_THREADS = 1024
OPTIONS = {  # what a field of Request is called on the command line
    "num_pictures": "-n",
    "negative_prompt": "--negative",
    "candidates": "--candidates",
    "seed": "--seed",
    "guidance": "--guidance",
    "temperature": "--temperature",
    "top_k": "--top-k",
    "top_p": "--top-p",
    "steps": "--steps",
    "model": "--model",
    "picture": "--output",
}


def draw(
    prompt: Annotated[
        str, typer.Argument(envvar="PROMPT", help="The sentence to draw.", show_default=False)
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The grid's file: .png, .webp or .jpg. "
            "[default: grid.png, or grid-2.png and so on where that is taken]",
        ),
    ] = None,
    num_pictures: Annotated[
        int, typer.Option("-n", "--num-pictures", help="How many pictures, 1 to 64.")
    ] = 9,
    seed: Annotated[
        int | None, typer.Option(help="The first candidate's seed. [default: by lot]")
    ] = None,
    model: Annotated[
        str, typer.Option(help="A model's name, or the path of its folder. [default: scenes-ar]")
    ] = "",
    candidates: Annotated[
        int | None,
        typer.Option(help="How many to draw before the best are kept. [default: the model's]"),
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(help="How strongly the sentence pulls, 0 to 100. [default: the model's]"),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Above 1 bolder, below safer. [default: the model's]")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(help="Choose among the k likeliest. [default: the model's]")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(help="Choose among the likeliest up to this share. [default: the model's]"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Sampling steps of a diffusion model. [default: the model's]")
    ] = None,
    negative: Annotated[str, typer.Option(help="What should not be there.")] = "",
    each: Annotated[
        Path | None, typer.Option(help="Also save every picture, as SEED.png in this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads to use. [default: all cores]")
    ] = None,
    no_metadata: Annotated[
        bool,
        typer.Option(
            "--no-metadata",
            help="Leave the sentence out of the files. Settings and the mark that a "
            "machine drew them stay.",
        ),
    ] = False,
    no_rank: Annotated[
        bool, typer.Option("--no-rank", help="Keep the first pictures instead of the best.")
    ] = False,
) -> None:
    """Draw pictures of a sentence, the best match first."""
    request = _request(
        prompt=prompt,
        model=model,
        negative_prompt=negative,
        num_pictures=num_pictures,
        candidates=candidates,
        seed=secrets.randbelow(MAX_RANDOM_SEED) if seed is None else seed,
        guidance=guidance,
        steps=steps,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        ranks=not no_rank,
    )
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise InputError("--threads", threads, f"it must be a whole number, 1 to {MAX_THREADS:,}")
    grid = output or (DEFAULT_OUTPUT if force else _files.free_name(DEFAULT_OUTPUT))
    format_of_grid = files.format_of(grid, "--output")
    _files.check(grid, "--output", force)
    if each is not None:
        _files.check_folder(each, "--each")
    drawing = _draw(request, threads, each, force)
    contents = {grid: files.encode_grid(drawing, format_of_grid, with_prompt=not no_metadata)}
    paths = [None if each is None else _path(each, picture.seed) for picture in drawing]
    for picture, path in zip(drawing, paths, strict=True):
        if path is not None:
            contents[path] = files.encode(picture, with_prompt=not no_metadata)
    _files.write_all(contents, "--output", force)
    if as_json:
        typer.echo(json.dumps(_result(drawing, grid, paths), indent=2, ensure_ascii=False))
    else:
        _tell(drawing, grid, paths, request.seed)


def _request(**fields: Any) -> Request:
    """The request, with errors that call its fields by their options."""
    try:
        return Request(**fields)
    except InputError as error:
        option = OPTIONS.get(error.field, error.field)
        raise InputError(option, error.value, error.limit) from error


def _draw(request: Request, threads: int | None, each: Path | None, force: bool) -> Drawing:
    """Load the model and draw, with progress and warnings on stderr."""
    from nonette import engine  # with torch, which takes seconds

    with warnings.catch_warnings(record=True) as caught, ProgressBar() as progress:
        warnings.simplefilter("always", SettingIgnored)
        artist = engine.load(request.model, threads=threads)
        candidates = max(
            request.candidates or artist.capabilities().default_candidates, request.num_pictures
        )
        if each is not None:
            for seed in range(request.seed, request.seed + candidates):
                _files.check(_path(each, seed), "--each", force)
        (drawing,) = artist.draw([request], on_progress=progress)
    for warning in caught:
        if issubclass(warning.category, SettingIgnored):
            typer.echo(f"nonette: {warning.message}", err=True)
    return drawing


def _path(folder: Path, seed: int) -> Path:
    return folder / f"{seed}.png"


def _result(drawing: Drawing, grid: Path, paths: Sequence[Path | None]) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "model": drawing.model,
        "prompt": drawing.prompt,
        "grid": str(grid),
        "seconds": round(drawing.seconds, 3),
        "unknown_words": list(drawing.unknown_words),
        "pictures": [
            {"seed": picture.seed, "score": picture.score, "path": path and str(path)}
            for picture, path in zip(drawing, paths, strict=True)
        ],
    }


def _tell(drawing: Drawing, grid: Path, paths: Sequence[Path | None], seed: int) -> None:
    """What people read."""
    pictures = "1 picture" if len(drawing) == 1 else f"{len(drawing)} pictures"
    order = "in the order of seeds" if drawing[0].score is None else "best first"
    typer.echo(
        f"{_shown(grid)}: {pictures} by {drawing.model}, {order}, in {drawing.seconds:.1f} s"
    )
    for picture, path in zip(drawing, paths, strict=True):
        score = "" if picture.score is None else f"  score {picture.score:.3f}"
        typer.echo(f"  seed {picture.seed}{score}{'' if path is None else f'  {_shown(path)}'}")
    typer.echo(f"the same again: --seed {seed}")
    if drawing.unknown_words:
        typer.echo(f"never seen in training: {', '.join(drawing.unknown_words)}")


def _shown(path: Path) -> str:
    """A path that any terminal can print."""
    return os.fsencode(path).decode("utf-8", "replace")
