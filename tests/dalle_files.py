"""DALL·E mini's published files in miniature, in each of their forms, from one random state."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import foreign_files
from nonette.text.published import byte_letters

WIDTH, HIDDEN, LAYERS, TEXT, NUM_CODES, GRID = 128, 40, 2, 320, 48, 4
ROWS = NUM_CODES + 3  # of the codes' embedding: mega, too, has more than codes and a start
START = ROWS - 2  # neither the last row nor a code
CONFIG = {
    "model_type": "dallebart",
    "d_model": WIDTH,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": HIDDEN,
    "decoder_ffn_dim": HIDDEN,
    "encoder_layers": LAYERS,
    "decoder_layers": LAYERS,
    "encoder_vocab_size": TEXT,
    "image_vocab_size": ROWS - 1,
    "image_length": GRID**2,
    "max_text_length": 12,
    "decoder_start_token_id": START,
    "normalize_text": True,
}
VQGAN_CONFIG = {"ch": 32, "ch_mult": [1, 2], "n_embed": NUM_CODES, "resolution": 8}
SCALELESS = ("pre_self_attn_layer_norm", "pre_encoder_attn_layer_norm", "glu.ln0", "glu.ln1")
FLAX = {
    "pre_self_attn_layer_norm": "LayerNorm_0",
    "self_attn_layer_norm": "LayerNorm_1",
    "pre_encoder_attn_layer_norm": "LayerNorm_2",
    "encoder_attn_layer_norm": "LayerNorm_3",
    "self_attn": "FlaxBartAttention_0",
    "encoder_attn": "FlaxBartAttention_1",
    "glu.ln0": "GLU_0.LayerNorm_0",
    "glu.ln1": "GLU_0.LayerNorm_1",
    "glu.fc0": "GLU_0.Dense_0",
    "glu.fc1": "GLU_0.Dense_1",
    "glu.fc2": "GLU_0.Dense_2",
}


def random_state(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Random values of a size that keeps activations near 1; scales of norms near 1."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator)
        if len(shape) > 1 and "embed" not in name:
            state[name] = noise * noise[0].numel() ** -0.5
        else:
            state[name] = noise if "embed" in name else 0.2 * noise + name.endswith("weight")
    return state


def bart_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of min-dalle's two files together; norms before dense layers lack scales."""
    shapes: dict[str, tuple[int, ...]] = {"decoder.lm_head.weight": (ROWS, WIDTH)}
    for side, num_ids, length in (("encoder", TEXT, 12), ("decoder", ROWS, GRID**2)):
        shapes[f"{side}.embed_tokens.weight"] = (num_ids, WIDTH)
        shapes[f"{side}.embed_positions.weight"] = (length, WIDTH)
        norms = {f"{side}.layernorm_embedding": WIDTH, f"{side}.final_ln": WIDTH}
        for i in range(LAYERS):
            layer = f"{side}.layers.{i}"
            for attention in ("self_attn", "encoder_attn")[: 1 + (side == "decoder")]:
                norms |= {f"{layer}.pre_{attention}_layer_norm": WIDTH}
                norms |= {f"{layer}.{attention}_layer_norm": WIDTH}
                for one in ("q", "k", "v", "out"):
                    shapes[f"{layer}.{attention}.{one}_proj.weight"] = (WIDTH, WIDTH)
            norms |= {f"{layer}.glu.ln0": WIDTH, f"{layer}.glu.ln1": HIDDEN}
            shapes |= {f"{layer}.glu.fc{i}.weight": (HIDDEN, WIDTH) for i in (0, 1)}
            shapes[f"{layer}.glu.fc2.weight"] = (WIDTH, HIDDEN)
        for name, width in norms.items():
            shapes[f"{name}.bias"] = (width,)
            if not name.endswith((*SCALELESS, "final_ln")):
                shapes[f"{name}.weight"] = (width,)
    return shapes


def vqgan_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of taming's VQGAN of two levels, attention at the lower, one code 2×2."""
    shapes: dict[str, tuple[int, ...]] = {"quantize.embedding.weight": (NUM_CODES, 32)}

    def convolution(name: str, before: int, after: int, kernel: int = 3) -> None:
        shapes[f"{name}.weight"] = (after, before, kernel, kernel)
        shapes[f"{name}.bias"] = (after,)

    def norm(name: str, width: int) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)

    def block(name: str, before: int, after: int) -> None:
        norm(f"{name}.norm1", before)
        convolution(f"{name}.conv1", before, after)
        norm(f"{name}.norm2", after)
        convolution(f"{name}.conv2", after, after)
        if before != after:
            convolution(f"{name}.nin_shortcut", before, after, 1)

    def attention(name: str) -> None:
        norm(f"{name}.norm", 64)
        for one in ("q", "k", "v", "proj_out"):
            convolution(f"{name}.{one}", 64, 64, 1)

    for side, (first, last), (start, end), levels in (
        ("encoder", (3, 32), (64, 32), {0: (32, 32), 1: (32, 64)}),
        ("decoder", (32, 64), (32, 3), {0: (64, 32), 1: (64, 64)}),
    ):
        convolution(f"{side}.conv_in", first, last)
        convolution(f"{side}.conv_out", start, end)
        norm(f"{side}.norm_out", start)
        block(f"{side}.mid.block_1", 64, 64)
        attention(f"{side}.mid.attn_1")
        block(f"{side}.mid.block_2", 64, 64)
        way = {"encoder": "down", "decoder": "up"}[side]
        for level, (before, after) in levels.items():
            for i in range(1 if side == "encoder" else 2):
                block(f"{side}.{way}.{level}.block.{i}", before if i == 0 else after, after)
                if level == 1:
                    attention(f"{side}.{way}.{level}.attn.{i}")
    convolution("encoder.down.0.downsample.conv", 32, 32)
    convolution("decoder.up.1.upsample.conv", 64, 64)
    convolution("quant_conv", 32, 32, 1)
    convolution("post_quant_conv", 32, 32, 1)
    return shapes


def bart_state() -> dict[str, Tensor]:
    return random_state(bart_shapes(), 1)


def vqgan_state() -> dict[str, Tensor]:
    return random_state(vqgan_shapes(), 2)


def write_vocabulary(folder: Path, suffix: str = "") -> None:
    """A vocabulary of BART's form: special tokens, bytes, a merge, and a list of words."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *byte_letters(), "at", "Ġc", "Ġcat", "<mask>"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    (folder / f"vocab{suffix}.json").write_text(json.dumps(vocabulary))
    (folder / f"merges{suffix}.txt").write_text("#version: 0.2\na t\nĠ c\nĠc at\n")


def write_min_dalle(folder: Path, suffix: str = "", is_published: bool = True) -> Path:
    """min-dalle's files, without the VQGAN's encoder; where not `is_published`, in its folders."""
    home, vqgan = (
        (folder, folder) if is_published else (folder / "dalle_bart_mega", folder / "vqgan")
    )
    for one in {home, vqgan}:
        one.mkdir(parents=True, exist_ok=True)
    state = bart_state()
    for side in ("encoder", "decoder"):
        half = {
            n.removeprefix(f"{side}."): t.half() for n, t in state.items() if n.startswith(side)
        }
        torch.save(half, home / f"{side}{suffix}.pt")
    painted = {
        name.removeprefix("quantize."): tensor
        for name, tensor in vqgan_state().items()
        if not name.startswith(("encoder.", "quant_conv"))
    }
    torch.save(painted, vqgan / "detoker.pt")
    (vqgan / "model.yaml").write_text("model:\n  params:\n    ddconfig:\n      resolution: 8\n")
    if is_published and not suffix:
        (folder / "config.json").write_text(json.dumps(CONFIG))
    write_vocabulary(home, suffix)
    return folder


def write_flax(folder: Path, dtype: str = "float32", is_stacked: bool = True) -> tuple[Path, Path]:
    """The two folders of dalle-mini: the network's and the VQGAN's."""
    bart, vqgan = folder / "dalle-mini", folder / "vqgan_imagenet_f16_16384"
    for one in (bart, vqgan):
        one.mkdir(parents=True)
    (bart / "config.json").write_text(json.dumps(CONFIG))
    (vqgan / "config.json").write_text(json.dumps(VQGAN_CONFIG))
    write_vocabulary(bart)
    (bart / "enwiki-words-frequency.txt").write_text("the 9\nmoon 5\ncat 4\non 3\n's 2\nit 1\n")
    (bart / "flax_model.msgpack").write_bytes(
        foreign_files.flax_bytes(nested(flax_bart(bart_state(), is_stacked), dtype))
    )
    (vqgan / "flax_model.msgpack").write_bytes(
        foreign_files.flax_bytes(nested(flax_vqgan(vqgan_state()), dtype))
    )
    return bart, vqgan


def flax_bart(state: Mapping[str, Tensor], is_stacked: bool = True) -> dict[str, Tensor]:
    """min-dalle's names as dalle-mini's Flax module has them."""
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        name = "lm_head.weight" if "lm_head" in name else f"model.{name}"
        module, kind = name.rsplit(".", 1)
        if "embed_" in name:
            kind = "embedding"
        elif kind == "weight":
            kind, tensor = ("kernel", tensor.T) if tensor.ndim == 2 else ("scale", tensor)
        for theirs, flax in FLAX.items():
            module = re.sub(rf"(layers\.\d+)\.{re.escape(theirs)}(?=\.|$)", rf"\1.{flax}", module)
        side = "Encoder" if ".encoder." in module else "Decoder"
        module = re.sub(r"layers\.(\d+)", rf"layers.FlaxBart{side}Layer_\1", module)
        found[f"{module}.{kind}"] = tensor
    return stack(found) if is_stacked else found


def stack(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All layers of one kind along the first axis, as Flax's scan keeps them."""
    layers: dict[str, list[Tensor]] = {}
    found = {}
    for name, tensor in state.items():
        stacked = re.sub(r"(FlaxBart\w+?Layer)_\d+", r"\1s", name)
        if stacked == name:
            found[name] = tensor
        else:
            layers.setdefault(stacked, []).append(tensor)
    return found | {name: torch.stack(tensors) for name, tensors in layers.items()}


def flax_vqgan(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of taming as vqgan-jax has them; scales as old versions of Flax keep them."""
    found = {}
    for name, tensor in state.items():
        module, kind = name.rsplit(".", 1)
        if ".mid." not in module:
            module = re.sub(r"(down|up|block|attn)\.(\d+)", r"\1_\2", module)
        if "embedding" in module:
            kind = "embedding"
        elif kind == "weight" and tensor.ndim == 4:
            kind, tensor = "kernel", tensor.permute(2, 3, 1, 0)
        elif kind == "weight":
            kind, tensor = "scale", tensor.view(1, 1, 1, -1)
        found[f"{module}.{kind}"] = tensor
    return found


def nested(state: Mapping[str, Tensor], dtype: str) -> dict[str, Any]:
    """Dotted names as nested dicts of numpy arrays, or of tensors where numpy has no such type."""
    tree: dict[str, Any] = {}
    for name, tensor in state.items():
        *above, last = name.split(".")
        inner = tree
        for one in above:
            inner = inner.setdefault(one, {})
        is_plain = dtype == "bfloat16"
        inner[last] = (
            tensor.to(torch.bfloat16) if is_plain else tensor.numpy().astype(np.dtype(dtype))
        )
    return tree
