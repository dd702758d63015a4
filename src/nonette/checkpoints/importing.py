"""From published weights to a model folder of ours: recognised, mapped strictly, written safely.

    files → an importer's plan → every name, shape and type checked on the meta device → shards

An importer looks at the files and makes a `Plan`: which networks there are and where each of their
tensors comes from. Nothing is written before the whole plan has been checked without values. Then
the tensors are read, changed, checked for NaN and written file by file into a folder beside the
final one, which is renamed when all is on the disk. An import that was cut off, even by `kill -9`,
goes on after the last whole file when it is started again with the same sources.

Floating tensors keep the type they came in.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from nonette.checkpoints import store, tensors
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.foreign.source import Source
from nonette.checkpoints.format import FORMAT, Manifest, Part, first_names, flush, put_in_place
from nonette.checkpoints.tables import Row, translate
from nonette.core import config as configs
from nonette.core import registry
from nonette.core.errors import CheckpointError, InputError, NonetteError
from nonette.core.version import version

MAX_SHARD_BYTES = 2 * 2**30
JOURNAL = "import.json"  # stays in the finished folder: what it was made of

OnProgress = Callable[[int, int], None]
"""Told the bytes written and the bytes in all."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network of a plan.

    Attributes:
        network: Its name in `core.registry.NETWORKS`.
        config: Its config, of its own class.
        table: Where each of its tensors comes from.
        source: Their tensors.
        dropped: Beginnings of source names that may be there and that nothing needs.
    """

    network: str
    config: Any
    table: Sequence[Row]
    source: Source
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an importer makes of the files.

    Attributes:
        title: What was recognised, for people.
        name: The name the model gets where the person gives none.
        system: Its pipeline, or what it is for.
        networks: By part.
        settings: Of the system.
        files: More files of the folder by name, such as `tokenizer.json`.
        examples: Sentences it draws.
        licence: As the source states it.
        origin: Who published it, and where.
        notes: More sentences for the card.
    """

    title: str
    name: str
    system: str
    networks: Mapping[str, Network]
    licence: str
    origin: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def recognise(found: Found) -> tuple[str, Plan]:
    """The name of the first importer that knows the files, and its plan.

    Raises:
        CheckpointError: None does, or a file is damaged or unsafe.
    """
    for name in registry.IMPORTERS:
        plan = registry.resolve(registry.IMPORTERS, name, "importer")(found)
        if plan is not None:
            return name, plan
    names = [name for folder in found.folders() for name in found.weights(folder)]
    for name in names:  # a damaged or unsafe file says so itself
        found.source(name)
    if not names:
        raise found.lacking_weights()
    known = ", ".join(registry.IMPORTERS)
    raise CheckpointError(f"{found.where} is of no model that is known; known are: {known}")


def check(plan: Plan) -> dict[str, dict[str, Tensor]]:
    """Every part's tensors on the meta device as they will be written; no value is read.

    Raises:
        CheckpointError: Names are missing or left over, or a shape or type does not fit.
    """
    return {part: _check_network(part, network) for part, network in plan.networks.items()}


def write(
    plan: Plan,
    found: Found,
    importer: str,
    name: str = "",
    *,
    on_progress: OnProgress = lambda done, total: None,
    is_replacing: bool = False,
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> Path:
    """Write the model into the store, or go on where an earlier import of it was cut off.

    Args:
        plan: What to write.
        found: Where it comes from.
        importer: The importer's name, for the record.
        name: The model's name; "" is the plan's.
        on_progress: Told after every file.
        is_replacing: Whether a model of that name may be replaced.
        max_shard_bytes: Of one file.

    Returns:
        The model's folder.

    Raises:
        InputError: The name cannot be used.
        CheckpointError: The plan does not fit, or a value is not finite; nothing is left behind.
        NonetteError: The same import is running elsewhere.
        OSError: The disk refused; what is whole stays for the next try.
    """
    name = name or plan.name
    folder = destination(name, is_replacing)
    checked = check(plan)
    journal = _journal(plan, found, importer, name, max_shard_bytes)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _workplace(folder.parent / f".{name}.partial-import", journal) as partial:
        try:
            _write_networks(plan, checked, partial, max_shard_bytes, on_progress)
            found.check_unchanged()
        except CheckpointError:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _write_texts(plan, found, name, partial)
        put_in_place(partial, folder)
    return folder


def _check_network(part: str, network: Network) -> dict[str, Tensor]:
    expected = _expected(network)
    meta = network.source.meta()
    ours: dict[str, Tensor] = {}
    for name, tensor in translate(
        network.table, meta, expected, where=network.source.where, dropped=_dropped(network)
    ):
        is_floating = expected[name].is_floating_point()
        if tensor.is_floating_point() != is_floating or (
            not is_floating and tensor.dtype != expected[name].dtype
        ):
            raise CheckpointError(
                f"{network.source.where}: {part}'s {name} is of type {tensor.dtype}, "
                f"not {expected[name].dtype}"
            )
        ours[name] = tensor
    return {name: ours[name] for name in expected}


def _expected(network: Network) -> dict[str, Tensor]:
    """The network's own tensors on the meta device, tied ones once."""
    network_class = registry.resolve(registry.NETWORKS, network.network, "network")
    config_class = typing.get_type_hints(network_class.__init__)["config"]
    assert isinstance(network.config, config_class), f"{network.config} is no {config_class}"
    parameters = tensors.skeleton(network_class, network.config).state_dict(keep_vars=True)
    return {name: parameters[name] for name in first_names(parameters).values()}


def _dropped(network: Network) -> set[str]:
    return {name for name in network.source if name.startswith(network.dropped)}


def _write_networks(
    plan: Plan,
    checked: Mapping[str, Mapping[str, Tensor]],
    partial: Path,
    max_shard_bytes: int,
    on_progress: OnProgress,
) -> None:
    """Write every shard that is not there yet."""
    total = sum(tensor.nbytes for state in checked.values() for tensor in state.values())
    done = 0
    for part, network in plan.networks.items():
        sizes = {name: tensor.nbytes for name, tensor in checked[part].items()}
        files = tensors.layout(part, sizes, max_shard_bytes)
        if len(files) > 1:
            text = tensors.index(checked[part], files)
            (partial / f"{part}{tensors.INDEX_SUFFIX}").write_text(text, encoding="utf-8")
        row_of = {row.ours: row for row in network.table}
        for file_name, names in files.items():
            if not (partial / file_name).exists():
                _write_shard(partial / file_name, [row_of[name] for name in names], network.source)
            done += sum(sizes[name] for name in names)
            on_progress(done, total)


def _write_shard(path: Path, rows: Iterable[Row], source: Source) -> None:
    """Write one file under another name, and give it its own when it is whole."""
    shard: dict[str, Tensor] = {}
    for row in rows:
        tensor = row.transform(*(source[key] for key in row.theirs))
        tensors.check_finite(tensor, " and ".join(row.theirs), source.where)
        is_view = tensor.untyped_storage().nbytes() != tensor.nbytes
        is_packed = tensor.is_contiguous() and not is_view
        shard[row.ours] = (
            tensor if is_packed else tensor.clone(memory_format=torch.contiguous_format)
        )
    unfinished = path.with_name(f"{path.name}.unfinished")
    save_file(shard, unfinished, metadata={"format": "pt"})
    flush(unfinished)
    unfinished.rename(path)
    flush(path.parent)


def _write_texts(plan: Plan, found: Found, name: str, partial: Path) -> None:
    """Write everything that is not weights, `config.json` last."""
    for file_name, content in plan.files.items():
        assert Path(file_name).name == file_name, f"{file_name!r} is not a plain file name"
        (partial / file_name).write_bytes(content)
    (partial / "card.md").write_text(_card(plan, found, name), encoding="utf-8")
    text = json.dumps(configs.to_dict(_manifest(plan, name)), indent=2, ensure_ascii=False)
    (partial / "config.json").write_text(text + "\n", encoding="utf-8")
    for path in partial.iterdir():
        flush(path)
    flush(partial)


def _manifest(plan: Plan, name: str) -> Manifest:
    return Manifest(
        format=FORMAT,
        name=name,
        system=plan.system,
        networks={
            part: Part(network=network.network, config=configs.to_dict(network.config))
            for part, network in plan.networks.items()
        },
        settings=dict(plan.settings),
        examples=plan.examples,
    )


def _card(plan: Plan, found: Found, name: str) -> str:
    """The card of an imported model: what it is, whose, under which licence, from which files."""
    files = "\n".join(
        f"| {file} | {digest.num_bytes:,} | `{digest.sha256}` |"
        for file, digest in found.digests.items()
    )
    notes = "".join(f"\n{note}\n" for note in plan.notes)
    return (
        f"# {name}\n\n{plan.title}, imported by Nonette {version()}; it was trained elsewhere.\n\n"
        f"Source: {plan.origin}.\n\nLicence: {plan.licence}.\n{notes}\n"
        f"| file | bytes | SHA-256 |\n| --- | --- | --- |\n{files}\n"
    )


def _journal(
    plan: Plan, found: Found, importer: str, name: str, max_shard_bytes: int
) -> dict[str, Any]:
    """What makes two imports the same one, as JSON values."""
    return {
        "importer": importer,
        "nonette": version(),
        "max_shard_bytes": max_shard_bytes,
        "files": {
            file: {"bytes": digest.num_bytes, "sha256": digest.sha256}
            for file, digest in found.digests.items()
        },
        "config": json.loads(json.dumps(configs.to_dict(_manifest(plan, name)))),
    }


@contextlib.contextmanager
def _workplace(partial: Path, journal: Mapping[str, Any]) -> Iterator[Path]:
    """The folder to write into, for nobody else: with what the same import left, or empty."""
    partial.mkdir(exist_ok=True)
    with _locked(partial):
        path = partial / JOURNAL
        try:
            is_same = json.loads(path.read_bytes()) == journal
        except (OSError, ValueError):
            is_same = False
        for left in partial.iterdir():
            is_whole = left.name.endswith(".safetensors") and is_same
            if left != path and not is_whole:
                left.unlink()
        path.write_text(json.dumps(journal, indent=2) + "\n", encoding="utf-8")
        flush(path)
        yield partial


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process, however that ends.

    Raises:
        NonetteError: Another process holds it.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # where there are no such locks, nobody is kept out
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NonetteError("another import of this name is running") from error
        yield
    finally:
        os.close(descriptor)


def destination(name: str, is_replacing: bool) -> Path:
    """The folder of a new model in the person's own store.

    Raises:
        InputError: The name cannot be used.
    """
    if not store.NAME.fullmatch(name):
        raise InputError("name", name, "it must be letters, digits, dots, dashes, underscores")
    if (store.BUNDLED / name).exists():
        raise InputError("name", name, "a bundled model has that name")
    folder = store.places()[-1] / name
    if folder.exists() and not is_replacing:
        raise InputError("name", name, f"there is such a model already, in {folder}")
    return folder
