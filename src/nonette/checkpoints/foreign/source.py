"""A source: the named tensors of one or more foreign files, read one at a time when asked for.

Readers of the file formats make sources; importers rename, slice and join them until the names are
flat, and map what is left to ours. Shapes and types are known before any value is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nonette.core.errors import CheckpointError


@dataclass(frozen=True)
class Entry:
    """What is known of a tensor without reading it."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def num_bytes(self) -> int:
        """Of its values, without any padding."""
        count = 1
        for size in self.shape:
            count *= size
        return count * self.dtype.itemsize


class Source(Mapping[str, Tensor]):
    """Named tensors that can be read; as a mapping it reads a tensor whenever it is looked up.

    Args:
        where: What to call it in errors: the file's path.
        entries: Every tensor's shape and type by name.
        read: Gives the tensor of a name, on the CPU; it may share memory with the file, so nobody
            writes into it.
    """

    def __init__(
        self, where: str, entries: Mapping[str, Entry], read: Callable[[str], Tensor]
    ) -> None:
        self.where = where
        self.entries = dict(entries)
        self._read = read

    def __contains__(self, name: object) -> bool:
        return name in self.entries  # Mapping's own would read the tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, name: str) -> Tensor:
        tensor = self._read(name)
        entry = self.entries[name]
        got = (tuple(tensor.shape), tensor.dtype)
        assert got == (entry.shape, entry.dtype), f"{name}: {got} != {entry}"
        return tensor

    def meta(self) -> dict[str, Tensor]:
        """Every tensor on the meta device: its shape and type, and no values."""
        return {
            name: torch.empty(entry.shape, dtype=entry.dtype, device="meta")
            for name, entry in self.entries.items()
        }

    def renamed(self, rename: Callable[[str], str | None]) -> Source:
        """The same tensors under new names; those renamed to None are left out.

        Raises:
            CheckpointError: Two tensors get one name.
        """
        old_of: dict[str, str] = {}
        for old in self.entries:
            new = rename(old)
            if new is None:
                continue
            if new in old_of:
                raise CheckpointError(f"{self.where}: {old_of[new]} and {old} are both {new}")
            old_of[new] = old
        entries = {new: self.entries[old] for new, old in old_of.items()}
        return Source(self.where, entries, lambda new: self[old_of[new]])

    def below(self, prefix: str) -> Source:
        """The tensors whose names begin with `prefix`, without it."""
        return self.renamed(
            lambda name: name.removeprefix(prefix) if name.startswith(prefix) else None
        )

    def unstacked(self, stacked: Mapping[str, str]) -> Source:
        """Tensors that hold all layers along their first axis, as one tensor a layer.

        Args:
            stacked: For each beginning of stacked names, its replacement with `{}` where the
                number of the layer goes; other names stay.

        Raises:
            CheckpointError: Two tensors get one name, or a stacked one has no axis.
        """
        entries: dict[str, Entry] = {}
        place_of: dict[str, tuple[str, int | None]] = {}

        def add(name: str, entry: Entry, old: str, layer: int | None) -> None:
            if name in entries:
                raise CheckpointError(f"{self.where}: two tensors are both {name}")
            entries[name] = entry
            place_of[name] = (old, layer)

        for old, entry in self.entries.items():
            prefix = next((start for start in stacked if old.startswith(start)), None)
            if prefix is None:
                add(old, entry, old, None)
                continue
            if not entry.shape:
                raise CheckpointError(f"{self.where}: {old} should hold all layers, but is scalar")
            for layer in range(entry.shape[0]):
                name = stacked[prefix].format(layer) + old.removeprefix(prefix)
                add(name, Entry(entry.shape[1:], entry.dtype), old, layer)

        def read(name: str) -> Tensor:
            old, layer = place_of[name]
            tensor = self[old]
            return tensor if layer is None else tensor[layer]

        return Source(self.where, entries, read)


def merged(sources: Sequence[Source]) -> Source:
    """The tensors of several files as one source, as shards are.

    Raises:
        CheckpointError: Two files hold one name.
    """
    source_of: dict[str, Source] = {}
    for source in sources:
        for name in source.entries:
            if name in source_of:
                raise CheckpointError(
                    f"{name} is both in {source_of[name].where} and in {source.where}"
                )
            source_of[name] = source
    where = sources[0].where if len(sources) == 1 else ", ".join(one.where for one in sources[:3])
    entries = {name: source.entries[name] for name, source in source_of.items()}
    return Source(where, entries, lambda name: source_of[name][name])
