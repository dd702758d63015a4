"""Names of the original latent diffusion code, as those of the diffusers layout.

Single files of Stable Diffusion hold all parts under names of CompVis/latent-diffusion and
Stability-AI/generative-models (`modules/diffusionmodules/openaimodel.py` and `model.py`): there the
blocks of the UNet are numbered through, and those of the decoder count from the pixels. Their text
towers are OpenAI's in the names of transformers, or OpenCLIP's in its own, read before its last
block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from nonette.checkpoints.importers._clip import DROPPED, TEXT
from nonette.checkpoints.tables import Row, inside, row
from nonette.models.clip import VIT_BIGG_14, VIT_H_14, VIT_L_14, TextEncoderConfig
from nonette.models.unet import SDXL, STABLE_DIFFUSION_1, STABLE_DIFFUSION_2, UNetConfig

UNET_PREFIX = "model.diffusion_model."
AUTOENCODER_PREFIX = "first_stage_model."
TEXT_PREFIX = "cond_stage_model.transformer."
OPEN_CLIP_PREFIX = "cond_stage_model.model."
XL_PREFIXES = ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.")
TEXT_KEY = f"{UNET_PREFIX}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
"""As wide as the text's states, in every version."""

STRIDE = 3  # blocks a level: two and what leaves it on the way down, three on the way up
LEVELS = 4

RES_BLOCK = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
OUTSIDE = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
MIDDLE = {
    "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0",
    "middle_block.2": "mid_block.resnets.1",
}
AUTOENCODER_RULES = (
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"\.norm_out\.", ".conv_norm_out."),
    (r"\.mid\.block_1\.", ".mid_block.resnets.0."),
    (r"\.mid\.block_2\.", ".mid_block.resnets.1."),
    (r"\.mid\.attn_1\.norm\.", ".mid_block.attentions.0.group_norm."),
    (r"\.mid\.attn_1\.proj_out\.", ".mid_block.attentions.0.to_out.0."),
    (r"\.mid\.attn_1\.(q|k|v)\.", r".mid_block.attentions.0.to_\1."),
    (r"^encoder\.down\.(\d+)\.block\.", r"encoder.down_blocks.\1.resnets."),
    (r"^encoder\.down\.(\d+)\.downsample\.", r"encoder.down_blocks.\1.downsamplers.0."),
)

OPEN_TEXT = (
    row("token_embedding", "text_tower.tokens"),
    row("positional_embedding", "text_tower.positions"),
    *inside(
        "transformer.resblocks.#",
        "text_tower.blocks.#",
        (
            row("ln_1", "norm_attention"),
            row("attn.in_proj_weight", "query_key_value.weight"),
            row("attn.in_proj_bias", "query_key_value.bias"),
            row("attn.out_proj", "attention_out"),
            row("ln_2", "norm_feed_forward"),
            row("mlp.c_fc", "feed_forward_in"),
            row("mlp.c_proj", "feed_forward_out"),
        ),
    ),
    row("ln_final", "text_tower.norm_after"),
    row("text_projection", "text_tower.projection.weight", Tensor.t),
)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A text tower of a single file: where it lies, what it is, and what nobody needs of it."""

    prefix: str
    config: TextEncoderConfig
    patterns: Sequence[Row]
    dropped: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Version:
    """What a single file is, by the width of the text's states.

    Attributes:
        unet: Its network, but for the channels it reads.
        size: Of its pictures, in pixels, where nothing beside the file says more.
        scale: Of its latents.
        readers: By part.
    """

    unet: UNetConfig
    size: int
    scale: float
    readers: Mapping[str, Reader]


_L = TextEncoderConfig(
    text=VIT_L_14.text, embedding_size=None, activation=VIT_L_14.activation, reads="last"
)
_H = replace(
    _L, text=replace(VIT_H_14.text, num_layers=23), activation=VIT_H_14.activation
)  # of 24: the last block is never asked
_BIGG = TextEncoderConfig(
    text=VIT_BIGG_14.text,
    embedding_size=VIT_BIGG_14.embedding_size,
    activation=VIT_BIGG_14.activation,
    reads="penultimate",
)
VERSIONS = {
    768: Version(
        unet=STABLE_DIFFUSION_1,
        size=512,
        scale=0.18215,
        readers={
            "text_encoder": Reader(prefix=TEXT_PREFIX, config=_L, patterns=TEXT, dropped=DROPPED)
        },
    ),
    1024: Version(
        unet=STABLE_DIFFUSION_2,
        size=512,
        scale=0.18215,
        readers={
            "text_encoder": Reader(
                prefix=OPEN_CLIP_PREFIX,
                config=_H,
                patterns=OPEN_TEXT,
                dropped=(
                    "transformer.resblocks.23.",
                    "text_projection",
                    "logit_scale",
                    "attn_mask",
                ),
            )
        },
    ),
    2048: Version(
        unet=SDXL,
        size=1024,
        scale=0.13025,
        readers={
            "text_encoder": Reader(
                prefix=XL_PREFIXES[0],
                config=replace(_L, reads="penultimate"),
                patterns=TEXT,
                dropped=DROPPED,
            ),
            "text_encoder_2": Reader(
                prefix=XL_PREFIXES[1],
                config=_BIGG,
                patterns=OPEN_TEXT,
                dropped=("logit_scale", "attn_mask"),
            ),
        },
    ),
}


def unet_name(name: str) -> str:
    """A tensor of the UNet, without the prefix."""
    stem, _, kind = name.rpartition(".")
    if stem in OUTSIDE:
        return f"{OUTSIDE[stem]}.{kind}"
    found = re.match(r"(input|output)_blocks\.(\d+)\.(\d+)\.(.+)", name)
    if found is None:
        outer, inner = name[:14], name[15:]  # middle_block.0
        return f"{MIDDLE.get(outer, outer)}.{_inner(inner)}"
    way, number, place, inner = found[1], int(found[2]), int(found[3]), found[4]
    level, index = divmod(number - (way == "input"), STRIDE)
    block = f"{'down' if way == 'input' else 'up'}_blocks.{level}"
    if inner.startswith("op."):
        return f"{block}.downsamplers.0.conv.{kind}"
    if inner.startswith("conv."):
        return f"{block}.upsamplers.0.conv.{kind}"
    return f"{block}.{'attentions' if place else 'resnets'}.{index}.{_inner(inner)}"


def autoencoder_name(name: str) -> str:
    """A tensor of the autoencoder, without the prefix."""
    for pattern, replacement in AUTOENCODER_RULES:
        name = re.sub(pattern, replacement, name)
    up = re.match(r"decoder\.up\.(\d+)\.(block|upsample)\.(.+)", name)
    if up is None:
        return name
    inner = f"resnets.{up[3]}" if up[2] == "block" else f"upsamplers.0.{up[3]}"
    return f"decoder.up_blocks.{LEVELS - 1 - int(up[1])}.{inner}"


def _inner(name: str) -> str:
    """A name inside a residual block; inside transformers both layouts agree."""
    for theirs, diffusers in RES_BLOCK.items():
        if name.startswith(f"{theirs}."):
            return diffusers + name[len(theirs) :]
    return name
