"""Files that are whole or not there: written beside their place, synced, renamed, folder synced."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write(path: Path, content: bytes | memoryview) -> None:
    """Put a file in its place; its name lasts once `sync_folder` was called.

    Raises:
        OSError: The disk is full or cannot be written; nothing is left behind.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last, and its own name in the one above."""
    for path in (folder, folder.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
