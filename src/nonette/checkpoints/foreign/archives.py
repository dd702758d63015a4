"""Files of `torch.save`: a zip archive around a pickle, or the older form, a row of pickles.

Either is mapped into memory, so that a tensor is read when it is used and not before. Every size
and offset is checked against the file before anything is built from it. TorchScript archives have
the same form and are read the same way, their code never looked at.
"""

from __future__ import annotations

import io
import math
import mmap
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from nonette.checkpoints.foreign.pickles import Storage, Strided, flatten, interpret
from nonette.checkpoints.foreign.source import Entry, Source
from nonette.core.errors import CheckpointError, shorten

MAX_ENTRIES = 100_000  # of a zip archive; SDXL has about 2,600
MAX_PICKLE_BYTES = 512 * 2**20
LOCAL_HEADER_BYTES = 30  # of a zip entry, before its name
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001

Place = tuple[int, int]  # where bytes lie in a file: first, and one past the last


def open_zip(path: Path) -> Source:
    """The tensors of a file that `torch.save` or TorchScript wrote as a zip archive.

    Raises:
        CheckpointError: It is damaged, compressed, or holds what no weights need.
    """
    where = str(path)
    mapped = map_file(path)
    places = _zip_places(mapped, where)
    pickle_name = next((name for name in places if PurePosixPath(name).name == "data.pkl"), None)
    if pickle_name is None:
        raise CheckpointError(f"{where} is a zip archive without a data.pkl, so not torch.save's")
    root = pickle_name.removesuffix("data.pkl")
    first, last = places.get(f"{root}byteorder", (0, 0))
    if mapped[first:last] == b"big":
        raise CheckpointError(f"{where} has its bytes in big-endian order, which is not read")
    first, last = places[pickle_name]
    if last - first > MAX_PICKLE_BYTES:
        raise CheckpointError(f"{where}: its data.pkl is larger than {MAX_PICKLE_BYTES:,} bytes")
    tensors = flatten(interpret(io.BytesIO(mapped[first:last]), where), where)

    def place(storage: Storage) -> Place:
        name = f"{root}data/{storage.key}"
        if name not in places:
            raise CheckpointError(f"{where} is damaged: it lacks the numbers of {shorten(name)}")
        return places[name]

    return _source(where, mapped, tensors, place)


def open_legacy(path: Path) -> Source:
    """The tensors of a file that `torch.save` wrote before torch 1.6.

    Raises:
        CheckpointError: It is damaged, or holds what no weights need.
    """
    where = str(path)
    mapped = map_file(path)
    if interpret(mapped, where) != LEGACY_MAGIC or interpret(mapped, where) != LEGACY_PROTOCOL:
        raise CheckpointError(f"{where} is a pickle, but not one that torch.save wrote")
    system = interpret(mapped, where)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise CheckpointError(f"{where} has its bytes in big-endian order, which is not read")
    tensors = flatten(interpret(mapped, where), where)
    keys = interpret(mapped, where)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise CheckpointError(f"{where} is damaged: it does not name its storages")
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    places: dict[str, Place] = {}
    position = mapped.tell()
    for key in keys:
        count = int.from_bytes(mapped[position : position + 8], "little")
        position += 8
        if key not in storages:
            raise CheckpointError(f"{where} is refused: no tensor uses its storage {shorten(key)}")
        num_bytes = count * storages[key].dtype.itemsize
        if count != storages[key].count or position + num_bytes > len(mapped):
            raise CheckpointError(f"{where} is damaged: storage {shorten(key)} is cut short")
        places[key] = (position, position + num_bytes)
        position += num_bytes

    def place(storage: Storage) -> Place:
        if storage.key not in places:
            raise CheckpointError(f"{where} is damaged: it lacks storage {shorten(storage.key)}")
        return places[storage.key]

    return _source(where, mapped, tensors, place)


def map_file(path: Path) -> mmap.mmap:
    """The whole file as memory that is read when it is looked at; writes would stay private."""
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except ValueError as error:
        raise CheckpointError(f"{path} is empty") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def numbers(mapped: mmap.mmap, first: int, count: int, dtype: torch.dtype) -> Tensor:
    """`count` numbers from byte `first` on, (count,): a view of the map where they lie aligned."""
    if count == 0:
        return torch.empty(0, dtype=dtype)
    if first % dtype.itemsize:
        copied = bytearray(mapped[first : first + count * dtype.itemsize])
        return torch.frombuffer(copied, dtype=dtype)
    return torch.frombuffer(mapped, dtype=dtype, count=count, offset=first)


def _source(
    where: str,
    mapped: mmap.mmap,
    tensors: Mapping[str, Strided],
    place: Callable[[Storage], Place],
) -> Source:
    """The source of tensors whose storages have all been found long enough."""
    for tensor in tensors.values():
        first, last = place(tensor.storage)
        if last - first < tensor.storage.count * tensor.storage.dtype.itemsize:
            raise CheckpointError(
                f"{where} is damaged: storage {shorten(tensor.storage.key)} is shorter than stated"
            )

    def read(name: str) -> Tensor:
        tensor = tensors[name]
        storage = tensor.storage
        flat = numbers(mapped, place(storage)[0], storage.count, storage.dtype)
        if not math.prod(tensor.shape):
            return flat.new_empty(tensor.shape)
        return flat.as_strided(tensor.shape, tensor.stride, tensor.offset)

    entries = {name: Entry(one.shape, one.storage.dtype) for name, one in tensors.items()}
    return Source(where, entries, read)


def _zip_places(mapped: mmap.mmap, where: str) -> dict[str, Place]:
    """Where the contents of each entry lie; nothing is unpacked."""
    try:
        with zipfile.ZipFile(where) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{where} is a damaged zip archive: {shorten(str(error))}") from error
    if len(entries) > MAX_ENTRIES:
        raise CheckpointError(f"{where} is refused: it has {len(entries):,} entries")
    places: dict[str, Place] = {}
    for entry in entries:
        if entry.filename in places:
            raise CheckpointError(
                f"{where} is refused: it has two entries {shorten(entry.filename)}"
            )
        _check_entry(entry, where)
        if "code" in PurePosixPath(entry.filename).parts[1:-1]:
            continue  # TorchScript's source texts, which alone are compressed
        _check_stored(entry, where)
        places[entry.filename] = _contents(mapped, entry, where)
    _check_apart(places.values(), where)
    return places


def _check_entry(entry: zipfile.ZipInfo, where: str) -> None:
    """Refuse an entry that torch.save never writes."""
    name = PurePosixPath(entry.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in entry.filename:
        raise CheckpointError(
            f"{where} is refused: its entry {shorten(entry.filename)} leads out of the archive"
        )
    if entry.flag_bits & 1:
        raise CheckpointError(f"{where} is refused: its entries are encrypted")


def _check_stored(entry: zipfile.ZipInfo, where: str) -> None:
    """Refuse an entry that would have to be unpacked."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise CheckpointError(
            f"{where} is refused: its entry {shorten(entry.filename)} is compressed "
            f"({entry.compress_size:,} bytes for {entry.file_size:,}), as torch.save never does"
        )


def _contents(mapped: mmap.mmap, entry: zipfile.ZipInfo, where: str) -> Place:
    """Where an entry's bytes lie, behind its own header."""
    start = entry.header_offset
    header = mapped[start : start + LOCAL_HEADER_BYTES] if start >= 0 else b""
    if len(header) < LOCAL_HEADER_BYTES or not header.startswith(b"PK\x03\x04"):
        raise CheckpointError(f"{where} is damaged: entry {shorten(entry.filename)} is not there")
    name_bytes, extra_bytes = header[26:28], header[28:30]
    first = start + LOCAL_HEADER_BYTES
    first += int.from_bytes(name_bytes, "little") + int.from_bytes(extra_bytes, "little")
    if first + entry.file_size > len(mapped):
        raise CheckpointError(f"{where} is damaged: entry {shorten(entry.filename)} is cut short")
    return first, first + entry.file_size


def _check_apart(places: Iterable[Place], where: str) -> None:
    """Refuse entries that share bytes, with which a small file claims to be a large one."""
    end = 0
    for first, last in sorted(places):
        if first < end:
            raise CheckpointError(f"{where} is refused: its entries overlap")
        end = max(end, last)
