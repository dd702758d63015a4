"""What is on a disk after a power cut, from a trace of what a process wrote and synced.

The strictest disk that POSIX allows: contents last once their file was synced, names once their
folder was, and of everything later any part may be there or not.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLS = "openat,pwrite64,write,fsync,fdatasync,rename,unlink,unlinkat,ftruncate"
LINE = re.compile(r"^(\d+) +[\d.]+ (.*)$")
CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)")
NAMED = re.compile(r"^(?:-?\d+|AT_FDCWD)<([^>]*)>")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def command(trace: Path) -> list[str]:
    """The words before a command that have it traced."""
    words = f"strace -f --seccomp-bpf -ttt -y -qq -xx -s 1000000 -e trace={CALLS} -o"
    return [*words.split(), str(trace)]


@dataclass
class File:
    """A file's bytes as they surely are on disk, and the writes that may be there or not."""

    synced: bytes = b""
    later: list[tuple[int, bytes | None]] = field(default_factory=list)  # None cuts it off there

    def content(self, chance: random.Random | None = None) -> bytes:
        """The bytes now; or after a cut that leaves each later write by chance."""
        found = bytearray(self.synced)
        for place, new in self.later:
            if chance is not None and chance.random() < 0.5:
                continue
            if new is None:
                del found[place:]
            else:
                found.extend(bytes(max(0, place - len(found))))
                found[place : place + len(new)] = new
        return bytes(found)


class Disk:
    """One folder on a disk, as a trace changes it.

    Attributes:
        said: What the process wrote to its standard output so far.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        self.names = {str(path): File(path.read_bytes()) for path in files}
        self.synced_names = dict(self.names)
        self.said = ""

    def states(self, trace: Path) -> Iterator[int]:
        """Go through a trace, call by call; the number of calls so far."""
        begun: dict[str, str] = {}
        syncs: dict[str, tuple[File, int]] = {}
        for number, line in enumerate(trace.read_text().splitlines()):
            found = LINE.match(line)
            if found is None:
                continue
            process, text = found.groups()
            if text.endswith("<unfinished ...>"):
                begun[process] = text.removesuffix("<unfinished ...>").rstrip()
                self._begin(process, begun[process], syncs)
                continue
            if text.startswith("<... "):
                text = begun.pop(process) + text.partition("resumed>")[2]
            else:
                self._begin(process, text, syncs)
            call = CALL.match(text)
            if call is not None and int(call[3]) >= 0:
                self._end(process, call[1], call[2], int(call[3]), syncs)
            yield number

    def _begin(self, process: str, text: str, syncs: dict[str, tuple[File, int]]) -> None:
        """A sync promises what was written before it began."""
        if text.startswith(("fsync(", "fdatasync(")):
            path = _named(text.partition("(")[2])
            if path in self.names:
                file = self.names[path]
                syncs[process] = file, len(file.later)

    def _end(self, process: str, name: str, given: str, result: int, syncs: dict) -> None:
        strings = [_decoded(text) for text in STRING.findall(given)]
        path = _named(given)
        if name == "write" and given.startswith("1<"):
            self.said += strings[0].decode()
        elif name in ("rename", "unlink", "unlinkat", "openat"):
            self._name(name, [text.decode() for text in strings], given)
        elif name in ("fsync", "fdatasync"):
            self._sync(path, syncs.pop(process, None))
        elif path in self.names:
            file = self.names[path]
            if name == "pwrite64":
                file.later.append((int(given.rpartition(",")[2]), strings[0][:result]))
            elif name == "write":
                file.later.append((len(file.content()), strings[0][:result]))
            elif name == "ftruncate":
                file.later.append((int(given.rpartition(",")[2]), None))

    def _name(self, name: str, paths: list[str], given: str) -> None:
        if not paths[0].startswith(self.folder):
            return
        if name == "rename":
            self.names[paths[1]] = self.names.pop(paths[0])
        elif name == "openat":
            if "O_CREAT" in given:
                self.names.setdefault(paths[0], File())
        else:
            self.names.pop(paths[0], None)

    def _sync(self, path: str, begun: tuple[File, int] | None) -> None:
        if begun is not None:
            file, count = begun
            rest = file.later[count:]
            del file.later[count:]
            file.synced, file.later = file.content(), rest
        elif path.startswith(self.folder):
            here = {name for name in {*self.names, *self.synced_names} if _parent(name) == path}
            for name in here:
                if name in self.names:
                    self.synced_names[name] = self.names[name]
                else:
                    del self.synced_names[name]

    def after_a_cut(self, folder: Path, chance: random.Random | None) -> None:
        """Put what is there after a cut into a folder: nothing unsynced, or some of it by chance.

        SQLite's shared memory is never on disk.
        """
        for name, file in self.synced_names.items():
            if not name.endswith("-shm"):
                target = folder / Path(name).relative_to(self.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.synced if chance is None else file.content(chance))


def _named(given: str) -> str:
    """The path of the file that a call's first argument is."""
    found = NAMED.match(given)
    return _decoded(found[1]).decode() if found else ""


def _decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _parent(name: str) -> str:
    return name.rpartition("/")[0]
