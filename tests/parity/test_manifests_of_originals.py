"""DALL·E mini, VQGAN, dVAE and CLIP at full size: every published name finds its place.

The manifests hold names, shapes and types as the original sources make them at the commits that
each states; no library has these networks in this form. They are read here as if they were files.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import dalle_files
import foreign_files
from nonette.checkpoints import importing
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.foreign.recognise import Kind
from nonette.checkpoints.foreign.source import Entry, Source
from nonette.core.config import to_dict
from nonette.core.errors import CheckpointError
from nonette.models import bart, clip, dvae, vqgan

MANIFESTS = Path(__file__).parents[1] / "manifests" / "originals"
CONFIG_NAMES = {
    "flax_model.msgpack": "config.json",
    "open_clip_pytorch_model.bin": "open_clip_config.json",
}


class Paper(Found):
    """The files of a manifest: configs beside weights that have no values, and vocabularies."""

    def __init__(self, name: str, scratch: Path) -> None:
        manifest = json.loads(gzip.decompress((MANIFESTS / f"{name}.json.gz").read_bytes()))
        self.parts: dict[str, Any] = manifest["parts"]
        folders = {part.rpartition("/")[0] for part in self.parts}
        for folder in folders:
            place = scratch / folder
            place.mkdir(exist_ok=True)
            dalle_files.write_vocabulary(place)
            dalle_files.write_vocabulary(place, "_mini")
            if "clip" in name:
                foreign_files.write_vocabulary(place)
        for part, about in self.parts.items():
            (scratch / part).write_bytes(b"on paper")
            if about["config"] is not None:
                config = (scratch / part).with_name(CONFIG_NAMES[Path(part).name])
                inner = about["config"]
                is_clip = "vision_cfg" in inner
                config.write_text(json.dumps({"model_cfg": inner} if is_clip else inner))
        super().__init__([scratch])

    def kind(self, name: str) -> Kind | None:
        return ("flax" if name.endswith(".msgpack") else "zip") if name in self.parts else None

    def source(self, name: str) -> Source:
        entries = {
            key: Entry(tuple(shape), getattr(torch, dtype))
            for key, (dtype, shape) in self.parts[name]["tensors"].items()
        }
        return Source(name, entries, self._read)

    def _read(self, name: str) -> Tensor:
        raise AssertionError(f"{name} has no values")


SIZES = {
    "clip-vit-b-32-openai": ("open_clip", {"clip": clip.VIT_B_32}),
    "clip-vit-bigg-14-open-clip": ("open_clip", {"clip": clip.VIT_BIGG_14}),
    "clip-vit-h-14-open-clip": ("open_clip", {"clip": clip.VIT_H_14}),
    "clip-vit-l-14-openai": ("open_clip", {"clip": clip.VIT_L_14}),
    "dalle-mega-flax": ("dalle_mini", {"bart": bart.MEGA, "vqgan": vqgan.F16_16384}),
    "dalle-mega-min-dalle": ("min_dalle", {"bart": bart.MEGA, "vqgan": vqgan.F16_16384}),
    "dalle-mini-flax": ("dalle_mini", {"bart": bart.MINI, "vqgan": vqgan.F16_16384}),
    "dalle-mini-min-dalle": ("min_dalle", {"bart": bart.MINI, "vqgan": vqgan.F16_16384}),
    "openai-dvae": ("openai_dvae", {"dvae": dvae.OPENAI}),
    "vqgan-f16-16384-taming": ("vqgan", {"vqgan": vqgan.F16_16384}),
}
# What a file decides, and no size of the network.
DECIDED = {"start_id", "scales_before_dense", "init_std", "pixel_range", "has_encoder", "hidden"}
NUMBERS = ("input_resolution", "context_length", "vocab_size")  # beside OpenAI's weights


def sizes(config: Any) -> dict[str, Any]:
    """The settings of a config, inner ones by dotted names, without what is decided elsewhere."""
    return {key: value for key, value in flat(to_dict(config)) if key.split(".")[-1] not in DECIDED}


def flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{key}.")
        else:
            yield above + key, value


def num_values(states: Iterable[dict[str, Any]]) -> int:
    return sum(torch.Size(shape).numel() for state in states for _, shape in state.values())


def test_every_manifest_is_tested():
    assert {path.name for path in MANIFESTS.iterdir()} == {f"{name}.json.gz" for name in SIZES}


@pytest.mark.parametrize("name", SIZES)
def test_every_tensor_finds_its_place(tmp_path, name):
    found = Paper(name, tmp_path)
    importer, plan = importing.recognise(found)
    checked = importing.check(plan)
    assert importer == SIZES[name][0]
    for part, want in SIZES[name][1].items():
        assert sizes(plan.networks[part].config) == sizes(want)
    theirs = {
        key: about
        for part in found.parts.values()
        for key, about in part["tensors"].items()
        if key in NUMBERS
    }
    ours = sum(tensor.numel() for state in checked.values() for tensor in state.values())
    assert ours + len(theirs) == num_values(part["tensors"] for part in found.parts.values())
    stated = {dtype for part in found.parts.values() for dtype, _ in part["tensors"].values()}
    kept = {
        str(tensor.dtype).removeprefix("torch.") for s in checked.values() for tensor in s.values()
    }
    assert kept == stated - {"int64"}  # what came in half precision stays in it


@pytest.mark.parametrize("name", ["dalle-mini-flax", "clip-vit-b-32-openai"])
def test_one_tensor_too_few_or_too_many_is_refused(tmp_path, name):
    found = Paper(name, tmp_path)
    tensors = found.parts[sorted(found.parts)[0]]["tensors"]
    key = next(one for one in sorted(tensors, reverse=True) if one.endswith("bias"))
    left_out = tensors.pop(key)
    with pytest.raises(CheckpointError, match="lacks"):
        importing.check(importing.recognise(found)[1])
    tensors |= {key: left_out, key.replace("bias", "backdoor"): left_out}
    with pytest.raises(CheckpointError, match="not known:"):
        importing.check(importing.recognise(found)[1])
