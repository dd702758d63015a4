"""Stable Diffusion: 1.x, 2.x, inpainting, image variations, turbo, LCM, XL, in folders and files.

Published as runwayml/stable-diffusion-v1-5, stabilityai/stable-diffusion-2-1, -2-inpainting,
-x4-upscaler, -xl-base-1.0, sd-turbo, lambdalabs/sd-image-variations-diffusers,
SimianLuo/LCM_Dreamshaper_v7 and hundreds like them: one UNet, one autoencoder, one or two CLIP
towers in the diffusers layout, told apart by their config files alone. Single files have other
names and neither settings nor a vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from torch import Tensor

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.foreign.source import Source
from nonette.checkpoints.importers import _latent_diffusion as original
from nonette.checkpoints.importers._clip import (
    image_encoder,
    read_tokenizer,
    second_padding,
    text_encoder,
)
from nonette.checkpoints.importers._diffusers import (
    RES_BLOCK,
    UNET_IGNORED,
    Settings,
    network,
    weights,
)
from nonette.checkpoints.importing import Network, Plan
from nonette.checkpoints.tables import inside, row
from nonette.core.errors import CheckpointError
from nonette.models.kl_autoencoder import STABLE_DIFFUSION, UPSCALER, AutoencoderKLConfig
from nonette.models.unet import NUM_SIZES, STABLE_DIFFUSION_2, UNetConfig

FIRST_SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
}
"""Of Stable Diffusion 1.x and 2's inpainting, which single files do not hold."""

XL_GUIDANCE = 5.0  # as the library draws with it by default
STEPS = 15  # of dpmpp_2m; benchmarks/results/steps.md says why
FEW_STEPS = 4  # of networks distilled to few
MAX_SIZE = 1024  # latents a side
PIPELINES = ("StableDiffusion", "LatentConsistencyModel")  # how the classes of its folders begin
KINDS = {768: "stable-diffusion-1", 1024: "stable-diffusion-2", 2048: "stable-diffusion-xl"}
"""By the width of the text's states."""

ENDS_CLEAN = {"DDIMScheduler": True, "PNDMScheduler": False}
"""Whether the last step goes to no noise at all, for files that say nothing; all others do."""

SPACINGS = {"DDIMScheduler": "leading", "PNDMScheduler": "leading", "LCMScheduler": "leading"}
"""By class, for files that say nothing; all others take both ends."""


def plan_import(found: Found) -> Plan | None:
    """The plan for a folder or a single file of Stable Diffusion, or None."""
    index = found.table("model_index.json")
    if not index:
        return plan_file(found)
    if not str(index.get("_class_name", "")).startswith(PIPELINES):
        return None
    unet = unet_config(found.table("unet/config.json"))
    autoencoder = autoencoder_config(found.table("vae/config.json"), unet.num_classes is not None)
    is_consistent = unet.guidance_width is not None
    diffusion = read_scheduler(found.table("scheduler/scheduler_config.json"), is_consistent)
    is_turbo = diffusion["spacing"] == "trailing" and not diffusion["has_zero_snr"]
    kind = KINDS.get(unet.context_width, "stable-diffusion")
    networks = {
        "denoiser": network("unet", unet, UNET, weights(found, "unet")),
        "autoencoder": network(
            "kl_autoencoder",
            autoencoder,
            AUTOENCODER,
            weights(found, "vae").renamed(autoencoder_name),
        ),
    }
    files: dict[str, bytes] = {}
    told: dict[str, Any] = {}
    is_pair = "text_encoder_2/config.json" in found.files
    for folder in ("text_encoder", "text_encoder_2"):
        if f"{folder}/config.json" in found.files:
            networks[folder] = text_encoder(found, folder, "penultimate" if is_pair else "last")
    if is_pair:
        told["second_padding"] = second_padding(found, "tokenizer", "tokenizer_2")
        told["empty_is_zero"] = bool(index.get("force_zeros_for_empty_prompt", True))
    if "text_encoder" in networks:
        files["tokenizer.json"] = read_tokenizer(found, "tokenizer")
    elif "image_encoder/config.json" in found.files:
        networks["image_encoder"] = image_encoder(found)
        told["reads"] = "pictures"
    return _plan(
        found,
        networks,
        kind=kind + _variant(unet, is_turbo),
        layout="diffusers layout",
        size=_size(found) * autoencoder.downsampling,
        diffusion=diffusion,
        files=files,
        is_turbo=is_turbo,
        told=told,
    )


def plan_file(found: Found) -> Plan | None:
    """The plan for a single file of Stable Diffusion with a tokenizer's files beside it."""
    source = _whole_file(found)
    if source is None:
        return None
    width = source.entries.get(original.TEXT_KEY)
    version = original.VERSIONS.get(width.shape[-1]) if width is not None else None
    if version is None or width is None:
        raise CheckpointError(
            f"{source.where}: as a single file only Stable Diffusion 1.x, 2.x and XL base are "
            "known; give the diffusers folder of this model"
        )
    tokenizers = [one for one in found.folders() if f"{one}/vocab.json".lstrip("/") in found.files]
    if not tokenizers:
        raise CheckpointError(
            f"{source.where} holds no vocabulary: give the tokenizer folder of a Stable "
            "Diffusion of this version as well"
        )
    conv_in = source.entries[f"{original.UNET_PREFIX}input_blocks.0.0.weight"]
    unet = replace(version.unet, in_channels=conv_in.shape[1])
    autoencoder = replace(STABLE_DIFFUSION, scale=version.scale)
    unet_source = source.below(original.UNET_PREFIX).renamed(original.unet_name)
    vae_source = source.below(original.AUTOENCODER_PREFIX).renamed(original.autoencoder_name)
    networks = {
        "denoiser": network("unet", unet, UNET, unet_source),
        "autoencoder": network("kl_autoencoder", autoencoder, AUTOENCODER, vae_source),
    }
    for part, one in version.readers.items():
        text = source.below(one.prefix)
        networks[part] = network("clip_text", one.config, one.patterns, text, one.dropped)
    diffusion = read_scheduler(_scheduler_beside(found, source, unet), is_consistent=False)
    is_turbo = diffusion["spacing"] == "trailing" and not diffusion["has_zero_snr"]
    is_large = diffusion["prediction"] == "v_prediction" and version.unet is STABLE_DIFFUSION_2
    is_pair = "text_encoder_2" in networks
    return _plan(
        found,
        networks,
        kind=KINDS[unet.context_width] + _variant(unet, is_turbo),
        layout="single file",
        size=768 if is_large else version.size,
        diffusion=diffusion,
        files={"tokenizer.json": read_tokenizer(found, tokenizers[0])},
        is_turbo=is_turbo,
        told={"second_padding": 0, "empty_is_zero": True} if is_pair else {},
    )


def _scheduler_beside(found: Found, source: Source, unet: UNetConfig) -> Mapping[str, Any]:
    """The scheduler's config beside a single file, or what its version has always had.

    Raises:
        CheckpointError: There is none, and the version has had two.
    """
    for name in found.files:
        if name.rpartition("/")[2] == "scheduler_config.json":
            return found.table(name)
    is_second = unet.context_width == STABLE_DIFFUSION_2.context_width
    if "v_pred" in source or (is_second and unet.in_channels == STABLE_DIFFUSION_2.in_channels):
        raise CheckpointError(
            f"{source.where} does not say what its network predicts: give the scheduler folder of "
            "this model as well"
        )
    if unet.pooled_width is not None:
        return FIRST_SCHEDULER | {
            "_class_name": "EulerDiscreteScheduler",
            "timestep_spacing": "leading",
        }
    return FIRST_SCHEDULER


def _whole_file(found: Found) -> Source | None:
    """The first file that holds a UNet among other parts; folders with a config hold one part."""
    for folder in found.folders():
        if f"{folder}/config.json".lstrip("/") in found.files:
            continue
        for name in found.weights(folder):
            if found.kind(name) != "flax":
                source = found.source(name)
                if f"{original.UNET_PREFIX}input_blocks.0.0.weight" in source:
                    return source
    return None


def read_scheduler(values: Mapping[str, Any], is_consistent: bool) -> dict[str, Any]:
    """How the network was trained and which timesteps suit it, as `diffusion.paths` reads it.

    Raises:
        CheckpointError: It was trained with another schedule.
    """
    settings = Settings(values, "scheduler/scheduler_config.json", others_matter=False)
    name = str(values.get("_class_name", ""))
    settings.require(num_train_timesteps=1000, trained_betas=None)
    if settings.read("beta_schedule", "linear") != "scaled_linear":
        settings.require(beta_schedule="scaled_linear")
    return {
        "kind": "tabled",
        "prediction": settings.read("prediction_type", "epsilon"),
        "first_beta": settings.read("beta_start", 0.0001),
        "last_beta": settings.read("beta_end", 0.02),
        "spacing": settings.read("timestep_spacing", SPACINGS.get(name, "linspace")),
        "offset": settings.read("steps_offset", 0),
        "has_zero_snr": settings.read("rescale_betas_zero_snr", False),
        "ends_clean": name not in ENDS_CLEAN or settings.read("set_alpha_to_one", ENDS_CLEAN[name]),
        "is_consistent": is_consistent,
    }


def _plan(
    found: Found,
    networks: Mapping[str, Network],
    *,
    kind: str,
    layout: str,
    size: int,
    diffusion: dict[str, Any],
    files: Mapping[str, bytes],
    is_turbo: bool = False,
    told: Mapping[str, Any] = MappingProxyType({}),
) -> Plan:
    """What both layouts come to."""
    is_consistent = diffusion["is_consistent"]
    guidance = XL_GUIDANCE if "text_encoder_2" in networks else 7.5
    return Plan(
        title=f"{kind} ({layout})",
        name=kind,
        system="stable_diffusion",
        networks=networks,
        settings={
            "diffusion": diffusion,
            "size": size,
            "is_distilled": False,
            "candidates": 1,  # nothing ranks them
            "num_seats": 1,
            "steps": FEW_STEPS if is_turbo or is_consistent else STEPS,
            "guidance": 1.0 if is_turbo else 8.5 if is_consistent else guidance,
            **told,
        },
        files=files,
        licence=found.licence() or "not stated in the folder; Stable Diffusion's is an OpenRAIL",
        origin="a Stable Diffusion model",
        notes=("Its safety checker, where it has one, is no part of this model.",),
    )


def _variant(unet: UNetConfig, is_turbo: bool) -> str:
    """What follows the name of the kind."""
    if unet.num_classes is not None:
        return "-upscaler"
    if unet.guidance_width is not None:
        return "-lcm"
    if unet.in_channels == 9:
        return "-inpainting"
    return "-turbo" if is_turbo else ""


def _size(found: Found) -> int:
    """The native side in latents."""
    settings = Settings(found.table("unet/config.json"), "unet/config.json", others_matter=False)
    size = settings.read("sample_size", 64)
    if not 1 <= size <= MAX_SIZE:
        raise settings.refusal("sample_size", size, f"it must be 1 to {MAX_SIZE}")
    return int(size)


def flat(weight: Tensor) -> Tensor:
    """The matrix of a 1×1 convolution; what is one already stays."""
    return weight.flatten(1) if weight.ndim == 4 else weight


ATTENTION = (
    row("to_q", "query"),
    row("to_k", "key"),
    row("to_v", "value"),
    row("to_out.0", "out"),
)
TRANSFORMER = (
    row("norm", "norm"),
    row("proj_in", "linear_in", flat),
    *inside(
        "transformer_blocks.#",
        "layers.#",
        (
            row("norm1", "norm_1"),
            *inside("attn1", "attention_1", ATTENTION),
            row("norm2", "norm_2"),
            *inside("attn2", "attention_2", ATTENTION),
            row("norm3", "norm_3"),
            row("ff.net.0.proj", "feed_forward.value_and_gate"),
            row("ff.net.2", "feed_forward.down"),
        ),
    ),
    row("proj_out", "linear_out", flat),
)
UNET = (
    row("time_embedding.linear_1", "time_embedding.time.linear_in"),
    row("time_embedding.linear_2", "time_embedding.time.linear_out"),
    row("time_embedding.cond_proj", "time_embedding.guidance"),
    row("class_embedding", "time_embedding.classes"),
    row("add_embedding.linear_1", "time_embedding.sentence.linear_in"),
    row("add_embedding.linear_2", "time_embedding.sentence.linear_out"),
    row("conv_in", "conv_in"),
    *inside("down_blocks.#.resnets.#", "down.#.blocks.#.residual", RES_BLOCK),
    *inside("down_blocks.#.attentions.#", "down.#.blocks.#.transformer", TRANSFORMER),
    row("down_blocks.#.downsamplers.0.conv", "down.#.resample"),
    *inside("mid_block.resnets.0", "middle.residual_1", RES_BLOCK),
    *inside("mid_block.attentions.0", "middle.transformer", TRANSFORMER),
    *inside("mid_block.resnets.1", "middle.residual_2", RES_BLOCK),
    *inside("up_blocks.#.resnets.#", "up.#.blocks.#.residual", RES_BLOCK),
    *inside("up_blocks.#.attentions.#", "up.#.blocks.#.transformer", TRANSFORMER),
    row("up_blocks.#.upsamplers.0.conv", "up.#.resample"),
    row("conv_norm_out", "norm_out"),
    row("conv_out", "conv_out"),
)

MIDDLE = (
    *inside("resnets.0", "block_1", RES_BLOCK),
    row("attentions.0.group_norm", "attention.norm"),
    row("attentions.0.to_q", "attention.query", flat),
    row("attentions.0.to_k", "attention.key", flat),
    row("attentions.0.to_v", "attention.value", flat),
    row("attentions.0.to_out.0", "attention.out", flat),
    *inside("resnets.1", "block_2", RES_BLOCK),
)
AUTOENCODER = (
    row("encoder.conv_in", "encoder.conv_in"),
    *inside("encoder.down_blocks.#.resnets.#", "encoder.down.#.blocks.#", RES_BLOCK),
    row("encoder.down_blocks.#.downsamplers.0.conv", "encoder.down.#.conv"),
    *inside("encoder.mid_block", "encoder.mid", MIDDLE),
    row("encoder.conv_norm_out", "encoder.norm_out"),
    row("encoder.conv_out", "encoder.conv_out"),
    row("quant_conv", "quant_conv"),
    row("post_quant_conv", "post_quant_conv"),
    row("decoder.conv_in", "decoder.conv_in"),
    *inside("decoder.mid_block", "decoder.mid", MIDDLE),
    *inside("decoder.up_blocks.#.resnets.#", "decoder.up.#.blocks.#", RES_BLOCK),
    row("decoder.up_blocks.#.upsamplers.0.conv", "decoder.up.#.conv"),
    row("decoder.conv_norm_out", "decoder.norm_out"),
    row("decoder.conv_out", "decoder.conv_out"),
)
OLD_AUTOENCODER_NAMES = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}
"""How files from before 2023 call the attention of the autoencoder's middle."""


def autoencoder_name(name: str) -> str:
    """A name as newer files have it."""
    for old, new in OLD_AUTOENCODER_NAMES.items():
        name = name.replace(old, new)
    return name


BLOCK_KINDS = {
    "CrossAttnDownBlock2D": (True, "CrossAttnUpBlock2D"),
    "DownBlock2D": (False, "UpBlock2D"),
}


def unet_config(values: Mapping[str, Any], where: str = "unet/config.json") -> UNetConfig:
    """Our config of a `UNet2DConditionModel` of Stable Diffusion.

    Raises:
        CheckpointError: It is another network.
    """
    settings = Settings(values, where, UNET_IGNORED)
    channels = settings.read("block_out_channels", (320, 640, 1280, 1280))
    count = len(channels)
    default = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
    attends = settings.attends(default, BLOCK_KINDS, count)
    settings.require(
        mid_block_type="UNetMidBlock2DCrossAttn",
        act_fn="silu",
        addition_embed_type_num_heads=64,
        attention_type="default",
        center_input_sample=False,
        conv_in_kernel=3,
        conv_out_kernel=3,
        downsample_padding=1,
        flip_sin_to_cos=True,
        freq_shift=0,
        mid_block_scale_factor=1,
        norm_eps=1e-5,
        resnet_out_scale_factor=1.0,
        resnet_time_scale_shift="default",
        time_embedding_type="positional",
    )
    layers = settings.levels("transformer_layers_per_block", 1, count)
    num_blocks = set(settings.levels("layers_per_block", 2, count))
    if len(num_blocks) != 1:
        raise settings.refusal("layers_per_block", num_blocks, "it must be one for all levels")
    pooled_width = None
    if settings.read("addition_embed_type", None) is not None:
        settings.require(addition_embed_type="text_time", addition_time_embed_dim=256)
        pooled_width = settings.read("projection_class_embeddings_input_dim", 0) - NUM_SIZES * 256
    return settings.build(
        UNetConfig,
        in_channels=settings.read("in_channels", 4),
        out_channels=settings.read("out_channels", 4),
        channels=channels,
        num_res_blocks=num_blocks.pop(),
        transformer_layers=[
            num if attends_here else 0 for num, attends_here in zip(layers, attends, strict=True)
        ],
        middle_layers=layers[-1],
        num_heads=settings.levels("attention_head_dim", 8, count),  # misnamed by the library
        context_width=settings.read("cross_attention_dim", 1280),
        num_groups=settings.read("norm_num_groups", 32),
        looks_only_out=settings.levels("only_cross_attention", False, count),
        num_classes=settings.read("num_class_embeds", None),
        guidance_width=settings.read("time_cond_proj_dim", None),
        pooled_width=pooled_width,
    )


def autoencoder_config(
    values: Mapping[str, Any], is_upscaler: bool = False, where: str = "vae/config.json"
) -> AutoencoderKLConfig:
    """Our config of an `AutoencoderKL`; the upscaler's old files do not say their scale.

    Raises:
        CheckpointError: It is another network.
    """
    settings = Settings(values, where, ignored=("sample_size", "force_upcast"))
    channels = settings.read("block_out_channels", (64,))
    settings.require(
        down_block_types=["DownEncoderBlock2D"] * len(channels),
        up_block_types=["UpDecoderBlock2D"] * len(channels),
        in_channels=3,
        out_channels=3,
        act_fn="silu",
        mid_block_add_attention=True,
        use_quant_conv=True,
        use_post_quant_conv=True,
    )
    return settings.build(
        AutoencoderKLConfig,
        patch_size=1,
        channels=channels,
        num_res_blocks=settings.read("layers_per_block", 1),
        latent_channels=settings.read("latent_channels", 4),
        num_groups=settings.read("norm_num_groups", 32),
        scale=settings.read("scaling_factor", UPSCALER.scale if is_upscaler else 0.18215),
    )
