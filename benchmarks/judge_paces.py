"""What a Stable Diffusion loses and gains at other paces, measured on a trained network.

    python benchmarks/judge_paces.py runs/sd_unet_small/model --pictures 10    after `sd_unet_small`

A pace is how many steps there are, at every which of them the UNet's deeper part is worked out, and
between which sigmas there is guidance (`nonette models adapt --deep-every --guidance-interval`).
Random weights cannot tell what that costs, and published ones are not at hand, so a UNet of our own
draws the same sentences with the same seeds at each pace, as the engine draws. The sentences name
one thing of the small world each, and its judge says whether the thing is there; beside that, how
far pictures are from those of most steps, all of them whole, in levels of 255.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from typing import Any

import numpy as np
import torch

from nonette.checkpoints import store
from nonette.checkpoints.format import Checkpoint, read
from nonette.data.scenes.world import SMALL_WORLD
from nonette.engine import LocalEngine
from nonette.evaluation import objects
from nonette.evaluation.reader import open_judge

MOST_STEPS = 100
PACES: tuple[dict[str, Any], ...] = (
    {"steps": MOST_STEPS},
    *({"steps": steps} for steps in (50, 20, 15, 12, 10, 8)),
    *({"steps": steps, "deep_every": every} for steps in (15, 20) for every in (2, 3, 5)),
    *(
        {"steps": 15, "guidance_interval": interval}
        for interval in ((0.0, 5.0), (0.3, 100.0), (0.3, 5.0), (0.6, 3.0))
    ),
    {"steps": 15, "deep_every": 2, "guidance_interval": (0.3, 100.0)},
)


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line a pace."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a model's name or folder")
    parser.add_argument("--pictures", type=int, default=10, help="of each of the twenty things")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    judge = open_judge(read(store.find("scenes-judge")), SMALL_WORLD)
    checkpoint = read(store.find(options.model))
    wanted: np.ndarray | None = None
    for pace in PACES:
        artist = LocalEngine(paced(checkpoint, pace), threads=options.threads, device="cpu")
        objects.drawn(artist, SMALL_WORLD, 1)  # networks are loaded
        start = time.process_time()
        shown = objects.drawn(artist, SMALL_WORLD, options.pictures)
        seconds = time.process_time() - start
        pixels = np.concatenate(list(shown.values())).astype(float)
        wanted = pixels if wanted is None else wanted
        levels = np.sqrt(np.square(pixels - wanted).mean(axis=(1, 2, 3)))
        size = judge.network.config.resolution
        right = objects.accuracy(judge.read, shown, SMALL_WORLD, size).all
        line = {
            "right": f"{right.right} of {right.total}",
            "levels_apart": round(float(levels.mean()), 2),
            "levels_apart_median": round(float(np.median(levels)), 2),
            "processor_seconds_a_picture": round(seconds / len(pixels), 4),
        }
        print(json.dumps(pace | line), flush=True)


def paced(checkpoint: Checkpoint, pace: dict[str, Any]) -> Checkpoint:
    """The same weights with other settings."""
    settings = {**checkpoint.settings, **pace}
    manifest = dataclasses.replace(checkpoint.manifest, settings=settings)
    return Checkpoint(checkpoint.folder, manifest)


if __name__ == "__main__":
    main()
