"""What the importers of VQGANs share: the names of taming-transformers, and of its Flax copy.

Names and shapes as in CompVis/taming-transformers (commit 3ba01b2, taming/modules/diffusionmodules/
model.py) and patil-suraj/vqgan-jax (commit 10ef240, vqgan_jax/modeling_flax_vqgan.py). All sizes
but the resolution, which a convolutional network does not show, are read off the weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from torch import Tensor

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.foreign.source import Source
from nonette.checkpoints.importing import Network
from nonette.checkpoints.tables import Row, row, same
from nonette.core.errors import CheckpointError
from nonette.models.vqgan import VQGANConfig

DEFAULT_RESOLUTION = 256  # of every published VQGAN that is read here
NUM_GROUPS = 32
# Training's own: the discriminator and perceptual loss, and whatever is no part of the state dict.
DROPPED = ("loss.", "optimizer_states.", "lr_schedulers.", "callbacks.", "colorize")
CODEBOOKS = ("quantize.embedding.weight", "embedding.weight")


@dataclass(frozen=True)
class Layout:
    """How a source writes its weights.

    Attributes:
        kernel: From its convolutions to (out, in, height, width).
        vector: From its norms and biases to (width,).
        codebook: Its name of the codebook.
    """

    kernel: Callable[[Tensor], Tensor]
    vector: Callable[[Tensor], Tensor]
    codebook: str


def places(found: Found) -> list[str]:
    """The weight files that hold a VQGAN, those in Flax's layout by their config."""
    names = []
    for folder in found.folders():
        above = f"{folder}/" if folder else ""
        values = found.table(f"{above}config.json")
        is_flax = "n_embed" in values or "ch_mult" in values or values.get("model_type") == "vqgan"
        is_another = values.get("model_type", "dallebart") != "dallebart" or "_class_name" in values
        for name in [] if is_another and not is_flax else found.weights(folder):
            if is_flax or _is_vqgan(found.source(name)):
                names.append(name)
                break
    return names


def network(found: Found, name: str, pixel_range: tuple[float, float]) -> Network:
    """The network of a weight file that `places` names."""
    source, layout = _named(found.source(name))
    folder = str(PurePosixPath(name).parent).removeprefix(".")
    config = _config(source, layout, _resolution(found, folder), pixel_range)
    return Network(
        network="vqgan",
        config=config,
        table=table(config, layout),
        source=source,
        dropped=DROPPED,
    )


def table(config: VQGANConfig, layout: Layout) -> Sequence[Row]:
    """Where each tensor of our `VQGAN` comes from, in the names of taming-transformers."""
    sides = ["decoder", "encoder"] if config.has_encoder else ["decoder"]
    rows = [row(layout.codebook, "codebook.weight")]
    rows += _convolution("post_quant_conv", "post_quant_conv", layout)
    if config.has_encoder:
        rows += _convolution("quant_conv", "quant_conv", layout)
    for side in sides:
        for name in ("conv_in", "conv_out"):
            rows += _convolution(f"{side}.{name}", f"{side}.{name}", layout)
        rows += _norm(f"{side}.norm_out", f"{side}.norm_out", layout)
        rows += _block(f"{side}.mid.block_1", f"{side}.mid.block_1", layout, False)
        rows += _attention(f"{side}.mid.attn_1", f"{side}.mid.attention", layout)
        rows += _block(f"{side}.mid.block_2", f"{side}.mid.block_2", layout, False)
        rows += _levels(side, config, layout)
    return rows


def _levels(side: str, config: VQGANConfig, layout: Layout) -> list[Row]:
    """The rows of all resolutions; our decoder counts them from the smallest, theirs from 0."""
    is_encoder = side == "encoder"
    widths = [config.channels * one for one in config.channel_multipliers]
    last = len(widths) - 1
    rows: list[Row] = []
    for level, width in enumerate(widths):
        if is_encoder:
            theirs, ours, resample = f"{side}.down.{level}", f"{side}.down.{level}", "downsample"
            before = widths[level - 1] if level else config.channels
            has_conv = level != last
        else:
            theirs, ours, resample = f"{side}.up.{level}", f"{side}.up.{last - level}", "upsample"
            before = widths[min(level + 1, last)]
            has_conv = level != 0
        size = config.resolution // config.patch_size // 2**level
        for i in range(config.num_res_blocks + (not is_encoder)):
            changes = i == 0 and before != width
            rows += _block(f"{theirs}.block.{i}", f"{ours}.blocks.{i}", layout, changes)
            if size in config.attention_resolutions:
                rows += _attention(f"{theirs}.attn.{i}", f"{ours}.attentions.{i}", layout)
        if has_conv:
            rows += _convolution(f"{theirs}.{resample}.conv", f"{ours}.conv", layout)
    return rows


def _block(theirs: str, ours: str, layout: Layout, changes_width: bool) -> list[Row]:
    rows: list[Row] = []
    for i in (1, 2):
        rows += _norm(f"{theirs}.norm{i}", f"{ours}.norm_{i}", layout)
        rows += _convolution(f"{theirs}.conv{i}", f"{ours}.conv_{i}", layout)
    if changes_width:
        rows += _convolution(f"{theirs}.nin_shortcut", f"{ours}.shortcut", layout)
    return rows


def _attention(theirs: str, ours: str, layout: Layout) -> list[Row]:
    rows = _norm(f"{theirs}.norm", f"{ours}.norm", layout)
    for their_name, our_name in (("q", "query"), ("k", "key"), ("v", "value"), ("proj_out", "out")):
        rows += _convolution(f"{theirs}.{their_name}", f"{ours}.{our_name}", layout)
    return rows


def _convolution(theirs: str, ours: str, layout: Layout) -> list[Row]:
    return [
        row(f"{theirs}.weight", f"{ours}.weight", layout.kernel),
        row(f"{theirs}.bias", f"{ours}.bias", layout.vector),
    ]


def _norm(theirs: str, ours: str, layout: Layout) -> list[Row]:
    return [row(f"{theirs}.{one}", f"{ours}.{one}", layout.vector) for one in ("weight", "bias")]


def _from_flax_kernel(kernel: Tensor) -> Tensor:
    """(height, width, in, out) -> (out, in, height, width)."""
    return kernel.permute(3, 2, 0, 1)


def _flat(vector: Tensor) -> Tensor:
    """Old versions of Flax keep a norm's scale as (1, 1, 1, width)."""
    return vector.reshape(-1)


def _is_vqgan(source: Source) -> bool:
    names = {name.removeprefix("state_dict.") for name in source}
    return bool(names & set(CODEBOOKS)) and "decoder.conv_in.weight" in names


def _named(source: Source) -> tuple[Source, Layout]:
    """The source in taming-transformers' names, and its layout."""
    if "quantize.embedding.embedding" in source:
        layout = Layout(kernel=_from_flax_kernel, vector=_flat, codebook=CODEBOOKS[0])
        return source.renamed(_from_flax), layout
    if any(name.startswith("state_dict.") for name in source):
        source = source.renamed(lambda name: name.removeprefix("state_dict."))
    codebook = next((name for name in CODEBOOKS if name in source), None)
    if codebook is None:
        raise CheckpointError(f"{source.where} holds no VQGAN: it has no codebook")
    return source, Layout(kernel=same, vector=same, codebook=codebook)


def _from_flax(name: str) -> str:
    """`encoder.down_0.block_1.norm1.scale` -> `encoder.down.0.block.1.norm1.weight`."""
    if ".mid." not in name:
        name = re.sub(r"\b(down|up|block|attn)_(\d+)\b", r"\1.\2", name)
    return re.sub(r"\.(kernel|scale|embedding)$", ".weight", name)


def _resolution(found: Found, folder: str) -> int:
    """What the config beside the weights says: Flax's config.json, or taming's model.yaml."""
    above = f"{folder}/" if folder else ""
    value = found.table(f"{above}config.json").get("resolution", DEFAULT_RESOLUTION)
    for name in found.names(folder):
        if name.endswith((".yaml", ".yml")):
            stated = re.search(rb"^\s*resolution:\s*(\d{1,5})\s*$", found.bytes(name), re.MULTILINE)
            value = int(stated.group(1)) if stated else value
    if type(value) is not int or not 1 <= value <= 4096:
        raise CheckpointError(f"{found.where}: the VQGAN's resolution is {value!r}")
    return value


def _config(
    source: Source, layout: Layout, resolution: int, pixel_range: tuple[float, float]
) -> VQGANConfig:
    """All sizes, read off the shapes."""
    numbers = [re.match(r"decoder\.up\.(\d+)\.block\.(\d+)\.", name) for name in source]
    pairs = [(int(one[1]), int(one[2])) for one in numbers if one]
    try:
        shapes = {name: entry.shape for name, entry in source.entries.items()}
        num_levels = max(level for level, _ in pairs) + 1
        axis = 3 if layout.kernel is _from_flax_kernel else 0  # of a kernel's outputs
        widths = [shapes[f"decoder.up.{i}.block.0.conv1.weight"][axis] for i in range(num_levels)]
        channels = shapes["decoder.conv_out.weight"][1 if axis == 0 else 2]
        z_channels = shapes["post_quant_conv.weight"][axis]
        codebook_size, code_dim = shapes[layout.codebook]
    except (KeyError, IndexError, ValueError) as error:
        raise CheckpointError(f"{source.where} holds no whole VQGAN: {error}") from error
    if not channels or any(not width or width % channels for width in widths):
        raise CheckpointError(f"{source.where}: the VQGAN's levels are {widths} channels wide")
    attentive = [i for i in range(num_levels) if f"decoder.up.{i}.attn.0.norm.weight" in source]
    return VQGANConfig(
        resolution=resolution,
        patch_size=1,
        channels=channels,
        channel_multipliers=tuple(width // channels for width in widths),
        num_res_blocks=max(block for _, block in pairs),
        attention_resolutions=tuple(resolution // 2**i for i in attentive),
        num_groups=NUM_GROUPS,
        z_channels=z_channels,
        code_dim=code_dim,
        codebook_size=codebook_size,
        pixel_range=pixel_range,
        has_encoder="encoder.conv_in.weight" in source,
    )
