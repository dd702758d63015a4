"""DeepFloyd IF, the open Imagen, in the diffusers layout, and T5's encoder that it reads.

Published as DeepFloyd/IF-I-M-v1.0, -L-, -XL- (64×64 pixels), IF-II-M-, -L- (to 256×256) and
google/t5-v1_1-xxl. The safety checker and the watermarker beside them are not networks that draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.importers._diffusers import (
    PIXEL_UNET,
    Settings,
    network,
    pixel_unet_config,
    weights,
)
from nonette.checkpoints.importing import Plan
from nonette.checkpoints.tables import inside, row
from nonette.models.t5 import T5Config
from nonette.text.unigrams import read_model, read_table, unigram_tokenizer


def plan_import(found: Found) -> Plan | None:
    """The plan for a folder with one stage of IF, its text encoder beside it or not, or None."""
    index = found.table("model_index.json")
    if not str(index.get("_class_name", "")).startswith("IF"):
        return None
    unet = pixel_unet_config(found.table("unet/config.json"), "unet/config.json")
    networks = {"denoiser": network("pixel_unet", unet, PIXEL_UNET, weights(found, "unet"))}
    if "text_encoder/config.json" in found.files:
        config = t5_config(found.table("text_encoder/config.json"))
        source = weights(found, "text_encoder")
        if "shared.weight" not in source:  # newer files keep the second of its two names
            source = source.renamed(lambda name: T5_SECOND_NAMES.get(name, name))
        networks["text_encoder"] = network("t5", config, T5, source, T5_DROPPED)
    tokenizer = read_tokenizer(found)
    stage = 1 if unet.told == "nothing" else 2
    return Plan(
        title=f"DeepFloyd IF, stage {stage} (diffusers layout)",
        name=f"deepfloyd-if-{stage}",
        system="imagen",
        networks=networks,
        settings={"steps": 50, "guidance": 7.0, "candidates": 1, "num_seats": 1},
        files={} if tokenizer is None else {"tokenizer.json": tokenizer},
        licence=found.licence() or "not stated in the folder; DeepFloyd IF has its own",
        origin="DeepFloyd IF in the layout of the diffusers library",
        notes=("Its safety checker and its watermark are no part of this model.",),
    )


def read_tokenizer(found: Found) -> bytes | None:
    """The tokenizer of the folder `tokenizer`, text in small letters first; None where it is not.

    Raises:
        CheckpointError: It is damaged, or of another kind.
    """
    for name, read in (("spiece.model", read_model), ("tokenizer.json", read_table)):
        path = f"tokenizer/{name}"
        if path in found.files:
            return unigram_tokenizer(read(found.bytes(path), path), is_small=True)
    return None


T5 = (
    row("shared", "tokens"),
    row("encoder.block.0.layer.0.SelfAttention.relative_attention_bias", "distances"),
    *inside(
        "encoder.block.#",
        "layers.#",
        (
            row("layer.0.layer_norm", "norm_attention"),
            row("layer.0.SelfAttention.q", "query"),
            row("layer.0.SelfAttention.k", "key"),
            row("layer.0.SelfAttention.v", "value"),
            row("layer.0.SelfAttention.o", "out"),
            row("layer.1.layer_norm", "norm_feed_forward"),
            row("layer.1.DenseReluDense.wi_0", "gate"),
            row("layer.1.DenseReluDense.wi_1", "up"),
            row("layer.1.DenseReluDense.wo", "down"),
        ),
    ),
    row("encoder.final_layer_norm", "norm_out"),
)
T5_SECOND_NAMES = {"encoder.embed_tokens.weight": "shared.weight"}
T5_DROPPED = ("encoder.embed_tokens.weight", "decoder.", "lm_head.")
"""The token embedding under its second name, and the half that nobody reads."""


def t5_config(values: Mapping[str, Any], where: str = "text_encoder/config.json") -> T5Config:
    """Our config of a `T5EncoderModel` of version 1.1.

    Raises:
        CheckpointError: It is another network; the first version has other feed-forwards.
    """
    settings = Settings(values, where, others_matter=False)
    if settings.read("feed_forward_proj", "relu") != "gated-gelu":
        settings.require(feed_forward_proj="gated-gelu")
    settings.require(layer_norm_epsilon=1e-6)
    return settings.build(
        T5Config,
        vocabulary_size=settings.read("vocab_size", 32_128),
        width=settings.read("d_model", 512),
        num_heads=settings.read("num_heads", 8),
        head_width=settings.read("d_kv", 64),
        hidden=settings.read("d_ff", 2048),
        num_layers=settings.read("num_layers", 6),
        num_buckets=settings.read("relative_attention_num_buckets", 32),
        max_distance=settings.read("relative_attention_max_distance", 128),
    )
