"""LoRA files and textual inversions of Stable Diffusion, in the dialects that people trade.

A LoRA (Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1) adds the
product of two thin matrices, `up` and `down`, to a weight, times alpha over their rank. kohya's
scripts write `lora_unet_…` with "_" for every dot, an alpha beside each pair, and for XL the names
of the original code; diffusers writes `unet.…` with dots, in four spellings since 2023. A
convolution's pair is two convolutions, with a third between them in some (`lora_mid`).

A textual inversion (Gal et al. 2023) is a word with one vector or several that stand for it.

Other kinds of changes (LoHa, LoKr, DoRA, whole differences) are told and left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import torch
from torch import Tensor

from nonette.checkpoints import tensors
from nonette.checkpoints.foreign.source import Source
from nonette.checkpoints.importers import _latent_diffusion as original
from nonette.checkpoints.tables import Row
from nonette.core.errors import CheckpointError, some

PREFIXES = {
    "denoiser": "unet_",
    "text_encoder": "text_encoder_",
    "text_encoder_2": "text_encoder_2_",
}
"""How the names of each part of ours begin, with "_" for every dot."""

BEGINNINGS = (
    ("lora_unet_", "unet_"),
    ("lora_te1_", "text_encoder_"),
    ("lora_te2_", "text_encoder_2_"),
    ("lora_te_", "text_encoder_"),
    ("text_encoder_encoder_", "text_encoder_text_model_encoder_"),
    ("text_encoder_2_encoder_", "text_encoder_2_text_model_encoder_"),
)
"""kohya's beginnings, and those of libraries that leave `text_model` out."""

ROLES = (
    (
        "down",
        r"\.lora_down|\.lora_A(?:\.default(?:_0)?)?|\.lora(?:_linear_layer)?\.down|_lora\.down",
    ),
    ("up", r"\.lora_up|\.lora_B(?:\.default(?:_0)?)?|\.lora(?:_linear_layer)?\.up|_lora\.up"),
    ("mid", r"\.lora_mid"),
)
_ROLES = tuple((role, re.compile(rf"(.+?)(?:{ends})\.weight")) for role, ends in ROLES)
_ORIGINAL = re.compile(r"(input|output)_blocks_(\d+)_(\d+)_(.+)")
METADATA = "lora_adapter_metadata"  # where diffusers keeps alpha since 2025
ODD = (".use_rslora", ".use_dora", ".alpha_pattern")  # settings in it that are not known
MAX_VECTORS = 75  # of one word; no chunk of a prompt holds more


@dataclass(frozen=True)
class Change:
    """What is added to some rows of one tensor of ours.

    Attributes:
        part: Of the model.
        name: Of the tensor.
        place: Which share of its rows, of `num_shares`.
        num_shares: In how many equal shares the rows are seen.
        down: (rank, ...).
        up: (height, rank, ...).
        mid: Of a convolution's middle, or None.
        scale: Alpha over rank.
    """

    part: str
    name: str
    place: int
    num_shares: int
    down: Tensor
    up: Tensor
    mid: Tensor | None
    scale: float

    def matrix(self) -> Tensor:
        """What is added at full strength, float32, (height, everything else)."""
        up, down = self.up.float().flatten(1), self.down.float()  # (height, rank)
        if self.mid is not None:
            down = torch.einsum("rskl,si->rikl", self.mid.float(), down.flatten(1))
        return self.scale * (up @ down.flatten(1))


def read_lora(
    source: Source,
    tables: Mapping[str, Iterable[Row]],
    expected: Mapping[str, Mapping[str, Tensor]],
    metadata: Mapping[str, str],
) -> tuple[list[Change], list[str]]:
    """What a file changes, and its keys that fit nothing.

    Args:
        source: The file's tensors.
        tables: Of each part, where its tensors come from in the diffusers layout.
        expected: Of each part, its tensors, on the meta device.
        metadata: Beside the tensors, texts by name.

    Raises:
        CheckpointError: A pair has not the shape of what it changes, or is damaged.
    """
    targets = {
        PREFIXES[part] + theirs.removesuffix(".weight").replace(".", "_"): (part, row, place)
        for part, table in tables.items()
        for row in table
        for place, theirs in enumerate(row.theirs)
        if theirs.endswith(".weight")
    }
    changes: list[Change] = []
    unmatched: list[str] = []
    alphas = _alphas(metadata, source.where)
    for module, keys in _modules(source).items():
        target = targets.get(module) or targets.get(f"{module}_0")
        is_pair = {"down", "up"} <= keys.keys() <= {"down", "up", "mid", "alpha"}
        if target is None or not is_pair:
            unmatched += keys.values()
            continue
        part, row, place = target
        down, up = source[keys["down"]], source[keys["up"]]
        rank = down.shape[0] if down.ndim else 0
        alpha = alphas.get(part, float(rank))
        if "alpha" in keys:
            alpha = float(source[keys["alpha"]].float().mean())
        change = Change(
            part=part,
            name=row.ours,
            place=place,
            num_shares=len(row.theirs),
            down=down,
            up=up,
            mid=source[keys["mid"]] if "mid" in keys else None,
            scale=alpha / max(rank, 1),
        )
        _check(change, expected[part][row.ours], source.where, keys["down"])
        changes.append(change)
    return changes, unmatched


def read_inversions(source: Source) -> dict[str, dict[str, Tensor]]:
    """Words, each with vectors (count, width) by the part that reads them.

    Raises:
        CheckpointError: The file holds no such thing.
    """
    stem = PurePath(source.where).stem
    words: dict[str, dict[str, Tensor]] = {}
    for key in source:
        if key.startswith("string_to_token."):
            continue
        tensor = source[key]
        vectors = tensor[None] if tensor.ndim == 1 else tensor
        is_web = key in ("emb_params", "clip_l", "clip_g") or key.startswith("string_to_param.")
        word = stem if is_web else key
        part = "text_encoder_2" if key == "clip_g" else "text_encoder"
        if vectors.ndim != 2 or not 1 <= len(vectors) <= MAX_VECTORS or not word.strip():
            raise CheckpointError(
                f"{source.where} is no textual inversion: {key} has shape {tuple(tensor.shape)}, "
                f"not 1 to {MAX_VECTORS} vectors"
            )
        tensors.check_finite(vectors, key, source.where)
        words.setdefault(word.strip(), {})[part] = vectors
    if not words:
        raise CheckpointError(f"{source.where} is no textual inversion: it holds no vectors")
    return words


def _modules(source: Source) -> dict[str, dict[str, str]]:
    """The keys of each module by their roles; what has no role is its own."""
    modules: dict[str, dict[str, str]] = {}
    for key in source:
        found = [(role, match) for role, one in _ROLES if (match := one.fullmatch(key))]
        module, _, last = key.rpartition(".")
        role = "alpha" if last == "alpha" else key
        if found:
            role, module = found[0][0], found[0][1][1]
        keys = modules.setdefault(_flat(module), {})
        if role in keys:
            raise CheckpointError(f"{source.where}: {keys[role]} and {key} say the same thing")
        keys[role] = key
    return modules


def _flat(module: str) -> str:
    """A module's name as one text in the spelling that all dialects share."""
    name = module.replace(".processor", "").replace(".", "_")
    for before, after in BEGINNINGS:
        if name.startswith(before):
            name = after + name.removeprefix(before)
    if name.startswith(("down_blocks_", "mid_block_", "up_blocks_")):  # a file of the UNet alone
        name = f"unet_{name}"
    if name.startswith("unet_"):
        name = "unet_" + _from_original(name.removeprefix("unet_"))
    return name


def _from_original(name: str) -> str:
    """A module of the UNet in the names of the diffusers layout, if it was in the original ones."""
    inner = name
    for theirs in (*original.RES_BLOCK, *original.OUTSIDE, *original.MIDDLE):
        flat = theirs.replace(".", "_")
        if inner == flat or inner.endswith(f"_{flat}") or inner.startswith(f"{flat}_"):
            inner = inner.replace(flat, theirs)
    found = _ORIGINAL.match(inner)
    if found:
        inner = f"{found[1]}_blocks.{found[2]}.{found[3]}.{found[4]}"
    elif inner.startswith("middle_block."):
        inner = re.sub(r"(middle_block\.\d)_", r"\1.", inner)
    elif inner not in original.OUTSIDE:
        return name
    return original.unet_name(f"{inner}.weight").removesuffix(".weight").replace(".", "_")


def _alphas(metadata: Mapping[str, str], where: str) -> dict[str, float]:
    """Alpha of each part, where diffusers' own record of the training states it.

    Raises:
        CheckpointError: The record is damaged, or of another way to add.
    """
    try:
        values: dict[str, Any] = json.loads(metadata.get(METADATA, "{}"))
        odd = [name for name, value in values.items() if name.endswith(ODD) and value]
        found = {
            part: float(values[f"{prefix[:-1]}.lora_alpha"])
            for part, prefix in PREFIXES.items()
            if f"{prefix[:-1]}.lora_alpha" in values
        }
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{where}: its {METADATA} is damaged: {error}") from error
    if odd:
        raise CheckpointError(f"{where}: its {METADATA} asks for {some(odd)}, which is not known")
    return found


def _check(change: Change, target: Tensor, where: str, key: str) -> None:
    """Whether a pair fits what it changes."""
    height = target.shape[0] // change.num_shares
    rank = change.down.shape[0] if change.down.ndim > 1 else 0
    up, down, mid = change.up, change.down, change.mid
    width = down[0].numel() if rank else 0
    is_fit = up.ndim > 1 and up.shape[0] == height and up[0].numel() == rank > 0
    if mid is not None:
        is_fit &= mid.ndim == 4 and mid.shape[:2] == (rank, rank)
        width *= mid[0, 0].numel() if mid.ndim == 4 else 0
    if not is_fit or width != target[0].numel():
        raise CheckpointError(
            f"{where}: {key} of shape {tuple(down.shape)} and its other half of {tuple(up.shape)} "
            f"do not fit {change.part}'s {change.name} of {tuple(target.shape)}"
        )
    for half in (up, down) if mid is None else (up, down, mid):
        tensors.check_finite(half, key, where)
    if not abs(change.scale) < 1e6:
        raise CheckpointError(f"{where}: the alpha of {key} is no finite number")
