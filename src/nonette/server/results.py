"""Pictures on disk: written beside their place, synced, renamed, and only then spoken of.

A file's name holds its job and the lease it was drawn under, so no two attempts meet. What a
worker wrote and could not record any more is swept later by its age.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from nonette.core.types import Picture
from nonette.provenance.encode import encode
from nonette.server import disk
from nonette.server.leases import Claim
from nonette.server.tables import PictureRow

FOLDER = "pictures"


def write(data_dir: Path, claim: Claim, pictures: Sequence[Picture]) -> list[PictureRow]:
    """Write the pictures of a job as files that a power cut leaves whole.

    Returns:
        Their rows, for the transaction that ends the job.

    Raises:
        OSError: The disk is full or cannot be written; nothing is left behind.
    """
    format = claim.output["format"]
    folder = Path(FOLDER, claim.id[-2:])
    (data_dir / folder).mkdir(parents=True, exist_ok=True)
    rows: list[PictureRow] = []
    try:
        for place, picture in enumerate(pictures):
            content = encode(
                picture,
                format,
                with_prompt=bool(claim.output["with_prompt"]),
                quality=claim.output.get("quality"),
            )
            path = folder / f"{claim.id}-{claim.lease}-{place}.{format}"
            rows.append(_row(claim, place, picture, path, content))
            disk.write(data_dir / path, content)
        disk.sync_folder(data_dir / folder)
    except BaseException:
        remove(data_dir, rows)
        raise
    return rows


def remove(data_dir: Path, rows: Sequence[PictureRow]) -> None:
    """Delete the files of rows that were not recorded."""
    for row in rows:
        (data_dir / row.path).unlink(missing_ok=True)


def _row(claim: Claim, place: int, picture: Picture, path: Path, content: bytes) -> PictureRow:
    height, width = picture.pixels.shape[:2]
    return PictureRow(
        id=f"pic_{secrets.token_hex(12)}",
        job_id=claim.id,
        owner=claim.owner,
        place=place,
        path=path.as_posix(),
        format=claim.output["format"],
        width=width,
        height=height,
        num_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        seed=picture.seed,
        score=picture.score,
        created_at=time.time(),
    )
