"""Files of Flax: a msgpack map of arrays, as `flax.serialization.to_bytes` writes it.

An array is a msgpack extension of type 1 whose contents are another msgpack value: shape, type and
bytes. One of more than 2^30 bytes is cut into chunks, a map with a mark in it. A first pass goes
over the file and notes where every array lies; each is read when it is asked for. The `msgpack`
library reads every small thing; what frames an array's bytes is stepped over here, so that no array
is ever copied whole into a buffer.
"""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nonette.checkpoints.foreign.archives import map_file, numbers
from nonette.checkpoints.foreign.source import Entry, Source
from nonette.core.errors import CheckpointError, MissingExtra, shorten

MAX_DEPTH = 64
MAX_ENTRIES = 1_000_000
WINDOW = 1 << 16  # bytes looked at for anything that is no array: a key, a shape, a number
ARRAY = 1  # extension type of Flax; 2 is a complex number, 3 a scalar
CHUNKED = "__msgpack_chunked_array__"
# First bytes of msgpack values, from its specification.
MAPS = frozenset([*range(0x80, 0x90), 0xDE, 0xDF])
SIZED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}  # -> bytes of contents
EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}  # -> bytes of the length that follows
BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
TYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int64": torch.int64,
    "int32": torch.int32,
    "int16": torch.int16,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "bool": torch.bool,
}


@dataclass(frozen=True)
class Array:
    """Where an array's values lie: one piece, or several where Flax has cut it."""

    entry: Entry
    pieces: tuple[tuple[int, int], ...]  # first byte and number of values of each


def open_flax(path: Path) -> Source:
    """The arrays of a Flax file by dotted names.

    Raises:
        CheckpointError: It is damaged, or holds what no weights need.
        MissingExtra: The msgpack library is not installed.
    """
    where = str(path)
    mapped = map_file(path)
    arrays = _Index(mapped, where).arrays()

    def read(name: str) -> Tensor:
        array = arrays[name]
        dtype = array.entry.dtype
        flat = [numbers(mapped, first, count, dtype) for first, count in array.pieces]
        return (flat[0] if len(flat) == 1 else torch.cat(flat)).reshape(array.entry.shape)

    return Source(where, {name: array.entry for name, array in arrays.items()}, read)


class _Index:
    """The first pass: goes through the maps and notes where the arrays lie."""

    def __init__(self, mapped: mmap.mmap, where: str) -> None:
        try:
            import msgpack
        except ModuleNotFoundError as error:
            raise MissingExtra("Flax weights", "msgpack", "import") from error
        self.unpacker = msgpack.Unpacker
        self.unpacking_errors = (msgpack.UnpackException, ValueError, TypeError)
        self.mapped = mapped
        self.where = where
        self.position = 0
        self.found: dict[str, Array] = {}
        self.num_values = 0

    def arrays(self) -> dict[str, Array]:
        """All arrays by dotted names."""
        if not len(self.mapped) or self.mapped[0] not in MAPS:
            raise CheckpointError(f"{self.where} is no Flax file: it does not begin with a map")
        self._value("", 0)
        if self.position != len(self.mapped):
            extra = len(self.mapped) - self.position
            raise CheckpointError(f"{self.where} is damaged: {extra:,} bytes follow its end")
        return self.found

    def _value(self, name: str, depth: int) -> None:
        """Step over one value, noting what it holds."""
        self.num_values += 1
        if depth > MAX_DEPTH or self.num_values > MAX_ENTRIES:
            raise CheckpointError(f"{self.where} is refused: it is nested too deeply or too large")
        first = self._byte()
        if first in MAPS:
            self._map(name, depth)
        elif first in EXTENSIONS or first in SIZED_EXTENSIONS:
            self._extension(name)
        else:
            self._small("unpack")  # a number or a word beside the arrays

    def _map(self, name: str, depth: int) -> None:
        before = self.position
        count = self._small("read_map_header")
        keys = set()
        for i in range(count):
            key = self._small("unpack")
            if not isinstance(key, str) or not key.isprintable() or key in keys:
                raise CheckpointError(f"{self.where} is refused: {shorten(key)} is no key or twice")
            if i == 0 and key == CHUNKED:
                self.position = before
                self._chunked(name)
                return
            keys.add(key)
            self._value(f"{name}.{key}" if name else key, depth + 1)

    def _extension(self, name: str) -> None:
        """An array; other extensions hold no weights and are stepped over."""
        kind, end = self._extension_frame()
        if kind == ARRAY:
            self._note(name, self._array(name, end))
        self.position = end

    def _extension_frame(self) -> tuple[int, int]:
        """The type of the extension here and where its contents end; they begin at the position."""
        first = self._byte()
        width = EXTENSIONS.get(first, 0)
        length = SIZED_EXTENSIONS.get(first, 0)
        if width:
            length = int.from_bytes(self._bytes(self.position + 1, width), "big")
        kind = self._bytes(self.position + 1 + width, 1)[0]
        self.position += 2 + width
        end = self.position + length
        if end > len(self.mapped):
            raise CheckpointError(f"{self.where} is damaged: it ends within an array")
        return kind, end

    def _array(self, name: str, end: int) -> Array:
        """The array whose contents begin at the position."""
        count = self._small("read_array_header")
        shape, type_name = self._small("unpack"), self._small("unpack")
        if isinstance(type_name, bytes):
            type_name = type_name.decode("ascii", "replace")
        if count != 3 or not isinstance(shape, list) or str(type_name) not in TYPES:
            raise CheckpointError(
                f"{self.where}: {name} is an array of type {shorten(type_name)}, which is not read"
            )
        if not all(type(size) is int and size >= 0 for size in shape):
            raise CheckpointError(f"{self.where}: {name} has the shape {shorten(shape)}")
        width = BYTES.get(self._byte(), 0)
        length = int.from_bytes(self._bytes(self.position + 1, width), "big")
        first = self.position + 1 + width
        entry = Entry(tuple(shape), TYPES[type_name])
        if not width or first + length != end or entry.num_bytes != length:
            raise CheckpointError(
                f"{self.where} is damaged: {name} has {length:,} bytes for shape {tuple(shape)}"
            )
        return Array(entry, ((first, math.prod(shape)),))

    def _chunked(self, name: str) -> None:
        """An array that Flax has cut: a map of the mark, the shape and the pieces, by number."""
        problem = CheckpointError(f"{self.where} is damaged: {name} is cut into wrong pieces")
        parts: dict[str, Any] = {}
        for _ in range(self._small("read_map_header")):
            key = str(self._small("unpack"))
            parts[key] = self._pieces(name) if key == "chunks" else self._small("unpack")
        sizes, pieces = parts.get("shape"), parts.get("chunks")
        if not isinstance(sizes, dict) or not pieces or set(parts) != {CHUNKED, "shape", "chunks"}:
            raise problem
        shape: list[Any] = [sizes.get(str(axis)) for axis in range(len(sizes))]
        if not all(type(size) is int and size >= 0 for size in shape):
            raise problem
        entry = Entry(tuple(shape), pieces[0].entry.dtype)
        if any(piece.entry.dtype != entry.dtype for piece in pieces):
            raise problem
        if sum(piece.entry.num_bytes for piece in pieces) != entry.num_bytes:
            raise problem
        self._note(name, Array(entry, tuple(piece.pieces[0] for piece in pieces)))

    def _pieces(self, name: str) -> list[Array]:
        """The map of numbered pieces at the position, in their order."""
        pieces: dict[str, Array] = {}
        if self._byte() not in MAPS:
            raise CheckpointError(f"{self.where} is damaged: {name} has no pieces")
        for _ in range(self._small("read_map_header")):
            key = self._small("unpack")
            if self._byte() not in EXTENSIONS and self._byte() not in SIZED_EXTENSIONS:
                raise CheckpointError(f"{self.where} is damaged: a piece of {name} is no array")
            _, end = self._extension_frame()
            pieces[str(key)] = self._array(name, end)
            self.position = end
        if set(pieces) != {str(i) for i in range(len(pieces))}:
            raise CheckpointError(f"{self.where} is damaged: {name} lacks a piece")
        return [pieces[str(i)] for i in range(len(pieces))]

    def _note(self, name: str, array: Array) -> None:
        if name in self.found:
            raise CheckpointError(f"{self.where} is refused: two arrays are both named {name}")
        self.found[name] = array

    # --- bytes ---

    def _byte(self) -> int:
        return self._bytes(self.position, 1)[0]

    def _bytes(self, first: int, count: int) -> bytes:
        """Exactly `count` bytes from `first` on."""
        found = self.mapped[first : first + count]
        if len(found) < count:
            raise CheckpointError(f"{self.where} is damaged: it ends too early")
        return found

    def _small(self, verb: str) -> Any:
        """What the library's unpacker reads at the position, which moves behind it."""
        unpacker = self.unpacker(raw=False, strict_map_key=True, max_buffer_size=2 * WINDOW)
        unpacker.feed(self.mapped[self.position : self.position + WINDOW])
        try:
            value = getattr(unpacker, verb)()
        except self.unpacking_errors as error:
            raise CheckpointError(
                f"{self.where} is damaged at byte {self.position:,}: "
                f"{shorten(str(error) or type(error).__name__)}"
            ) from error
        self.position += unpacker.tell()
        return value
