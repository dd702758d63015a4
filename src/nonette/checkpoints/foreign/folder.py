"""What a person pointed at: a folder or a file, or several that make one model together.

Files are found here and opened nowhere else, each only after its SHA-256 has been told. A link that
leads out of the folder is refused, save into the store of blobs that a hub's cache keeps beside its
snapshots. What is no plain file is not there.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nonette.checkpoints.foreign.recognise import Kind, kind_of, open_weights, status
from nonette.checkpoints.foreign.source import Source, merged
from nonette.checkpoints.format import MAX_JSON_BYTES, read_json
from nonette.checkpoints.tensors import check_start
from nonette.core.errors import CheckpointError, InputError

MAX_FILES = 10_000
MAX_DEPTH = 4
CHUNK = 1 << 22  # bytes hashed at a time
SUFFIXES = frozenset("safetensors bin pt pth ckpt pkl msgpack".split())  # of weights, mostly
INDEX_SUFFIXES = tuple(f".{suffix}.index.json" for suffix in ("safetensors", "bin", "msgpack"))
PREFERENCE: Sequence[Kind] = ("safetensors", "zip", "pickle", "flax")  # of copies, the first


@dataclass(frozen=True)
class Digest:
    """A file as it was read: its length in bytes and the SHA-256 of its contents, in hex."""

    num_bytes: int
    sha256: str


class Found:
    """The files of one model, by their names from the folder on ("unet/config.json").

    Args:
        paths: Folders or files. Of several, each one's own name comes before its files'.
        on_digest: Told each file's name and digest before it is opened.

    Raises:
        InputError: A path is not there, or is neither a folder nor a plain file.
        CheckpointError: A link leads out, or there are too many files.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        on_digest: Callable[[str, Digest], None] = lambda name, digest: None,
    ) -> None:
        self.paths = [Path(path) for path in paths]
        self.digests: dict[str, Digest] = {}
        self._on_digest = on_digest
        self._kinds: dict[str, Kind | None] = {}
        self._sources: dict[str, Source] = {}
        self.files: dict[str, Path] = {}
        for path in self.paths:
            above = f"{path.resolve().name}/" if len(self.paths) > 1 else ""
            for name, file in _plain_files(path):
                if above + name in self.files:
                    raise InputError("source", path, f"{above + name} is there twice")
                self.files[above + name] = file

    @property
    def where(self) -> str:
        """What to call it in errors."""
        return " and ".join(str(path) for path in self.paths)

    def folders(self) -> list[str]:
        """The folders that hold files, as "" or "unet", the outer ones first."""
        parents = {str(PurePosixPath(name).parent).removeprefix(".") for name in self.files}
        return sorted(parents, key=lambda name: (name.count("/") + bool(name), name))

    def names(self, folder: str = "") -> list[str]:
        """The names of the files in a folder, sorted, not those in folders below."""
        prefix = f"{folder}/" if folder else ""
        return sorted(
            name
            for name in self.files
            if name.startswith(prefix) and "/" not in name[len(prefix) :]
        )

    def json(self, name: str) -> Any:
        """The values of a JSON file, or None where there is no such file.

        Raises:
            CheckpointError: It is damaged.
        """
        if name not in self.files:
            return None
        values = read_json(self.files[name])
        self._digest(name)
        return values

    def table(self, name: str) -> dict[str, Any]:
        """The object of a JSON file; empty where there is no such file or it holds no object."""
        values = self.json(name)
        return values if isinstance(values, dict) else {}

    def bytes(self, name: str) -> bytes:
        """A small file as it is.

        Raises:
            CheckpointError: It is missing or larger than 64 MiB.
        """
        if name not in self.files:
            raise CheckpointError(f"{self.where} lacks {name}")
        if status(self.files[name]).st_size > MAX_JSON_BYTES:
            raise CheckpointError(f"{self.files[name]} is larger than {MAX_JSON_BYTES:,} bytes")
        self._digest(name)
        return self.files[name].read_bytes()

    def kind(self, name: str) -> Kind | None:
        """What kind of weights a file holds, by its content; None for none."""
        if name not in self._kinds:
            self._kinds[name] = kind_of(self.files[name])
        return self._kinds[name]

    def weights(self, folder: str = "") -> list[str]:
        """The names of the weight files in a folder, by content, of the kinds preferred first."""
        named = [(name, self.kind(name)) for name in self.names(folder) if "." in name]
        return [
            name
            for preferred in PREFERENCE
            for name, kind in named
            if kind == preferred and not name.endswith(".json")
        ]

    def source(self, name: str) -> Source:
        """The tensors of one weight file.

        Raises:
            CheckpointError: It is damaged or unsafe.
            MissingExtra: Its kind needs a library that is not installed.
        """
        if name not in self.files:
            raise CheckpointError(f"{self.where} lacks {name}")
        if name not in self._sources:
            self._digest(name)
            self._sources[name] = open_weights(self.files[name])
        return self._sources[name]

    def only_source(self, folder: str = "") -> Source:
        """The tensors of a folder that holds one network, whole or in shards.

        Of several copies in different formats, the preferred one.

        Raises:
            CheckpointError: There are no weights, or they are damaged or unsafe.
        """
        names = self.weights(folder)
        if not names:
            raise self.lacking_weights(folder)
        indexes = [name for name in self.names(folder) if name.endswith(INDEX_SUFFIXES)]
        preferred = [one for one in indexes if one.endswith(f".{_suffix(names[0])}.index.json")]
        if preferred:
            return self.shards(preferred[0])
        return self.source(names[0])

    def lacking_weights(self, folder: str = "") -> CheckpointError:
        """The error for a folder without weights, with what its files are instead."""
        for name in self.names(folder):
            if _suffix(name) in SUFFIXES:
                try:
                    check_start(self.files[name])
                except CheckpointError as error:
                    return error
        place = f"{self.where}/{folder}" if folder else self.where
        return CheckpointError(f"{place} holds no weights that can be read")

    def sources(self, names: Iterable[str]) -> Source:
        """The tensors of several files as one source, as of shards."""
        return merged([self.source(name) for name in names])

    def shards(self, index: str) -> Source:
        """The tensors of the files that an index names, which must lie beside it.

        Raises:
            CheckpointError: The index is damaged, or a file is missing.
        """
        weight_map = self.table(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise CheckpointError(f"{self.files[index]} is damaged: it has no weight_map")
        beside = str(PurePosixPath(index).parent).removeprefix(".")
        files = sorted({str(file) for file in weight_map.values()})
        for file in files:
            if PurePosixPath(file).name != file or "\\" in file:
                raise CheckpointError(f"{self.files[index]} names {file!r}, not a file beside it")
        return self.sources(f"{beside}/{file}" if beside else file for file in files)

    def licence(self, folder: str = "") -> str:
        """The licence that the model's own page states in its first lines, or ""."""
        name = f"{folder}/README.md" if folder else "README.md"
        if name not in self.files:
            return ""
        with self.files[name].open("rb") as file:
            head = file.read(4096).decode("utf-8", "replace")
        stated = re.search(r"\A---\n(?:.*\n)*?license:[ \t]*([\w.+-]{1,60})", head)
        return stated.group(1) if stated else ""

    def check_unchanged(self) -> None:
        """Whether every file still has the length it was hashed with.

        Raises:
            CheckpointError: One has not.
        """
        for name, digest in self.digests.items():
            if status(self.files[name]).st_size != digest.num_bytes:
                raise CheckpointError(f"{self.files[name]} changed while it was read")

    def _digest(self, name: str) -> None:
        """Hash a file once, and tell."""
        if name in self.digests:
            return
        hashed, num_bytes = hashlib.sha256(), 0
        try:
            with self.files[name].open("rb") as file:
                while chunk := file.read(CHUNK):
                    hashed.update(chunk)
                    num_bytes += len(chunk)
        except OSError as error:
            raise CheckpointError(f"{self.files[name]} cannot be read: {error.strerror}") from error
        self.digests[name] = Digest(num_bytes, hashed.hexdigest())
        self._on_digest(name, self.digests[name])


def _suffix(name: str) -> str:
    return name.rpartition(".")[2]


def _plain_files(path: Path) -> list[tuple[str, Path]]:
    """The plain files at or below a path with their names from it on."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise InputError("source", str(path), "there is no such file or folder") from error
    if stat.S_ISREG(mode):
        return [(path.name, path)]
    if not stat.S_ISDIR(mode):
        raise InputError("source", str(path), "it is neither a folder nor a plain file")
    root = path.resolve()
    found = []
    for place, folders, names in os.walk(root):
        inner = Path(place).relative_to(root)
        is_deep = len(inner.parts) >= MAX_DEPTH
        folders[:] = [] if is_deep else sorted(one for one in folders if not one.startswith("."))
        for name in sorted(names):
            file = Path(place) / name
            if name.startswith(".") or not _is_inside(file, root):
                continue
            found.append(((inner / name).as_posix(), file))
        if len(found) > MAX_FILES:
            raise CheckpointError(f"{path} is refused: it holds more than {MAX_FILES:,} files")
    return found


def _is_inside(file: Path, root: Path) -> bool:
    """Whether it is a plain file, which no link may take out of the folder."""
    try:
        target = file.resolve(strict=True)
        is_plain = stat.S_ISREG(target.stat().st_mode)
    except (OSError, RuntimeError):  # a link to nowhere, or in a circle
        return False
    if not is_plain:
        return False
    is_cache = root.parent.name == "snapshots" and root.parent.parent.name.startswith("models--")
    allowed = [root, root.parent.parent / "blobs"] if is_cache else [root]
    if not any(target.is_relative_to(place) for place in allowed):
        raise CheckpointError(f"{file} is refused: it is a link that leads out of the folder")
    return True
