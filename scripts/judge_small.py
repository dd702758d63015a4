"""One-object accuracy of models that were trained small, side by side, and a sheet of each.

    python scripts/judge_small.py runs/sd_small/model runs/dalle2_small/model \
        runs/imagen_small/model --pictures 27 --sheets runs/small

Prints a table in Markdown: real renders of the same size first, put through the same judge, then
each model. A sheet has a row of pictures an object, in the order of the table's last line.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def main(arguments: Sequence[str]) -> int:
    """Draw, judge, print."""
    from nonette import engine
    from nonette.checkpoints import store
    from nonette.checkpoints.format import read
    from nonette.data.scenes.world import SMALL_WORLD
    from nonette.evaluation import objects
    from nonette.evaluation.reader import open_judge
    from nonette.nn import device

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="model folders")
    parser.add_argument("--pictures", type=int, default=27, help="an object, 1 to 64")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--judge", default="scenes-judge")
    parser.add_argument("--sheets", type=Path, help="folder for sheets of pictures")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args(arguments)
    reader = open_judge(read(store.find(given.judge)), SMALL_WORLD)
    size = reader.network.config.resolution

    print("| pictures | one object | weakest | parameters | seconds a picture |")
    print("| --- | --- | --- | ---: | ---: |")
    with device.threads(given.threads):
        renders = objects.rendered(SMALL_WORLD, given.pictures, 64)
        print(_row("real renders, 64 px", reader, renders, size), "– | – |", flush=True)
        for model in given.models:
            artist = engine.load(model, threads=given.threads)
            started = time.monotonic()
            pictures = objects.drawn(artist, SMALL_WORLD, given.pictures, given.seed)
            count = sum(len(row) for row in pictures.values())
            seconds = (time.monotonic() - started) / count
            tail = f"{_millions(model):.1f} M | {seconds:.2f} |"
            print(_row(artist.capabilities().model, reader, pictures, size), tail, flush=True)
            if given.sheets is not None:
                _save_sheet(given.sheets, artist.capabilities().model, pictures)
    print("\nObjects:", ", ".join(SMALL_WORLD.objects))
    return 0


def _row(name: str, reader, pictures, size: int) -> str:
    """The beginning of a line of the table."""
    from nonette.data.scenes.world import SMALL_WORLD
    from nonette.evaluation import objects

    found = objects.accuracy(reader.read, pictures, SMALL_WORLD, size)
    weakest = sorted(found.objects, key=lambda thing: found.objects[thing].value)[:3]
    told = ", ".join(f"{thing} {found.objects[thing].value:.2f}" for thing in weakest)
    whole = found.all
    return f"| {name} | {whole.value:.3f} [{whole.low:.3f}, {whole.high:.3f}] | {told} |"


def _millions(model: str) -> float:
    """Parameters of all networks of a model."""
    from nonette.checkpoints import store
    from nonette.checkpoints.format import read

    checkpoint = read(store.find(model))
    parts = [checkpoint.network(part) for part in checkpoint.manifest.networks]
    return sum(one.numel() for part in parts for one in part.parameters()) / 1e6


def _save_sheet(folder: Path, name: str, pictures) -> None:
    """Nine pictures of every object."""
    from nonette.provenance.encode import encode_sheet

    rows = [np.concatenate(list(shown[:9]), axis=1) for shown in pictures.values()]
    folder.mkdir(parents=True, exist_ok=True)
    about = {"objects": list(pictures)}
    (folder / f"{name}.png").write_bytes(encode_sheet(np.concatenate(rows), name, about))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
