"""Nine pictures of DALL·E mini or mega, encoder to pixels, beside min-dalle on the same weights.

    python benchmarks/bench_dalle_mini.py --rival PATH/TO/min-dalle
    python benchmarks/bench_dalle_mini.py --rival PATH --size mega --scratch FOLDER --rival-steps 8

`--rival` is a checkout of kuprel/min-dalle (73621fb); nothing of it is kept here. Random weights of
the published shapes are written once, in float16, as its three files, and imported from these by
our importer; both read the same text ids. Each side runs in a process of its own, one after the
other, ours with the habits of threads and memory that `nonette draw` gives itself.

min-dalle's steps all cost the same (it always looks at all 256 positions, and works out the text's
keys and values at every one), so some are timed after a first one and the rest extrapolated; its
reading of the text and its painting are timed whole. Wall seconds on an idle machine are the figure
to quote; processor seconds, with one thread, hold roughly on a busy one too. All of ours is timed,
a whole call of the pipeline; loading weights is not, on either side. Along the way the codes are
drawn from min-dalle's logits with given random numbers; ours then says its logits for the same
codes, and draws with the same numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nonette.cli import _habits
from nonette.decoding.cache import static_cache
from nonette.decoding.sample import Controls, draw_uniforms, next_code
from nonette.models.bart import MEGA, MINI
from nonette.text.published import byte_letters

Seconds = np.ndarray  # wall and processor
SIZES = {"mini": MINI, "mega": MEGA}
STEPS = {"mini": 30, "mega": 8}  # of min-dalle's that are timed
START = 16383  # what min-dalle starts with, whatever the checkpoint says
NUM_PICTURES, NUM_CODES, NUM_POSITIONS, TEXT_LENGTH = 9, 16384, 256, 64
GUIDANCE, TOP_K = 10, 256
PROMPT = "a cat in a hat"
MODES = {"float32": torch.float32, "fast": torch.bfloat16}


def main(arguments: list[str] | None = None) -> None:
    """Print a table, and what it was made of as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rival", type=Path, help="a checkout of min-dalle")
    parser.add_argument("--size", choices=SIZES, default="mini")
    parser.add_argument("--modes", default="float32,fast", help=f"of ours: {', '.join(MODES)}")
    parser.add_argument("--rival-steps", type=int, help="how many are timed")
    parser.add_argument("--repeats", type=int, default=2, help="of ours; 0: compare codes alone")
    parser.add_argument("--scratch", type=Path, help="where weights are kept between runs")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--phase", choices=("prepare", "rival", *MODES), help="only this, in here")
    options = parser.parse_args(arguments)
    if options.rival is None:
        print("no --rival: nothing is measured beside it")
        return
    with tempfile.TemporaryDirectory() as temporary:
        options.scratch = options.scratch or Path(temporary)
        if options.phase is None:
            compare(options)
            return
        with torch.no_grad():
            torch.set_num_threads(options.threads)
            report = PHASES[options.phase](options)
        if report:
            print(json.dumps(report))


def compare(options: argparse.Namespace) -> None:
    """Run the phases in processes of their own, and print how they compare."""
    modes = options.modes.split(",")
    reports = {phase: run(phase, options) for phase in ("prepare", "rival", *modes)}
    theirs = reports["rival"]
    print(f"| {options.size} | text, s | codes | pictures | in all | times | by processor time |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(row(f"min-dalle, float32, of {theirs['steps']} steps", theirs, theirs))
    for mode in modes:
        if options.repeats:
            print(row(f"Nonette, {mode}", reports[mode], theirs))
    print(json.dumps(reports))


def row(name: str, report: dict[str, Any], theirs: dict[str, Any]) -> str:
    """A line of the table."""
    parts = [f"{report[part]:.2f}" for part in ("text", "codes", "pictures", "all")]
    gains = [f"{theirs[all_] / report[all_]:.1f}" for all_ in ("all", "all_cpu")]
    return f"| {name} | {' | '.join([*parts, *gains])} |"


def run(phase: str, options: argparse.Namespace) -> dict[str, Any]:
    """What a phase reports, run anew."""
    words = [sys.executable, __file__, "--phase", phase]
    for name in ("rival", "size", "repeats", "scratch", "threads", "rival_steps"):
        value = getattr(options, name)
        words += [f"--{name.replace('_', '-')}", str(value)] if value is not None else []
    environment = dict(os.environ)
    if phase in MODES:
        _habits.adopt(environment)
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    lines = done.stdout.splitlines()
    report = dict(json.loads(lines[-1])) if lines else {}
    print(f"{phase}: {json.dumps(report)}", file=sys.stderr, flush=True)
    return report


# --- the weights ---


def prepare(options: argparse.Namespace) -> None:
    """Write both model folders, unless they are there."""
    from nonette.cli.main import main as nonette

    theirs, ours = places(options)
    if ours.exists():
        return
    theirs.mkdir(parents=True, exist_ok=True)
    networks = rivals(options, "meta")
    for i, (name, network) in enumerate(networks.items()):
        kind = torch.float32 if name == "detoker" else torch.float16
        shapes = {key: value.shape for key, value in network.state_dict().items()}
        save_file(random_state(shapes, i, kind), theirs / f"{name}.safetensors")
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *byte_letters(), "<mask>"]
    words = {piece: i for i, piece in enumerate(pieces)}
    (theirs / "vocab.json").write_text(json.dumps(words))
    (theirs / "merges.txt").write_text("#version: 0.2\n")
    config = SIZES[options.size]
    (theirs / "config.json").write_text(
        json.dumps({"model_type": "dallebart", "decoder_start_token_id": START,
                    "decoder_attention_heads": config.num_heads,
                    "encoder_attention_heads": config.num_heads})
    )  # fmt: skip
    os.environ["NONETTE_HOME"] = str(options.scratch)
    with contextlib.redirect_stdout(sys.stderr):
        status = nonette(["models", "import", str(theirs), "--name", ours.name])
    if status:
        sys.exit(f"importing failed with status {status}")


def random_state(shapes: dict[str, torch.Size], seed: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """Random values that keep activations near 1; norms' scales are 1, as the published files'."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        if len(shape) == 1:
            value = torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
            value += 0.05 * torch.randn(shape, generator=generator) * name.endswith("bias")
        else:
            size = shape[1:].numel() ** -0.5 if "embed" not in name else 1.0
            value = torch.empty(shape).uniform_(-1, 1, generator=generator).mul_(1.7 * size)
        state[name] = value.to(dtype)
    return state


def places(options: argparse.Namespace) -> tuple[Path, Path]:
    """The folders of min-dalle's files and of our model."""
    models = options.scratch / "models"
    return options.scratch / f"{options.size}-min-dalle", models / f"dalle-{options.size}"


# --- min-dalle ---


def rivals(options: argparse.Namespace, device: str) -> dict[str, Any]:
    """min-dalle's three networks, by the names of their files."""
    sys.path.insert(0, str(options.rival))
    from min_dalle.models import DalleBartDecoder, DalleBartEncoder, VQGanDetokenizer

    config = SIZES[options.size]
    common = {
        "attention_head_count": config.num_heads,
        "embed_count": config.width,
        "glu_embed_count": config.hidden,
        "device": "cpu",
    }
    with torch.device(device):
        return {
            "encoder": DalleBartEncoder(
                **common,
                layer_count=config.num_encoder_layers,
                text_token_count=TEXT_LENGTH,
                text_vocab_count=config.text_vocab_size,
            ),
            "decoder": DalleBartDecoder(
                **common,
                layer_count=config.num_decoder_layers,
                image_vocab_count=config.image_vocab_size,
            ),
            "detoker": VQGanDetokenizer(),
        }


def time_rival(options: argparse.Namespace) -> dict[str, Any]:
    """min-dalle's parts, as its own `generate_raw_image_stream` calls them, in float32."""
    theirs, _ = places(options)
    config = SIZES[options.size]
    num_steps = options.rival_steps or STEPS[options.size]
    networks = rivals(options, "meta")

    def load(name: str) -> Any:
        network = networks.pop(name)
        state = load_file(theirs / f"{name}.safetensors")
        state = {key: value.float() for key, value in state.items()}
        network.load_state_dict(state, assign=True)
        return network.eval().requires_grad_(False)

    ids, encoder = text_ids(), load("encoder")
    # without its columns of positions, which are no weights and were left on the meta device
    encoder.pose_tokens = torch.stack([torch.arange(TEXT_LENGTH)] * 2)
    seconds_text, encoded = timed(partial(encoder.forward, ids))
    del encoder
    detoker = load("detoker")
    codes = torch.randint(0, NUM_CODES, (NUM_PICTURES, NUM_POSITIONS))
    detoker.forward(False, codes[:1])
    seconds_pictures, _ = timed(partial(detoker.forward, False, codes))
    del detoker
    decoder = load("decoder")
    logits_of, original = [], decoder.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        out = original(*args, **kwargs)
        logits_of.append(out[0][:, -1].clone())
        return out

    decoder.forward = forward
    expanded = [0] * NUM_PICTURES + [1] * NUM_PICTURES
    state = torch.zeros(config.num_decoder_layers, NUM_PICTURES * 4, NUM_POSITIONS, config.width)
    tokens = torch.full((NUM_PICTURES, NUM_POSITIONS + 1), START)
    settings = torch.tensor([1.0, TOP_K, GUIDANCE])
    controls, steps = plain_controls(), []
    for i in range(num_steps + 1):
        seconds, (_, state) = timed(
            lambda i=i, state=state: decoder.sample_tokens(
                settings=settings,
                attention_mask=ids.not_equal(1)[expanded][:, None, None, :],
                encoder_state=encoded[expanded],
                attention_state=state,
                prev_tokens=tokens[:, [i]],
                token_index=torch.tensor([i]),
            )
        )
        steps.append(seconds)
        ours_first = logits_of[i].roll(NUM_PICTURES, dims=0)  # with the prompt, then without
        tokens[:, i + 1] = next_code(ours_first, controls, i, 0, NUM_CODES)
    drawn = {"codes": tokens[:, 1 : num_steps + 2], "logits": torch.stack(logits_of)}
    save_file(
        {name: tensor.contiguous() for name, tensor in drawn.items()},
        options.scratch / f"{options.size}-rival.safetensors",
    )
    step = np.median(steps[1:], axis=0)
    return {
        "steps": num_steps,
        "seconds_a_step": round(float(step[0]), 4),
        **times(seconds_text, step * NUM_POSITIONS, seconds_pictures),
    }


# --- ours ---


def time_ours(options: argparse.Namespace) -> dict[str, Any]:
    """A whole call of our pipeline, in the mode of that name."""
    from nonette.checkpoints.format import read
    from nonette.pipelines._steps import Job
    from nonette.pipelines.dalle_mini import DalleMini

    mode = options.phase
    checkpoint = read(places(options)[1])
    dtype = MODES[mode]
    pipeline = DalleMini(
        bart=checkpoint.network("bart", dtype),
        vqgan=checkpoint.network("vqgan", dtype),
        tokenizer=Ids(text_ids()),
        settings=checkpoint.settings,
    )
    pipeline.hurry()
    job = Job(prompt=PROMPT, seeds=tuple(range(NUM_PICTURES)), guidance=GUIDANCE, top_k=TOP_K)
    runs = []
    for _ in range(options.repeats):
        ticks = [now()]
        pipeline([job], lambda progress: ticks.append(now()))  # noqa: B023
        in_all = now() - ticks[0]
        painted = ticks[-1] - ticks[NUM_POSITIONS]
        text, _ = timed(lambda: pipeline._read([PROMPT, ""]))
        runs.append(times(text, in_all - painted - text, painted))
    best = min(runs, key=lambda one: float(one["all"]), default={})
    return best | {"runs": [one["all"] for one in runs]} | agreement(options, pipeline)


def agreement(options: argparse.Namespace, pipeline: Any) -> dict[str, Any]:
    """How our logits and codes differ from min-dalle's, given its codes."""
    theirs = load_file(options.scratch / f"{options.size}-rival.safetensors")
    config, bart = pipeline.bart.config, pipeline.bart
    memory = pipeline._read(["", PROMPT])
    memory = memory.rows(torch.tensor([1] * NUM_PICTURES + [0] * NUM_PICTURES))
    cache = static_cache(
        num_layers=config.num_decoder_layers,
        num_rows=2 * NUM_PICTURES,
        num_heads=config.num_heads,
        length=config.image_length,
        head_width=config.width // config.num_heads,
        dtype=pipeline.cache_dtype,
    )
    controls, previous = plain_controls(), None
    difference, num_equal, num_top = 0.0, 0, 0
    deviation = float(theirs["logits"].std())
    for i, wanted in enumerate(theirs["logits"]):
        hidden = bart.step(previous, i, cache, memory)
        got = bart.code_logits(hidden, torch.zeros(len(hidden), 0, dtype=torch.int64)).float()
        wanted = wanted.roll(NUM_PICTURES, dims=0)[:, :NUM_CODES]
        difference = max(difference, float((got[:, :NUM_CODES] - wanted).abs().max()))
        num_top += int((got[:, :NUM_CODES].argmax(1) == wanted.argmax(1)).sum())
        drawn = next_code(got, controls, i, 0, NUM_CODES)
        num_equal += int((drawn == theirs["codes"][:, i]).sum())
        previous = theirs["codes"][:, i : i + 1].repeat(2, 1)
    count = theirs["codes"].numel()
    return {
        "logits_difference": difference,
        "logits_deviation": round(deviation, 3),
        "codes_equal": f"{num_equal} of {count}",
        "top_1_equal": f"{num_top} of {2 * count}",
    }


class Ids:
    """A tokenizer that knows two texts: the prompt and the empty one."""

    def __init__(self, ids: Tensor) -> None:
        self.ids = ids.tolist()

    def encode(self, text: str, length: int) -> list[int]:
        """The ids of min-dalle's second row for a text, and of its first for none."""
        return self.ids[int(bool(text))][:length]


def text_ids() -> Tensor:
    """The empty text and a prompt of 14 tokens, (2, 64), as min-dalle has them."""
    ids = torch.ones(2, TEXT_LENGTH, dtype=torch.int64)
    ids[:, 0] = 0
    ids[0, 1] = ids[1, 13] = 2
    ids[1, 1:13] = torch.arange(100, 112)
    return ids


def plain_controls() -> Controls:
    """How all pictures are drawn here."""
    generators = [torch.Generator().manual_seed(seed) for seed in range(NUM_PICTURES)]
    ones = torch.ones(NUM_PICTURES)
    return Controls(
        guidance=GUIDANCE * ones,
        temperature=ones,
        top_k=torch.full((NUM_PICTURES,), TOP_K),
        top_p=ones,
        uniforms=draw_uniforms(generators, NUM_POSITIONS, 1),
    )


def times(text: Seconds, codes: Seconds, pictures: Seconds) -> dict[str, Any]:
    """Seconds of the three parts and in all, wall and processor."""
    parts = {"text": text, "codes": codes, "pictures": pictures, "all": text + codes + pictures}
    wall = {name: round(float(one[0]), 3) for name, one in parts.items()}
    return wall | {f"{name}_cpu": round(float(one[1]), 3) for name, one in parts.items()}


def now() -> Seconds:
    """Wall and processor seconds since some moment."""
    return np.array([time.perf_counter(), time.process_time()])


def timed(work: Callable[[], Any]) -> tuple[Seconds, Any]:
    """The seconds it took, and what came of it."""
    start = now()
    result = work()
    return now() - start, result


PHASES: dict[str, Callable[[argparse.Namespace], Any]] = {
    "prepare": prepare,
    "rival": time_rival,
    **dict.fromkeys(MODES, time_ours),
}

if __name__ == "__main__":
    main()
