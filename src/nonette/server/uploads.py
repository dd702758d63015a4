"""Pictures that came in and wait to be drawn from: kept as plain pixels, found by their content.

What is written here was decoded before, so a worker never parses a stranger's file. The same pixels
are one file, however often they come; a file that no open job names any more is swept by its age.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import time
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import select

from nonette.core.errors import InputError
from nonette.server import disk
from nonette.server.database import Database
from nonette.server.tables import RUNNING, WAITING, Job

FOLDER = "uploads"
NAME = re.compile(r"upl_[0-9a-f]{32}")
KEEP_SECONDS = 24 * 3600.0  # that a file is kept after it was last sent


class Uploads:
    """The uploads of one data folder.

    Args:
        data_dir: The data folder.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / FOLDER

    def keep(self, pixels: np.ndarray) -> str:
        """Put a picture, uint8 (H, W, 3), or a mask, bool (H, W), on disk; returns its name.

        Raises:
            OSError: The disk is full or cannot be written.
        """
        shape = ",".join(map(str, pixels.shape))
        content = hashlib.sha256(f"{shape},{pixels.dtype}\n".encode())
        content.update(np.ascontiguousarray(pixels).data)
        name = f"upl_{content.hexdigest()[:32]}"
        path = self.path(name)
        if path.exists():
            os.utime(path)  # a sweep goes by age
            return name
        path.parent.mkdir(parents=True, exist_ok=True)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG", compress_level=1)
        disk.write(path, file.getbuffer())
        disk.sync_folder(path.parent)
        disk.sync_folder(self.folder)
        return name

    def load(self, name: str) -> np.ndarray:
        """The picture or mask of this name, as it was kept.

        Raises:
            InputError: There is none.
        """
        if not NAME.fullmatch(name) or not self.path(name).is_file():
            raise InputError("upload", name, "there is none of that name any more")
        with Image.open(self.path(name), formats=("PNG",)) as image:
            pixels: np.ndarray = np.array(image)
        if pixels.dtype == bool:
            pixels = pixels.view(np.uint8) != 0  # Pillow's true is 255, and hashes otherwise
        return pixels

    def sweep(self, database: Database, now: float | None = None) -> int:
        """Delete what was sent long ago and no open job names; returns how many files."""
        end = (time.time() if now is None else now) - KEEP_SECONDS
        old = [path for path in self.folder.glob("*/*") if path.stat().st_mtime < end]
        if not old:
            return 0
        with database.read() as session:
            open_jobs = select(Job.inputs).where(Job.state.in_((WAITING, RUNNING)))
            needed = {name for inputs in session.scalars(open_jobs) for name in inputs.values()}
        gone = [path for path in old if path.stem not in needed]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    def path(self, name: str) -> Path:
        """Where the file of this name is, or was: a PNG."""
        return self.folder / name[-2:] / f"{name}.png"
