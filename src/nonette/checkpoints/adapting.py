"""A model of the store with LoRA files, textual inversions or another pace, as a new model.

What a file adds is added to the weights once, in float32, and stored in the type that they had; so
drawing costs nothing more, and whatever can draw with a model can draw with the new one. Files of
parts that do not change are linked, not copied. Vectors of new words are written behind the token
embedding, and the settings say which ids stand for which word. A pace is settings alone.

The files are read like every foreign one: by content, as data alone, each SHA-256 kept.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from nonette.checkpoints import tensors
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.format import Checkpoint, flush, put_in_place
from nonette.checkpoints.importers._clip import TEXT
from nonette.checkpoints.importers._lora import Change, read_inversions, read_lora
from nonette.checkpoints.importers.stable_diffusion import UNET
from nonette.checkpoints.importing import destination
from nonette.checkpoints.tables import Row, numbered
from nonette.core import config as configs
from nonette.core import registry
from nonette.core.errors import CheckpointError, InputError

PATTERNS: Mapping[str, Sequence[Row]] = {"unet": UNET, "clip_text": TEXT}
TOKENS = "text_tower.tokens.weight"
MAX_STRENGTH = 10.0
MAX_DEEP_EVERY = 10


@dataclass(frozen=True)
class Lora:
    """A file and how strongly it is added."""

    path: Path
    strength: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What a model's UNet is asked for, to draw sooner; None leaves it as it was.

    Attributes:
        deep_every: Its deeper part is worked out at every so manieth call, and kept for the others;
            1 to 10, 1 for all.
        guidance_interval: Sigmas, least and most, within which there is guidance.
    """

    deep_every: int | None = None
    guidance_interval: tuple[float, float] | None = None

    def settings(self) -> dict[str, Any]:
        """What the checkpoint says of it.

        Raises:
            InputError: A number is out of range.
        """
        if self.deep_every is not None and not 1 <= self.deep_every <= MAX_DEEP_EVERY:
            limit = f"it must be a whole number from 1 to {MAX_DEEP_EVERY}"
            raise InputError("deep_every", self.deep_every, limit)
        if self.guidance_interval is not None:
            least, most = self.guidance_interval
            if not 0 <= least < most < math.inf:
                limit = "it must be two sigmas from 0, the first one less than the second"
                raise InputError("guidance_interval", f"{least:g}:{most:g}", limit)
        return {name: value for name, value in vars(self).items() if value is not None}


def adapt(
    checkpoint: Checkpoint,
    name: str,
    *,
    loras: Sequence[Lora] = (),
    embeddings: Sequence[Path] = (),
    pace: Pace = Pace(),
    on_unmatched: Callable[[Path, list[str]], None] = lambda path, keys: None,
    is_replacing: bool = False,
) -> Path:
    """Write the new model into the store; its folder.

    Args:
        checkpoint: A Stable Diffusion with a UNet.
        name: Of the new model.
        loras: What is added to the weights, in this order.
        embeddings: Textual inversions; a word is a key of the file or the file's name.
        pace: What the UNet is asked for.
        on_unmatched: Told the keys of a LoRA that fit nothing.
        is_replacing: Whether a model of that name may be replaced.

    Raises:
        InputError: There is nothing to add, a name or strength cannot be used, or the model is of
            another kind.
        CheckpointError: A file is damaged, unsafe, or made for another model; nothing is written.
        OSError: The disk refused; nothing is left behind.
    """
    settings = pace.settings()
    if not loras and not embeddings and not settings:
        limit = "one LoRA or textual inversion at least is needed, or another pace"
        raise InputError("lora", "none", limit)
    tables, expected = _tables(checkpoint)
    folder = destination(name, is_replacing)
    added: dict[str, dict[str, list[tuple[float, Change]]]] = {}
    record: list[dict[str, Any]] = []
    for lora in loras:
        found = _opened(lora.path)
        changes, unmatched = read_lora(
            found.source(lora.path.name), tables, expected, _metadata(found, lora.path)
        )
        if not changes:
            raise CheckpointError(f"{lora.path} holds nothing that fits {checkpoint.name}")
        if unmatched:
            on_unmatched(lora.path, unmatched)
        for change in changes:
            part = added.setdefault(change.part, {})
            part.setdefault(change.name, []).append((lora.strength, change))
        record.append(_record("lora", found) | {"strength": lora.strength})
    words = _words(embeddings, expected, record)
    _write(checkpoint, folder, name, added, words, settings, record)
    return folder


def _tables(
    checkpoint: Checkpoint,
) -> tuple[dict[str, tuple[Row, ...]], dict[str, dict[str, Tensor]]]:
    """Of each part that can change: where its tensors come from, and the tensors on meta."""
    tables, expected = {}, {}
    for part, about in checkpoint.manifest.networks.items():
        if about.network in PATTERNS and part != "image_encoder":
            network_class = registry.resolve(registry.NETWORKS, about.network, "network")
            state = tensors.skeleton(network_class, checkpoint.config(part)).state_dict()
            tables[part] = numbered(PATTERNS[about.network], state)
            expected[part] = state
    if "denoiser" not in tables:
        kinds = "only an imported Stable Diffusion, or another with a UNet,"
        limit = f"{kinds} takes LoRA files, textual inversions or another pace"
        raise InputError("model", checkpoint.name, limit)
    return tables, expected


def _opened(path: Path) -> Found:
    found = Found([path])
    if path.name not in found.files:
        raise InputError("file", str(path), "it must be a single file")
    return found


def _metadata(found: Found, path: Path) -> Mapping[str, str]:
    """The texts beside the tensors, where the file's format has some."""
    if found.kind(path.name) != "safetensors":
        return {}
    with tensors.opened(path) as file:
        return file.metadata() or {}


def _record(kind: str, found: Found) -> dict[str, Any]:
    ((file, digest),) = found.digests.items()
    return {"kind": kind, "file": file, "sha256": digest.sha256}


def _words(
    paths: Iterable[Path],
    expected: Mapping[str, Mapping[str, Tensor]],
    record: list[dict[str, Any]],
) -> dict[str, dict[str, Tensor]]:
    """The vectors of every new word by part, checked against the towers that will read them."""
    readers = {part: state[TOKENS] for part, state in expected.items() if TOKENS in state}
    words: dict[str, dict[str, Tensor]] = {}
    for path in paths:
        found = _opened(path)
        for word, vectors in read_inversions(found.source(path.name)).items():
            if word in words:
                raise InputError("embedding", str(path), f"another one is called {word!r} too")
            widths = {part: vectors[part].shape[1] for part in vectors}
            wanted = {part: tokens.shape[1] for part, tokens in readers.items()}
            if widths != wanted or len({len(one) for one in vectors.values()}) != 1:
                raise CheckpointError(
                    f"{path} was made for another model: its vectors are {_sizes(widths)} wide, "
                    f"but this one's {_sizes(wanted)}"
                )
            words[word] = vectors
        record.append(_record("embedding", found))
    return words


def _sizes(widths: Mapping[str, int]) -> str:
    return " and ".join(map(str, widths.values())) or "nothing"


def _write(
    checkpoint: Checkpoint,
    folder: Path,
    name: str,
    added: Mapping[str, Mapping[str, list[tuple[float, Change]]]],
    words: Mapping[str, Mapping[str, Tensor]],
    more_settings: Mapping[str, Any],
    record: Sequence[Mapping[str, Any]],
) -> None:
    """Write the folder beside its place, and rename it when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    try:
        changed: set[str] = set()
        for part in checkpoint.manifest.networks:
            more = [vectors[part] for vectors in words.values() if part in vectors]
            if part in added or more:
                for path in tensors.files(checkpoint.folder, part):
                    _write_file(path, partial, added.get(part, {}), more)
                    changed.add(path.name)
        for path in sorted(checkpoint.folder.iterdir()):
            if path.is_file() and path.name not in changed:
                _link(path, partial / path.name)
        _write_texts(checkpoint, partial, name, words, more_settings, record)
        partial.chmod(0o755)  # mkdtemp makes it for the owner alone
        for path in partial.iterdir():
            flush(path)
        flush(partial)
        put_in_place(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _write_file(
    path: Path,
    partial: Path,
    added: Mapping[str, Sequence[tuple[float, Change]]],
    more: Sequence[Tensor],
) -> None:
    """One file of a part with what is added to its tensors."""
    state: dict[str, Tensor] = {}
    with tensors.opened(path) as file:
        for name in file.keys():
            tensor = file.get_tensor(name)
            if name in added:
                tensor = changed_tensor(tensor, added[name])
            if name == TOKENS and more:
                tensor = torch.cat([tensor, *(vectors.to(tensor) for vectors in more)])
            tensors.check_finite(tensor, name, str(path))
            state[name] = tensor.contiguous()
        save_file(state, partial / path.name, metadata={"format": "pt"})


def changed_tensor(tensor: Tensor, changes: Sequence[tuple[float, Change]]) -> Tensor:
    """The tensor with every (strength, change) added, in the type that it had."""
    total = tensor.float().clone()
    for strength, change in changes:
        share = total.chunk(change.num_shares)[change.place]  # a view
        share += strength * change.matrix().view(share.shape)
    return total.to(tensor.dtype)


def _link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where there are no links."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _write_texts(
    checkpoint: Checkpoint,
    partial: Path,
    name: str,
    words: Mapping[str, Mapping[str, Tensor]],
    more_settings: Mapping[str, Any],
    record: Sequence[Mapping[str, Any]],
) -> None:
    """Write the config with the new words and settings, and the card with what was added."""
    settings = {**checkpoint.settings, **more_settings}
    if record:
        settings["adapters"] = [*settings.get("adapters", ()), *record]
    ids: dict[str, list[int]] = dict(settings.get("words", {}))
    networks = dict(checkpoint.manifest.networks)
    first = checkpoint.config("text_encoder").text.vocabulary_size if words else 0
    for word, vectors in words.items():
        if word in ids:
            raise InputError("embedding", word, "the model has a word of that name already")
        count = len(vectors["text_encoder"])
        ids[word] = list(range(first, first + count))
        first += count
        for part in vectors:
            config = json.loads(json.dumps(networks[part].config))
            config["text"]["vocabulary_size"] += count
            networks[part] = dataclasses.replace(networks[part], config=config)
    if ids:
        settings["words"] = ids
    manifest = dataclasses.replace(
        checkpoint.manifest, name=name, networks=networks, settings=settings
    )
    text = json.dumps(configs.to_dict(manifest), indent=2, ensure_ascii=False)
    _replace(partial / "config.json", text + "\n")
    rows = "".join(
        f"| {one['kind']} | {one['file']} | {one.get('strength', '')} | `{one['sha256']}` |\n"
        for one in record
    )
    added = f"\nMade of {checkpoint.name} with:\n"
    if more_settings:
        told = (f"{setting} {json.dumps(value)}" for setting, value in more_settings.items())
        added += f"\n{', '.join(told)}\n"
    if rows:
        added += f"\n| kind | file | strength | SHA-256 |\n| --- | --- | --- | --- |\n{rows}"
    card = checkpoint.card.replace(f"# {checkpoint.name}\n", f"# {name}\n", 1)
    _replace(partial / "card.md", f"{card.rstrip()}\n{added}")


def _replace(path: Path, text: str) -> None:
    """Write a file anew; what was linked here stays as it is elsewhere."""
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
