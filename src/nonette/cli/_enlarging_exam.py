"""`nonette evaluate enlarging`: an upsampler beside Lanczos, on scenes nothing learned from."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from nonette.cli import _exam as options
from nonette.cli import _files
from nonette.cli._progress import ProgressBar
from nonette.core.errors import CheckpointError, InputError

PICTURES, FEWEST = 200, 8
TIMED, TIMED_SIDE = 9, 128  # pictures whose enlarging is timed, and their sides in pixels
NUMBERS, SHEET = "enlarging.json", "enlarged.png"
SHOWN = 6


def enlarging(
    upsampler: Annotated[
        str, typer.Option(help="An upsampler's name, or the path of its folder.")
    ] = "scenes-upsampler",
    model: Annotated[
        str, typer.Option(help="The model whose autoencoder remakes small pictures.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder. [default: runs/evaluate/NAME]"),
    ] = None,
    pictures: Annotated[int, typer.Option(help="How many scenes.")] = PICTURES,
    threads: options.Threads = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure enlarging: PSNR and structural similarity, beside Lanczos."""
    if not FEWEST <= pictures <= 10_000:
        limit = f"not enough data: {FEWEST} to 10,000 are needed"
        raise InputError("--pictures", pictures, limit)

    from nonette.checkpoints import format as checkpoints
    from nonette.checkpoints import store
    from nonette.data.scenes.world import CPU_WORLD, FULL_WORLD, TINY_WORLD
    from nonette.evaluation import enlarging as suite
    from nonette.nn import device
    from nonette.provenance.encode import encode_sheet

    checkpoint = checkpoints.read(store.find(upsampler, field="--upsampler"))
    if "upsampler" not in checkpoint.manifest.networks:
        raise InputError("--upsampler", upsampler, "it does not enlarge")
    drawer = checkpoints.read(store.find(model))
    part = suite.autoencoder_part(drawer.manifest.networks)
    if model and part is None:
        raise InputError("--model", model, "it has no autoencoder that reads pictures")
    folder = output or Path("runs") / "evaluate" / checkpoint.name
    for name in (NUMBERS, SHEET):
        _files.check(folder / name, "--output", force)
    worlds = {world.name: world for world in (CPU_WORLD, FULL_WORLD, TINY_WORLD)}
    name = checkpoint.settings.get("world", CPU_WORLD.name)
    if name not in worlds:
        raise CheckpointError(f"{upsampler}: its world is {name!r}, which is not known")
    with ProgressBar("enlarging"), device.threads(threads):
        dtype = device.pick_dtype(device.pick_device("cpu"))
        network: Any = checkpoint.network("upsampler", dtype)
        large = suite.large_scenes(
            worlds[name], checkpoint.settings.get("resolution", 256), pictures
        )
        kinds = {"well made": suite.shrunk(large, network.config.factor)}
        if part is not None:
            remade = suite.remade_each(drawer.network(part, dtype), kinds["well made"])
            kinds[f"remade by {drawer.name}"] = remade
        enlarge = _enlarger(network)
        compared = {kind: suite.compare(large, small, enlarge) for kind, small in kinds.items()}
        seconds = _seconds(large, enlarge)
    values = _values(checkpoint.name, compared, seconds)
    sheet = _sheet(large, list(kinds.values()), enlarge)
    _files.write_all(
        {
            folder / NUMBERS: f"{json.dumps(values, indent=2)}\n".encode(),
            folder / SHEET: encode_sheet(sheet, checkpoint.name, {"shows": "enlargements"}),
        },
        "--output",
        force,
    )
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    for kind, one in compared.items():
        typer.echo(
            f"{kind}: PSNR {one.ours.psnr:.2f} dB, Lanczos {one.lanczos.psnr:.2f}; gain "
            f"{one.gain:+.2f} [{one.low:+.2f}, {one.high:+.2f}] of {one.num_pictures:,}; "
            f"similarity {one.ours.similarity:.4f}, Lanczos {one.lanczos.similarity:.4f}"
        )
    typer.echo(f"{TIMED} pictures of {TIMED_SIDE} pixels: {seconds:.2f} s")
    typer.echo(str(folder / NUMBERS))


def _enlarger(network: Any) -> Any:
    """The upsampler as a function of a picture and a size."""
    from nonette.pipelines import _upsample
    from nonette.pipelines._steps import Meter

    return lambda picture, size: _upsample.upsampled(network, picture, size, Meter(0, None, None))


def _seconds(large: Any, enlarge: Any) -> float:
    """How long it takes to enlarge nine pictures to twice their sides."""
    from nonette.core.sizes import resized

    small = [resized(picture, (TIMED_SIDE, TIMED_SIDE)) for picture in large[:TIMED]]
    enlarge(small[0], (2 * TIMED_SIDE, 2 * TIMED_SIDE))
    start = time.perf_counter()
    for picture in small:
        enlarge(picture, (2 * TIMED_SIDE, 2 * TIMED_SIDE))
    return (time.perf_counter() - start) * TIMED / len(small)


def _values(upsampler: str, compared: Any, seconds: float) -> dict[str, Any]:
    """What `--json` prints."""
    import dataclasses

    from nonette.evaluation.report import rounded

    kinds = {kind: dataclasses.asdict(one) for kind, one in compared.items()}
    found: dict[str, Any] = rounded({"upsampler": upsampler, "kinds": kinds, "seconds": seconds})
    return found


def _sheet(large: Any, kinds: Any, enlarge: Any) -> Any:
    """Rows: the large pictures; then, for each kind, enlarged by Lanczos and by the upsampler."""
    import numpy as np

    from nonette.core.sizes import resized

    size = large[0].shape[1], large[0].shape[0]
    rows = [large[:SHOWN]]
    for small in kinds:
        rows.append([resized(picture, size) for picture in small[:SHOWN]])
        rows.append([enlarge(picture, size) for picture in small[:SHOWN]])
    return np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)
