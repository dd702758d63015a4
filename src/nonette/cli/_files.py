"""Files a verb writes: checked before the work begins, and written whole or not at all.

`check` finds out early what would fail late, so that nobody waits for pictures that cannot be
saved. `write_all` writes every file beside its place, waits for the disk, and only then gives each
its name. A file that was not to be replaced is not, even when it appears in the meantime.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from nonette.core.errors import InputError

ALREADY_THERE = "that is there already; choose another name, or replace it with --force"


def check(path: Path, option: str, is_forced: bool) -> None:
    """Make sure that a file can be written at `path` and may be; folders on the way are made later.

    Args:
        path: Where the file is to be.
        option: What the person called it, for the error.
        is_forced: Whether a file that is there already may be replaced.

    Raises:
        InputError: It is there already or no plain file, or its folder cannot be written.
    """
    try:
        if os.path.lexists(path) and not path.is_file():
            raise InputError(option, str(path), "that is there already and not a file")
        if os.path.lexists(path) and not is_forced:
            raise InputError(option, str(path), ALREADY_THERE)
        _probe(path.parent)
        if path.parent.is_dir():
            _write_beside(path, b"").unlink()  # a name may be too long where its folder is fine
    except OSError as error:
        raise _refusal(option, path, error) from error


def check_folder(folder: Path, option: str) -> None:
    """Make sure that files can be written into `folder`, once it is made where it is missing.

    Raises:
        InputError: It is no folder, or nothing can be written there.
    """
    try:
        _probe(folder)
    except OSError as error:
        raise _refusal(option, folder, error) from error


def free_name(path: Path) -> Path:
    """`path`, or where that is taken the first of `name-2`, `name-3`, ... that is not."""
    candidate, number = path, 2
    while os.path.lexists(candidate):
        candidate = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return candidate


def write_all(contents: Mapping[Path, bytes], option: str, is_forced: bool) -> None:
    """Write the files: each of them whole, and none before all of them are on the disk.

    Raises:
        InputError: One of them is there already and may not be replaced.
        OSError: The disk refused; files that were finished stay, and nothing else does.
    """
    partials: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            partials[path] = _write_beside(path, content)
        for path, partial in partials.items():
            if is_forced:
                partial.replace(path)
            else:
                _name_new(partial, path)
    except FileExistsError as error:
        raise InputError(option, str(error.filename2 or error.filename), ALREADY_THERE) from error
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)


def _name_new(partial: Path, path: Path) -> None:
    """Give the file its name, unless that is taken."""
    try:
        os.link(partial, path)  # unlike a rename, it fails where the name is taken
    except FileExistsError:
        raise
    except OSError as error:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(error.errno, "File exists", str(path)) from error
        partial.replace(path)


def _probe(folder: Path) -> None:
    """Write and remove a file in `folder`, or in its nearest parent where it is to be made."""
    existing = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
    _write_beside(existing / "probe", b"").unlink()


def _write_beside(path: Path, content: bytes) -> Path:
    """Write a hidden file of an unused name into the folder of `path`, down to the disk."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return partial


def _refusal(option: str, path: Path, error: OSError) -> InputError:
    """What a person is told of a path that the system refuses."""
    return InputError(option, str(path), f"nothing can be written there: {error.strerror}")
