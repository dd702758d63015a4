"""Importers against what published checkpoints hold, at full size, on the meta device.

`scripts/build_manifests.py` writes the manifests; strictness (every source key used once, every
target filled, every shape as wanted) is that of `importing.check`.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import foreign_files
from nonette.checkpoints import importing
from nonette.checkpoints.foreign.source import Entry, Source
from nonette.core.errors import CheckpointError

MANIFESTS = Path(__file__).parents[1] / "manifests"
PIPELINES = {
    "lcm-dreamshaper-7": "LatentConsistencyModelPipeline",
    "karlo-v1-alpha": "UnCLIPPipeline",
    "if-1-xl": "IFPipeline",
    "sdxl-base-1.0": "StableDiffusionXLPipeline",
}
OUR_NAMES = {
    "if-1-xl": "deepfloyd-if-1",
    "karlo-v1-alpha": "karlo",
    "lcm-dreamshaper-7": "stable-diffusion-1-lcm",
    "sd-1.5": "stable-diffusion-1",
    "sd-1.5-inpainting": "stable-diffusion-1-inpainting",
    "sd-2-inpainting": "stable-diffusion-2-inpainting",
    "sd-2.1": "stable-diffusion-2",
    "sd-image-variations": "stable-diffusion-1",
    "sd-x4-upscaler": "stable-diffusion-2-upscaler",
    "sdxl-base-1.0": "stable-diffusion-xl",
    "taesd": "taesd",
}
SCHEDULER = {"_class_name": "PNDMScheduler", "beta_schedule": "scaled_linear", "steps_offset": 1}


class Paper:
    """The files of a published folder as far as a manifest knows them; nothing has values."""

    where = "on paper"

    def __init__(self, name: str) -> None:
        manifest = json.loads(gzip.decompress((MANIFESTS / f"{name}.json.gz").read_bytes()))
        self.parts: dict[str, Any] = manifest["parts"]
        self.used: set[str] = set()
        self.files: dict[str, Any] = {}
        for part, about in self.parts.items():
            above = f"{part}/" if part else ""
            is_transformers = "architectures" in about["config"]
            stem = "model" if is_transformers else "diffusion_pytorch_model"
            self.files[f"{above}config.json"] = about["config"]
            self.files[f"{above}{stem}.safetensors"] = part
        if "" not in self.parts:
            kind = PIPELINES.get(name, "StableDiffusionPipeline")
            self.files["model_index.json"] = {"_class_name": kind}
            self.files["scheduler/scheduler_config.json"] = SCHEDULER

    def folders(self) -> list[str]:
        return list(self.parts)

    def table(self, name: str) -> dict[str, Any]:
        return self.files.get(name, {})

    def bytes(self, name: str) -> bytes:
        vocabulary, merges = foreign_files.clip_vocabulary()
        if name.endswith("vocab.json"):
            return json.dumps(vocabulary).encode()
        return "\n".join(["#version: 0.2", *map(" ".join, merges)]).encode()

    def source(self, name: str) -> Source:
        part = self.files[name]
        self.used.add(part)
        entries = {
            key: Entry(tuple(shape), getattr(torch, dtype))
            for key, (dtype, shape) in self.parts[part]["tensors"].items()
        }
        return Source(name, entries, self._read)

    def licence(self, folder: str = "") -> str:
        return ""

    def _read(self, name: str) -> Tensor:
        raise AssertionError(f"{name} has no values")


def test_every_manifest_is_tested():
    assert {path.name for path in MANIFESTS.glob("*.gz")} == {
        f"{name}.json.gz" for name in OUR_NAMES
    }


@pytest.mark.parametrize("name", OUR_NAMES)
def test_every_tensor_finds_its_place(name):
    found = Paper(name)
    _, plan = importing.recognise(found)
    assert plan.name == OUR_NAMES[name]
    checked = importing.check(plan)
    assert found.used == set(found.parts)
    ours = sum(tensor.numel() for state in checked.values() for tensor in state.values())
    theirs = sum(
        torch.Size(shape).numel()
        for part in found.parts.values()
        for _, shape in part["tensors"].values()
    )
    assert ours == theirs


def test_one_tensor_too_few_or_too_many_is_refused():
    found = Paper("sd-1.5")
    tensors = found.parts["unet"]["tensors"]
    left_out = tensors.pop("mid_block.attentions.0.proj_in.bias")
    with pytest.raises(CheckpointError, match=r"lacks mid_block\.attentions\.0\.proj_in\.bias"):
        importing.check(importing.recognise(found)[1])
    tensors["mid_block.attentions.0.proj_in.bias"] = left_out
    tensors["mid_block.attentions.1.proj_in.bias"] = left_out
    with pytest.raises(CheckpointError, match=r"not known: mid_block\.attentions\.1"):
        importing.check(importing.recognise(found)[1])


@pytest.mark.parametrize(
    ("part", "setting", "value"),
    [
        ("unet", "act_fn", "mish"),
        ("unet", "class_embed_type", "projection"),
        ("unet", "layers_per_block", [2, 2, 3, 2]),
        ("unet", "block_out_channels", "many"),
        ("unet", "some_new_switch", 3),
        ("vae", "use_quant_conv", False),
        ("text_encoder", "hidden_act", "relu"),
        ("text_encoder", "num_attention_heads", 7),
    ],
)
def test_a_setting_that_is_not_known_is_refused_by_name(part, setting, value):
    found = Paper("sd-1.5")
    found.parts[part]["config"][setting] = value
    with pytest.raises(CheckpointError, match=f"{part}.*config.json") as caught:
        importing.recognise(found)
    assert part == "text_encoder" or setting in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, {"spacing": "leading", "offset": 1, "ends_clean": False, "prediction": "epsilon"}),
        (
            {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"},
            {"spacing": "leading", "ends_clean": True, "prediction": "v_prediction"},
        ),
        (
            {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"},
            {"spacing": "trailing", "ends_clean": True},
        ),
        (
            {"beta_start": 0.00085, "beta_end": 0.012},
            {"first_beta": 0.00085, "last_beta": 0.012},
        ),
    ],
)
def test_the_schedule_is_read(changes, wanted):
    found = Paper("sd-2.1")
    found.files["scheduler/scheduler_config.json"] = SCHEDULER | changes
    diffusion = importing.recognise(found)[1].settings["diffusion"]
    assert {key: diffusion[key] for key in wanted} == wanted


def test_another_schedule_is_refused():
    found = Paper("sd-2.1")
    found.files["scheduler/scheduler_config.json"] = {"beta_schedule": "squaredcos_cap_v2"}
    with pytest.raises(CheckpointError, match="beta_schedule"):
        importing.recognise(found)
