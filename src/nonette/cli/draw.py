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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nonette.checkpoints import format as checkpoints
from nonette.checkpoints import store
from nonette.cli import _files
from nonette.cli._progress import ProgressBar
from nonette.core import flat
from nonette.core.errors import InputError, SettingIgnored
from nonette.core.types import MAX_RANDOM_SEED, Drawing, Request
from nonette.provenance import encode as files

DEFAULT_OUTPUT = Path("grid.png")
OPTIONS = {  # what a field of Request is called here
    "negative_prompt": "--negative",
    "num_pictures": "-n",
    "candidates": "--candidates",
    "seed": "--seed",
    "guidance": "--guidance",
    "temperature": "--temperature",
    "top_k": "--top-k",
    "top_p": "--top-p",
    "steps": "--steps",
    "model": "--model",
    "threads": "--threads",
}
WHOLE = ("num_pictures", "candidates", "seed", "top_k", "steps", "threads")
REAL = ("guidance", "temperature", "top_p")


def _number(*names: str, kind: str, help: str, default: str = "the model's") -> Any:
    """An option that is read as text first, so that what is no number gets our own line."""
    return typer.Option(*names, metavar=kind, help=f"{help} [default: {default}]")


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
        str,
        typer.Option("-n", "--num-pictures", metavar="INTEGER", help="How many pictures, 1 to 64."),
    ] = "9",
    seed: Annotated[
        str | None, _number(kind="INTEGER", help="The first candidate's seed.", default="by lot")
    ] = None,
    model: Annotated[
        str, typer.Option(help="A model's name, or the path of its folder. [default: scenes-ar]")
    ] = "",
    candidates: Annotated[
        str | None, _number(kind="INTEGER", help="How many to draw before the best are kept.")
    ] = None,
    guidance: Annotated[
        str | None, _number(kind="NUMBER", help="How strongly the sentence pulls, 0 to 100.")
    ] = None,
    temperature: Annotated[
        str | None, _number(kind="NUMBER", help="Above 1 is bolder, below 1 safer.")
    ] = None,
    top_k: Annotated[
        str | None, _number(kind="INTEGER", help="Choose among the k likeliest codes.")
    ] = None,
    top_p: Annotated[
        str | None, _number(kind="NUMBER", help="Choose among the likeliest up to this share.")
    ] = None,
    steps: Annotated[
        str | None, _number(kind="INTEGER", help="Sampling steps of a diffusion model.")
    ] = None,
    negative: Annotated[str, typer.Option(help="What should not be there.")] = "",
    each: Annotated[
        Path | None, typer.Option(help="Also save every picture, as SEED.png in this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    threads: Annotated[
        str | None, _number(kind="INTEGER", help="CPU threads to use.", default="all cores")
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
    given: dict[str, Any] = {
        "prompt": prompt,
        "model": model,
        "negative_prompt": negative,
        "num_pictures": num_pictures,
        "candidates": candidates,
        "seed": str(secrets.randbelow(MAX_RANDOM_SEED)) if seed is None else seed,
        "guidance": guidance,
        "steps": steps,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "ranks": not no_rank,
        "threads": threads,
    }
    try:
        values = _with_numbers(given)
        num_threads = values.pop("threads")
        request = Request(**values)
        grid = output or (DEFAULT_OUTPUT if force else _files.free_name(DEFAULT_OUTPUT))
        format_of_grid = files.format_of(grid, "--output")
        _files.check(grid, "--output", force)
        if each is not None:
            _files.check_folder(each, "--each")
        drawing = _draw(request, num_threads, each, force)
    except InputError as error:
        if error.field not in OPTIONS:
            raise
        raise InputError(OPTIONS[error.field], error.value, error.limit) from error
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


def _with_numbers(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values with every number read."""
    values = dict(given)
    for names, kind, wanted in ((WHOLE, int, "a whole number"), (REAL, float, "a number")):
        for name in names:
            if values[name] is not None:
                try:
                    values[name] = kind(values[name])
                except ValueError as error:
                    raise InputError(name, values[name], f"it must be {wanted}") from error
    return values


def _draw(request: Request, threads: int | None, each: Path | None, force: bool) -> Drawing:
    """Load the model and draw, with progress and warnings on stderr."""
    if request.model != flat.MODEL:
        checkpoints.read(store.find(request.model))  # what is wrong here is known without torch
    # Threads that wait by spinning, which is OpenMP's habit, make a busy machine ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from nonette import engine

    with warnings.catch_warnings(record=True) as caught, ProgressBar() as progress:
        warnings.simplefilter("always", SettingIgnored)
        artist = engine.load(request.model, threads=threads)
        default = artist.capabilities().default_candidates
        if each is not None:
            for i in range(request.candidates or max(default, request.num_pictures)):
                _files.check(_path(each, request.seed + i), "--each", force)
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
