"""How many steps each sampler needs on Stable Diffusion's grid, measured on a trained network.

    python benchmarks/converge_steps.py MODEL               an undistilled diffusion model of scenes

Random weights cannot tell how fast a sampler converges, and published ones are not at hand. So a
network of our own is drawn along Stable Diffusion's sigmas: whatever a network was trained to say,
`denoise(x, sigma)` is the same question, and latents have about unit variance in both. Every
drawing begins with the same noise at the same sigma. One of many steps is the picture that all of
them should come to; diffusers' default, 50 steps of PNDM (here `plms`), comes as near to it as
people are used to.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from nonette.checkpoints.format import read
from nonette.diffusion import guidance
from nonette.diffusion.multistep import by_name
from nonette.diffusion.paths import Straight, Tabled
from nonette.pipelines._latents import Rows, Transformer, Words
from nonette.pipelines._steps import generator, to_uint8
from nonette.pipelines._walks import noise_of

REFERENCE = ("dpmpp_2m", 100)
NUMBERS = {
    "plms": (50,),
    "dpmpp_2m": (10, 12, 15, 20, 25),
    "unipc": (10, 12, 15, 20, 25),
    "ddim": (20, 50),  # which is Euler's method
}
GRID = Tabled(spacing="trailing")  # Stable Diffusion 1.5's, but all numbers begin at one sigma


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line a sampler and number of steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        walk = Walker(options.model, options.pictures, options.guidance)
        wanted = walk.drawn(*REFERENCE)
        pixels = walk.pixels(wanted)
        for sampler, numbers in NUMBERS.items():
            for number in numbers:
                latents = walk.drawn(sampler, number)
                apart = (latents - wanted).flatten(1).norm(dim=1) / wanted.flatten(1).norm(dim=1)
                levels = (walk.pixels(latents) - pixels).square().mean(dim=(1, 2, 3)).sqrt()
                line = {
                    "sampler": sampler,
                    "steps": number,
                    "guidance": options.guidance,
                    "latents_apart": round(float(apart.mean()), 4),
                    "levels_apart": round(float(levels.mean()), 2),
                    "levels_apart_median": round(float(levels.median()), 2),
                }
                print(json.dumps(line), flush=True)


class Walker:
    """A model with prompts, noise and guidance decided: only sampler and steps are left open."""

    def __init__(self, folder: Path, num_pictures: int, scale: float) -> None:
        checkpoint = read(folder)
        self.autoencoder = checkpoint.network("autoencoder", torch.float32)
        dit = checkpoint.network("denoiser", torch.float32)
        asked = Transformer(dit, checkpoint.tokenizer())  # type: ignore[arg-type]
        side = dit.config.grid_size
        prompts = [checkpoint.examples[i] for i in range(num_pictures)]
        empty = torch.zeros(num_pictures, dit.config.latent_channels, side, side)
        self.noise = noise_of([generator(i) for i in range(num_pictures)], empty)
        mask = torch.ones(num_pictures, 1, side, side)

        def denoiser(texts: list[str]) -> guidance.Denoise:
            states = torch.cat([asked.read(text).states for text in texts])
            rows = Rows(Words(states), mask, empty, 0.0, torch.zeros(num_pictures))
            return Straight().denoiser(asked.network(rows))

        scales = torch.full((num_pictures,), scale)
        self.denoise = guidance.classifier_free(
            denoiser(prompts), denoiser([""] * num_pictures), scales
        )

    def drawn(self, sampler: str, num_steps: int) -> Tensor:
        """Latents (B, D, h, w)."""
        grid = GRID.grid(num_steps, sampler)
        return by_name(sampler)(self.denoise, GRID.begin(self.noise, grid[0]), grid)

    def pixels(self, latents: Tensor) -> Tensor:
        """(B, H, W, 3) in levels of 255."""
        return torch.from_numpy(to_uint8(self.autoencoder.decode(latents))).float()


if __name__ == "__main__":
    main()
