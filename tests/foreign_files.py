"""Weight files of other people's formats, made on the fly: a tiny CLIP in each of them.

Nothing here is read by pickle or by torch.load; files are only written.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import torch
from safetensors.torch import save_file

from nonette.text.published import CLIP_END, CLIP_START, byte_letters

CONFIG = {
    "model_type": "clip",
    "projection_dim": 8,
    "text_config": {
        "hidden_size": 16,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 12,
        "vocab_size": 515,
        "eos_token_id": 514,
    },
    "vision_config": {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    },
}


def clip_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A vocabulary of CLIP's form with one merge."""
    letters = byte_letters()
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "at</w>", CLIP_START, CLIP_END]
    return {piece: i for i, piece in enumerate(pieces)}, [("a", "t</w>")]


def trained_unigrams() -> dict[str, Any]:
    """What `scripts/build_unigrams.py` wrote down of SentencePiece: a model, and ids of texts."""
    path = Path(__file__).parent / "vocabularies" / "unigrams.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


def unigram_model() -> bytes:
    """A small `spiece.model` of T5's form."""
    return base64.b64decode(trained_unigrams()["model"])


def clip_shapes() -> dict[str, tuple[int, ...]]:
    """The names and shapes of the tiny CLIP's tensors, as transformers saves them."""
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (),
        "text_model.embeddings.token_embedding.weight": (515, 16),
        "text_model.embeddings.position_embedding.weight": (12, 16),
        "vision_model.embeddings.class_embedding": (16,),
        "vision_model.embeddings.patch_embedding.weight": (16, 3, 8, 8),
        "vision_model.embeddings.position_embedding.weight": (5, 16),
        "visual_projection.weight": (8, 16),
        "text_projection.weight": (8, 16),
    }
    norms = ["text_model.final_layer_norm", "vision_model.pre_layrnorm"]
    norms.append("vision_model.post_layernorm")
    linears: dict[str, tuple[int, int]] = {}
    for tower in ("text_model", "vision_model"):
        block = f"{tower}.encoder.layers.0"
        norms += [f"{block}.layer_norm1", f"{block}.layer_norm2"]
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linears[f"{block}.self_attn.{name}"] = (16, 16)
        hidden = 64 if tower == "text_model" else 24
        linears[f"{block}.mlp.fc1"], linears[f"{block}.mlp.fc2"] = (hidden, 16), (16, hidden)
    for name in norms:
        shapes |= {f"{name}.weight": (16,), f"{name}.bias": (16,)}
    for name, shape in linears.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def clip_state(dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """The tiny CLIP's tensors, random, always the same."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(shape, generator=generator).to(dtype)
        for name, shape in clip_shapes().items()
    }


def write_clip(folder: Path, weights: bytes | None = None, name: str = "model.safetensors") -> Path:
    """A whole folder as the hub has it; `weights` instead of good ones, under another name."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    write_vocabulary(folder)
    (folder / "README.md").write_text("---\ntags:\n- a\nlicense: mit\n---\n# CLIP\n")
    if weights is None:
        save_file(clip_state(), folder / name)
    else:
        (folder / name).write_bytes(weights)
    return folder


def write_vocabulary(folder: Path) -> None:
    """`vocab.json` and `merges.txt` of the tiny CLIP."""
    vocabulary, merges = clip_vocabulary()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")


def flax_bytes(tree: Any, most_bytes: int = 2**30) -> bytes:
    """A nested dict of numpy arrays or bfloat16 tensors as Flax writes it, cut where too large."""
    return msgpack.packb(_flax(tree, most_bytes), use_bin_type=True)


def _flax(tree: Any, most_bytes: int) -> Any:
    if isinstance(tree, Mapping):
        return {key: _flax(value, most_bytes) for key, value in tree.items()}
    if not isinstance(tree, np.ndarray | torch.Tensor):
        return tree
    size = tree.dtype.itemsize
    count = int(np.prod(tree.shape, dtype=np.int64))
    if count * size <= most_bytes:
        return _array(tree)
    flat, step = tree.reshape(-1), max(1, most_bytes // size)
    chunks = [_array(flat[i : i + step]) for i in range(0, count, step)]
    return {
        "__msgpack_chunked_array__": True,
        "shape": {str(i): int(side) for i, side in enumerate(tree.shape)},
        "chunks": {str(i): chunk for i, chunk in enumerate(chunks)},
    }


def _array(array: Any) -> msgpack.ExtType:
    if isinstance(array, torch.Tensor):  # numpy has no bfloat16
        assert array.dtype == torch.bfloat16
        name, content = "bfloat16", array.contiguous().view(torch.int16).numpy().tobytes()
    else:
        name, content = array.dtype.name, np.ascontiguousarray(array).tobytes()
    return msgpack.ExtType(1, msgpack.packb((tuple(array.shape), name, content)))
