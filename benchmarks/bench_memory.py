"""How much memory a drawing takes at its peak, in a process that does nothing else.

    python benchmarks/bench_memory.py                    all three
    python benchmarks/bench_memory.py --only sd-1.5      one picture of 512×512, one guided step
    python benchmarks/bench_memory.py --only sd-1.5 --device openvino
    python benchmarks/bench_memory.py --only dalle-mega  one picture, all 256 codes
    python benchmarks/bench_memory.py --only karlo       one picture, one step of each network

A model of the published size with random weights in float16, as published, is written into a
temporary folder (2, 5 and 7 GiB); then `nonette draw` starts anew and its peak resident memory is
what the kernel (Linux) counted, mapped files included. Steps beyond the first take nothing more.
Weights do not matter to memory; the type that they are drawn in does: bfloat16 where the processor
multiplies it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nonette.checkpoints import format as checkpoints
from nonette.checkpoints.importers import _dalle_bart
from nonette.checkpoints.importers.stable_diffusion import FIRST_SCHEDULER, read_scheduler
from nonette.checkpoints.tensors import skeleton
from nonette.models.bart import MEGA, Bart
from nonette.models.clip import VIT_L_14, TextEncoder, TextEncoderConfig
from nonette.models.kl_autoencoder import STABLE_DIFFUSION, AutoencoderKL
from nonette.models.pixel_unet import KARLO_DECODER, KARLO_UPSAMPLER, PixelUNet
from nonette.models.unclip import KARLO_PRIOR, KARLO_TEXT_PROJECTION, Prior, TextProjection
from nonette.models.unet import STABLE_DIFFUSION_1, UNet
from nonette.models.vqgan import F16_16384, VQGAN
from nonette.nn import device
from nonette.text.published import (
    CLIP_END,
    CLIP_START,
    bart_tokenizer,
    byte_letters,
    clip_tokenizer,
)

LIMITS = {"sd-1.5": 6, "dalle-mega": 8, "karlo": 5}  # GiB that each is to stay within
CHILD = """
import sys
from nonette.cli.main import main
status = main(sys.argv[1:])
print(open("/proc/self/status").read())
sys.exit(status)
"""
TEXT = TextEncoderConfig(
    text=VIT_L_14.text, embedding_size=None, activation=VIT_L_14.activation, reads="last"
)


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=LIMITS)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto", help="as `nonette draw` takes it")
    options = parser.parse_args(arguments)
    for model in [options.only] if options.only else LIMITS:
        print(json.dumps(measured(model, options.threads, options.device)), flush=True)


def measured(model: str, threads: int, device_name: str) -> dict[str, Any]:
    """The peak of one drawing."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / model
        write(folder, model)
        words = ["draw", "a red cat", "-n", "1", "--candidates", "1", "--seed", "1", "--no-rank"]
        words += ["--model", str(folder), "--threads", str(threads)]
        words += ["--device", device_name, "-o", str(Path(scratch) / "cat.png")]
        words += [] if model == "dalle-mega" else ["--steps", "1"]
        start = time.perf_counter()
        peak = peak_of(words, threads)
        seconds = time.perf_counter() - start
        dtype = device.pick_dtype(torch.device("cpu"), checkpoints.read(folder).num_parameters)
    return {
        "model": model,
        "device": device_name,
        "type": str(dtype).removeprefix("torch."),
        "threads": threads,
        "peak_gib": round(peak, 2),
        "limit_gib": LIMITS[model],
        "seconds": round(seconds, 1),
    }


def peak_of(words: list[str], threads: int) -> float:
    """GiB that `nonette` had in memory at its peak; what its parent had does not count."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *words],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
    )
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) / 2**20


def write(folder: Path, model: str) -> None:
    """A model folder of the published size, as importing would write it."""
    networks: dict[str, tuple[str, Any, Any]]
    if model == "sd-1.5":
        system = "stable_diffusion"
        networks = {
            "denoiser": ("unet", UNet, STABLE_DIFFUSION_1),
            "autoencoder": ("kl_autoencoder", AutoencoderKL, STABLE_DIFFUSION),
            "text_encoder": ("clip_text", TextEncoder, TEXT),
        }
        diffusion = read_scheduler(FIRST_SCHEDULER, is_consistent=False)
        settings = {"diffusion": diffusion, "size": 512, "guidance": 7.5, "num_seats": 1}
        tokenizer = clip_tokenizer(*words(CLIP_START, CLIP_END), CLIP_END)
    elif model == "karlo":
        system = "dalle2"
        text = replace(TEXT, embedding_size=KARLO_PRIOR.embedding_size)
        networks = {
            "prior": ("prior", Prior, KARLO_PRIOR),
            "text_projection": ("text_projection", TextProjection, KARLO_TEXT_PROJECTION),
            "text_encoder": ("clip_text", TextEncoder, text),
            "decoder": ("pixel_unet", PixelUNet, KARLO_DECODER),
            "upsampler": ("pixel_unet", PixelUNet, KARLO_UPSAMPLER),
            "last_upsampler": ("pixel_unet", PixelUNet, KARLO_UPSAMPLER),
        }
        few = {"prior": {"steps": 1}, "upsampler": {"steps": 2}}
        settings = {"guidance": 8.0, "candidates": 1, "num_seats": 1, **few}
        tokenizer = clip_tokenizer(*words(CLIP_START, CLIP_END), CLIP_END)
    else:
        system = "dalle_mini"
        networks = {"bart": ("bart", Bart, MEGA), "vqgan": ("vqgan", VQGAN, F16_16384)}
        settings = {**_dalle_bart.SETTINGS, "candidates": 1, "num_seats": 1, "normaliser": None}
        tokenizer = bart_tokenizer(*words("<s>", "<pad>", "</s>", "<unk>"))
    checkpoints.write(
        folder,
        name=model,
        system=system,
        networks={part: filled(kind, config) for part, (_, kind, config) in networks.items()},
        registry_names={part: name for part, (name, _, _) in networks.items()},
        settings={key: value for key, value in settings.items() if value is not None},
        files={"tokenizer.json": tokenizer},
        card="Random weights.",
        dtype=torch.float16,
        max_shard_bytes=2 * 2**30,
    )


def words(*special: str) -> tuple[Mapping[str, int], list[tuple[str, str]]]:
    """A vocabulary of letters without merges."""
    letters = byte_letters()
    pieces = [*special, *letters, *(f"{letter}</w>" for letter in letters)]
    return {piece: i for i, piece in enumerate(pieces)}, []


def filled(kind: Any, config: Any) -> nn.Module:
    """The network with small random numbers, float16."""
    network = skeleton(kind, config).half().to_empty(device="cpu").requires_grad_(False)
    for parameter in network.parameters():
        parameter.uniform_(-0.03, 0.03)
    return network


if __name__ == "__main__":
    main()
