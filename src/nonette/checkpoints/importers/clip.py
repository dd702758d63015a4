"""CLIP as the `transformers` library saves it: OpenAI's towers and OpenCLIP's, H and bigG included.

Published as openai/clip-vit-base-patch32, openai/clip-vit-large-patch14,
laion/CLIP-ViT-H-14-laion2B-s32B-b79K, laion/CLIP-ViT-bigG-14-laion2B-39B-b160k and others. A config
file holds only what differs from the library's own defaults, which are therefore repeated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.importers._clip import DROPPED, IMAGE, TEXT, WRONG_END, read_tokenizer
from nonette.checkpoints.importers._diffusers import network
from nonette.checkpoints.importing import Plan
from nonette.checkpoints.tables import row
from nonette.core.errors import CheckpointError
from nonette.models.clip import (
    OPENAI_MEAN,
    OPENAI_STD,
    CLIPConfig,
    ImageTowerConfig,
    TextTowerConfig,
)

CLIP = (row("logit_scale", "logit_scale"), *IMAGE, *TEXT)
# transformers' defaults for what a config file leaves out.
IMAGE_DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 32,
}
TEXT_DEFAULTS = {
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "max_position_embeddings": 77,
    "vocab_size": 49408,
    "eos_token_id": 49407,
}


def plan_import(found: Found) -> Plan | None:
    """The plan for a folder with a `CLIPModel` in it, or None."""
    for folder in found.folders():
        above = f"{folder}/" if folder else ""
        values = found.table(f"{above}config.json")
        if values.get("model_type") == "clip" and "vision_config" in values:
            break
    else:
        return None
    config = read_config(values, found.table(f"{above}preprocessor_config.json"))
    return Plan(
        title=f"CLIP ViT/{config.image.patch_size} (transformers)",
        name=f"clip-vit-{config.image.patch_size}",
        system="clip",
        networks={"clip": network("clip", config, CLIP, found.only_source(folder), DROPPED)},
        files={"tokenizer.json": read_tokenizer(found, folder)},
        licence=found.licence(folder) or "not stated in the folder; OpenAI's own CLIP is MIT",
        origin="a CLIP model in the layout of the transformers library",
    )


def read_config(values: Mapping[str, Any], preprocessing: Mapping[str, Any]) -> CLIPConfig:
    """Our config of theirs.

    Args:
        values: Of `config.json`.
        preprocessing: Of `preprocessor_config.json`: mean and standard deviation of colours.
    """
    image = IMAGE_DEFAULTS | _table(values, "vision_config")
    text = TEXT_DEFAULTS | _table(values, "text_config")
    activations = {one.get("hidden_act", "quick_gelu") for one in (image, text)}
    activation = activations.pop()
    if activations or activation not in ("quick_gelu", "gelu"):
        raise CheckpointError(f"config.json: hidden_act is {activation}, not quick_gelu or gelu")
    for tower in (image, text):
        if tower.get("layer_norm_eps", 1e-5) != 1e-5:
            raise CheckpointError("config.json: layer_norm_eps is not 1e-5, as CLIP's is")
    if _number(text, "intermediate_size") != 4 * _number(text, "hidden_size"):
        raise CheckpointError("config.json: the text's intermediate_size is not 4 hidden_size")
    end = _number(text, "eos_token_id")
    return CLIPConfig(
        image=ImageTowerConfig(
            size=_number(image, "image_size"),
            patch_size=_number(image, "patch_size"),
            hidden=_number(image, "intermediate_size"),
            stem_channels=(),
            mean=_colour(preprocessing.get("image_mean", OPENAI_MEAN)),
            std=_colour(preprocessing.get("image_std", OPENAI_STD)),
            **_sizes(image),
        ),
        text=TextTowerConfig(
            vocabulary_size=_number(text, "vocab_size"),
            length=_number(text, "max_position_embeddings"),
            end_token=_number(text, "vocab_size") - 1 if end == WRONG_END else end,
            is_causal=True,
            **_sizes(text),
        ),
        embedding_size=_number({"projection_dim": 512} | dict(values), "projection_dim"),
        activation=activation,
    )


def _table(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _sizes(tower: Mapping[str, Any]) -> dict[str, int]:
    return {
        "width": _number(tower, "hidden_size"),
        "num_layers": _number(tower, "num_hidden_layers"),
        "num_heads": _number(tower, "num_attention_heads"),
    }


def _number(values: Mapping[str, Any], key: str) -> int:
    value = values.get(key)
    if type(value) is not int or not 0 < value < 2**31:
        raise CheckpointError(f"config.json: {key} is {value!r}, not a whole number above 0")
    return value


def _colour(values: Any) -> tuple[float, float, float]:
    try:
        red, green, blue = (float(value) for value in values)
    except (TypeError, ValueError) as error:
        raise CheckpointError("preprocessor_config.json: a colour is not three numbers") from error
    return red, green, blue
