"""`nonette evaluate steps`: what a model loses in few steps to its teacher in many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nonette.cli import _exam as options
from nonette.cli import _files
from nonette.cli._progress import ProgressBar
from nonette.core.errors import InputError

REPORT, NUMBERS = "steps.md", "steps.json"
PICTURES = 9  # of every sentence, none left out by ranking


def steps(
    teacher: Annotated[str, typer.Option(help="Name or folder of the model that it learned from.")],
    model: options.Model = "",
    few: Annotated[
        list[int] | None,
        typer.Option(
            "--steps", help="Steps to examine; more than once. [default: 8, 4]", min=1, max=1000
        ),
    ] = None,
    teacher_steps: Annotated[int, typer.Option(help="Steps of the teacher.", min=1, max=1000)] = 50,
    judge: options.JudgeName = options.JUDGE,
    output: options.Output = None,
    seed: options.Seed = 0,
    pictures: Annotated[int, typer.Option(help="A category.", min=36, max=10_000)] = 324,
    threads: options.Threads = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare a distilled model in few steps with its teacher, on the same sentences and seeds."""
    import dataclasses
    import json

    num_scenes = -(-pictures // (2 * PICTURES))  # in two languages
    with ProgressBar() as progress:
        from nonette.evaluation import few_steps
        from nonette.evaluation.drawings import Album

        taught = options.open_artist(teacher, threads)
        room = options.open_room(model, judge, output, seed, num_scenes, threads)
        if taught.world != room.world:
            limit = f"it draws the world {taught.world.name!r}, {room.model} {room.world.name!r}"
            raise InputError("--teacher", teacher, limit)
        paths = {name: room.folder / name for name in (REPORT, NUMBERS)}
        for path in paths.values():
            _files.check(path, "--output", force)
        engine, mark = room.album.engine, room.album.fingerprint
        asked = [(taught.model, taught.engine, taught.fingerprint, teacher_steps)]
        asked += [(room.model, engine, mark, number) for number in few or (8, 4)]
        drawn = []
        for name, artist, fingerprint, number in asked:
            album = Album(
                room.folder / "steps",
                artist,
                fingerprint=fingerprint,
                candidates=PICTURES,
                wish={"steps": number},
            )
            right = few_steps.verdicts(album, room.exam, room.reader, progress)
            drawn.append((name, number, right))
        found = few_steps.rows(room.exam, drawn)
    numbers = json.dumps([dataclasses.asdict(row) for row in found], indent=2) + "\n"
    text = few_steps.to_markdown(found) + "\n"
    contents: dict[Path, bytes] = {paths[REPORT]: text.encode(), paths[NUMBERS]: numbers.encode()}
    _files.write_all(contents, "--output", force)
    typer.echo(numbers if as_json else text, nl=False)
