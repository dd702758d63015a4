"""How fast the networks of Karlo, the published unCLIP, answer: diffusers and Nonette in one run.

    python benchmarks/bench_karlo.py

Both get the same random weights of the published shapes, in bfloat16, and one picture: the prior
imagines an embedding, the decoder draws 64×64 pixels, an upsampler 256×256. diffusers' networks are
in channels_last where they see pictures; ours have their weights laid out as the pipeline does
before it draws. Each is asked in a process of its own, and the best of its calls is taken. A
picture of Karlo's pipeline asks the prior and the decoder twice at each of 25 steps and the
upsamplers at 7, in both. It takes some minutes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from bench_stable_diffusion import config_of, filled, least, report, taken, timed

from nonette.checkpoints.importers import karlo
from nonette.checkpoints.importers._diffusers import PIXEL_UNET, pixel_unet_config
from nonette.models.pixel_unet import PixelUNet
from nonette.models.unclip import Prior
from nonette.nn import packed

MANIFEST = Path(__file__).parents[1] / "tests" / "manifests" / "karlo-v1-alpha.json.gz"
CALLS = {"prior": 2 * 25, "decoder": 2 * 25, "super_res_first": 7}  # of a picture
SYSTEMS = ("diffusers", "nonette")


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line a network of each system, then our share of a picture's time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=3, help="of each network")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", nargs=2, metavar=("SYSTEM", "NETWORK"), help="in here, once")
    options = parser.parse_args(arguments)
    if options.only:
        torch.set_num_threads(options.threads)
        with torch.inference_mode():
            report(measured(*options.only, options.calls))
        return
    pictures = dict.fromkeys(SYSTEMS, 0.0)
    for part, num_calls in CALLS.items():
        for system in SYSTEMS:
            words = ["--calls", str(options.calls), "--threads", str(options.threads)]
            words = [sys.executable, __file__, *words, "--only", system, part]
            done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
            line = json.loads(done.stdout.splitlines()[-1])
            report({"system": system, "network": part} | line)
            pictures[system] += num_calls * line["seconds"]
    share = pictures["nonette"] / pictures["diffusers"]
    report({name: round(seconds, 1) for name, seconds in pictures.items()} | {"share": share})


def measured(system: str, part: str, num_calls: int) -> dict[str, Any]:
    """Seconds of one call; of ours also how far the answer is from theirs."""
    config = json.loads(gzip.decompress(MANIFEST.read_bytes()))["parts"][part]["config"]
    with torch.device("meta"):
        theirs = getattr(diffusers, config["_class_name"]).from_config(config)
    theirs = filled(theirs)
    asks_theirs, asks_ours = asked(part)
    if system == "diffusers":
        if part != "prior":
            theirs.to(memory_format=torch.channels_last)
        return best(lambda: asks_theirs(theirs), num_calls)
    wanted = asks_theirs(theirs)[0].float()
    ours = like(theirs, part)
    packed.pack(ours)
    apart = float((asks_ours(ours).float() - wanted).norm() / wanted.norm())
    return best(lambda: asks_ours(ours), num_calls) | {"difference": round(apart, 4)}


def asked(part: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """One picture's question to a network, as theirs takes it and as ours does."""
    time, is_word = torch.tensor([500]), torch.arange(81)[None] < 20

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(0)).bfloat16()

    if part == "prior":
        x, states, mask = numbers(1, 768), numbers(1, 77, 768), is_word[:, :77]
        return (
            lambda network: network(x, time, x, states, mask, return_dict=False),
            lambda network: network(x, time, x, states, mask),
        )
    if part == "decoder":
        x, context, told = numbers(1, 3, 64, 64), numbers(1, 81, 1536), numbers(1, 1280)
        more = {"class_labels": told, "attention_mask": is_word, "return_dict": False}
        return (
            lambda network: network(x, time, context, **more),
            lambda network: network(x, time, context, mask=is_word, vector=told),
        )
    large = numbers(1, 6, 256, 256)
    return (
        lambda network: network(large, time, return_dict=False),
        lambda network: network(large, time),
    )


def like(theirs: Any, part: str) -> Any:
    """Our network on the tensors of theirs."""
    values, state = config_of(theirs), theirs.state_dict()
    if part == "prior":
        return taken(state, Prior, karlo.prior_config(values), karlo.PRIOR)
    read = pixel_unet_config if part == "decoder" else karlo.upsampler_config
    return taken(state, PixelUNet, read(values, "config.json"), PIXEL_UNET)


def best(work: Callable[[], object], num_calls: int) -> dict[str, float]:
    """By the wall's clock and of all processors, after one call that warms up."""
    work()
    times = least(timed(work) for _ in range(num_calls))
    return {"seconds": round(times.wall, 3), "processor_seconds": round(times.processor, 3)}


if __name__ == "__main__":
    main()
