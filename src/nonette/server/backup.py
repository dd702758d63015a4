"""Backups of a data folder: one tar file with the database, the pictures, uploads and the secret.

The database is copied first, at one moment, by SQLite itself; every picture that the copy knows was
on disk before its row was. A restore fills a folder that is not there yet, or nothing at all.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nonette.core.errors import InputError, NonetteError
from nonette.server.database import Database
from nonette.server.settings import Settings

DATABASE = "nonette.sqlite3"
KEPT = ("pictures", "uploads", "secret.key")


def save(settings: Settings, path: Path) -> int:
    """Write the backup to `path`, whole or not at all; the server may go on running.

    Returns:
        How many files are in it.

    Raises:
        InputError: Something is there already, or there is no SQLite database to back up.
        OSError: It cannot be written.
    """
    if settings.database_url:
        raise InputError(
            "database_url",
            "PostgreSQL",
            "its tools back it up (pg_dump), and the data folder is copied after that",
        )
    source = settings.data_dir / DATABASE
    if not source.is_file():
        raise InputError("--data-dir", str(settings.data_dir), "there is no database in it")
    if path.exists():
        raise InputError("file", str(path), "that is there already; choose another name")
    beside = path.with_name(f".{path.name}.part")
    count = 1
    try:
        with tempfile.TemporaryDirectory(dir=settings.data_dir) as folder:
            copy = Path(folder, DATABASE)
            _copy(source, copy)
            with open(beside, "xb") as file:
                with tarfile.open(fileobj=file, mode="w") as archive:
                    archive.add(copy, DATABASE)
                    for one in _files(settings.data_dir):
                        archive.add(one, one.relative_to(settings.data_dir).as_posix())
                        count += 1
                file.flush()
                os.fsync(file.fileno())
        os.rename(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return count


def restore(path: Path, data_dir: Path) -> int:
    """Make a data folder of a backup; nothing is left where it cannot be done.

    Returns:
        How many files there were.

    Raises:
        InputError: The folder is there already, or the file is no backup of ours.
        NonetteError: The database in it is damaged, or of a newer Nonette.
    """
    if data_dir.exists() and any(data_dir.iterdir()):
        raise InputError("--data-dir", str(data_dir), "it is there and not empty; choose another")
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{data_dir.name}.", dir=data_dir.parent))
    try:
        count = 0
        try:
            with tarfile.open(path, "r:") as archive:
                for member in archive:
                    _check(member)
                    archive.extract(member, beside, filter="data")
                    count += 1
        except (tarfile.TarError, EOFError) as error:
            raise InputError("file", str(path), f"it is no backup: {error}") from error
        if not (beside / DATABASE).is_file():
            raise InputError("file", str(path), "it is no backup: there is no database in it")
        database = Database(f"sqlite:///{beside / DATABASE}")
        try:
            database.upgrade()
            database.check()
        finally:
            database.close()
        if data_dir.exists():
            data_dir.rmdir()
        os.rename(beside, data_dir)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return count


def _copy(source: Path, copy: Path) -> None:
    """The database as it is at one moment, while others write."""
    before, after = sqlite3.connect(f"file:{source}?mode=ro", uri=True), sqlite3.connect(copy)
    try:
        before.backup(after)
    except sqlite3.Error as error:
        raise NonetteError(f"{source} cannot be copied: {error}") from error
    finally:
        before.close()
        after.close()


def _files(data_dir: Path) -> Iterator[Path]:
    """What is kept beside the database; no links, and nothing half-written."""
    for name in KEPT:
        root = data_dir / name
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                yield path


def _check(member: tarfile.TarInfo) -> None:
    """Let plain files pass that a backup may hold."""
    parts = PurePosixPath(member.name).parts
    is_ours = bool(parts) and (parts[0] in KEPT or member.name == DATABASE)
    if not member.isfile() or not is_ours or ".." in parts:
        raise InputError("file", member.name, "a backup of a server holds no such thing")
