"""What suites of `nonette evaluate` begin with: options, the model, the judge, the exam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nonette.cli import _files, _habits
from nonette.core import flat
from nonette.core.errors import CheckpointError
from nonette.core.types import Engine

if TYPE_CHECKING:
    from nonette.evaluation.drawings import Album
    from nonette.evaluation.prompts import Prompt
    from nonette.evaluation.reader import Reader

JUDGE = "scenes-judge"

Model = Annotated[
    str,
    typer.Option(help="A model's name, or the path of its folder.", show_default="scenes"),
]
JudgeName = Annotated[str, typer.Option("--judge", help="The judge's name or folder.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="Folder of drawings and reports. [default: runs/evaluate/MODEL-...]"
    ),
]
Seed = Annotated[int, typer.Option(help="Which exam; 0 is the standing one.")]
Quick = Annotated[bool, typer.Option("--quick", help="A small exam, to see where it goes.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads to use. [default: all cores]")]
Force = Annotated[bool, typer.Option("--force", help="Replace reports that are there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@dataclass(frozen=True, kw_only=True)
class Room:
    """Everything an evaluation needs, loaded."""

    model: str
    folder: Path
    world: Any
    exam: list[Prompt]
    album: Album
    reader: Reader
    ranker: tuple[Any, Any] | None


@dataclass(frozen=True, kw_only=True)
class Artist:
    """A model that is examined.

    Attributes:
        model: Its name.
        engine: What draws.
        fingerprint: Of its weights and its ranker's.
        world: What it draws.
        ranker: Its ranking network and tokenizer, if it has one.
    """

    model: str
    engine: Engine
    fingerprint: str
    world: Any
    ranker: tuple[Any, Any] | None


def open_artist(model: str, threads: int | None) -> Artist:
    """Load a model."""
    _habits.adopt()
    from nonette import engine
    from nonette.checkpoints import format as checkpoints
    from nonette.checkpoints import store
    from nonette.data.scenes.world import CPU_WORLD, FULL_WORLD, SMALL_WORLD, TINY_WORLD
    from nonette.evaluation import drawings

    artist = engine.load(model, threads=threads)
    settings: Mapping[str, Any] = {}
    folders: list[Path] = []
    ranker = None
    if model != flat.MODEL:
        checkpoint = checkpoints.read(store.find(model))
        settings, folders = checkpoint.settings, [checkpoint.folder]
        if settings.get("ranker"):
            beside = checkpoint.folder.parent / str(settings["ranker"])
            is_beside = (beside / "config.json").is_file()
            ranking = checkpoints.read(beside if is_beside else store.find(settings["ranker"]))
            folders.append(ranking.folder)
            ranker = ranking.network("clip"), ranking.tokenizer()
    worlds = {world.name: world for world in (CPU_WORLD, FULL_WORLD, SMALL_WORLD, TINY_WORLD)}
    name = settings.get("world", CPU_WORLD.name)
    if name not in worlds:
        raise CheckpointError(f"{model}: its world is {name!r}, but known are {', '.join(worlds)}")
    return Artist(
        model=artist.capabilities().model,
        engine=artist,
        fingerprint=drawings.fingerprint(folders),
        world=worlds[name],
        ranker=ranker,
    )


def open_room(
    model: str, judge: str, output: Path | None, seed: int, num_scenes: int, threads: int | None
) -> Room:
    """Load model and judge, and set the exam; nothing is drawn or written yet."""
    artist = open_artist(model, threads)
    from nonette.checkpoints import format as checkpoints
    from nonette.checkpoints import store
    from nonette.evaluation import drawings, prompts
    from nonette.evaluation.reader import open_judge

    world, mark = artist.world, artist.fingerprint
    reader = open_judge(checkpoints.read(store.find(judge, field="--judge")), world)
    folder = output or Path("runs") / "evaluate" / f"{artist.model}-{mark[:8]}"
    _files.check_folder(folder, "--output")
    return Room(
        model=artist.model,
        folder=folder,
        world=world,
        exam=prompts.exam(world, seed, num_scenes, world.languages),
        album=drawings.Album(folder / "drawings", artist.engine, fingerprint=mark),
        reader=reader,
        ranker=artist.ranker,
    )
