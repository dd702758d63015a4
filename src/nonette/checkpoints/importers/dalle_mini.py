"""DALL·E mini and mega as their authors publish them: Flax weights, and a VQGAN in another folder.

Published as dalle-mini/dalle-mini and dalle-mini/dalle-mega, with the pictures' side in
dalle-mini/vqgan_imagenet_f16_16384. Layers are stacked along the first axis of one tensor each
("scan") or stand by themselves; norms that feed a dense layer have no scale. Where the decoder
starts is read from the config, since four different values exist among the copies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.importers import _dalle_bart, _vqgan
from nonette.checkpoints.importing import Network, Plan
from nonette.core.errors import CheckpointError
from nonette.models.bart import BartConfig

WORDS = "enwiki-words-frequency.txt"
# The only form of the network that was published; its code knows many more.
REQUIRED: Mapping[str, Any] = {
    "activation_function": "gelu",
    "force_ln_scale": False,
    "ln_positions": "normformer",
    "ln_type": "layernorm",
    "scale_embedding": False,
    "sinkhorn_iters": 1,
    "tie_word_embeddings": False,
    "use_absolute_position_embeddings": True,
    "use_alibi": False,
    "use_bias": False,
    "use_cosine_attention": False,
    "use_deepnet_scaling": False,
    "use_final_ln_decoder": True,
    "use_final_ln_encoder": True,
    "use_glu": True,
    "use_head_scale": False,
    "use_swin_position_embeddings": False,
}
# Flax numbers the parts of a layer in the order in which they are used.
NAMES = {
    "LayerNorm_0": "pre_self_attn_layer_norm",
    "FlaxBartAttention_0": "self_attn",
    "LayerNorm_1": "self_attn_layer_norm",
    "LayerNorm_2": "pre_encoder_attn_layer_norm",
    "FlaxBartAttention_1": "encoder_attn",
    "LayerNorm_3": "encoder_attn_layer_norm",
    "GLU_0.LayerNorm_0": "glu.ln0",
    "GLU_0.Dense_0": "glu.fc0",
    "GLU_0.Dense_1": "glu.fc1",
    "GLU_0.LayerNorm_1": "glu.ln1",
    "GLU_0.Dense_2": "glu.fc2",
}


def plan_import(found: Found) -> Plan | None:
    """The plan for a folder of DALL·E mini or mega beside one of its VQGAN, or None."""
    for folder in found.folders():
        above = f"{folder}/" if folder else ""
        values = found.table(f"{above}config.json")
        if values.get("model_type") == "dallebart":
            break
    else:
        return None
    vqgans = _vqgan.places(found)
    if not vqgans:
        raise CheckpointError(
            f"{found.where} is DALL·E mini without its VQGAN; give that folder as well "
            "(dalle-mini/vqgan_imagenet_f16_16384)"
        )
    config = read_config(values)
    is_mega = config.num_encoder_layers > 12
    files = {
        "tokenizer.json": _dalle_bart.tokenizer(found, f"{above}vocab.json", f"{above}merges.txt")
    }
    if f"{above}{WORDS}" in found.files:
        files["words.txt"] = found.bytes(f"{above}{WORDS}")
    return Plan(
        title=f"DALL·E {'mega' if is_mega else 'mini'} (Flax)",
        name="dalle-mega" if is_mega else "dalle-mini",
        system="dalle_mini",
        networks={
            "bart": Network(
                network="bart",
                config=config,
                table=_dalle_bart.table(config, kernel=lambda matrix: matrix.T),
                source=found.only_source(folder)
                .unstacked(
                    {
                        f"model.{side.lower()}.layers.FlaxBart{side}Layers.": (
                            f"model.{side.lower()}.layers.FlaxBart{side}Layer_{{}}."
                        )
                        for side in ("Encoder", "Decoder")
                    }
                )
                .renamed(rename),
            ),
            "vqgan": _vqgan.network(found, vqgans[0], _dalle_bart.PIXEL_RANGE),
        },
        settings=_settings(values),
        files=files,
        examples=_dalle_bart.EXAMPLES,
        licence=found.licence(folder) or _dalle_bart.LICENCE,
        origin="Boris Dayma and others, DALL·E mini (github.com/borisdayma/dalle-mini)",
    )


def read_config(values: Mapping[str, Any]) -> BartConfig:
    """Our config of theirs.

    Raises:
        CheckpointError: It is of a form that was never published, or a number is missing.
    """
    for key, want in REQUIRED.items():
        if values.get(key, want) != want:
            raise CheckpointError(f"config.json: {key} is {values[key]!r}; only {want!r} is read")
    if values.get("encoder_ffn_dim") != values.get("decoder_ffn_dim"):
        raise CheckpointError("config.json: encoder_ffn_dim and decoder_ffn_dim differ")
    if values.get("encoder_attention_heads") != values.get("decoder_attention_heads"):
        raise CheckpointError("config.json: the two sides have other numbers of heads")
    return BartConfig(
        text_vocab_size=_number(values, "encoder_vocab_size"),
        text_length=_number(values, "max_text_length"),
        image_vocab_size=_number(values, "image_vocab_size"),
        image_length=_number(values, "image_length"),
        width=_number(values, "d_model"),
        num_heads=_number(values, "encoder_attention_heads"),
        hidden=_number(values, "encoder_ffn_dim"),
        num_encoder_layers=_number(values, "encoder_layers"),
        num_decoder_layers=_number(values, "decoder_layers"),
        start_id=_start(values),
    )


def rename(name: str) -> str:
    """Their name in the PyTorch copies' names.

    `model.decoder.layers.FlaxBartDecoderLayer_3.GLU_0.Dense_1.kernel` becomes
    `decoder.layers.3.glu.fc1.weight`.
    """
    name = name.removeprefix("model.").replace("lm_head", "decoder.lm_head")
    name = re.sub(r"\.FlaxBart(?:En|De)coderLayer_(\d+)\.", r".\1.", name)
    for theirs, ours in NAMES.items():
        if f".{theirs}." in name and not (theirs.startswith("LayerNorm") and ".GLU_0." in name):
            name = name.replace(f".{theirs}.", f".{ours}.")
            break
    return re.sub(r"\.(kernel|scale|embedding)$", ".weight", name)


def _start(values: Mapping[str, Any]) -> int:
    """The id that opens the decoder's input; without one, the row behind the codes, as theirs."""
    start = values.get("decoder_start_token_id", values.get("image_vocab_size"))
    if type(start) is not int or not 0 <= start <= _number(values, "image_vocab_size"):
        raise CheckpointError(f"config.json: decoder_start_token_id is {start!r}")
    return start


def _settings(values: Mapping[str, Any]) -> dict[str, Any]:
    settings = dict(_dalle_bart.SETTINGS)
    if not values.get("normalize_text", False):
        del settings["normaliser"]
    return settings


def _number(values: Mapping[str, Any], key: str) -> int:
    value = values.get(key)
    if type(value) is not int or not 0 < value < 2**31:
        raise CheckpointError(f"config.json: {key} is {value!r}, not a whole number above 0")
    return value
