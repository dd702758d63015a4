"""Karlo, the open unCLIP, in the diffusers layout.

Published as kakaobrain/karlo-v1-alpha (from a sentence) and karlo-v1-alpha-image-variations (from a
picture; without a prior): a prior, a text projection, a decoder to 64×64 pixels, and two upsamplers
to 256×256, of which the second does the last step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.importers._clip import image_encoder, read_tokenizer, text_encoder
from nonette.checkpoints.importers._diffusers import (
    PIXEL_UNET,
    Settings,
    network,
    pixel_unet_config,
    time_scales,
    weights,
)
from nonette.checkpoints.importing import Plan
from nonette.checkpoints.tables import Row, inside, joined, row
from nonette.models.pixel_unet import PixelUNetConfig
from nonette.models.unclip import NUM_OTHER_TOKENS, PriorConfig, TextProjectionConfig

UPSAMPLERS = {"upsampler": "super_res_first", "last_upsampler": "super_res_last"}


def plan_import(found: Found) -> Plan | None:
    """The plan for a folder with unCLIP's parts, or None."""
    index = found.table("model_index.json")
    if not str(index.get("_class_name", "")).startswith("UnCLIP"):
        return None
    decoder = pixel_unet_config(found.table("decoder/config.json"), "decoder/config.json")
    projection = text_projection_config(found.table("text_proj/config.json"))
    networks = {
        "decoder": network("pixel_unet", decoder, PIXEL_UNET, weights(found, "decoder")),
        "text_projection": network(
            "text_projection", projection, TEXT_PROJECTION, weights(found, "text_proj")
        ),
        "text_encoder": text_encoder(found, "text_encoder", "last"),
    }
    if "prior/config.json" in found.files:
        prior = prior_config(found.table("prior/config.json"))
        networks["prior"] = network("prior", prior, PRIOR, weights(found, "prior"))
    if "image_encoder/config.json" in found.files:
        networks["image_encoder"] = image_encoder(found)
    for part, folder in UPSAMPLERS.items():
        upsampler = upsampler_config(found.table(f"{folder}/config.json"), f"{folder}/config.json")
        networks[part] = network("pixel_unet", upsampler, PIXEL_UNET, weights(found, folder))
    return Plan(
        title="Karlo, an unCLIP (diffusers layout)",
        name="karlo",
        system="dalle2",
        networks=networks,
        settings={"steps": 25, "guidance": 8.0, "candidates": 1, "num_seats": 1},
        files={"tokenizer.json": read_tokenizer(found, "tokenizer")},
        licence=found.licence() or "not stated in the folder; Karlo's is CreativeML OpenRAIL-M",
        origin="Karlo in the layout of the diffusers library",
    )


PRIOR = (
    row("clip_mean", "mean", Tensor.flatten),
    row("clip_std", "std", Tensor.flatten),
    row("time_embedding.linear_1", "time_in"),
    row("time_embedding.linear_2", "time_out"),
    row("encoder_hidden_states_proj", "text_in"),
    row("embedding_proj", "sentence_in"),
    row("proj_in", "picture_in"),
    row("prd_embedding", "answer", Tensor.flatten),
    row("positional_embedding", "positions", lambda positions: positions.squeeze(0)),
    *inside(
        "transformer_blocks.#",
        "layers.#",
        (
            row("norm1", "norm_attention"),
            Row(tuple(f"attn1.to_{one}" for one in "qkv"), "query_key_value", joined),
            row("attn1.to_out.0", "attention_out"),
            row("norm3", "norm_feed_forward"),
            row("ff.net.0.proj", "feed_forward_in"),
            row("ff.net.2", "feed_forward_out"),
        ),
    ),
    row("norm_out", "norm_out"),
    row("proj_to_clip_embeddings", "picture_out"),
)
TEXT_PROJECTION = (
    row("learned_classifier_free_guidance_embeddings", "no_picture"),
    row("embedding_proj", "sentence_to_time"),
    row("clip_image_embeddings_project_to_time_embeddings", "picture_to_time"),
    row("clip_extra_context_tokens_proj", "picture_to_tokens"),
    row("encoder_hidden_states_proj", "states_to_tokens"),
    row("text_encoder_hidden_states_norm", "norm_tokens"),
)


def prior_config(values: Mapping[str, Any], where: str = "prior/config.json") -> PriorConfig:
    """Our config of a `PriorTransformer`.

    Raises:
        CheckpointError: It is another network.
    """
    settings = Settings(values, where, ignored=("dropout",))
    settings.require(
        additional_embeddings=NUM_OTHER_TOKENS,
        time_embed_act_fn="silu",
        norm_in_type=None,
        embedding_proj_norm_type=None,
        encoder_hid_proj_type="linear",
        added_emb_type="prd",
        time_embed_dim=None,
        embedding_proj_dim=None,
        clip_embed_dim=None,
    )
    num_heads = settings.read("num_attention_heads", 32)
    return settings.build(
        PriorConfig,
        embedding_size=settings.read("embedding_dim", 768),
        length=settings.read("num_embeddings", 77),
        width=num_heads * settings.read("attention_head_dim", 64),
        num_heads=num_heads,
        num_layers=settings.read("num_layers", 20),
    )


def text_projection_config(
    values: Mapping[str, Any], where: str = "text_proj/config.json"
) -> TextProjectionConfig:
    """Our config of a `UnCLIPTextProjModel`.

    Raises:
        CheckpointError: A size is missing or no number.
    """
    settings = Settings(values, where)
    return settings.build(
        TextProjectionConfig,
        embedding_size=settings.read("clip_embeddings_dim", 768),
        num_extra_tokens=settings.read("clip_extra_context_tokens", 4),
        context_width=settings.read("cross_attention_dim", None),
        time_width=settings.read("time_embed_dim", None),
    )


def upsampler_config(values: Mapping[str, Any], where: str) -> PixelUNetConfig:
    """Our config of a `UNet2DModel` without attention.

    Raises:
        CheckpointError: It is another network.
    """
    settings = Settings(values, where, ignored=("sample_size", "dropout", "attention_head_dim"))
    channels = settings.read("block_out_channels", (224, 448, 672, 896))
    count = len(channels)
    settings.require(
        down_block_types=["ResnetDownsampleBlock2D"] * count,
        up_block_types=["ResnetUpsampleBlock2D"] * count,
        mid_block_type="UNetMidBlock2D",
        add_attention=False,
        act_fn="silu",
        center_input_sample=False,
        downsample_padding=1,
        downsample_type="conv",
        flip_sin_to_cos=True,
        freq_shift=0,
        mid_block_scale_factor=1,
        norm_eps=1e-5,
        time_embedding_type="positional",
        upsample_type="conv",
    )
    return settings.build(
        PixelUNetConfig,
        in_channels=settings.read("in_channels", 3),
        out_channels=settings.read("out_channels", 3),
        channels=channels,
        num_res_blocks=settings.levels("layers_per_block", 2, count),
        has_attention=[False] * count,
        has_middle_attention=False,
        head_width=1,
        num_groups=settings.read("norm_num_groups", 32),
        activation="silu",
        context_width=None,
        text_width=None,
        num_pool_heads=None,
        normalises_context=False,
        looks_only_at_text=False,
        scales_with_time=time_scales(settings),
        is_time_activated_once=False,
        residual_divisor=1.0,
        told="nothing",
    )
