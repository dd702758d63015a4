"""CLIP in the names of OpenAI's own code, which OpenCLIP kept: ViT-B/32, L/14, H/14, bigG/14.

Published by OpenAI as TorchScript archives (`ViT-B-32.pt`), by LAION as `open_clip_model` or
`open_clip_pytorch_model` with an `open_clip_config.json`. Names as in openai/CLIP (commit d05afc4,
clip/model.py) and mlfoundations/open_clip (commit 89fb801, src/open_clip/transformer.py). Sizes are
read off the shapes; heads and activation, which no shape shows, are the config's, or OpenAI's where
the archive is theirs.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

from torch import Tensor

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.foreign.source import Source
from nonette.checkpoints.importing import Network, Plan
from nonette.checkpoints.tables import Row, inside, layer, row
from nonette.core.errors import CheckpointError
from nonette.models.clip import (
    OPENAI_MEAN,
    OPENAI_STD,
    CLIPConfig,
    ImageTowerConfig,
    TextTowerConfig,
)
from nonette.text.published import (
    clip_tokenizer,
    openai_vocabulary,
    read_merges,
    read_vocabulary,
)

CONFIG = "open_clip_config.json"
OPENAI_WORDS = "bpe_simple_vocab_16e6.txt"
MAX_WORDS_BYTES = 16 * 2**20
HEAD_WIDTH = 64  # where no config says otherwise
PAD_ID = 0  # of OpenAI's code and of OpenCLIP's
ARCHIVE_MARKS = ("input_resolution", "context_length", "vocab_size")  # numbers in OpenAI's archives
PREFIXES = ("state_dict.", "module.")

BLOCK = (
    *layer("ln_1", "norm_attention"),
    row("attn.in_proj_weight", "query_key_value.weight"),
    row("attn.in_proj_bias", "query_key_value.bias"),
    *layer("attn.out_proj", "attention_out"),
    *layer("ln_2", "norm_feed_forward"),
    *layer("mlp.c_fc", "feed_forward_in"),
    *layer("mlp.c_proj", "feed_forward_out"),
)


def plan_import(found: Found) -> Plan | None:
    """The plan for the one CLIP of these names among the files, or None."""
    for folder in found.folders():
        above = f"{folder}/" if folder else ""
        values = found.table(f"{above}{CONFIG}")
        if not values and found.table(f"{above}config.json"):
            continue
        for name in found.weights(folder):
            source = found.source(name).renamed(_bare)
            if "visual.conv1.weight" in source and "text_projection" in source:
                return _plan(found, folder, source, values)
    return None


def _plan(found: Found, folder: str, source: Source, values: Mapping[str, Any]) -> Plan:
    is_openai = not values and all(name in source for name in ARCHIVE_MARKS)
    if not values and not is_openai:
        raise CheckpointError(f"{source.where}: without {CONFIG}, heads and activation are unknown")
    config = read_config(source, values)
    patch = config.image.patch_size
    return Plan(
        title=f"CLIP ViT/{patch} ({'OpenAI' if is_openai else 'OpenCLIP'})",
        name=f"{'openai' if is_openai else 'open'}-clip-vit-{patch}",
        system="clip",
        networks={
            "clip": Network(
                network="clip",
                config=config,
                table=table(config),
                source=source,
                dropped=ARCHIVE_MARKS,
            )
        },
        files={"tokenizer.json": _tokenizer(found, folder)},
        licence=found.licence(folder) or "MIT, as both projects state",
        origin="OpenAI (openai/CLIP)" if is_openai else "OpenCLIP (mlfoundations/open_clip)",
    )


def read_config(source: Source, values: Mapping[str, Any]) -> CLIPConfig:
    """Our config, of the shapes and of `open_clip_config.json`.

    Raises:
        CheckpointError: A shape is not that of a CLIP, or a setting is not known.
    """
    model = _inner(values, "model_cfg")
    vision, text = _inner(model, "vision_cfg"), _inner(model, "text_cfg")
    for key in ("timm_model_name", "hf_model_name", "attentional_pool", "ls_init_value"):
        if vision.get(key) or text.get(key):
            raise CheckpointError(f"{CONFIG}: {key} is set; only plain towers are read")
    preprocess = _inner(values, "preprocess_cfg")
    activation: Literal["quick_gelu", "gelu"] = "quick_gelu"
    if values and not model.get("quick_gelu"):
        activation = "gelu"
    shapes = {name: entry.shape for name, entry in source.entries.items()}
    try:
        width, _, patch, _ = shapes["visual.conv1.weight"]
        hidden = shapes["visual.transformer.resblocks.0.mlp.c_fc.weight"][0]
        num_places = shapes["visual.positional_embedding"][0] - 1
        vocabulary_size, text_width = shapes["token_embedding.weight"]
        length = shapes["positional_embedding"][0]
        embedding_size = shapes["text_projection"][1]
    except (KeyError, IndexError, ValueError) as error:
        raise CheckpointError(f"{source.where} holds no whole CLIP: {error}") from error
    return CLIPConfig(
        image=ImageTowerConfig(
            size=patch * round(num_places**0.5),
            patch_size=patch,
            width=width,
            num_layers=_num_layers(source, "visual.transformer.resblocks."),
            num_heads=_heads(width, _number(vision, "head_width", HEAD_WIDTH)),
            hidden=hidden,
            stem_channels=(),
            mean=_colour(preprocess.get("mean", OPENAI_MEAN)),
            std=_colour(preprocess.get("std", OPENAI_STD)),
        ),
        text=TextTowerConfig(
            vocabulary_size=vocabulary_size,
            length=length,
            width=text_width,
            num_layers=_num_layers(source, "transformer.resblocks."),
            num_heads=_number(text, "heads", _heads(text_width, HEAD_WIDTH)),
            end_token=vocabulary_size - 1,
            is_causal=True,
        ),
        embedding_size=embedding_size,
        activation=activation,
    )


def table(config: CLIPConfig) -> Sequence[Row]:
    """Where each tensor of our `CLIP` comes from."""
    image, text = "image_tower", "text_tower"
    return (
        row("logit_scale", "logit_scale"),
        row("visual.class_embedding", f"{image}.class_token"),
        row("visual.conv1.weight", f"{image}.patches.weight"),
        row("visual.positional_embedding", f"{image}.positions"),
        *layer("visual.ln_pre", f"{image}.norm_before"),
        *_blocks("visual.transformer", image, config.image.num_layers),
        *layer("visual.ln_post", f"{image}.norm_after"),
        row("visual.proj", f"{image}.projection.weight", Tensor.t),
        row("token_embedding.weight", f"{text}.tokens.weight"),
        row("positional_embedding", f"{text}.positions"),
        *_blocks("transformer", text, config.text.num_layers),
        *layer("ln_final", f"{text}.norm_after"),
        row("text_projection", f"{text}.projection.weight", Tensor.t),
    )


def _blocks(theirs: str, ours: str, num_layers: int) -> list[Row]:
    return [
        one
        for i in range(num_layers)
        for one in inside(f"{theirs}.resblocks.{i}", f"{ours}.blocks.{i}", BLOCK)
    ]


def _num_layers(source: Source, prefix: str) -> int:
    depth = prefix.count(".")
    return len({name.split(".")[depth] for name in source if name.startswith(prefix)})


def _bare(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _tokenizer(found: Found, folder: str) -> bytes:
    """The tokenizer of `vocab.json` and `merges.txt`, or of OpenAI's own list of merges."""
    above = f"{folder}/" if folder else ""
    if f"{above}vocab.json" in found.files:
        vocabulary = read_vocabulary(found.bytes(f"{above}vocab.json"), "vocab.json")
        merges = read_merges(found.bytes(f"{above}merges.txt"), "merges.txt")
        return clip_tokenizer(vocabulary, merges, PAD_ID)
    for name in found.files:
        if PurePosixPath(name).name in (OPENAI_WORDS, f"{OPENAI_WORDS}.gz"):
            vocabulary, merges = openai_vocabulary(_unpacked(found.bytes(name), name), name)
            return clip_tokenizer(vocabulary, merges, PAD_ID)
    raise CheckpointError(
        f"{found.where} lacks a vocabulary: give vocab.json and merges.txt, or {OPENAI_WORDS}.gz"
    )


def _unpacked(content: bytes, name: str) -> bytes:
    """The text of the list, which may be gzipped, up to 16 MiB."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        text = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MAX_WORDS_BYTES + 1)
    except (OSError, EOFError, ValueError) as error:
        raise CheckpointError(f"{name} is damaged: {error}") from error
    if len(text) > MAX_WORDS_BYTES:
        raise CheckpointError(f"{name} unpacks to more than {MAX_WORDS_BYTES:,} bytes")
    return text


def _heads(width: int, head_width: int) -> int:
    """How many heads of that width; at least one, whatever the shapes say."""
    return max(1, width // head_width)


def _inner(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _number(values: Mapping[str, Any], key: str, default: int) -> int:
    value = values.get(key, default)
    if type(value) is not int or not 0 < value < 2**31:
        raise CheckpointError(f"{CONFIG}: {key} is {value!r}, not a whole number above 0")
    return value


def _colour(values: Any) -> tuple[float, float, float]:
    try:
        red, green, blue = (float(value) for value in values)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{CONFIG}: a colour is not three numbers") from error
    return red, green, blue
