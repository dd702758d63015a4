"""Single files of Stable Diffusion: their names against those that diffusers makes of them."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from diffusers.loaders import single_file_utils
from safetensors.torch import save_file

import foreign_files
from nonette.checkpoints import importing
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.foreign.source import Entry, Source
from nonette.checkpoints.importers import _clip, stable_diffusion
from nonette.checkpoints.importers import _latent_diffusion as original
from nonette.core.errors import CheckpointError
from nonette.models.clip import TextEncoder
from oracles import assert_same, normal, with_weights_of

MANIFESTS = Path(__file__).parents[1] / "manifests"


def parts(name: str) -> dict[str, Any]:
    """What the diffusers folder of the same model holds."""
    return json.loads(gzip.decompress((MANIFESTS / f"{name}.json.gz").read_bytes()))["parts"]


PARTS, PARTS_2, PARTS_XL = parts("sd-1.5"), parts("sd-2.1"), parts("sdxl-base-1.0")
RES = ("in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3")
NAMES_1 = ("norm", "proj_in", "proj_out")
LAYER = ("norm1", "norm2", "norm3", "ff.net.0.proj", "ff.net.2", "attn1.to_out.0", "attn2.to_out.0")
NEW_WIDTH_DOWN, NEW_WIDTH_UP = (4, 7), range(12)  # where a shortcut changes the channels


def unet_names() -> Iterator[str]:
    """The UNet's tensors in the order of the original code."""
    for outside in original.OUTSIDE:
        if not outside.startswith("label_emb"):
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


def transformer(name: str, depth: int = 1) -> Iterator[str]:
    for one in NAMES_1:
        yield from weight_and_bias(f"{name}.{one}")
    for i in range(depth):
        for one in LAYER:
            yield from weight_and_bias(f"{name}.transformer_blocks.{i}.{one}")
        for attention in ("attn1", "attn2"):
            for one in "qkv":
                yield f"{name}.transformer_blocks.{i}.{attention}.to_{one}.weight"


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
    entries |= entries_of(PARTS, unet_names(), num_channels)
    for name, (_, shape) in PARTS["text_encoder"]["tensors"].items():
        entries[original.TEXT_PREFIX + name] = Entry(tuple(shape), torch.float16)
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


def xl_unet_names() -> Iterator[str]:
    """XL's UNet: three levels, transformers of several layers, the sentence's embedding."""
    depth_down, depth_up = {4: 2, 5: 2, 7: 10, 8: 10}, {0: 10, 1: 10, 2: 10, 3: 2, 4: 2, 5: 2}
    for outside in original.OUTSIDE:
        yield from weight_and_bias(outside)
    for i in range(1, 9):
        if i % 3 == 0:
            yield from weight_and_bias(f"input_blocks.{i}.0.op")
            continue
        yield from residual(f"input_blocks.{i}.0", i in (4, 7))
        if i in depth_down:
            yield from transformer(f"input_blocks.{i}.1", depth_down[i])
    yield from residual("middle_block.0", False)
    yield from transformer("middle_block.1", 10)
    yield from residual("middle_block.2", False)
    for i in range(9):
        yield from residual(f"output_blocks.{i}.0", True)
        if i in depth_up:
            yield from transformer(f"output_blocks.{i}.1", depth_up[i])
        if i in (2, 5):
            yield from weight_and_bias(f"output_blocks.{i}.2.conv")


def test_xls_names_are_the_librarys():
    config = {"layers_per_block": 2, "addition_embed_type": "text_time"}
    convert = single_file_utils.convert_ldm_unet_checkpoint
    theirs = converted(convert, original.UNET_PREFIX, xl_unet_names(), config)
    assert theirs.keys() == PARTS_XL["unet"]["tensors"].keys()
    assert {original.unet_name(name): i for i, name in enumerate(xl_unet_names())} == theirs


def open_text(num_layers: int, width: int) -> dict[str, tuple[int, ...]]:
    """OpenCLIP's text tower in its own names, as single files hold it."""
    shapes: dict[str, tuple[int, ...]] = {
        "token_embedding.weight": (49_408, width),
        "positional_embedding": (77, width),
        "ln_final.weight": (width,),
        "ln_final.bias": (width,),
        "text_projection": (width, width),
        "logit_scale": (),
    }
    for i in range(num_layers):
        block = f"transformer.resblocks.{i}"
        shapes |= {
            f"{block}.attn.in_proj_weight": (3 * width, width),
            f"{block}.attn.in_proj_bias": (3 * width,),
            f"{block}.attn.out_proj.weight": (width, width),
            f"{block}.attn.out_proj.bias": (width,),
            f"{block}.mlp.c_fc.weight": (4 * width, width),
            f"{block}.mlp.c_fc.bias": (4 * width,),
            f"{block}.mlp.c_proj.weight": (width, 4 * width),
            f"{block}.mlp.c_proj.bias": (width,),
        }
        shapes |= {
            f"{block}.ln_{j}.{kind}": (width,) for j in (1, 2) for kind in ("weight", "bias")
        }
    return shapes


@torch.no_grad()
@pytest.mark.parametrize("has_projection", [False, True])
def test_openclips_tower_reads_as_the_librarys_conversion(has_projection):
    """Values too, small: the library's own conversion, loaded into its own tower."""
    shapes = {
        name: shape for name, shape in open_text(3, 16).items() if "embedding" not in name
    } | {"token_embedding.weight": (60, 16), "positional_embedding": (9, 16)}
    state = {
        f"p.{name}": normal(*shape, seed=i) * 0.3 for i, (name, shape) in enumerate(shapes.items())
    }
    values = transformers.CLIPTextConfig(
        hidden_size=16,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        hidden_act="gelu",
        projection_dim=16,
        vocab_size=60,
        eos_token_id=59,
        bos_token_id=58,
        pad_token_id=0,
        max_position_embeddings=9,
    )
    kinds = transformers.CLIPTextModel, transformers.CLIPTextModelWithProjection
    theirs = kinds[has_projection](values).eval()
    library = single_file_utils.convert_open_clip_checkpoint(theirs, state, prefix="p.")
    library = {
        name if has_projection else name.removeprefix("text_model."): one
        for name, one in library.items()
        if has_projection or name != "text_projection.weight"
    }
    theirs.load_state_dict(library)
    config = _clip.text_config(
        values.to_diff_dict(), "config.json", has_projection=has_projection, reads="last"
    )
    own = {name.removeprefix("p."): one for name, one in state.items()}
    dropped = ["logit_scale"] if has_projection else ["logit_scale", "text_projection"]
    own = {name: one for name, one in own.items() if name not in dropped}
    ours = with_weights_of(own, TextEncoder, config, original.OPEN_TEXT)
    ids = torch.tensor([[58, 3, 4, 59, 0, 0, 0, 0, 0]])
    told = theirs(ids)
    states, vectors = ours(ids)
    assert_same(states, told.last_hidden_state)
    assert_same(vectors, told.text_embeds if has_projection else told.pooler_output)


def entries_of(whole: dict[str, Any], names: Iterator[str], num_channels: int) -> dict[str, Entry]:
    """UNet and autoencoder of a file, with the shapes that the folder has."""
    entries: dict[str, Entry] = {}
    for part, prefix, rename, inner in (
        ("unet", original.UNET_PREFIX, original.unet_name, names),
        ("vae", original.AUTOENCODER_PREFIX, original.autoencoder_name, autoencoder_names()),
    ):
        for name in inner:
            _, shape = whole[part]["tensors"][rename(name)]
            if name == "input_blocks.0.0.weight":
                shape = [shape[0], num_channels, *shape[2:]]
            if ".attn_1." in name and len(shape) == 2:
                shape = [*shape, 1, 1]  # a 1×1 convolution there
            entries[prefix + name] = Entry(tuple(shape), torch.float16)
    return entries


def second_file(num_channels: int = 4) -> Source:
    """Version 2: all 24 layers of OpenCLIP-H are in it."""
    entries = entries_of(PARTS_2, unet_names(), num_channels)
    for name, shape in open_text(24, 1024).items():
        entries[original.OPEN_CLIP_PREFIX + name] = Entry(shape, torch.float16)
    return Source("v2.ckpt", entries, lambda name: pytest.fail(f"{name} was read"))


def xl_file() -> Source:
    entries = entries_of(PARTS_XL, xl_unet_names(), 4)
    for name, (_, shape) in PARTS_XL["text_encoder"]["tensors"].items():
        entries[original.XL_PREFIXES[0] + name] = Entry(tuple(shape), torch.float16)
    for name, shape in open_text(32, 1280).items():
        entries[original.XL_PREFIXES[1] + name] = Entry(shape, torch.float16)
    return Source("xl.safetensors", entries, lambda name: pytest.fail(f"{name} was read"))


V = {
    "_class_name": "DDIMScheduler",
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
}


@pytest.mark.parametrize("size", [512, 768])
def test_version_2_with_its_scheduler(tmp_path, size):
    (tmp_path / "scheduler").mkdir()
    scheduler = V if size == 768 else V | {"prediction_type": "epsilon"}
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    plan = stable_diffusion.plan_import(paper(tmp_path, second_file()))
    assert (plan.name, plan.settings["size"]) == ("stable-diffusion-2", size)
    assert plan.settings["diffusion"]["prediction"] == scheduler["prediction_type"]
    assert_whole(plan, PARTS_2)


def test_version_2_for_inpainting(tmp_path):
    plan = stable_diffusion.plan_import(paper(tmp_path, second_file(9)))
    assert plan.name == "stable-diffusion-2-inpainting"
    assert plan.settings["diffusion"]["prediction"] == "epsilon"


def test_xl(tmp_path):
    plan = stable_diffusion.plan_import(paper(tmp_path, xl_file()))
    assert (plan.name, plan.settings["size"]) == ("stable-diffusion-xl", 1024)
    assert plan.settings["second_padding"] == 0 and plan.settings["empty_is_zero"]
    assert plan.settings["diffusion"]["spacing"] == "leading"
    assert_whole(plan, PARTS_XL)


def assert_whole(plan: importing.Plan, wanted: dict[str, Any]) -> None:
    """As many numbers a part as in the folder of the same model."""
    ours = {
        part: sum(one.numel() for one in state.values())
        for part, state in importing.check(plan).items()
    }
    names = {"denoiser": "unet", "autoencoder": "vae"}
    assert ours == {
        part: sum(
            math.prod(shape) for _, shape in wanted[names.get(part, part)]["tensors"].values()
        )
        for part in ours
    }


@pytest.mark.parametrize("is_xl", [False, True])
def test_a_file_that_does_not_say_what_it_predicts_is_refused(tmp_path, is_xl):
    source = xl_file() if is_xl else second_file()
    source.entries["v_pred"] = Entry((0,), torch.float16)
    with pytest.raises(CheckpointError, match="give the scheduler folder"):
        stable_diffusion.plan_import(paper(tmp_path, source))


def test_another_version_is_refused(tmp_path):
    source = whole_file()
    source.entries[original.TEXT_KEY] = Entry((768, 1280), torch.float16)  # XL's refiner
    with pytest.raises(CheckpointError, match=r"only Stable Diffusion 1\.x, 2\.x and XL base"):
        stable_diffusion.plan_import(paper(tmp_path, source))
