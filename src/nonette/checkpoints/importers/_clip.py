"""What importers share of CLIP as the `transformers` library saves it: towers, tokenizer.

A config file holds only what differs from the library's own defaults, which are therefore written
beside each setting's name where it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.importers._diffusers import Settings, network, weights
from nonette.checkpoints.importing import Network
from nonette.checkpoints.tables import Row, inside, joined, row
from nonette.core.errors import CheckpointError
from nonette.models.clip import OPENAI_MEAN, OPENAI_STD, ImageEncoderConfig, TextEncoderConfig
from nonette.text.published import clip_tokenizer, read_merges, read_vocabulary

WRONG_END = 2  # what old config files give as the end token, which is the last id

BLOCK = (
    row("layer_norm1", "norm_attention"),
    Row(tuple(f"self_attn.{one}_proj" for one in "qkv"), "query_key_value", joined),
    row("self_attn.out_proj", "attention_out"),
    row("layer_norm2", "norm_feed_forward"),
    row("mlp.fc1", "feed_forward_in"),
    row("mlp.fc2", "feed_forward_out"),
)
TEXT = (
    row("text_model.embeddings.token_embedding", "text_tower.tokens"),
    row("text_model.embeddings.position_embedding.weight", "text_tower.positions"),
    *inside("text_model.encoder.layers.#", "text_tower.blocks.#", BLOCK),
    row("text_model.final_layer_norm", "text_tower.norm_after"),
    row("text_projection", "text_tower.projection"),
)
IMAGE = (
    row("vision_model.embeddings.class_embedding", "image_tower.class_token"),
    row("vision_model.embeddings.patch_embedding", "image_tower.patches"),
    row("vision_model.embeddings.position_embedding.weight", "image_tower.positions"),
    row("vision_model.pre_layrnorm", "image_tower.norm_before"),  # spelt so in the library
    *inside("vision_model.encoder.layers.#", "image_tower.blocks.#", BLOCK),
    row("vision_model.post_layernorm", "image_tower.norm_after"),
    row("visual_projection", "image_tower.projection"),
)
DROPPED = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")


def text_config(
    values: Mapping[str, Any], where: str, *, has_projection: bool, reads: str
) -> TextEncoderConfig:
    """Our config of a `CLIPTextModel`, with a projection or without."""
    settings = Settings(values, where, others_matter=False)
    settings.require(layer_norm_eps=1e-5)
    width = settings.read("hidden_size", 512)
    vocabulary_size = settings.read("vocab_size", 49_408)
    end = settings.read("eos_token_id", 49_407)
    text = {
        "vocabulary_size": vocabulary_size,
        "length": settings.read("max_position_embeddings", 77),
        "width": width,
        "num_layers": settings.read("num_hidden_layers", 12),
        "num_heads": settings.read("num_attention_heads", 8),
        "end_token": vocabulary_size - 1 if end == WRONG_END else end,
        "is_causal": True,
    }
    settings.require(intermediate_size=4 * width)
    embedding_size = settings.read("projection_dim", 512)
    return settings.build(
        TextEncoderConfig,
        text=text,
        embedding_size=embedding_size if has_projection else None,
        activation=settings.read("hidden_act", "quick_gelu"),
        reads=reads,
    )


def image_config(
    values: Mapping[str, Any], where: str, preprocessing: Mapping[str, Any]
) -> ImageEncoderConfig:
    """Our config of a `CLIPVisionModelWithProjection` and of how its pixels are normalised."""
    settings = Settings(values, where, others_matter=False)
    settings.require(layer_norm_eps=1e-5, num_channels=3)
    image = {
        "size": settings.read("image_size", 224),
        "patch_size": settings.read("patch_size", 32),
        "width": settings.read("hidden_size", 768),
        "hidden": settings.read("intermediate_size", 3072),
        "num_layers": settings.read("num_hidden_layers", 12),
        "num_heads": settings.read("num_attention_heads", 12),
        "stem_channels": (),
        "mean": preprocessing.get("image_mean", OPENAI_MEAN),
        "std": preprocessing.get("image_std", OPENAI_STD),
    }
    return settings.build(
        ImageEncoderConfig,
        image=image,
        embedding_size=settings.read("projection_dim", 512),
        activation=settings.read("hidden_act", "quick_gelu"),
    )


def text_name(name: str) -> str:
    """A name as published, of a name as newer versions of the library save a lone tower."""
    is_whole = name.startswith(("text_model.", "text_projection."))
    return name if is_whole else f"text_model.{name}"


def read_tokenizer(found: Found, folder: str) -> bytes:
    """The tokenizer of a folder's `vocab.json` and `merges.txt`, padded as the folder says."""
    above = f"{folder}/" if folder else ""
    names = (f"{above}vocab.json", f"{above}merges.txt")
    vocabulary = read_vocabulary(found.bytes(names[0]), names[0])
    merges = read_merges(found.bytes(names[1]), names[1])
    pad = found.table(f"{above}special_tokens_map.json").get("pad_token", "<|endoftext|>")
    pad = pad.get("content") if isinstance(pad, dict) else pad
    return clip_tokenizer(vocabulary, merges, str(pad))


def second_padding(found: Found, first: str, second: str) -> int:
    """The id that fills up a second tokenizer, which must be the first one in all else.

    Raises:
        CheckpointError: It has other words.
    """
    tokenizers = [json.loads(read_tokenizer(found, folder)) for folder in (first, second)]
    if tokenizers[0]["model"] != tokenizers[1]["model"]:
        raise CheckpointError(f"{found.where}: {second} has other words than {first}")
    return int(tokenizers[1]["padding"]["pad_id"])


def text_encoder(found: Found, folder: str, reads: str) -> Network:
    """The network of a folder with a text tower, with a projection or without."""
    values = found.table(f"{folder}/config.json")
    kinds = values.get("architectures") or ["CLIPTextModel"]
    config = text_config(
        values,
        f"{folder}/config.json",
        has_projection="CLIPTextModelWithProjection" in kinds,
        reads=reads,
    )
    source = weights(found, folder).renamed(text_name)
    return network("clip_text", config, TEXT, source, DROPPED)


def image_encoder(found: Found) -> Network:
    """The network of `image_encoder`, its pixels normalised as `feature_extractor` says."""
    folder = "image_encoder"
    config = image_config(
        found.table(f"{folder}/config.json"),
        f"{folder}/config.json",
        found.table("feature_extractor/preprocessor_config.json"),
    )
    return network("clip_image", config, IMAGE, weights(found, folder), DROPPED)
