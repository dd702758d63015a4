"""Pictures that a job is drawn from: sent with it, sent with an earlier one, or drawn here.

A picture is named by its id (one's own, or a published one), an upload by the name that one's own
job tells under `inputs`. What is another's is not there. Whatever it was, the job keeps a copy of
its pixels as an upload, so that nothing it needs can be deleted under it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sqlalchemy import or_, select

from nonette.core.types import ARRAYS
from nonette.provenance.decode import decode, decode_mask
from nonette.server.errors import ApiError, not_found
from nonette.server.forms import Sent
from nonette.server.house import House
from nonette.server.tables import Job

UPLOAD = "upl_"
NAMES = r"^(pic_[0-9a-f]{24}|upl_[0-9a-f]{32})$"


def gather(
    task: str, sent: Sent, names: Mapping[str, str | None], house: House, owner: str
) -> dict[str, np.ndarray]:
    """The pictures of a wish by the request's field: uint8 (H, W, 3), the mask bool (H, W).

    What is sent to be edited, with transparent parts and without a mask, brings its mask along.

    Args:
        task: What it is for.
        sent: The body, with its files.
        names: What stands in the place of a file, by field.
        house: Where pictures and uploads are.
        owner: Whose they must be, unless they are published.

    Raises:
        ApiError: 404 where there is no such picture or upload; 400 for two under one name.
        InputError: A file is no picture, or the mask does not fit it.
    """
    found: dict[str, np.ndarray] = {}
    for field in ARRAYS:
        files, name = sent.files.get(field, []), names.get(field)
        if len(files) + (name is not None) > 1:
            message = f"{field} is given twice."
            raise ApiError(400, message, code="invalid_value", param=field)
        if name is not None:
            found[field] = _named(name, field, house, owner)
        elif files and field != "mask":
            intake = decode(files[0], field)
            found[field] = intake.pixels
            if (task, field) == ("edit", "source") and intake.erased is not None:
                found["mask"] = intake.erased
    if masks := sent.files.get("mask"):
        if "source" not in found:
            message = "A mask needs a source: it is as large as that."
            raise ApiError(400, message, code="missing_required_parameter", param="source")
        height, width = found["source"].shape[:2]
        found["mask"] = decode_mask(masks[0], (width, height))
    return found


def _named(name: str, field: str, house: House, owner: str) -> np.ndarray:
    """The picture or upload of this name.

    Raises:
        ApiError: 404 where there is none, or it is another's.
    """
    try:
        if name.startswith(UPLOAD):
            _check_own(name, house, owner)
            return house.uploads.load(name)
        return decode((house.settings.data_dir / _path(name, house, owner)).read_bytes()).pixels
    except (ApiError, FileNotFoundError) as error:
        missing = not_found("upload" if name.startswith(UPLOAD) else "picture", name)
        missing.param = field
        raise missing from error


def _check_own(name: str, house: House, owner: str) -> None:
    """Make sure that a job of the owner's brought this upload, which may not be swept yet."""
    is_named = or_(*(Job.inputs[field].as_string() == name for field in ARRAYS))
    with house.database.read() as session:
        job = session.scalar(select(Job.id).where(Job.owner == owner, is_named).limit(1))
    if job is None or not house.uploads.path(name).is_file():
        raise not_found("upload", name)


def _path(name: str, house: House, owner: str) -> Path:
    """Where the file of one's own picture is, or of a published one."""
    try:
        return Path(house.album.picture(owner, name).path)
    except ApiError:
        return Path(house.gallery.one(name).path)
