"""A single file of Stable Diffusion 1.x: its names against those that diffusers makes of them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from diffusers.loaders import single_file_utils
from safetensors.torch import save_file

import foreign_files
from nonette.checkpoints import importing
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.foreign.source import Entry, Source
from nonette.checkpoints.importers import _latent_diffusion as original
from nonette.checkpoints.importers import stable_diffusion
from nonette.core.errors import CheckpointError

MANIFEST = Path(__file__).parents[1] / "manifests" / "sd-1.5.json.gz"
PARTS = json.loads(gzip.decompress(MANIFEST.read_bytes()))["parts"]
RES = ("in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3")
NAMES_1 = ("norm", "proj_in", "proj_out")
LAYER = ("norm1", "norm2", "norm3", "ff.net.0.proj", "ff.net.2", "attn1.to_out.0", "attn2.to_out.0")
NEW_WIDTH_DOWN, NEW_WIDTH_UP = (4, 7), range(12)  # where a shortcut changes the channels


def unet_names() -> Iterator[str]:
    """The UNet's tensors in the order of the original code."""
    for outside in original.OUTSIDE:
        yield from weight_and_bias(outside)
    for i in range(1, 12):
        if i % 3 == 0:
            yield from weight_and_bias(f"input_blocks.{i}.0.op")
            continue
        yield from residual(f"input_blocks.{i}.0", i in NEW_WIDTH_DOWN)
        if i < 9:
            yield from transformer(f"input_blocks.{i}.1")
    yield from residual("middle_block.0", False)
    yield from transformer("middle_block.1")
    yield from residual("middle_block.2", False)
    for i in range(12):
        yield from residual(f"output_blocks.{i}.0", i in NEW_WIDTH_UP)
        if i > 2:
            yield from transformer(f"output_blocks.{i}.1")
        if i in (2, 5, 8):
            yield from weight_and_bias(f"output_blocks.{i}.{1 if i == 2 else 2}.conv")


def autoencoder_names() -> Iterator[str]:
    """The autoencoder's tensors; its decoder's levels count from the pixels."""
    for part in ("quant_conv", "post_quant_conv"):
        yield from weight_and_bias(part)
    for half, way, num_blocks in (("encoder", "down", 2), ("decoder", "up", 3)):
        for outside in ("conv_in", "norm_out", "conv_out"):
            yield from weight_and_bias(f"{half}.{outside}")
        for block in ("block_1", "block_2"):
            for one in ("norm1", "conv1", "norm2", "conv2"):
                yield from weight_and_bias(f"{half}.mid.{block}.{one}")
        for one in ("norm", "q", "k", "v", "proj_out"):
            yield from weight_and_bias(f"{half}.mid.attn_1.{one}")
        for level in range(4):
            for block in range(num_blocks):
                for one in ("norm1", "conv1", "norm2", "conv2"):
                    yield from weight_and_bias(f"{half}.{way}.{level}.block.{block}.{one}")
            if level in ((1, 2) if way == "down" else (0, 1)):
                yield from weight_and_bias(f"{half}.{way}.{level}.block.0.nin_shortcut")
            if level < 3 if way == "down" else level > 0:
                yield from weight_and_bias(f"{half}.{way}.{level}.{way}sample.conv")


def weight_and_bias(name: str) -> Iterator[str]:
    yield from (f"{name}.weight", f"{name}.bias")


def residual(name: str, has_shortcut: bool) -> Iterator[str]:
    for one in (*RES, "skip_connection") if has_shortcut else RES:
        yield from weight_and_bias(f"{name}.{one}")


def transformer(name: str) -> Iterator[str]:
    for one in NAMES_1:
        yield from weight_and_bias(f"{name}.{one}")
    for one in LAYER:
        yield from weight_and_bias(f"{name}.transformer_blocks.0.{one}")
    for attention in ("attn1", "attn2"):
        for one in "qkv":
            yield f"{name}.transformer_blocks.0.{attention}.to_{one}.weight"


def converted(convert, prefix: str, names: Iterator[str], config: dict) -> dict[str, int]:
    """The library's name of each, by the number that a tensor holds."""
    tensors = {prefix + name: torch.full((1, 1, 1, 1), float(i)) for i, name in enumerate(names)}
    return {name: int(tensor.max()) for name, tensor in convert(tensors, config).items()}


def test_the_unets_names_are_the_librarys():
    config = {"layers_per_block": 2}
    convert = single_file_utils.convert_ldm_unet_checkpoint
    theirs = converted(convert, original.UNET_PREFIX, unet_names(), config)
    assert theirs.keys() == PARTS["unet"]["tensors"].keys()
    assert {original.unet_name(name): i for i, name in enumerate(unet_names())} == theirs


def test_the_autoencoders_names_are_the_librarys():
    config = PARTS["vae"]["config"]
    convert = single_file_utils.convert_ldm_vae_checkpoint
    theirs = converted(convert, original.AUTOENCODER_PREFIX, autoencoder_names(), config)
    assert theirs.keys() == PARTS["vae"]["tensors"].keys()
    ours = {original.autoencoder_name(name): i for i, name in enumerate(autoencoder_names())}
    assert ours == theirs


class Paper(Found):
    """A single file of the published size, without values, and a tokenizer's files."""

    def __init__(self, folder: Path, source: Source) -> None:
        super().__init__([folder])
        self.whole = source

    def source(self, name: str) -> Source:
        return self.whole


def whole_file(num_channels: int = 4) -> Source:
    """Everything that the published file holds, and the copies it averaged over training."""
    entries = {"model_ema.decay": Entry((), torch.float32)}
    for part, prefix, rename, names in (
        ("unet", original.UNET_PREFIX, original.unet_name, unet_names()),
        ("vae", original.AUTOENCODER_PREFIX, original.autoencoder_name, autoencoder_names()),
        ("text_encoder", original.TEXT_PREFIX, str, iter(PARTS["text_encoder"]["tensors"])),
    ):
        for name in names:
            _, shape = PARTS[part]["tensors"][rename(name)]
            if name == "input_blocks.0.0.weight":
                shape = [shape[0], num_channels, *shape[2:]]
            if ".attn_1." in name and len(shape) == 2:
                shape = [*shape, 1, 1]  # a 1×1 convolution there
            entries[prefix + name] = Entry(tuple(shape), torch.float16)
    ids = f"{original.TEXT_PREFIX}text_model.embeddings.position_ids"
    entries[ids] = Entry((1, 77), torch.int64)
    return Source("v1.ckpt", entries, lambda name: pytest.fail(f"{name} was read"))


def paper(folder: Path, source: Source, has_tokenizer: bool = True) -> Paper:
    save_file({"x": torch.zeros(1)}, folder / "v1.safetensors")
    if has_tokenizer:
        vocabulary, merges = foreign_files.clip_vocabulary()
        (folder / "vocab.json").write_text(json.dumps(vocabulary))
        (folder / "merges.txt").write_text("\n".join(map(" ".join, merges)))
    return Paper(folder, source)


@pytest.mark.parametrize("num_channels", [4, 9])
def test_every_tensor_of_a_whole_file_finds_its_place(tmp_path, num_channels):
    plan = stable_diffusion.plan_import(paper(tmp_path, whole_file(num_channels)))
    assert plan is not None
    assert plan.name == "stable-diffusion-1" + ("-inpainting" if num_channels == 9 else "")
    checked = importing.check(plan)
    assert checked["denoiser"]["conv_in.weight"].shape[1] == num_channels
    assert {len(state) for state in checked.values()} == {686, 248, 148}


def test_a_file_without_a_vocabulary_says_what_it_needs(tmp_path):
    with pytest.raises(CheckpointError, match="tokenizer folder"):
        stable_diffusion.plan_import(paper(tmp_path, whole_file(), has_tokenizer=False))


def test_another_version_is_refused(tmp_path):
    source = whole_file()
    key = f"{original.UNET_PREFIX}{stable_diffusion.TEXT_KEY}.weight"
    source.entries[key] = Entry((320, 1024), torch.float16)
    with pytest.raises(CheckpointError, match=r"only Stable Diffusion 1\.x"):
        stable_diffusion.plan_import(paper(tmp_path, source))
