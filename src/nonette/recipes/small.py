"""Stable Diffusion, DALL·E 2 and Imagen, each trained small on equal data and compute.

All see the same scenes: twenty things, 64 pixels, the same series by number, and all have 24
minutes on one core, whatever stages they need:

    Stable Diffusion   autoencoder_small 4, sd_small 20; or sd_unet_small, with a UNet as published
    DALL·E 2           clip_small 4, dalle2_small 20 (prior and decoder side by side)
    Imagen             imagen_small 24 (text encoder, first stage and upsampler side by side)

The `_tiny` ones take seconds, for tests.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from nonette.data.scenes.world import SMALL_WORLD, TINY_WORLD
from nonette.models.clip import TextEncoderConfig
from nonette.models.kl_autoencoder import AutoencoderKLConfig
from nonette.models.pixel_unet import KARLO_DECODER, KARLO_UPSAMPLER, PixelUNetConfig
from nonette.models.t5 import T5Config
from nonette.models.unclip import PriorConfig, TextProjectionConfig
from nonette.models.unet import STABLE_DIFFUSION_1
from nonette.recipes import autoencoder, clip, diffusion
from nonette.recipes._tokenizer import tokenizer_of
from nonette.training.config import TrainConfig
from nonette.training.objectives import contrastive, dalle2, imagen, published

RESOLUTION = 64
TEXT_LENGTH = 24
VOCABULARY_SIZE = 768
DISTINCT = 16_384  # scenes before they come round again: 200 MB
BATCH_SIZE = 32

COSINE = {"kind": "tabled", "betas": "cosine", "spacing": "linspace", "prediction": "sample"}
DRAWING = {"guidance": 3.0, "steps": 20, "sampler": "dpmpp_2m", "candidates": 9, "num_seats": 9}

UPSAMPLING = {"diffusion": COSINE, "steps": 6, "noise_level": 50}

AUTOENCODER = AutoencoderKLConfig(
    patch_size=4,
    channels=(64,),
    num_res_blocks=2,
    latent_channels=4,
    num_groups=16,
    scale=1.0,
)
"""f4: 16×16 latents."""

DIT = dataclasses.replace(
    diffusion.NETWORK,
    text_vocab_size=VOCABULARY_SIZE,
    text_length=TEXT_LENGTH,
    grid_size=16,
    latent_channels=4,
    patch_size=2,
    width=192,
    num_heads=3,
    hidden=384,
    num_text_layers=1,
    num_layers=4,
)
"""64 tokens of a picture and 24 of a text; 2.2 million parameters."""

CLIP = dataclasses.replace(
    clip.CPU_NETWORK,
    image=dataclasses.replace(
        clip.CPU_NETWORK.image, size=RESOLUTION, patch_size=8, stem_channels=(32, 64)
    ),
    text=dataclasses.replace(
        clip.CPU_NETWORK.text, vocabulary_size=VOCABULARY_SIZE, length=TEXT_LENGTH
    ),
)

UNET = dataclasses.replace(
    STABLE_DIFFUSION_1,
    channels=(96, 160, 224),
    num_res_blocks=1,
    transformer_layers=(1, 1, 0),
    num_heads=(3, 5, 7),
    context_width=128,
    num_groups=16,
    looks_only_out=(False,) * 3,
)
"""16×16 latents."""

READER = TextEncoderConfig(
    text=dataclasses.replace(CLIP.text, width=128, num_heads=4, num_layers=2),
    embedding_size=None,
    activation="gelu",
    reads="last",
)

SCALED_LINEAR = {
    "kind": "tabled",
    "prediction": "epsilon",
    "first_beta": 0.00085,
    "last_beta": 0.012,
    "spacing": "leading",
    "offset": 1,
}
"""As Stable Diffusion has it."""

DECODER = dataclasses.replace(
    KARLO_DECODER,
    out_channels=3,
    channels=(64, 96, 160),
    num_res_blocks=(1, 1, 1),
    has_attention=(False, True, True),
    head_width=32,
    num_groups=16,
    context_width=128,
    patch_size=4,
)
"""64×64 pixels, worked on at 16×16."""

PRIOR = PriorConfig(embedding_size=128, length=TEXT_LENGTH, width=192, num_heads=4, num_layers=3)

TEXT_ENCODER = T5Config(
    vocabulary_size=VOCABULARY_SIZE,
    width=128,
    num_heads=4,
    head_width=32,
    hidden=256,
    num_layers=2,
)

DENOISER = dataclasses.replace(
    DECODER, text_width=128, num_pool_heads=4, told="nothing", patch_size=2
)
"""32×32 pixels, worked on at 16×16."""

UPSAMPLER = dataclasses.replace(
    KARLO_UPSAMPLER,
    channels=(64, 96),
    num_res_blocks=(1, 1),
    has_attention=(False, False),
    num_groups=16,
    told="noise_level",
    patch_size=4,
)

TINY_UNET: dict[str, Any] = {
    "channels": (16, 32),
    "num_res_blocks": (1, 1),
    "has_attention": (False, True),
    "head_width": 16,
    "num_groups": 8,
    "context_width": 16,
}
TINY: dict[str, Any] = {
    "batch_size": 4,
    "minutes": None,
    "steps": 20,
    "warm_up_steps": 5,
    "log_every": 1,
    "sheet_every": 20,
    "save_every": 5,
}


def autoencoder_small(runs: Path) -> TrainConfig:
    """One core, four minutes: what `sd_small` draws in."""
    settings = dataclasses.replace(
        autoencoder.autoencoder_cpu(runs).settings,
        network=AUTOENCODER,
        world=SMALL_WORLD,
        resolution=RESOLUTION,
        adversary_from=1.0,  # never: so short a run is better spent on the pixels themselves
    )
    config = _run("autoencoder_small", "autoencoder:Autoencoder", settings, 4, "autoencoder")
    rates = config.learning_rate | {"adversary": 4e-4}
    return dataclasses.replace(config, learning_rate=rates, warm_up_steps=50)


def sd_small(runs: Path) -> TrainConfig:
    """One core, 20 minutes: Stable Diffusion's transformer, after `autoencoder_small`."""
    settings = dataclasses.replace(
        diffusion.settings_of(runs, SMALL_WORLD, "small", DIT, RESOLUTION),
        distinct=DISTINCT,
        masked_share=0.1,
        drawing=DRAWING,
    )
    return _run("sd_small", "diffusion:Diffusion", settings, 20, "denoiser")


def sd_unet_small(runs: Path) -> TrainConfig:
    """One core, 20 minutes: Stable Diffusion's UNet as published, after `autoencoder_small`."""
    settings = published.Settings(
        unet=UNET,
        text_encoder=READER,
        world=SMALL_WORLD,
        autoencoder=str(runs / "autoencoder_small" / "model"),
        tokenizer=tokenizer_of(SMALL_WORLD, runs, VOCABULARY_SIZE),
        resolution=RESOLUTION,
        distinct=DISTINCT,
        drawing=DRAWING | {"diffusion": SCALED_LINEAR},
    )
    return _run("sd_unet_small", "published:Published", settings, 20, "denoiser")


def clip_small(runs: Path) -> TrainConfig:
    """One core, four minutes: the CLIP whose embeddings `dalle2_small` imagines."""
    settings = contrastive.Settings(
        network=CLIP,
        world=SMALL_WORLD,
        tokenizer=tokenizer_of(SMALL_WORLD, runs, VOCABULARY_SIZE),
        languages=SMALL_WORLD.languages,
        worn_share=0.2,
    )
    config = _run("clip_small", "contrastive:Contrastive", settings, 4, "clip")
    return dataclasses.replace(
        config, batch_size=64, warm_up_steps=30, ema_decay=0.99, weight_decay=0.05
    )


def dalle2_small(runs: Path) -> TrainConfig:
    """One core, 20 minutes: prior and decoder, after `clip_small`."""
    settings = _dalle2(runs / "clip_small" / "model", PRIOR, DECODER, num_extra_tokens=4)
    return _run("dalle2_small", "dalle2:Dalle2", settings, 20, "prior", "decoder")


def imagen_small(runs: Path) -> TrainConfig:
    """One core, 24 minutes: all stages side by side."""
    settings = imagen.Settings(
        text_encoder=TEXT_ENCODER,
        denoiser=DENOISER,
        upsampler=UPSAMPLER,
        size=RESOLUTION // 2,
        resolution=RESOLUTION,
        text_length=TEXT_LENGTH,
        world=SMALL_WORLD,
        tokenizer=tokenizer_of(SMALL_WORLD, runs, VOCABULARY_SIZE),
        distinct=DISTINCT,
        drawing=DRAWING | {"diffusion": COSINE, "upsampler": UPSAMPLING},
    )
    return _run("imagen_small", "imagen:Imagen", settings, 24, "denoiser", "upsampler")


def sd_unet_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests; needs `autoencoder_tiny`."""
    settings = dataclasses.replace(
        sd_unet_small(runs).settings,
        unet=dataclasses.replace(
            UNET, channels=(16, 32, 32), num_heads=(2, 2, 2), num_groups=8, context_width=16
        ),
        text_encoder=dataclasses.replace(
            READER,
            text=dataclasses.replace(
                READER.text, vocabulary_size=400, width=16, num_heads=2, num_layers=1
            ),
        ),
        world=TINY_WORLD,
        autoencoder=str(runs / "autoencoder_tiny" / "model"),
        tokenizer=tokenizer_of(TINY_WORLD, runs, 400),
        resolution=32,
        distinct=40,
        drawing=DRAWING | {"steps": 3, "diffusion": SCALED_LINEAR},
    )
    return dataclasses.replace(
        _run("sd_unet_tiny", "published:Published", settings, 1, "denoiser"), **TINY
    )


def dalle2_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests; needs `clip_tiny`."""
    prior = PriorConfig(embedding_size=16, length=32, width=32, num_heads=2, num_layers=1)
    decoder = dataclasses.replace(DECODER, **TINY_UNET)
    settings = _dalle2(runs / "clip_tiny" / "model", prior, decoder, num_extra_tokens=2)
    drawing = settings.drawing | {"steps": 3, "prior": {"steps": 2, "guidance": 1.5}}
    settings = dataclasses.replace(
        settings, world=TINY_WORLD, resolution=32, distinct=40, drawing=drawing
    )
    return dataclasses.replace(
        _run("dalle2_tiny", "dalle2:Dalle2", settings, 1, "prior", "decoder"), **TINY
    )


def imagen_tiny(runs: Path) -> TrainConfig:
    """Seconds, for tests."""
    settings = imagen.Settings(
        text_encoder=dataclasses.replace(
            TEXT_ENCODER, vocabulary_size=400, width=16, num_heads=2, head_width=8, hidden=32
        ),
        denoiser=dataclasses.replace(DENOISER, **TINY_UNET, text_width=16, num_pool_heads=2),
        upsampler=dataclasses.replace(UPSAMPLER, channels=(16, 32), num_groups=8),
        size=16,
        resolution=32,
        text_length=TEXT_LENGTH,
        world=TINY_WORLD,
        tokenizer=tokenizer_of(TINY_WORLD, runs, 400),
        distinct=40,
        drawing=DRAWING | {"steps": 3, "diffusion": COSINE, "upsampler": UPSAMPLING | {"steps": 2}},
    )
    return dataclasses.replace(
        _run("imagen_tiny", "imagen:Imagen", settings, 1, "denoiser", "upsampler"), **TINY
    )


def _dalle2(
    clip_folder: Path, prior: PriorConfig, decoder: PixelUNetConfig, num_extra_tokens: int
) -> dalle2.Settings:
    """What prior and decoder learn from, with this CLIP."""
    assert decoder.context_width is not None
    return dalle2.Settings(
        prior=prior,
        decoder=decoder,
        projection=TextProjectionConfig(
            embedding_size=prior.embedding_size,
            num_extra_tokens=num_extra_tokens,
            context_width=decoder.context_width,
            time_width=decoder.time_width,
        ),
        clip=str(clip_folder),
        world=SMALL_WORLD,
        resolution=RESOLUTION,
        distinct=DISTINCT,
        drawing=DRAWING
        | {
            "guidance": 2.0,
            "diffusion": COSINE,
            "prior": {"guidance": 1.5, "steps": 10, "sampler": "ddim"},
        },
    )


def _run(name: str, objective: str, settings: Any, minutes: float, *optimisers: str) -> TrainConfig:
    """How all three learn, save for what they learn."""
    return TrainConfig(
        name=name,
        objective=f"nonette.training.objectives.{objective}Objective",
        settings=settings,
        seed=0,
        batch_size=BATCH_SIZE,
        minutes=minutes,
        optimiser="muon",
        learning_rate=dict.fromkeys(optimisers, 2e-3),
        warm_up_steps=100,
        betas=(0.9, 0.98),
        weight_decay=0.02,
        ema_decay=0.995,
        log_every=20,
        sheet_every=500,
        save_every=500,
    )
