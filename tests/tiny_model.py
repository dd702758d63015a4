"""A whole model in miniature, with random weights: what draws in tests, in milliseconds.

`write` makes two checkpoint folders: `tiny-ar` (16×16 pixels from 4 positions of 4 codes) and
`tiny-clip`, which ranks for it. Weights come from one seed, so every writing is the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from nonette.checkpoints import format as checkpoints
from nonette.models.bart import Bart, BartConfig
from nonette.models.clip import CLIP, CLIPConfig, ImageTowerConfig, TextTowerConfig
from nonette.models.vqgan import VQGAN, VQGANConfig
from nonette.text.tokenizer import train
from nonette.text.vocabulary import Vocabulary

CAPTIONS = (
    "a red cat on the moon",
    "two blue dogs at the beach",
    "un chat rouge sur la lune",
    "a kangaroo made of cheese",
)
SIZE = (16, 16)
CANDIDATES = 6
TEXT_LENGTH = 12
VQGAN_CONFIG = VQGANConfig(
    resolution=16,
    patch_size=2,
    channels=8,
    channel_multipliers=(1, 2),
    num_res_blocks=1,
    attention_resolutions=(),
    num_groups=4,
    z_channels=8,
    code_dim=4,
    codebook_size=32,
)
BART_CONFIG = BartConfig(
    text_vocab_size=300,
    text_length=TEXT_LENGTH,
    image_vocab_size=32,
    image_length=4,
    width=16,
    num_heads=2,
    hidden=24,
    num_encoder_layers=1,
    num_decoder_layers=1,
    codes_per_position=4,
    code_width=8,
    head_width=16,
    init_std=0.5,
)
CLIP_CONFIG = CLIPConfig(
    image=ImageTowerConfig(
        size=16,
        patch_size=8,
        width=16,
        num_layers=1,
        num_heads=2,
        stem_channels=(),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
    text=TextTowerConfig(
        vocabulary_size=300,
        length=TEXT_LENGTH,
        width=16,
        num_layers=1,
        num_heads=2,
        end_token=2,
        is_causal=False,
    ),
    embedding_size=8,
    activation="gelu",
)
SETTINGS = {
    "candidates": CANDIDATES,
    "num_seats": CANDIDATES,
    "guidance": 2.0,
    "temperature": 1.0,
    "top_k": None,
    "top_p": None,
    "ranker": "tiny-clip",
    "languages": ["en", "fr"],
}


def write(place: Path, seed: int = 0, **changes: Any) -> Path:
    """Write `tiny-ar` and `tiny-clip` into the folder `place`.

    Args:
        place: A models folder; made where missing.
        seed: Of the weights.
        **changes: Arguments of `checkpoints.format.write` to change for `tiny-ar`.

    Returns:
        The folder of `tiny-ar`.
    """
    tokenizer = train(CAPTIONS, 300)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        networks = {"bart": Bart(BART_CONFIG), "vqgan": VQGAN(VQGAN_CONFIG)}
        clip = CLIP(CLIP_CONFIG)
        with torch.no_grad():  # codes far apart, so that pictures differ
            networks["vqgan"].codebook.weight.normal_()
    shared = {"card": "# Tiny\n", "dtype": torch.bfloat16}
    checkpoints.write(
        place / "tiny-clip",
        name="tiny-clip",
        system="clip",
        networks={"clip": clip},
        registry_names={"clip": "clip"},
        settings={},
        files={"tokenizer.json": tokenizer.to_bytes()},
        **shared,
    )
    arguments = {
        "name": "tiny-ar",
        "system": "dalle_mini",
        "networks": networks,
        "registry_names": {"bart": "bart", "vqgan": "vqgan"},
        "settings": SETTINGS,
        "files": {
            "tokenizer.json": tokenizer.to_bytes(),
            "vocabulary.json": Vocabulary(CAPTIONS).to_bytes(),
        },
        "examples": CAPTIONS[:2],
        **shared,
    }
    return checkpoints.write(place / "tiny-ar", **(arguments | changes))
