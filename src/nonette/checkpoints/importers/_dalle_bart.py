"""What the importers of DALL·E mini share: the names of its PyTorch copies, settings, tokenizer.

Names as in kuprel/min-dalle (commit 73621fb, min_dalle/models/*.py), whose weights were converted
from borisdayma/dalle-mini (commit f0be4de, src/dalle_mini/model/modeling.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.tables import Row, row, same
from nonette.models.bart import BartConfig
from nonette.text.published import bart_tokenizer, read_merges, read_vocabulary

PIXEL_RANGE = (0.0, 1.0)  # its codes are of pictures in [0, 1]: tools/dataset/encode_dataset.ipynb
NUM_CODES = 16384  # of the VQGAN; further rows of embedding and head were never trained
# The upstream notebook's: guidance 10, no truncation, temperature 1, eight pictures for CLIP.
SETTINGS: dict[str, Any] = {
    "candidates": 9,
    "num_seats": 9,
    "guidance": 10.0,
    "temperature": 1.0,
    "top_k": None,
    "top_p": None,
    "normaliser": "dalle_mini",
    "languages": ["en"],
}
EXAMPLES = ("an armchair in the shape of an avocado", "sunset over a lake in the mountains")
LICENCE = "Apache-2.0, as its authors state"

Kernel = Callable[[Tensor], Tensor]


def table(config: BartConfig, kernel: Kernel = same) -> Sequence[Row]:
    """Where each tensor of our `Bart` comes from, by the names of min-dalle's two files.

    Args:
        config: Ours.
        kernel: From their matrices to (out, in).
    """
    rows: list[Row] = []
    for side, num_layers in (
        ("encoder", config.num_encoder_layers),
        ("decoder", config.num_decoder_layers),
    ):
        codes = "" if side == "encoder" else "codes."
        rows += [
            row(f"{side}.embed_tokens.weight", f"{side}.{codes}embedding.weight"),
            row(f"{side}.embed_positions.weight", f"{side}.positions"),
        ]
        rows += _norm(f"{side}.layernorm_embedding", f"{side}.norm_embedding", True)
        rows += _norm(f"{side}.final_ln", f"{side}.norm_out", config.scales_before_dense)
        for i in range(num_layers):
            rows += _layer(f"{side}.layers.{i}", config, kernel, has_text=side == "decoder")
    return [*rows, row("decoder.lm_head.weight", "decoder.codes.head.weight", kernel)]


def _layer(layer: str, config: BartConfig, kernel: Kernel, *, has_text: bool) -> list[Row]:
    """The rows of one layer, of the same name on both sides."""
    scaled = config.scales_before_dense
    rows = _norm(f"{layer}.pre_self_attn_layer_norm", f"{layer}.self_attention.norm_in", scaled)
    rows += _joined(layer, "self_attn", "qkv", "self_attention.query_key_value", kernel)
    rows += _joined(layer, "self_attn", ("out",), "self_attention.out", kernel)
    rows += _norm(f"{layer}.self_attn_layer_norm", f"{layer}.self_attention.norm_out", True)
    if has_text:
        rows += _norm(
            f"{layer}.pre_encoder_attn_layer_norm", f"{layer}.cross_attention.norm_in", scaled
        )
        rows += _joined(layer, "encoder_attn", "q", "cross_attention.query", kernel)
        rows += _joined(layer, "encoder_attn", "kv", "cross_attention.key_value", kernel)
        rows += _joined(layer, "encoder_attn", ("out",), "cross_attention.out", kernel)
        rows += _norm(f"{layer}.encoder_attn_layer_norm", f"{layer}.cross_attention.norm_out", True)
    rows += _norm(f"{layer}.glu.ln0", f"{layer}.feed_forward.norm_in", scaled)
    gate_and_up = (f"{layer}.glu.fc0.weight", f"{layer}.glu.fc1.weight")
    rows.append(Row(gate_and_up, f"{layer}.feed_forward.gate_and_up.weight", _rows(kernel)))
    rows += _norm(f"{layer}.glu.ln1", f"{layer}.feed_forward.norm_hidden", scaled)
    rows.append(row(f"{layer}.glu.fc2.weight", f"{layer}.feed_forward.down.weight", kernel))
    return rows


def _joined(
    layer: str, attention: str, letters: Sequence[str], ours: str, kernel: Kernel
) -> list[Row]:
    theirs = tuple(f"{layer}.{attention}.{letter}_proj.weight" for letter in letters)
    return [Row(theirs, f"{layer}.{ours}.weight", _rows(kernel))]


def _rows(kernel: Kernel) -> Callable[..., Tensor]:
    """Their matrices one below another, each as (out, in)."""
    return lambda *matrices: torch.cat([kernel(matrix) for matrix in matrices])


def _norm(theirs: str, ours: str, has_scale: bool) -> list[Row]:
    kinds = ("weight", "bias") if has_scale else ("bias",)
    return [row(f"{theirs}.{kind}", f"{ours}.{kind}") for kind in kinds]


def tokenizer(found: Found, vocabulary_name: str, merges_name: str) -> bytes:
    """BART's tokenizer of two files."""
    vocabulary = read_vocabulary(found.bytes(vocabulary_name), vocabulary_name)
    return bart_tokenizer(vocabulary, read_merges(found.bytes(merges_name), merges_name))
