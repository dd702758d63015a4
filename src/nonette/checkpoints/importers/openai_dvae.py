"""OpenAI's discrete VAE: encoder and decoder as modules pickled whole, read as records.

Published as `encoder.pkl` and `decoder.pkl` of openai/DALL-E (commit 5be4b23, dall_e/*.py), whose
convolutions call their weight `w` and their bias `b`. Which file is which is read off the shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.foreign.source import Source, merged
from nonette.checkpoints.importing import Network, Plan
from nonette.checkpoints.tables import Row, row
from nonette.core.errors import CheckpointError
from nonette.models.dvae import DECODER_WIDTHS, ENCODER_WIDTHS, DVAEConfig

RESOLUTION = 256
INPUT, OUTPUT = "blocks.input.w", "blocks.output.conv.w"


def plan_import(found: Found) -> Plan | None:
    """The plan for both files of the dVAE, or None."""
    sources: dict[str, Source] = {}
    for folder in found.folders():
        if found.table(f"{folder}/config.json" if folder else "config.json"):
            continue
        for name in found.weights(folder):
            source = found.source(name)
            if INPUT in source and OUTPUT in source:
                side = "encoder" if source.entries[INPUT].shape[2:] == (7, 7) else "decoder"
                sources[side] = source.renamed(_below(side))
    if not sources:
        return None
    if len(sources) < 2:
        raise CheckpointError(f"{found.where} is half a dVAE: only the {next(iter(sources))}")
    source = merged([sources["encoder"], sources["decoder"]])
    config = _config(source)
    return Plan(
        title="the discrete VAE of DALL·E (OpenAI)",
        name="openai-dvae",
        system="dvae",
        networks={
            "dvae": Network(network="dvae", config=config, table=table(config), source=source)
        },
        licence=found.licence() or "modified MIT, as its repository states",
        origin="OpenAI (github.com/openai/DALL-E)",
    )


def table(config: DVAEConfig) -> Sequence[Row]:
    """Where each tensor of our `DVAE` comes from."""
    rows: list[Row] = []
    for side, widths, width_in in (
        ("encoder", ENCODER_WIDTHS, config.width),
        ("decoder", DECODER_WIDTHS, config.initial_width),
    ):
        rows += _convolution(f"{side}.blocks.input", f"{side}.conv_in")
        rows += _convolution(f"{side}.blocks.output.conv", f"{side}.conv_out")
        for i, multiplier in enumerate(widths):
            width = multiplier * config.width
            for j in range(config.blocks_per_group):
                theirs = f"{side}.blocks.group_{i + 1}.block_{j + 1}"
                ours = f"{side}.groups.{i}.{j}"
                if j == 0 and width_in != width:
                    rows += _convolution(f"{theirs}.id_path", f"{ours}.shortcut")
                for k in range(4):
                    rows += _convolution(
                        f"{theirs}.res_path.conv_{k + 1}", f"{ours}.convolutions.{k}"
                    )
            width_in = width
    return rows


def _convolution(theirs: str, ours: str) -> list[Row]:
    return [row(f"{theirs}.w", f"{ours}.weight"), row(f"{theirs}.b", f"{ours}.bias")]


def _below(side: str) -> Callable[[str], str]:
    return lambda name: f"{side}.{name}"


def _config(source: Source) -> DVAEConfig:
    encoder_in, decoder_in = (
        source.entries[f"{side}.{INPUT}"].shape for side in ("encoder", "decoder")
    )
    if len(decoder_in) != 4 or len(encoder_in) != 4 or encoder_in[0] % 4:
        raise CheckpointError(f"{source.where} holds no dVAE: {encoder_in}, {decoder_in}")
    blocks = {name.split(".")[3] for name in source if name.startswith("encoder.blocks.group_1.")}
    return DVAEConfig(
        resolution=RESOLUTION,
        vocabulary_size=decoder_in[1],
        width=encoder_in[0],
        initial_width=decoder_in[0],
        blocks_per_group=len(blocks),
    )
