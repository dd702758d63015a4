"""How many steps each sampler needs on Stable Diffusion's grid, measured on a trained network.

    python benchmarks/converge_steps.py runs/sd_small/model --pictures 20      after `sd_small`

Random weights cannot tell how fast a sampler converges, and published ones are not at hand. So an
undistilled network of our own is drawn along Stable Diffusion's sigmas: whatever a network was
trained to say, `denoise(x, sigma)` is the same question, and latents have about unit variance in
both. Every drawing of a sentence begins with the same noise at the same sigma. One of many steps is
the picture that all of them should come to; diffusers' default, 50 steps of PNDM (here `plms`),
comes as near to it as people are used to.

The sentences name one thing of the small world each, and its judge says whether the thing is there:
whether a picture is as good is another question than whether it is the same.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nonette.checkpoints import store
from nonette.checkpoints.format import read
from nonette.data.scenes.world import SMALL_WORLD
from nonette.diffusion import guidance
from nonette.diffusion.multistep import by_name
from nonette.diffusion.paths import Straight, Tabled
from nonette.evaluation import objects
from nonette.evaluation.reader import open_judge
from nonette.pipelines._latents import Rows, Transformer, Words
from nonette.pipelines._steps import generator, to_uint8
from nonette.pipelines._walks import noise_of

REFERENCE = ("dpmpp_2m", 100)
NUMBERS = {
    "plms": (20, 50),
    "dpmpp_2m": (8, 10, 12, 15, 20, 25),
    "unipc": (8, 10, 12, 15, 20, 25),
    "ddim": (20, 50),  # which is Euler's method
}
GRID = Tabled(spacing="trailing")  # Stable Diffusion 1.5's, but all numbers begin at one sigma


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line a sampler and number of steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--pictures", type=int, default=3, help="of each of the twenty things")
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    judge = open_judge(read(store.find("scenes-judge")), SMALL_WORLD)
    with torch.inference_mode():
        walk = Walker(options.model, options.pictures, options.guidance)
        wanted = walk.drawn(*REFERENCE)
        pixels = walk.pixels(wanted)
        ways = [(sampler, number) for sampler, row in NUMBERS.items() for number in row]
        for sampler, number in (REFERENCE, *ways):
            is_reference = (sampler, number) == REFERENCE
            latents = wanted if is_reference else walk.drawn(sampler, number)
            painted = walk.pixels(latents)
            apart = (latents - wanted).flatten(1).norm(dim=1) / wanted.flatten(1).norm(dim=1)
            levels = np.sqrt(np.square(painted - pixels.astype(float)).mean(axis=(1, 2, 3)))
            shown = painted.reshape(len(SMALL_WORLD.objects), -1, *painted.shape[1:])
            by_object = dict(zip(SMALL_WORLD.objects, shown, strict=True))
            size = judge.network.config.resolution
            right = objects.accuracy(judge.read, by_object, SMALL_WORLD, size).all
            line = {
                "sampler": sampler,
                "steps": number,
                "guidance": options.guidance,
                "latents_apart": round(float(apart.mean()), 4),
                "levels_apart": round(float(levels.mean()), 2),
                "levels_apart_median": round(float(np.median(levels)), 2),
                "right": f"{right.right} of {right.total}",
            }
            print(json.dumps(line), flush=True)


class Walker:
    """A model with prompts, noise and guidance decided: only sampler and steps are left open."""

    def __init__(self, folder: Path, count: int, scale: float) -> None:
        checkpoint = read(folder)
        self.autoencoder = checkpoint.network("autoencoder", torch.float32)
        dit = checkpoint.network("denoiser", torch.float32)
        asked = Transformer(dit, checkpoint.tokenizer())  # type: ignore[arg-type]
        side = dit.config.grid_size
        keys = objects.keys(SMALL_WORLD).values()
        prompts = [objects.sentence(key, "en") for key in keys for _ in range(count)]
        empty = torch.zeros(len(prompts), dit.config.latent_channels, side, side)
        self.noise = noise_of([generator(i) for i in range(len(prompts))], empty)
        mask = torch.ones(len(prompts), 1, side, side)

        def denoiser(texts: list[str]) -> guidance.Denoise:
            states = torch.cat([asked.read(text).states for text in texts])
            rows = Rows(Words(states), mask, empty, 0.0, torch.zeros(len(prompts)))
            return Straight().denoiser(asked.network(rows))

        scales = torch.full((len(prompts),), scale)
        self.denoise = guidance.classifier_free(
            denoiser(prompts), denoiser([""] * len(prompts)), scales
        )

    def drawn(self, sampler: str, num_steps: int) -> Tensor:
        """Latents (B, D, h, w)."""
        grid = GRID.grid(num_steps, sampler)
        return by_name(sampler)(self.denoise, GRID.begin(self.noise, grid[0]), grid)

    def pixels(self, latents: Tensor) -> np.ndarray:
        """uint8 (B, H, W, 3)."""
        return to_uint8(self.autoencoder.decode(latents))


if __name__ == "__main__":
    main()
