"""DALL·E mini and mega as min-dalle keeps them: two state dicts, and a VQGAN without its encoder.

Published as kuprel/min-dalle: `encoder.pt`, `decoder.pt` and `detoker.pt` with `vocab.json` and
`merges.txt`, those of mini with `_mini` in their names; the library keeps them in folders of their
own. Sizes are read off the shapes, and heads are 64 wide as everywhere in DALL·E mini. Where the
decoder starts is in `config.json`; without one it is the last row of the embedding, as in min-dalle
before it changed its start to a picture's code (commit 6ae7458 there).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.foreign.source import Source, merged
from nonette.checkpoints.importers import _dalle_bart, _vqgan
from nonette.checkpoints.importing import Network, Plan
from nonette.core.errors import CheckpointError
from nonette.models.bart import BartConfig

HEAD_WIDTH = 64


def plan_import(found: Found) -> Plan | None:
    """The plan for min-dalle's files, or None; of mini and mega in one folder, mega's."""
    names = {side: _names(found, side) for side in ("encoder", "decoder")}
    if not names["encoder"] or not names["decoder"]:
        return None
    sides = [found.source(names[side][0]).renamed(_below(side)) for side in names]
    source = merged(sides)
    if "decoder.layers.0.glu.fc0.weight" not in source:
        return None
    vqgans = _vqgan.places(found)
    if not vqgans:
        raise CheckpointError(f"{found.where} is min-dalle without its detoker.pt")
    config = _config(source, _start(found))
    is_mini = "_mini." in names["encoder"][0]
    return Plan(
        title="DALL·E mini (min-dalle)" if config.width <= 1024 else "DALL·E mega (min-dalle)",
        name="dalle-mini" if config.width <= 1024 else "dalle-mega",
        system="dalle_mini",
        networks={
            "bart": Network(
                network="bart",
                config=config,
                table=_dalle_bart.table(config),
                source=source,
            ),
            "vqgan": _vqgan.network(found, vqgans[0], _dalle_bart.PIXEL_RANGE),
        },
        settings=_dalle_bart.SETTINGS,
        files={"tokenizer.json": _tokenizer(found, is_mini)},
        examples=_dalle_bart.EXAMPLES,
        licence=found.licence() or _dalle_bart.LICENCE,
        origin="Brett Kuprel, min-dalle, from the weights of Boris Dayma and others",
        notes=(
            "Text is prepared as in training, which min-dalle leaves out; and without a list of "
            "words, hashtags are not taken apart.",
        ),
    )


def _names(found: Found, side: str) -> list[str]:
    """The weight files called `encoder.pt` or `encoder_mini.pt`, wherever they lie."""
    return sorted(
        name
        for folder in found.folders()
        for name in found.weights(folder)
        if re.fullmatch(rf"(?:.*/)?{side}(?:_mini)?\.\w+", name)
    )


def _below(side: str) -> Callable[[str], str]:
    return lambda name: f"{side}.{name}"


def _tokenizer(found: Found, is_mini: bool) -> bytes:
    """The vocabulary that goes with the weights."""
    suffix = "_mini" if is_mini else ""
    found_names = {
        name.rpartition("/")[2]: name for name in found.files if name.endswith((".json", ".txt"))
    }
    wanted = (f"vocab{suffix}.json", f"merges{suffix}.txt")
    lacking = [name for name in wanted if name not in found_names]
    if lacking:
        raise CheckpointError(f"{found.where} lacks {' and '.join(lacking)}")
    return _dalle_bart.tokenizer(found, found_names[wanted[0]], found_names[wanted[1]])


def _start(found: Found) -> int | None:
    """What a config among the files says of the decoder's start."""
    for folder in found.folders():
        values = found.table(f"{folder}/config.json" if folder else "config.json")
        start = values.get("decoder_start_token_id")
        if values.get("model_type") == "dallebart" and type(start) is int:
            return start
    return None


def _config(source: Source, start: int | None) -> BartConfig:
    shapes = {name: entry.shape for name, entry in source.entries.items()}
    try:
        text_vocab_size, width = shapes["encoder.embed_tokens.weight"]
        num_rows = shapes["decoder.embed_tokens.weight"][0]
        hidden = shapes["decoder.layers.0.glu.fc0.weight"][0]
        lengths = [shapes[f"{side}.embed_positions.weight"][0] for side in ("encoder", "decoder")]
    except (KeyError, IndexError, ValueError) as error:
        raise CheckpointError(f"{source.where} holds no whole DALL·E mini: {error}") from error
    if width % HEAD_WIDTH or num_rows < 2:
        raise CheckpointError(f"{source.where}: DALL·E mini is not {width} wide")
    if start is not None and not 0 <= start < num_rows:
        raise CheckpointError(f"{source.where}: the decoder cannot start with {start}")
    return BartConfig(
        text_vocab_size=text_vocab_size,
        text_length=lengths[0],
        image_vocab_size=num_rows - 1,
        image_length=lengths[1],
        width=width,
        num_heads=width // HEAD_WIDTH,
        hidden=hidden,
        num_encoder_layers=_num_layers(source, "encoder"),
        num_decoder_layers=_num_layers(source, "decoder"),
        start_id=num_rows - 1 if start is None else start,
        scales_before_dense="decoder.final_ln.weight" in source,
    )


def _num_layers(source: Source, side: str) -> int:
    return len({name.split(".")[2] for name in source if name.startswith(f"{side}.layers.")})
