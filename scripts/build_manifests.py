"""Write down what published checkpoints hold: each tensor's name, shape and type, without values.

    python scripts/build_manifests.py            all of them, into tests/manifests

The reference libraries build every part at its published settings on the meta device; the settings
below are those of the published config files, as far as they differ from the library's defaults.
Importers are held against these files by tests/parity/test_manifests.py. A file is gzipped JSON:

    {"source": …, "parts": {part: {"config": {…}, "tensors": {name: [dtype, shape]}}}}
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

MANIFESTS = Path(__file__).parents[1] / "tests" / "manifests"

UNET_1 = {"_class_name": "UNet2DConditionModel", "cross_attention_dim": 768}
UNET_2 = UNET_1 | {
    "attention_head_dim": [5, 10, 20, 20],
    "cross_attention_dim": 1024,
    "use_linear_projection": True,
    "upcast_attention": True,
}
UNET_UPSCALER = UNET_2 | {
    "attention_head_dim": 8,
    "block_out_channels": [256, 512, 512, 1024],
    "down_block_types": ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 3,
    "up_block_types": ["CrossAttnUpBlock2D"] * 3 + ["UpBlock2D"],
    "in_channels": 7,
    "num_class_embeds": 1000,
    "only_cross_attention": [True, True, True, False],
}
UNET_XL = UNET_1 | {
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 2,
    "up_block_types": ["CrossAttnUpBlock2D"] * 2 + ["UpBlock2D"],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "transformer_layers_per_block": [1, 2, 10],
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
AUTOENCODER = {
    "_class_name": "AutoencoderKL",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
}
AUTOENCODER_UPSCALER = AUTOENCODER | {
    "block_out_channels": [128, 256, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "scaling_factor": 0.08333,
}
TEXT_L = {
    "architectures": ["CLIPTextModel"],
    "eos_token_id": 2,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
}
TEXT_H = TEXT_L | {
    "hidden_act": "gelu",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 23,
    "projection_dim": 512,
}
TEXT_G = TEXT_L | {
    "architectures": ["CLIPTextModelWithProjection"],
    "hidden_act": "gelu",
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "projection_dim": 1280,
}
TEXT_KARLO = TEXT_L | {"architectures": ["CLIPTextModelWithProjection"]}
IMAGE_L = {
    "architectures": ["CLIPVisionModelWithProjection"],
    "hidden_size": 1024,
    "image_size": 224,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "patch_size": 14,
    "projection_dim": 768,
}
PIXEL_UNET = {
    "_class_name": "UNet2DConditionModel",
    "attention_head_dim": 64,
    "block_out_channels": [320, 640, 960, 1280],
    "cross_attention_dim": 1536,
    "down_block_types": ["ResnetDownsampleBlock2D"] + ["SimpleCrossAttnDownBlock2D"] * 3,
    "up_block_types": ["SimpleCrossAttnUpBlock2D"] * 3 + ["ResnetUpsampleBlock2D"],
    "in_channels": 3,
    "out_channels": 6,
    "layers_per_block": 3,
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "resnet_time_scale_shift": "scale_shift",
}
UPSAMPLER = {
    "_class_name": "UNet2DModel",
    "add_attention": False,
    "block_out_channels": [320, 640, 960, 1280],
    "down_block_types": ["ResnetDownsampleBlock2D"] * 4,
    "up_block_types": ["ResnetUpsampleBlock2D"] * 4,
    "in_channels": 6,
    "out_channels": 3,
    "layers_per_block": 3,
}
IF_1_XL = PIXEL_UNET | {
    "act_fn": "gelu",
    "addition_embed_type": "text",
    "block_out_channels": [704, 1408, 2112, 2816],
    "cross_attention_dim": 2816,
    "cross_attention_norm": "group_norm",
    "encoder_hid_dim": 4096,
    "encoder_hid_dim_type": "text_proj",
    "mid_block_scale_factor": 1.414,
    "resnet_out_scale_factor": 1.414,
    "resnet_skip_time_act": True,
    "time_embedding_act_fn": "gelu",
}
T5_XXL = {
    "architectures": ["T5EncoderModel"],
    "d_ff": 10_240,
    "d_kv": 64,
    "d_model": 4096,
    "feed_forward_proj": "gated-gelu",
    "num_heads": 64,
    "num_layers": 24,
    "tie_word_embeddings": False,
    "vocab_size": 32_128,
}

CHECKPOINTS: Mapping[str, tuple[str, Mapping[str, Mapping[str, Any]]]] = {
    "sd-1.5": (
        "runwayml/stable-diffusion-v1-5",
        {"unet": UNET_1, "vae": AUTOENCODER, "text_encoder": TEXT_L},
    ),
    "sd-1.5-inpainting": (
        "runwayml/stable-diffusion-inpainting",
        {"unet": UNET_1 | {"in_channels": 9}, "vae": AUTOENCODER, "text_encoder": TEXT_L},
    ),
    "sd-2.1": (
        "stabilityai/stable-diffusion-2-1; sd-turbo holds the same tensors",
        {"unet": UNET_2, "vae": AUTOENCODER, "text_encoder": TEXT_H},
    ),
    "sd-2-inpainting": (
        "stabilityai/stable-diffusion-2-inpainting",
        {"unet": UNET_2 | {"in_channels": 9}, "vae": AUTOENCODER, "text_encoder": TEXT_H},
    ),
    "sd-x4-upscaler": (
        "stabilityai/stable-diffusion-x4-upscaler",
        {"unet": UNET_UPSCALER, "vae": AUTOENCODER_UPSCALER, "text_encoder": TEXT_H},
    ),
    "sd-image-variations": (
        "lambdalabs/sd-image-variations-diffusers",
        {"unet": UNET_1, "vae": AUTOENCODER, "image_encoder": IMAGE_L},
    ),
    "lcm-dreamshaper-7": (
        "SimianLuo/LCM_Dreamshaper_v7",
        {
            "unet": UNET_1 | {"time_cond_proj_dim": 256},
            "vae": AUTOENCODER,
            "text_encoder": TEXT_L,
        },
    ),
    "sdxl-base-1.0": (
        "stabilityai/stable-diffusion-xl-base-1.0; sdxl-turbo holds the same tensors",
        {
            "unet": UNET_XL,
            "vae": AUTOENCODER | {"scaling_factor": 0.13025, "force_upcast": True},
            "text_encoder": TEXT_L,
            "text_encoder_2": TEXT_G,
        },
    ),
    "taesd": ("madebyollin/taesd", {"": {"_class_name": "AutoencoderTiny"}}),
    "karlo-v1-alpha": (
        "kakaobrain/karlo-v1-alpha; its image-variations hold an image_encoder and no prior",
        {
            "prior": {"_class_name": "PriorTransformer"},
            "text_proj": {
                "_class_name": "UnCLIPTextProjModel",
                "cross_attention_dim": 1536,
                "time_embed_dim": 1280,
            },
            "text_encoder": TEXT_KARLO,
            "image_encoder": IMAGE_L,
            "decoder": PIXEL_UNET | {"class_embed_type": "identity"},
            "super_res_first": UPSAMPLER,
            "super_res_last": UPSAMPLER,
        },
    ),
    "if-1-xl": ("DeepFloyd/IF-I-XL-v1.0", {"unet": IF_1_XL, "text_encoder": T5_XXL}),
}


def main(arguments: Sequence[str]) -> int:
    """Write every manifest."""
    MANIFESTS.mkdir(exist_ok=True)
    for name, (source, parts) in CHECKPOINTS.items():
        manifest = {
            "source": source,
            "parts": {
                part: {"config": config, "tensors": tensors(config)}
                for part, config in parts.items()
            },
        }
        text = json.dumps(manifest, separators=(",", ":"), sort_keys=True)
        path = MANIFESTS / f"{name}.json.gz"
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
        print(f"{path.name}: {path.stat().st_size:,} bytes")
    return 0


def tensors(config: Mapping[str, Any]) -> dict[str, tuple[str, list[int]]]:
    """The names, types and shapes of what the library saves of a part at these settings."""
    import torch

    kind = config.get("_class_name") or config["architectures"][0]
    with torch.device("meta"):
        state = builders()[kind](config).state_dict()
    found = {
        name: (str(tensor.dtype).removeprefix("torch."), list(tensor.shape))
        for name, tensor in state.items()
    }
    if kind == "CLIPTextModel":  # the library leaves the prefix out since its version 5
        found = {f"text_model.{name}": value for name, value in found.items()}
    if kind == "T5EncoderModel":  # one tensor of two names is saved under its first
        del found["encoder.embed_tokens.weight"]
    return found


def builders() -> dict[str, Callable[[Mapping[str, Any]], Any]]:
    """How to build each class from its settings."""
    import diffusers
    import transformers
    from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel

    diffusion = {
        cls.__name__: cls.from_config
        for cls in (
            diffusers.UNet2DConditionModel,
            diffusers.UNet2DModel,
            diffusers.AutoencoderKL,
            diffusers.AutoencoderTiny,
            diffusers.PriorTransformer,
            UnCLIPTextProjModel,
        )
    }
    encoders = {
        cls.__name__: lambda config, cls=cls: cls(cls.config_class(**config))
        for cls in (
            transformers.CLIPTextModel,
            transformers.CLIPTextModelWithProjection,
            transformers.CLIPVisionModelWithProjection,
            transformers.T5EncoderModel,
        )
    }
    return diffusion | encoders


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
