"""TAESD in the diffusers layout: a tiny autoencoder, to preview and draw sooner.

Published as madebyollin/taesd (for Stable Diffusion 1 and 2) and madebyollin/taesdxl. Its layers
are numbered one after another, activations and upsamplings counted, so the table is worked out from
the config.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.importers._diffusers import Settings, weights
from nonette.checkpoints.importing import Network, Plan
from nonette.checkpoints.tables import Row, inside, layer, row
from nonette.models.taesd import TAESDConfig

BLOCK = (*layer("conv.0", "conv_1"), *layer("conv.2", "conv_2"), *layer("conv.4", "conv_3"))


def plan_import(found: Found) -> Plan | None:
    """The plan for a folder with an `AutoencoderTiny` in it, or None."""
    values = found.table("config.json")
    if values.get("_class_name") != "AutoencoderTiny":
        return None
    config = read_config(values)
    source = weights(found, "")
    return Plan(
        title="TAESD (diffusers layout)",
        name="taesd",
        system="autoencoder",
        networks={
            "autoencoder": Network(
                network="taesd", config=config, table=table(config), source=source
            )
        },
        licence=found.licence() or "not stated in the folder; the published one is MIT",
        origin="a TAESD in the layout of the diffusers library",
    )


def read_config(values: Mapping[str, Any], where: str = "config.json") -> TAESDConfig:
    """Our config of an `AutoencoderTiny`.

    Raises:
        CheckpointError: It is another network.
    """
    settings = Settings(values, where, ignored=("force_upcast", "block_out_channels"))
    widths = settings.read("decoder_block_out_channels", (64,) * 4)
    if len(set(widths)) != 1:
        raise settings.refusal("decoder_block_out_channels", widths, "all must be one width")
    settings.require(
        encoder_block_out_channels=list(widths),
        in_channels=3,
        out_channels=3,
        act_fn="relu",
        upsample_fn="nearest",
        upsampling_scaling_factor=2,
        latent_magnitude=3,
        latent_shift=0.5,
        scaling_factor=1.0,
        shift_factor=0.0,
    )
    return settings.build(
        TAESDConfig,
        width=widths[0],
        latent_channels=settings.read("latent_channels", 4),
        encoder_blocks=settings.read("num_encoder_blocks", (1, 3, 3, 3)),
        decoder_blocks=settings.read("num_decoder_blocks", (3, 3, 3, 1)),
    )


def table(config: TAESDConfig) -> tuple[Row, ...]:
    """Where each tensor of our `TAESD` comes from."""
    return (
        *inside("encoder.layers", "encoder", _encoder(config)),
        *inside("decoder.layers", "decoder", _decoder(config)),
    )


def _encoder(config: TAESDConfig) -> Iterator[Row]:
    """A convolution and its blocks a level; all but the first convolution are without bias."""
    place = 0
    for level, num_blocks in enumerate(config.encoder_blocks):
        if level:
            yield row(f"{place}.weight", f"levels.{level}.0.weight")
        else:
            yield from layer("0", "levels.0.0")
        for block in range(1, num_blocks + 1):
            yield from inside(f"{place + block}", f"levels.{level}.{block}", BLOCK)
        place += 1 + num_blocks
    yield from layer(f"{place}", "conv_out")


def _decoder(config: TAESDConfig) -> Iterator[Row]:
    """A convolution and its activation, then a level's blocks, upsampling and convolution."""
    yield from layer("0", "conv_in")
    place = 2
    for level, num_blocks in enumerate(config.decoder_blocks):
        for block in range(num_blocks):
            yield from inside(f"{place + block}", f"levels.{level}.{block}", BLOCK)
        place += num_blocks
        if level < len(config.decoder_blocks) - 1:
            yield row(f"{place + 1}.weight", f"ups.{level}.weight")
            place += 2
    yield from layer(f"{place}", "conv_out")
