"""What every verb that draws does with its words: request, pictures, files, and what is told.

The order is what keeps it quick and safe: the words are checked, then the places the files will go
to, and only then is torch imported and the model loaded; files are written when everything is
drawn.
"""

from __future__ import annotations

import json
import os
import secrets
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from nonette.checkpoints import format as checkpoints
from nonette.checkpoints import store
from nonette.cli import _files, _habits, _options
from nonette.cli._progress import ProgressBar
from nonette.core import flat
from nonette.core.errors import SettingIgnored
from nonette.core.types import MAX_RANDOM_SEED, Drawing, Request
from nonette.provenance import encode as files

RESAMPLED = ("drawn_size", "enlarged", "reduced")  # what settings say of a size that was not drawn


def make(
    given: Mapping[str, Any],
    *,
    output: Path | None,
    default_output: str,
    each: Path | None = None,
    as_json: bool,
    force: bool,
    no_metadata: bool,
) -> None:
    """Draw what was asked for, write the files and say so.

    Args:
        given: Fields of `Request`, numbers still as text, `threads`, and `device` unless it is
            "auto"; no seed draws one by lot.
        output: Where the pictures go, all on one sheet.
        default_output: Where they go otherwise; the first free name like it, unless forced.
        each: A folder for every picture in a file of its own.
        as_json: Whether to print JSON.
        force: Whether files that are there are replaced.
        no_metadata: Whether the files keep the sentence to themselves.

    Raises:
        InputError: Something given cannot be used; it is called as on the command line.
    """
    with _options.named():
        values = _options.with_numbers(given)
        if values["seed"] is None:
            values["seed"] = secrets.randbelow(MAX_RANDOM_SEED)
        values["model"] = values["model"] or store.DEFAULT
        threads, device = values.pop("threads"), values.pop("device", "auto")
        request = Request(**values)
        default = Path(default_output)
        grid = output or (default if force else _files.free_name(default))
        format_of_grid = files.format_of(grid, "--output")
        _files.check(grid, "--output", force)
        if each is not None:
            _files.check_folder(each, "--each")
        drawing = _draw(request, threads, device, each, force)
    contents = {grid: files.encode_grid(drawing, format_of_grid, with_prompt=not no_metadata)}
    paths = [None if each is None else _path(each, picture.seed) for picture in drawing]
    for picture, path in zip(drawing, paths, strict=True):
        if path is not None:
            contents[path] = files.encode(picture, with_prompt=not no_metadata)
    _files.write_all(contents, "--output", force)
    if as_json:
        typer.echo(json.dumps(_result(drawing, grid, paths), indent=2, ensure_ascii=False))
    else:
        _tell(drawing, grid, paths, request)


def _draw(
    request: Request, threads: int | None, device: str, each: Path | None, force: bool
) -> Drawing:
    """Load the model and draw, with progress and warnings on stderr."""
    if request.model != flat.MODEL:
        checkpoints.read(store.find(request.model))  # what is wrong here is known without torch
    _habits.adopt()
    from nonette import engine

    with warnings.catch_warnings(record=True) as caught, ProgressBar() as progress:
        warnings.simplefilter("always", SettingIgnored)
        artist = engine.load(request.model, threads=threads, device=device, frees_parts=True)
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
    } | {name: drawing[0].settings[name] for name in RESAMPLED if name in drawing[0].settings}


def _tell(drawing: Drawing, grid: Path, paths: Sequence[Path | None], request: Request) -> None:
    """What people read."""
    settings = drawing[0].settings
    if request.task == "enlarge":
        size = "x".join(map(str, drawing[0].pixels.shape[1::-1]))
        how = f"enlarged from {settings.get('drawn_size', size)} by {settings.get('enlarged')}"
        done = how if "enlarged" in settings else "as large as it was"
        typer.echo(f"{_shown(grid)}: {size}, {done}, in {drawing.seconds:.1f} s")
        return
    pictures = "1 picture" if len(drawing) == 1 else f"{len(drawing)} pictures"
    order = "in the order of seeds" if drawing[0].score is None else "best first"
    typer.echo(
        f"{_shown(grid)}: {pictures} by {drawing.model}, {order}, in {drawing.seconds:.1f} s"
    )
    for how in ("enlarged", "reduced"):
        if how in settings:
            typer.echo(f"drawn at {settings['drawn_size']}, {how} by {settings[how]}")
    for picture, path in zip(drawing, paths, strict=True):
        score = "" if picture.score is None else f"  score {picture.score:.3f}"
        typer.echo(f"  seed {picture.seed}{score}{'' if path is None else f'  {_shown(path)}'}")
    typer.echo(f"the same again: --seed {request.seed}")
    if drawing.unknown_words:
        typer.echo(f"never seen in training: {', '.join(drawing.unknown_words)}")


def _shown(path: Path) -> str:
    """A path that any terminal can print."""
    return os.fsencode(path).decode("utf-8", "replace")
