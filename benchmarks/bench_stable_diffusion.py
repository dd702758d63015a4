"""How fast Stable Diffusion 1.5 draws at 512×512: diffusers and Nonette side by side, in one run.

    python benchmarks/bench_stable_diffusion.py
    python benchmarks/bench_stable_diffusion.py --systems openvino openvino-bare
    python benchmarks/bench_stable_diffusion.py --systems nonette cpp --steps 2

All get the same random weights of the published shapes, in bfloat16: speed does not depend on
them. Nonette takes them in the type that `nonette draw` picks on this processor. diffusers runs its
own pipeline with its default scheduler (PNDM) in channels_last, whose decoder is quicker here than
what it loads; `diffusers-float32` does so in float32. Nonette runs its pipeline with its own
settings and the habits of threads and memory that `nonette draw` gives itself. They take turns,
each time in a process of their own. Steps are timed where the pipelines report them, and the best
of each is taken. A whole picture is the sum of its measured parts: text, as many network calls as
the settings ask for, decoding.

`openvino` is Nonette with the accelerator of that name. `openvino-bare` is what anyone could write
with OpenVINO alone: diffusers' UNet, laid out for fixed shapes, and a loop of nothing but its calls
and the guidance, as two calls a step and as one with two rows, of which the quicker counts.

`nonette-deep` is Nonette at another pace: at every second step the deeper part of the UNet is kept
from the step before, and its step is the mean of a picture's. What that costs is measured by
`judge_paces.py`.

`cpp` is stable-diffusion.cpp, through its package `stable-diffusion-cpp-python`, which pip builds
where it is asked to (`CMAKE_ARGS=-DGGML_LLAMAFILE=ON` makes its steps shorter by a third). It reads
the same weights in float16 and draws with its own settings but for Euler's steps.

Wall seconds on an otherwise idle machine are the figure to quote; processor seconds, given beside
them, hold roughly on a busy one with `--threads 1`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor, nn

from nonette.checkpoints.importers import _clip, stable_diffusion
from nonette.checkpoints.tables import numbered, translate
from nonette.checkpoints.tensors import skeleton
from nonette.cli import _habits
from nonette.models.clip import TextEncoder
from nonette.models.kl_autoencoder import AutoencoderKL
from nonette.models.unet import UNet
from nonette.nn import device as hardware
from nonette.nn import openvino
from nonette.pipelines._steps import Job
from nonette.pipelines.stable_diffusion import StableDiffusion

SIDE = 64  # of the latents of 512×512 pixels
GUIDANCE = 7.5
THEIR_CALLS = 51  # of the network in 50 steps of PNDM
BLOCK = 2**20  # random numbers that are repeated through all weights
TEXT = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "vocab_size": 49408,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
    "pad_token_id": 49407,
}
SCHEDULER = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
    "skip_prk_steps": True,
}
AUTOENCODER = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}


class Seconds(NamedTuple):
    """How long something took: by the wall's clock, and of all processors."""

    wall: float
    processor: float

    def plus(self, other: Seconds, times: float = 1) -> Seconds:
        """This, and `times` the other."""
        return Seconds(self.wall + times * other.wall, self.processor + times * other.processor)


class Parts(NamedTuple):
    """The best times of a picture's parts; `step` is guided."""

    text: Seconds
    step: Seconds
    decoding: Seconds

    def picture(self, num_calls: int) -> Seconds:
        """From a sentence to a picture."""
        return self.text.plus(self.step, num_calls).plus(self.decoding)


class Letters:
    """A tokenizer of letters."""

    def encode(self, text: str, length: int) -> list[int]:
        """Ids, filled up with the end."""
        letters = self.words(text)[: length - 2]
        return [49406, *letters] + [49407] * (length - 1 - len(letters))

    def words(self, text: str) -> list[int]:
        """An id a letter."""
        return [ord(letter) for letter in text]


class Plain(nn.Module):
    """Their UNet with nothing but tensors going in and coming out."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """What it predicts."""
        return self.unet(x, time, context, return_dict=False)[0]


SYSTEMS = (
    "diffusers",
    "nonette",
    "openvino",
    "openvino-bare",
    "nonette-deep",
    "diffusers-float32",
    "cpp",
)
OURS = ("nonette", "openvino", "nonette-deep")
DEEP_EVERY = 2


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line a turn of each system, then what follows from the best."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3, help="of each turn; the first warms up")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS[:4])
    parser.add_argument("--system", choices=SYSTEMS, help="only this, in here, once")
    options = parser.parse_args(arguments)
    if options.system is not None:
        torch.set_num_threads(options.threads)
        with torch.inference_mode():
            report(measured(options.system, options.steps))
        return
    turns: dict[str, list[Parts]] = {system: [] for system in options.systems}
    for _ in range(options.turns):
        for system, own in turns.items():
            line = run(system, options.steps, options.threads)
            report({"system": system, "threads": options.threads} | line)
            own.append(Parts(*(Seconds(*line[part]) for part in Parts._fields)))
    best = {system: Parts(*map(least, zip(*own, strict=True))) for system, own in turns.items()}
    compare(best, stable_diffusion.STEPS)


def run(system: str, num_steps: int, threads: int) -> dict[str, Any]:
    """What `measured` says in a process of its own."""
    words = [sys.executable, __file__, "--system", system]
    environment = dict(os.environ)
    if system in OURS:
        _habits.adopt(environment)
    done = subprocess.run(
        [*words, "--steps", str(num_steps), "--threads", str(threads)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measured(system: str, num_steps: int) -> dict[str, Any]:
    """The times of a picture's parts; of ours also how far the network is from theirs."""
    theirs = reference()
    if system.startswith("diffusers"):
        if system == "diffusers-float32":
            theirs.to(torch.float32)
        for part in (theirs.unet, theirs.vae):
            part.to(memory_format=torch.channels_last)
        return rounded(their_parts(theirs, num_steps))
    dtype = picked(theirs)
    if system == "openvino-bare":
        theirs.to(dtype)
        steps = {batch: bare_step(theirs.unet, num_steps, batch) for batch in (1, 2)}
        nothing = Seconds(0.0, 0.0)
        parts = Parts(nothing, least(steps.values()), nothing)
        each = {f"step_of_batch_{batch}": np.round(own, 3).tolist() for batch, own in steps.items()}
        return rounded(parts) | each
    if system == "cpp":
        return rounded(cpp_parts(theirs, num_steps))
    ours = pipeline(theirs, dtype)
    if system == "openvino":
        ours.accelerate()
    else:
        ours.hurry()
    if system == "nonette-deep":
        ours.denoiser.deep_every = DEEP_EVERY  # type: ignore[union-attr]
    apart = {"type": openvino.TYPES[dtype], "difference": difference(theirs, ours, dtype=dtype)}
    del theirs
    return rounded(our_parts(ours, num_steps)) | apart


def compare(best: dict[str, Parts], our_steps: int) -> None:
    """What the bars ask: our step as a share of theirs, and how many times sooner a picture is."""
    for i, clock in enumerate(Seconds._fields):
        if {"openvino", "openvino-bare"} <= best.keys():
            share = best["openvino"].step[i] / best["openvino-bare"].step[i]
            report({"clock": clock, "step_share_of_bare": round(share, 3)})
        if {"nonette", "cpp"} <= best.keys():
            share = best["nonette"].step[i] / best["cpp"].step[i]
            report({"clock": clock, "step_share_of_cpp": round(share, 3)})
        if {"nonette", "nonette-deep"} <= best.keys():
            share = best["nonette-deep"].step[i] / best["nonette"].step[i]
            report({"clock": clock, "step_share_with_deep_kept": round(share, 3)})
        if not {"nonette", "diffusers"} <= best.keys():
            continue
        own, theirs = best["nonette"], best["diffusers"]
        whole, whole_theirs = own.picture(our_steps)[i], theirs.picture(THEIR_CALLS)[i]
        report(
            {
                "clock": clock,
                "step_share": round(own.step[i] / theirs.step[i], 3),
                "picture": round(whole, 1),
                "their_picture": round(whole_theirs, 1),
                "our_steps": our_steps,
                "times_sooner": round(whole_theirs / whole, 2),
            }
        )


def reference() -> diffusers.StableDiffusionPipeline:
    """Their pipeline at the published sizes."""
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(sample_size=SIDE, cross_attention_dim=768)
        vae = diffusers.AutoencoderKL(**AUTOENCODER)
        text_encoder = transformers.CLIPTextModel(transformers.CLIPTextConfig(**TEXT))
    return diffusers.StableDiffusionPipeline(
        unet=filled(unet),
        vae=filled(vae),
        text_encoder=filled(text_encoder),
        tokenizer=None,
        scheduler=diffusers.PNDMScheduler(**SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def filled(network: nn.Module) -> Any:
    """The network in bfloat16 with numbers of a size that goes through it unchanged."""
    block = torch.randn(BLOCK, generator=torch.Generator().manual_seed(0))
    network = network.to(torch.bfloat16).to_empty(device="cpu").eval().requires_grad_(False)
    for name, one in network.named_parameters():
        if one.ndim == 1:
            one.fill_(float(name.endswith("weight")))
        else:
            values = block.repeat(math.ceil(one.numel() / BLOCK))[: one.numel()]
            one.copy_(values.view_as(one) / math.sqrt(one[0].numel()))
    for name, one in network.named_buffers():
        if name.endswith("position_ids"):
            one.copy_(torch.arange(one.shape[-1])[None])
    return network


def picked(theirs: diffusers.StableDiffusionPipeline) -> torch.dtype:
    """The type that Nonette draws this model in on this processor."""
    parts = (theirs.unet, theirs.vae, theirs.text_encoder)
    count = sum(one.numel() for part in parts for one in part.parameters())
    return hardware.pick_dtype(torch.device("cpu"), count)


def pipeline(
    theirs: diffusers.StableDiffusionPipeline, dtype: torch.dtype = torch.bfloat16
) -> StableDiffusion:
    """Ours with the same weights, as importing gives it."""
    text = _clip.text_config(
        theirs.text_encoder.config.to_diff_dict(), "config.json", has_projection=False, reads="last"
    )
    tower = {_clip.text_name(key): one for key, one in theirs.text_encoder.state_dict().items()}
    unet = stable_diffusion.unet_config(config_of(theirs.unet))
    autoencoder = stable_diffusion.autoencoder_config(config_of(theirs.vae))
    scheduler = {**theirs.scheduler.config, "_class_name": "PNDMScheduler"}
    return StableDiffusion(
        denoiser=taken(theirs.unet.state_dict(), UNet, unet, stable_diffusion.UNET).to(dtype),
        autoencoder=taken(
            theirs.vae.state_dict(), AutoencoderKL, autoencoder, stable_diffusion.AUTOENCODER
        ).to(dtype),
        text_encoder=taken(tower, TextEncoder, text, _clip.TEXT).to(dtype),
        tokenizer=Letters(),
        settings={
            "diffusion": stable_diffusion.read_scheduler(scheduler, is_consistent=False),
            "size": 8 * SIDE,
            "num_seats": 1,
            "steps": stable_diffusion.STEPS,
        },
    )


def config_of(network: Any) -> dict[str, Any]:
    """What diffusers would write into `config.json`."""
    return dict(json.loads(network.to_json_string()))


def taken(state: dict[str, Tensor], kind: Any, config: Any, patterns: Any) -> Any:
    """Our network on the reference's own tensors."""
    network = skeleton(kind, config)
    expected = network.state_dict()
    tensors = translate(numbered(patterns, expected), state, expected, where="the reference")
    network.load_state_dict(dict(tensors), assign=True)
    return network.eval().requires_grad_(False)


def difference(
    theirs: diffusers.StableDiffusionPipeline,
    ours: StableDiffusion,
    device: str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
) -> float:
    """Of the networks' answers to the same, as a share of their length: both round as they go."""
    x, context = torch.randn(1, 4, SIDE, SIDE), torch.randn(1, 77, 768)

    def asked(kind: torch.dtype) -> tuple[Tensor, ...]:
        return tuple(one.to(device) for one in (x.to(kind), torch.tensor([500]), context.to(kind)))

    wanted = theirs.unet(*asked(theirs.unet.dtype)).sample.float()
    got = ours.denoiser.unet(*asked(dtype)).float()  # type: ignore[attr-defined]
    return round(float((got - wanted).norm() / wanted.norm()), 4)


def their_parts(theirs: diffusers.StableDiffusionPipeline, num_steps: int) -> Parts:
    """Their pipeline, up to the latents, and its decoder."""
    ids = torch.randint(49406, (2, 77))
    text = timed(lambda: theirs.text_encoder(ids))
    states = torch.randn(2, 1, 77, 768).to(theirs.unet.dtype)
    marks = [now()]

    def on_step(_: Any, __: int, ___: Any, given: dict[str, Any]) -> dict[str, Any]:
        marks.append(now())
        return given

    theirs.set_progress_bar_config(disable=True)
    latents = theirs(
        prompt_embeds=states[0],
        negative_prompt_embeds=states[1],
        num_inference_steps=num_steps,
        guidance_scale=GUIDANCE,
        output_type="latent",
        callback_on_step_end=on_step,
    ).images
    decoding = timed(lambda: theirs.vae.decode(latents / theirs.vae.config.scaling_factor))
    return Parts(text, least(between(marks)[1:]), decoding)


def bare_step(unet: nn.Module, num_steps: int, batch: int) -> Seconds:
    """Of a loop of OpenVINO's calls and guidance alone, for a prompt and a negative one."""
    x, time, context = torch.zeros(2, 4, 8, 8), torch.zeros(2), torch.zeros(2, 77, 768)
    model, kept = openvino.converted(Plain(unet), (x.to(unet.dtype), time, context.to(unet.dtype)))
    shapes = [[batch, 4, SIDE, SIDE], [batch], [batch, 77, 768]]
    kind = openvino.TYPES[unet.dtype]
    compiled = openvino.compiled_for_cpu(model, shapes, kind, ENABLE_CPU_PINNING=True)
    request = compiled.create_infer_request()
    numbers = np.random.default_rng(0)
    latents = numbers.standard_normal((1, 4, SIDE, SIDE), dtype=np.float32)
    states = numbers.standard_normal((2, 77, 768), dtype=np.float32)
    marks = [now()]
    for i in range(num_steps):
        times = np.full(batch, 981 - i, dtype=np.float32)
        rows = np.repeat(latents, batch, axis=0)
        answers = [
            request.infer({0: rows, 1: times, 2: texts})[0].copy()
            for texts in np.split(states, 2 // batch)
        ]
        towards, away = np.concatenate(answers)
        latents = latents - 0.01 * (away + GUIDANCE * (towards - away))
        marks.append(now())
    del request, compiled, model, kept
    return least(between(marks))


def cpp_parts(theirs: diffusers.StableDiffusionPipeline, num_steps: int) -> Parts:
    """stable-diffusion.cpp on the same weights, from words to pixels."""
    from stable_diffusion_cpp import StableDiffusion as Cpp

    with tempfile.TemporaryDirectory() as folder:
        write_half(theirs.unet, Path(folder, "unet", "diffusion_pytorch_model.safetensors"))
        write_half(theirs.vae, Path(folder, "vae", "diffusion_pytorch_model.safetensors"))
        text_file = Path(folder, "text_encoder", "model.safetensors")
        write_half(theirs.text_encoder, text_file, prefix="text_model.")
        model = Cpp(model_path=folder, n_threads=torch.get_num_threads(), vae_decode_only=True)
    marks = [now()]
    model.generate_image(
        prompt="a red cat",
        width=8 * SIDE,
        height=8 * SIDE,
        cfg_scale=GUIDANCE,
        sample_method="euler",
        sample_steps=num_steps,
        progress_callback=lambda *_: marks.append(now()),  # before the first step, then after each
    )
    text, *steps = between(marks)
    return Parts(text, least(steps), now().plus(marks[-1], -1))


def write_half(network: nn.Module, file: Path, prefix: str = "") -> None:
    """A network's weights in float16, under published names, which all begin with `prefix`."""
    state = {
        prefix + key.removeprefix(prefix): one.half().contiguous()
        for key, one in network.state_dict().items()
        if one.is_floating_point()
    }
    file.parent.mkdir()
    save_file(state, file)


def our_parts(ours: StableDiffusion, num_steps: int) -> Parts:
    """Our pipeline, from words to pixels."""
    marks = {"drawing": [], "painting": [now()]}

    def on_progress(progress: Any) -> None:
        marks[progress.phase].append(now())
        if progress.phase == "drawing":
            marks["painting"][0] = now()

    job = Job(prompt="a red cat", seeds=(1,), guidance=GUIDANCE, steps=num_steps)
    text = timed(lambda: [ours.denoiser.read(one) for one in ("", "a red cat")])
    ours([job], on_progress)
    steps, every = between(marks["drawing"]), ours.denoiser.deep_every  # type: ignore[union-attr]
    kinds = [least(steps[(kind - 1) % every :: every]) for kind in range(every)]  # whole ones first
    picture = Seconds(0.0, 0.0)
    for i in range(stable_diffusion.STEPS):
        picture = picture.plus(kinds[i % every])
    step = Seconds(*(seconds / stable_diffusion.STEPS for seconds in picture))
    return Parts(text, step, between(marks["painting"])[0])


def now() -> Seconds:
    """Both clocks."""
    return Seconds(time.perf_counter(), time.process_time())


def between(marks: list[Seconds]) -> list[Seconds]:
    """From each to the next."""
    return [after.plus(before, -1) for before, after in pairwise(marks)]


def least(times: Iterable[Seconds]) -> Seconds:
    """By each clock."""
    return Seconds(*map(min, zip(*times, strict=True)))


def timed(work: Callable[[], object]) -> Seconds:
    """How long it takes."""
    start = now()
    work()
    return now().plus(start, -1)


def rounded(parts: Parts) -> dict[str, Any]:
    """Names and seconds."""
    return {part: [round(seconds, 3) for seconds in getattr(parts, part)] for part in Parts._fields}


def report(line: dict[str, Any]) -> None:
    """One JSON line."""
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
