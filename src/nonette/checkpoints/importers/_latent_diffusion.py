"""Names of the original latent diffusion code, as those of the diffusers layout.

Single files of Stable Diffusion 1.x hold all parts under names of CompVis/latent-diffusion
(`ldm/modules/diffusionmodules/openaimodel.py` and `model.py`): there the blocks of the UNet are
numbered through, and those of the decoder count from the pixels.
"""

from __future__ import annotations

import re

UNET_PREFIX = "model.diffusion_model."
AUTOENCODER_PREFIX = "first_stage_model."
TEXT_PREFIX = "cond_stage_model.transformer."
OPEN_CLIP_PREFIX = "cond_stage_model.model."

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
