"""`nonette evaluate edits`: is what was named for a masked area there, and do extensions go on?"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from nonette.checkpoints import store
from nonette.cli import _exam as options
from nonette.cli import _files
from nonette.cli._options import EditingModel
from nonette.cli._progress import ProgressBar
from nonette.core.errors import InputError
from nonette.core.types import EXTENSION_FEATHER

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from nonette.evaluation.edit_report import Result
    from nonette.evaluation.reading import Reading

TRIALS, QUICK_TRIALS, FEWEST_TRIALS = 200, 36, 8
REPORT, NUMBERS = "edits.md", "edits.json"
FILLED, EXTENDED = "filled.png", "extended.png"
SIDE_STEP = 32  # scenes are painted at multiples of it


def edits(
    model: EditingModel = "",
    judge: options.JudgeName = options.JUDGE,
    output: options.Output = None,
    seed: options.Seed = 0,
    quick: options.Quick = False,
    trials: Annotated[
        int | None,
        typer.Option(help=f"Of each kind. [default: {TRIALS}, --quick: {QUICK_TRIALS}]"),
    ] = None,
    candidates: Annotated[
        int, typer.Option(help="Drawn of each, of which the best is kept.", min=1, max=64)
    ] = 1,
    feather: Annotated[
        int, typer.Option(help="Pixels of a soft seam of the extensions.", min=0, max=64)
    ] = EXTENSION_FEATHER,
    threads: options.Threads = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure edits: things filled in where they are named, extensions without a visible border."""
    number = trials if trials is not None else QUICK_TRIALS if quick else TRIALS
    if not FEWEST_TRIALS <= number <= 10_000:
        limit = f"not enough data: {FEWEST_TRIALS} to 10,000 are needed"
        raise InputError("--trials", number, limit)
    with ProgressBar() as progress:
        from nonette.evaluation.prompts import CATEGORIES

        num_scenes = max(2, -(-number // len(CATEGORIES)))
        room = options.open_room(model or store.DEFAULT, judge, output, seed, num_scenes, threads)
        paths = {name: room.folder / name for name in (REPORT, NUMBERS, FILLED, EXTENDED)}
        for path in paths.values():
            _files.check(path, "--output", force)
        size = _side(room)

        from nonette.evaluation import edit_report, edit_trials
        from nonette.evaluation import edits as suite
        from nonette.evaluation.drawings import Shelf
        from nonette.provenance.encode import encode_sheet

        start = time.perf_counter()
        shelf = Shelf(room.folder / "edits", room.album.engine, fingerprint=room.album.fingerprint)
        wish = {"candidates": candidates}
        fills = edit_trials.fillings(room.exam, size, number, wish)
        soft = wish | {"feather": feather}
        extensions = edit_trials.extensions(room.exam, size, number, soft)
        filled = shelf.draw([trial.request for trial in fills], progress)
        extended = shelf.draw([trial.request for trial in extensions], progress)
        read = partial(_read, room, size)
        result = edit_report.Result(
            model=room.model,
            judge=judge,
            world=room.world.name,
            exam_seed=seed,
            candidates=candidates,
            feather=feather,
            filling=suite.filling(fills, filled, read),
            extending=suite.extending(extensions, extended, read),
            seconds=time.perf_counter() - start,
        )
        contents = {
            paths[REPORT]: edit_report.to_markdown(result).encode(),
            paths[NUMBERS]: edit_report.to_json(result).encode(),
        }
        for name, asked, drawn in ((FILLED, fills, filled), (EXTENDED, extensions, extended)):
            sheet = edit_report.trial_sheet(asked, drawn)
            about = {"exam": seed, "shows": "what was given, and what came of it"}
            contents[paths[name]] = encode_sheet(sheet, room.model, about)
        _files.write_all(contents, "--output", force)
    if as_json:
        typer.echo(edit_report.to_json(result), nl=False)
    else:
        _tell(result)
        typer.echo(str(paths[REPORT]))


def _side(room: options.Room) -> int:
    """The side of the pictures that the model edits, in pixels."""
    can = room.album.engine.capabilities()
    if not {"edit", "extend"} <= set(can.tasks):
        limit = f"it can only {' and '.join(can.tasks)}, not edit"
        raise InputError("--model", room.model, limit)
    width, height = can.native_size
    if width != height or width % SIDE_STEP:
        limit = f"scenes are painted square, with sides that are multiples of {SIDE_STEP} pixels"
        raise InputError("--model", room.model, f"it draws {width}x{height}; {limit}")
    return width


def _read(room: options.Room, size: int, pictures: Sequence[np.ndarray]) -> list[Reading]:
    """What the judge sees, with boxes in pixels of the pictures."""
    from nonette.evaluation.edits import in_pixels_of

    resolution = room.reader.network.config.resolution
    return in_pixels_of(size, room.reader.read(pictures), resolution)


def _tell(result: Result) -> None:
    """What people read."""
    filling, extending = result.filling, result.extending
    for what, share in (
        ("named thing is there", filling.object.drawn),
        ("  in real renders", filling.object.render),
        ("with its look", filling.look.drawn),
        ("outside kept exactly", filling.exact),
        ("border like real ones", extending.inside),
        ("things across it found", extending.objects.drawn),
        ("  in real renders", extending.objects.render),
        ("given kept exactly", extending.exact),
    ):
        told = "not enough data" if share is None else f"{share.value:.3f} of {share.total:,}"
        typer.echo(f"{what:<24} {told}")
