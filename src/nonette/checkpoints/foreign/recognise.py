"""Which kind of weight file this is, by its content; its name may say anything.

Opening a file by this door is the only way foreign weights come in.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from nonette.checkpoints import tensors
from nonette.checkpoints.foreign.archives import open_legacy, open_zip
from nonette.checkpoints.foreign.flax import MAPS, open_flax
from nonette.checkpoints.foreign.source import Entry, Source
from nonette.core.errors import CheckpointError

Kind = Literal["safetensors", "zip", "pickle", "flax"]

MAX_NAME_LENGTH = 512  # characters of a tensor's name


def kind_of(path: Path) -> Kind | None:
    """The kind of weight file, or None where it is none that is read.

    Raises:
        CheckpointError: It is not a plain file, or cannot be read.
    """
    if not stat.S_ISREG(status(path).st_mode):  # opening a pipe or a device could wait for ever
        raise CheckpointError(f"{path} is not a plain file")
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if start.startswith(b"PK\x03\x04"):
        return "zip"
    if len(start) > 2 and start[0] == 0x80 and 2 <= start[1] <= 5:
        return "pickle"
    if start[8:9] == b"{":
        return "safetensors"
    is_map = len(start) > 1 and start[0] in MAPS and start[0] != 0x80
    return "flax" if is_map and _is_text(start) else None


def open_weights(path: Path) -> Source:
    """The tensors of a weight file of any kind.

    Raises:
        CheckpointError: It is of no known kind, damaged or unsafe; the message is one line.
        MissingExtra: Its kind needs a library that is not installed.
    """
    kind = kind_of(path)
    if kind is None:
        tensors.check_start(path)  # says what it is, if that can be said
        raise CheckpointError(f"{path} holds no weights that can be read")
    source = _READERS[kind](path)
    for name in source.entries:
        if not name.isprintable() or not 0 < len(name) <= MAX_NAME_LENGTH:
            raise CheckpointError(f"{path} is refused: a tensor's name is not printable or long")
    return source


def status(path: Path) -> Any:
    """What the file system says of a file.

    Raises:
        CheckpointError: It says nothing.
    """
    try:
        return path.stat()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"that path cannot be read: {error}") from error


def _open_safetensors(path: Path) -> Source:
    """The file stays open as long as the source lives."""
    stack = ExitStack()
    file = stack.enter_context(tensors.opened(path))
    entries: dict[str, Entry] = {}
    for name in file.keys():
        view = file.get_slice(name)
        if view.get_dtype() not in tensors.TYPES:
            raise CheckpointError(f"{path}: {name} is of type {view.get_dtype()}, not read here")
        entries[name] = Entry(tuple(view.get_shape()), tensors.TYPES[view.get_dtype()])

    def read(name: str, _: ExitStack = stack) -> Tensor:
        tensor: Tensor = file.get_tensor(name)
        return tensor

    return Source(str(path), entries, read)


def _is_text(start: bytes) -> bool:
    """Whether what follows the head of a msgpack map is a text, as every key is."""
    first = start[{0xDE: 3, 0xDF: 5}.get(start[0], 1)]
    return 0xA0 <= first < 0xC0 or first in (0xD9, 0xDA)


_READERS: Mapping[Kind, Callable[[Path], Source]] = {
    "safetensors": _open_safetensors,
    "zip": open_zip,
    "pickle": open_legacy,
    "flax": open_flax,
}
