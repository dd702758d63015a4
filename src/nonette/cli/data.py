"""`nonette data`: look at what models learn from.

`scenes` draws scenes of a world by lot: as captions, as ground truth in JSON, one scene a line, or
as a sheet of pictures with their captions underneath.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from nonette.cli import _files
from nonette.core.errors import InputError
from nonette.data.scenes import captions, sheet, world
from nonette.data.scenes.dataset import SceneDataset
from nonette.provenance import encode as files

app = typer.Typer(
    help="Look at the captioned pictures that models learn from.", no_args_is_help=True
)

MAX_SCENES = 1024
SIZES = (32, 512)  # pixels
MAX_SEED = 2**53 - 1
WORLDS: Mapping[str, Callable[[], world.World]] = {
    "tiny": lambda: world.TINY_WORLD,
    "cpu": lambda: world.CPU_WORLD,
    "full": world.full_world,
}


@app.callback()
def _data() -> None:
    """Keep `scenes` a verb of its own, though it is the only one so far."""


@app.command("scenes")
def scenes(
    num_scenes: Annotated[
        str,
        typer.Option("-n", "--num-scenes", metavar="INTEGER", help=f"How many, 1 to {MAX_SCENES}."),
    ] = "16",
    preview: Annotated[
        Path | None, typer.Option(help="Save a sheet of pictures with captions there, a .png file.")
    ] = None,
    world_name: Annotated[
        str, typer.Option("--world", help=f"Which world: {', '.join(WORLDS)}.")
    ] = "cpu",
    seed: Annotated[str, typer.Option(metavar="INTEGER", help="Which series of scenes.")] = str(
        world.PREVIEW_SEED
    ),
    size: Annotated[
        str, typer.Option(metavar="INTEGER", help="Side of the pictures in pixels.")
    ] = "128",
    language: Annotated[
        str, typer.Option(help=f"Of the captions: {', '.join(captions.SENTENCES)}, or both mixed.")
    ] = "both",
    split: Annotated[
        str, typer.Option(help="Which combinations: train (none held out), held_out, or all.")
    ] = "train",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the ground truth as JSON.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Draw scenes by lot and print their captions, or save a sheet of them."""
    _check_choice("--world", world_name, WORLDS)
    _check_choice("--language", language, (*captions.SENTENCES, "both"))
    _check_choice("--split", split, get_args(world.Split))
    num = _whole("-n", num_scenes, 1, MAX_SCENES)
    side = _whole("--size", size, *SIZES)
    series = _whole("--seed", seed, 0, MAX_SEED)
    if preview is not None:
        if files.format_of(preview, "--preview") != "png":
            raise InputError("--preview", str(preview), "it must end in .png")
        _files.check(preview, "--preview", force)
    dataset = SceneDataset(
        world=WORLDS[world_name](),
        seed=series,
        size=side,
        split=split,  # type: ignore[arg-type]  # checked above
        languages=tuple(captions.SENTENCES) if language == "both" else (language,),
    )
    samples = [dataset[index] for index in range(num)]
    if preview is not None:
        pixels = sheet.compose(
            [sample["pixels"] for sample in samples], [sample["caption"] for sample in samples]
        )
        about = {"world": world_name, "seed": series, "size": side, "split": split}
        content = files.encode_sheet(pixels, "scenes", about)
        _files.write_all({preview: content}, "--preview", force)
    if as_json:
        for sample in samples:
            typer.echo(json.dumps(_truth(sample), ensure_ascii=False))
    elif preview is not None:
        typer.echo(f"{num} scenes of the {world_name} world: {preview}")
    else:
        typer.echo("\n".join(sample["caption"] for sample in samples))


def _truth(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample without its pixels, as JSON values."""
    return {
        "caption": sample["caption"],
        "scene": dataclasses.asdict(sample["scene"]),
        "boxes": [dataclasses.asdict(box) for box in sample["boxes"]],
    }


def _check_choice(option: str, value: str, choices: Mapping[str, Any] | tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(option, value, f"it must be one of {', '.join(choices)}")


def _whole(option: str, text: str, least: int, most: int) -> int:
    """The whole number that was written, within its limits."""
    limit = f"it must be a whole number from {least:,} to {most:,}"
    try:
        value = int(text) if len(text) < 30 else None
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise InputError(option, text, limit)
    return value
