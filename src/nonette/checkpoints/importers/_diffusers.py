"""What importers of the diffusers layout share: strict config files, the pixel UNet.

The layout: a folder a part, each with a config file and its weights. A config file leaves out what
equals its class's default, so those defaults belong to the format and are written beside each
setting's name where it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from torch import Tensor

from nonette.checkpoints import tensors
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.foreign.source import Source
from nonette.checkpoints.importing import Network
from nonette.checkpoints.tables import Row, inside, numbered, row
from nonette.core import config as configs
from nonette.core import registry
from nonette.core.errors import CheckpointError, InputError
from nonette.models.pixel_unet import PixelUNetConfig

Config = TypeVar("Config")

OFF = (None, False)  # a setting we do not know changes nothing while it is off


def network(
    name: str,
    config: Any,
    patterns: Iterable[Row],
    source: Source,
    dropped: tuple[str, ...] = (),
) -> Network:
    """A network of a plan, from numbered patterns.

    Args:
        name: In `core.registry.NETWORKS`.
        config: Its config.
        patterns: Where its tensors come from.
        source: Their tensors.
        dropped: Beginnings of source names that may be there and that nothing needs.
    """
    names = tensors.skeleton(registry.resolve(registry.NETWORKS, name, "network"), config)
    table = numbered(patterns, names.state_dict())
    return Network(network=name, config=config, table=table, source=source, dropped=dropped)


def weights(found: Found, folder: str) -> Source:
    """The tensors of a part: of several copies the one in full precision, safetensors first.

    Raises:
        CheckpointError: There are no weights, or they are damaged or unsafe.
    """
    above = f"{folder}/" if folder else ""
    for stem in ("diffusion_pytorch_model", "model", "pytorch_model"):
        for suffix in ("safetensors", "bin"):
            whole, index = f"{above}{stem}.{suffix}", f"{above}{stem}.{suffix}.index.json"
            if whole in found.files:
                return found.source(whole)
            if index in found.files:
                return found.shards(index)
    return found.only_source(folder)


UNET_IGNORED = ("sample_size", "dropout", "upcast_attention", "use_linear_projection")
"""Settings of UNets that say nothing about their mathematics."""


class Settings:
    """A part's config file, of which every setting must be used, known not to matter, or off.

    Args:
        values: The file's values.
        where: The file's name in errors.
        ignored: Settings that say nothing about the network's mathematics.
        others_matter: Whether a setting that is not known is refused. The transformers library
            writes dozens that concern other uses of a network, so there it is not.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        where: str,
        ignored: tuple[str, ...] = (),
        others_matter: bool = True,
    ) -> None:
        self.values = values
        self.where = where
        self.used = set(ignored)
        self.others_matter = others_matter

    def read(self, name: str, default: Any) -> Any:
        """A setting's value, of the kind that its default is.

        Raises:
            CheckpointError: It is of another kind.
        """
        self.used.add(name)
        value = self.values.get(name, default)
        is_same_kind = type(value) is type(default) or default is None or value is None
        is_number = type(default) is float and type(value) is int
        is_list = isinstance(value, list | tuple) and isinstance(default, list | tuple)
        if not (is_same_kind or is_number or is_list):
            raise self.refusal(name, value, f"it must be like {default!r}")
        return tuple(value) if isinstance(value, list) else value

    def levels(self, name: str, default: Any, count: int) -> tuple[Any, ...]:
        """A setting of each level, which the file may give once for all.

        Raises:
            CheckpointError: It has another number of entries.
        """
        self.used.add(name)
        value = self.values.get(name, default)
        if not isinstance(value, list | tuple):
            return (value,) * count
        if len(value) != count:
            raise self.refusal(name, value, f"it must have {count} entries, one a level")
        return tuple(value)

    def attends(
        self, default: Any, known: Mapping[str, tuple[bool, str]], count: int
    ) -> tuple[bool, ...]:
        """Whether each level of a UNet has attention, by the kinds of its blocks.

        Args:
            default: Of the kinds of blocks on the way down.
            known: Of each kind: whether it has attention, and its like on the way up.
            count: Levels.

        Raises:
            CheckpointError: A kind is another, or the way up is not that down turned round.
        """
        kinds = self.read("down_block_types", default)
        if len(kinds) != count or any(kind not in known for kind in kinds):
            choices = " or ".join(known)
            raise self.refusal("down_block_types", kinds, f"it must be {count} of {choices}")
        self.require(up_block_types=[known[kind][1] for kind in reversed(kinds)])
        return tuple(known[kind][0] for kind in kinds)

    def require(self, **wanted: Any) -> None:
        """Check settings that the network takes for granted; the values are the defaults too.

        Raises:
            CheckpointError: One is another.
        """
        for name, want in wanted.items():
            self.used.add(name)
            got = self.values.get(name, want)
            if (list(got) if isinstance(got, tuple) else got) != want:
                raise self.refusal(name, got, f"only {want!r} is known")

    def build(self, cls: type[Config], **values: Any) -> Config:
        """Our config, after a look at what has not been read.

        Raises:
            CheckpointError: A setting is not known and not off, or a value cannot be.
        """
        for name, value in self.values.items():
            is_fine = name in self.used or name.startswith("_") or value in OFF
            if self.others_matter and not is_fine:
                raise self.refusal(name, value, "there is no such setting in what is known")
        try:
            return configs.from_dict(cls, values)
        except (InputError, ArithmeticError) as error:
            raise CheckpointError(f"{self.where}: {error}") from error

    def refusal(self, name: str, value: object, limit: str) -> CheckpointError:
        """The error about a setting."""
        return CheckpointError(f"{self.where}: {InputError(name, value, limit)}")


RES_BLOCK = (
    row("norm1", "norm_1"),
    row("conv1", "conv_1"),
    row("time_emb_proj", "time"),
    row("norm2", "norm_2"),
    row("conv2", "conv_2"),
    row("conv_shortcut", "shortcut"),
)
PIXEL_ATTENTION = (
    row("group_norm", "norm"),
    row("norm_cross", "norm_context"),
    row("to_q", "query"),
    row("to_k", "key"),
    row("to_v", "value"),
    row("add_k_proj", "text_key"),
    row("add_v_proj", "text_value"),
    row("to_out.0", "out"),
)
PIXEL_UNET = (
    row("time_embedding.linear_1", "time.linear_in"),
    row("time_embedding.linear_2", "time.linear_out"),
    row("class_embedding.linear_1", "noise_level.linear_in"),
    row("class_embedding.linear_2", "noise_level.linear_out"),
    row("add_embedding.norm1", "text_pool.norm_in"),
    row("add_embedding.pool.positional_embedding", "text_pool.position", Tensor.flatten),
    row("add_embedding.pool.q_proj", "text_pool.query"),
    row("add_embedding.pool.k_proj", "text_pool.key"),
    row("add_embedding.pool.v_proj", "text_pool.value"),
    row("add_embedding.proj", "text_pool.out"),
    row("add_embedding.norm2", "text_pool.norm_out"),
    row("encoder_hid_proj", "context"),
    row("conv_in", "conv_in"),
    *inside("down_blocks.#.resnets.#", "down.#.blocks.#.residual", RES_BLOCK),
    *inside("down_blocks.#.attentions.#", "down.#.blocks.#.attention", PIXEL_ATTENTION),
    *inside("down_blocks.#.downsamplers.0", "down.#.resample", RES_BLOCK),
    *inside("mid_block.resnets.0", "middle.residual_1", RES_BLOCK),
    *inside("mid_block.attentions.0", "middle.attention", PIXEL_ATTENTION),
    *inside("mid_block.resnets.1", "middle.residual_2", RES_BLOCK),
    *inside("up_blocks.#.resnets.#", "up.#.blocks.#.residual", RES_BLOCK),
    *inside("up_blocks.#.attentions.#", "up.#.blocks.#.attention", PIXEL_ATTENTION),
    *inside("up_blocks.#.upsamplers.0", "up.#.resample", RES_BLOCK),
    row("conv_norm_out", "norm_out"),
    row("conv_out", "conv_out"),
)
PIXEL_KINDS = {
    "SimpleCrossAttnDownBlock2D": (True, "SimpleCrossAttnUpBlock2D"),
    "ResnetDownsampleBlock2D": (False, "ResnetUpsampleBlock2D"),
}
PIXEL_TOLD = {None: "nothing", "identity": "vector", "timestep": "noise_level"}


def pixel_unet_config(values: Mapping[str, Any], where: str) -> PixelUNetConfig:
    """Our config of a `UNet2DConditionModel` that draws pixels.

    Raises:
        CheckpointError: It is another network.
    """
    settings = Settings(values, where, UNET_IGNORED)
    channels = settings.read("block_out_channels", (320, 640, 1280, 1280))
    count = len(channels)
    attends = settings.attends((), PIXEL_KINDS, count)
    activation = settings.read("act_fn", "silu")
    divisor = float(settings.read("resnet_out_scale_factor", 1.0))
    is_activated_once = settings.read("resnet_skip_time_act", False)
    settings.require(
        time_embedding_act_fn=activation if is_activated_once else None,
        mid_block_scale_factor=divisor,
        **PIXEL_TAKEN_FOR_GRANTED,
    )
    told = settings.read("class_embed_type", None)
    if told not in PIXEL_TOLD:
        raise settings.refusal("class_embed_type", told, "only identity and timestep are known")
    text_width = settings.read("encoder_hid_dim", None)
    is_pooled = settings.read("addition_embed_type", None) is not None
    if is_pooled:
        settings.require(addition_embed_type="text")
    if text_width is not None and settings.read("encoder_hid_dim_type", None) is not None:
        settings.require(encoder_hid_dim_type="text_proj")
    normalises_context = settings.read("cross_attention_norm", None) is not None
    if normalises_context:
        settings.require(cross_attention_norm="group_norm", norm_num_groups=32)
    looks_only_at_text = settings.read("only_cross_attention", False)
    if settings.read("mid_block_only_cross_attention", None) is not None:
        settings.require(mid_block_only_cross_attention=looks_only_at_text)
    num_pool_heads = settings.read("addition_embed_type_num_heads", 64)
    return settings.build(
        PixelUNetConfig,
        in_channels=settings.read("in_channels", 4),
        out_channels=settings.read("out_channels", 4),
        channels=channels,
        num_res_blocks=settings.levels("layers_per_block", 2, count),
        has_attention=attends,
        has_middle_attention=True,
        head_width=settings.read("attention_head_dim", 8),
        num_groups=settings.read("norm_num_groups", 32),
        activation=activation,
        context_width=settings.read("cross_attention_dim", 1280),
        text_width=text_width,
        num_pool_heads=num_pool_heads if is_pooled else None,
        normalises_context=normalises_context,
        looks_only_at_text=looks_only_at_text,
        scales_with_time=time_scales(settings),
        is_time_activated_once=is_activated_once,
        residual_divisor=divisor,
        told=PIXEL_TOLD[told],
    )


def time_scales(settings: Settings) -> bool:
    """Whether the time scales features beside shifting them."""
    kind = settings.read("resnet_time_scale_shift", "default")
    if kind not in ("default", "scale_shift"):
        raise settings.refusal("resnet_time_scale_shift", kind, "only scale_shift is known")
    return bool(kind == "scale_shift")


PIXEL_TAKEN_FOR_GRANTED = {
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "attention_type": "default",
    "center_input_sample": False,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "norm_eps": 1e-5,
    "time_embedding_type": "positional",
    "transformer_layers_per_block": 1,
}
