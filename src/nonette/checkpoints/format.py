"""Our checkpoint format: a folder that describes itself and holds nothing but safetensors and text.

    scenes-ar/
        config.json                       name, system, networks, settings, example sentences
        vqgan.safetensors                 one file for each network,
        bart-00001-of-00002.safetensors   or shards of at most 16 MiB
        bart.safetensors.index.json       with an index, named as Hugging Face names them
        tokenizer.json, vocabulary.json   where the system reads text
        card.md                           data, licence, training compute, scores

`write` builds the folder beside its place and renames it, so a folder of that name is always whole.
`read` looks at `config.json` alone; `Checkpoint.network` builds a part on the meta device and
assigns the tensors, after the names, shapes, types and finiteness of every one have been checked
(`tensors` reads the files).

Two conventions for networks: they keep no non-persistent buffers (whatever is not in the file is
rebuilt in `forward`), and tied parameters are one `nn.Parameter` under two names, stored once under
the first.

Torch is imported when weights are built or written, not before: to list models is to read JSON.
It does not know what a system does with its settings; `engine` and the pipelines do.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nonette.core import config as configs
from nonette.core import registry
from nonette.core.errors import CheckpointError, InputError

if typing.TYPE_CHECKING:
    import torch
    from torch import nn

    from nonette.text.dalle_mini import DalleMiniTokenizer
    from nonette.text.tokenizer import Tokenizer
    from nonette.text.vocabulary import Vocabulary

FORMAT = 1
MAX_SHARD_BYTES = 16 * 2**20
MAX_JSON_BYTES = 64 * 2**20  # of any JSON file in the folder; a real one has at most a few MiB


@dataclass(frozen=True, kw_only=True)
class Part:
    """One network: its name in `core.registry.NETWORKS` and its config as JSON values."""

    network: str
    config: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What `config.json` says; the fields are the file's keys."""

    format: int
    name: str
    system: str
    networks: dict[str, Part]
    settings: dict[str, Any]
    examples: tuple[str, ...] = ()


class Checkpoint:
    """A model folder whose `config.json` has been read and believed; nothing else is loaded yet.

    Attributes:
        folder: Where it lies.
        name: The model's own name, such as "scenes-ar"; not necessarily the folder's.
        system: The name of its pipeline in `core.registry.SYSTEMS`, or what it is for where it does
            not draw.
        settings: The system's settings, JSON values.
        examples: Sentences it draws well.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.name = manifest.name
        self.system = manifest.system
        self.settings = manifest.settings
        self.examples = manifest.examples

    @property
    def card(self) -> str:
        """The text of `card.md`; "" where there is none."""
        path = self.folder / "card.md"
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    @cached_property
    def num_parameters(self) -> int:
        """Of all networks together; their weights are not read for it.

        Raises:
            CheckpointError: A config is none that a network can be made of.
        """
        networks = map(self.skeleton, self.manifest.networks)
        return sum(one.numel() for network in networks for one in network.parameters())

    def config(self, part: str) -> Any:
        """The config of one network as its own dataclass, without building the network.

        Raises:
            InputError: There is no such part.
            CheckpointError: Its config does not fit the network it names.
        """
        return self._network_config(part)[1]

    def skeleton(self, part: str) -> nn.Module:
        """One network without its weights, on the meta device.

        Raises:
            InputError: There is no such part.
            CheckpointError: Its config is none that a network can be made of.
        """
        from nonette.checkpoints import tensors

        network_class, network_config = self._network_config(part)
        try:
            return tensors.skeleton(network_class, network_config)
        except (ArithmeticError, AssertionError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self._path('config.json')}: networks.{part}.config: {error}"
            ) from error

    def network(self, part: str, dtype: torch.dtype | None = None) -> nn.Module:
        """One network with its weights, in eval mode, frozen, on the CPU.

        Args:
            part: Its name in this checkpoint.
            dtype: Of its floating tensors in memory; `None` is float32, whatever the files hold.

        Raises:
            InputError: There is no such part.
            CheckpointError: A file is missing or damaged, or its tensors are not those of the
                config.
        """
        import torch

        from nonette.checkpoints import tensors

        network = self.skeleton(part)
        parameters = network.state_dict(keep_vars=True)
        first_of = first_names(parameters)
        expected = {name: parameters[name] for name in first_of.values()}
        loaded = tensors.load(self.folder, part, expected, dtype or torch.float32)
        network.load_state_dict(
            {name: loaded[first] for name, first in first_of.items()}, strict=True, assign=True
        )
        left_behind = [name for name, buffer in network.named_buffers() if buffer.is_meta]
        assert not left_behind, (
            f"{type(network).__name__} keeps non-persistent buffers: {left_behind}"
        )
        return network.eval().requires_grad_(False)

    def tokenizer(self) -> Tokenizer | DalleMiniTokenizer:
        """The tokenizer of `tokenizer.json`, behind the text rules that the settings name.

        Raises:
            CheckpointError: The file is missing or damaged, or there are no such rules.
            MissingExtra: The rules need a library that is not installed.
        """
        from nonette.text.dalle_mini import DalleMiniTokenizer
        from nonette.text.tokenizer import Tokenizer

        rules = self.settings.get("normaliser")
        if rules == "dalle_mini":
            return DalleMiniTokenizer.load(self.folder)
        if rules is not None:
            path = self._path("config.json")
            raise CheckpointError(f"{path}: settings.normaliser is {rules!r}, not 'dalle_mini'")
        return Tokenizer.load(self._path("tokenizer.json"))

    def vocabulary(self) -> Vocabulary:
        """The words the model was trained on, of `vocabulary.json`.

        Raises:
            CheckpointError: The file is missing or damaged.
        """
        from nonette.text.vocabulary import Vocabulary

        return Vocabulary.load(self._path("vocabulary.json"))

    def _network_config(self, part: str) -> tuple[Any, Any]:
        """The class of a part's network and its config as the class wants it."""
        if part not in self.manifest.networks:
            parts = ", ".join(self.manifest.networks) or "none"
            raise InputError("part", part, f"the networks of {self.name} are: {parts}")
        entry = self.manifest.networks[part]
        where = f"networks.{part}"
        try:
            network_class = registry.resolve(registry.NETWORKS, entry.network, f"{where}.network")
            config_class = typing.get_type_hints(network_class.__init__)["config"]
            return network_class, configs.from_dict(config_class, entry.config, f"{where}.config")
        except (InputError, ArithmeticError, AssertionError, ValueError) as error:
            raise CheckpointError(f"{self._path('config.json')}: {error}") from error

    def _path(self, name: str) -> Path:
        return self.folder / name


def read(folder: str | os.PathLike[str]) -> Checkpoint:
    """The checkpoint in `folder`; of its files only `config.json` is opened.

    Raises:
        CheckpointError: There is no such folder, or its `config.json` is missing, damaged or of a
            format that this version does not know.
    """
    folder = Path(folder)
    path = folder / "config.json"
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder} is not a folder; a model is a folder with config.json in it"
        )
    values = read_json(path)
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: it must hold an object, not {type(values).__name__}")
    if values.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: format is {values.get('format')!r}, but this version reads only {FORMAT}"
        )
    try:
        return Checkpoint(folder, configs.from_dict(Manifest, values, "config"))
    except InputError as error:
        raise CheckpointError(f"{path}: {error}") from error


def write(
    folder: str | os.PathLike[str],
    *,
    name: str,
    system: str,
    networks: Mapping[str, nn.Module],
    registry_names: Mapping[str, str],
    settings: Mapping[str, Any],
    files: Mapping[str, bytes],
    card: str,
    dtype: torch.dtype,
    examples: Sequence[str] = (),
    max_shard_bytes: int = MAX_SHARD_BYTES,
    is_replacing: bool = False,
) -> Path:
    """Write a model folder: whole, or not at all.

    Args:
        folder: Where; its parents are made.
        name: The model's name.
        system: Its pipeline in `core.registry.SYSTEMS`, or what it is for.
        networks: One a part; their `config` is written, and their state in `dtype`.
        registry_names: Each part's name in `core.registry.NETWORKS`.
        settings: JSON values for the system.
        files: More files by name, such as `tokenizer.json`.
        card: The text of `card.md`.
        dtype: Of the floating tensors on disk.
        examples: Sentences it draws well.
        max_shard_bytes: A part larger than this is split; a single larger tensor gets a file of its
            own.
        is_replacing: Whether a folder of that name may be replaced. Between two renames there is a
            moment without either; the old one then lies beside it under a name with a leading dot.

    Raises:
        CheckpointError: The folder is there and may not be replaced, or a weight is not finite.
        OSError: The disk refused; nothing is left behind.
    """
    from nonette.checkpoints import tensors

    folder = Path(folder)
    if folder.exists() and not is_replacing:
        raise CheckpointError(f"{folder} already exists")
    manifest = Manifest(
        format=FORMAT,
        name=name,
        system=system,
        networks={
            part: Part(network=registry_names[part], config=configs.to_dict(network.config))
            for part, network in networks.items()
        },
        settings=dict(settings),
        examples=tuple(examples),
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    try:
        for part, network in networks.items():
            parameters = network.state_dict(keep_vars=True)
            stored = {first: parameters[first] for first in first_names(parameters).values()}
            tensors.save(partial, part, stored, dtype, max_shard_bytes)
        for file_name, content in files.items():
            assert Path(file_name).name == file_name, f"{file_name!r} is not a plain file name"
            (partial / file_name).write_bytes(content)
        (partial / "card.md").write_text(card, encoding="utf-8")
        text = json.dumps(configs.to_dict(manifest), indent=2, ensure_ascii=False, allow_nan=False)
        (partial / "config.json").write_text(text + "\n", encoding="utf-8")
        partial.chmod(0o755)  # mkdtemp makes it for the owner alone
        for path in partial.iterdir():
            flush(path)
        flush(partial)
        put_in_place(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder


def read_json(path: Path) -> Any:
    """The values of a JSON file of a checkpoint.

    Raises:
        CheckpointError: The file is missing, too large, not UTF-8, or not JSON.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_JSON_BYTES + 1)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing; a model folder must have it") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MAX_JSON_BYTES:
        raise CheckpointError(f"{path} is larger than {MAX_JSON_BYTES:,} bytes")
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # also wrong UTF-8 and wrong JSON
        raise CheckpointError(f"{path} is damaged or not JSON: {_one_line(error)}") from error


def first_names(parameters: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """For every name the first name of the same tensor: itself, save for tied parameters."""
    first_of: dict[int, str] = {}
    return {name: first_of.setdefault(id(tensor), name) for name, tensor in parameters.items()}


def put_in_place(partial: Path, folder: Path) -> None:
    """Rename the finished folder into its place, moving an old one aside first."""
    old = None
    if folder.exists():
        old = partial.with_name(partial.name.replace(".partial-", ".old-"))
        folder.rename(old)
    try:
        partial.rename(folder)
    except OSError:
        if old is not None:
            old.rename(folder)
        raise
    flush(folder.parent)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
