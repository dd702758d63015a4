"""Pictures become files here and nowhere else, and every file says that a machine drew it and how.

Each carries the IPTC digital source type and a *record*: the settings as JSON, from which `recall`
makes the request that draws the same pixels again. A PNG holds the record as text under `nonette`
as well, where common tools show it. The prompt is in the record only where it may be. PNG and WebP
keep every pixel exactly; no file says when it was made, so that the same drawing is the same bytes.

It does not choose names and touches no disk; C2PA signatures are not made yet.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from nonette.core import checks
from nonette.core.errors import InputError
from nonette.core.types import ARRAYS, Drawing, Picture, Request, fingerprint
from nonette.core.version import version
from nonette.provenance import grid, headers, xmp

Format = headers.Format
FORMATS: Mapping[str, Format] = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
KEYWORD = "nonette"
SPOKEN = ("prompt", "negative_prompt")  # what the person wrote, told only where it may be
COMPOSED = ("edit", "extend")  # tasks whose pictures keep pixels that somebody brought
JPEG_QUALITY = 95
PNG_EFFORT = 4  # of zlib's nine; six, its habit, takes twice as long for files 2% smaller
MAX_RECORD_CHARACTERS = 1 << 18
MAX_SHEET_PIXELS = 5 * checks.MAX_PIXELS  # of many pictures and the gaps between them
UNREADABLE = (  # what Pillow raises at damaged and hostile files
    UnidentifiedImageError,
    Image.DecompressionBombError,
    OSError,
    ValueError,
    SyntaxError,
    Warning,
)


class NoRecord(InputError):
    """A picture that Nonette can read, and that says nothing of having been drawn by it."""


def format_of(path: str | os.PathLike[str], field: str = "path") -> Format:
    """The format that the ending of a file's name asks for.

    Raises:
        InputError: The ending is none of .png, .webp, .jpg and .jpeg.
    """
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        raise InputError(field, os.fspath(path), f"it must end in one of {', '.join(FORMATS)}")
    return FORMATS[ending]


def encode(
    picture: Picture, format: Format = "png", *, with_prompt: bool, quality: int | None = None
) -> bytes:
    """One picture as a file; its record draws this very picture again, alone.

    Args:
        picture: What to write.
        format: PNG and WebP keep the pixels exactly, JPEG nearly (quality 95, full colour
            resolution).
        with_prompt: Whether the file tells the prompt and the negative prompt.
        quality: 0 to 100, smaller files below, for JPEG and for WebP, which is lossy then.

    Raises:
        InputError: The format is unknown, or PNG is to be of some quality.
    """
    alone = {"seed": picture.seed, "score": picture.score, "num_pictures": 1, "candidates": 1}
    settings = picture.settings | alone
    return _encode(picture.pixels, settings, picture.model, format, with_prompt, quality)


def encode_grid(
    drawing: Drawing,
    format: Format = "png",
    *,
    with_prompt: bool,
    caption: np.ndarray | None = None,
) -> bytes:
    """All pictures of a drawing on one sheet; its record draws them all again.

    Args:
        drawing: What to write; best first, from left to right and top to bottom.
        format: As for `encode`.
        with_prompt: As for `encode`.
        caption: A strip to put below the pictures; see `grid.captioned`.

    Raises:
        InputError: The caption does not fit the pictures.
    """
    first = drawing.pictures[0]
    listed = [{"seed": picture.seed, "score": picture.score} for picture in drawing.pictures]
    sheet = grid.compose([picture.pixels for picture in drawing.pictures])
    if caption is not None:
        sheet = grid.captioned(sheet, caption)
    return _encode(sheet, first.settings | {"pictures": listed}, drawing.model, format, with_prompt)


def encode_sheet(pixels: np.ndarray, model: str, about: Mapping[str, Any]) -> bytes:
    """A sheet of drawn pictures with notes, as PNG; its record says what it is and draws nothing.

    Args:
        pixels: uint8, (H, W, 3).
        model: The name of the model that drew the pictures.
        about: JSON values that say what the sheet shows.
    """
    return _encode(pixels, {"sheet": dict(about)}, model, "png", with_prompt=False)


def read(content: bytes) -> dict[str, Any]:
    """The record of a file that `encode` or `encode_grid` wrote. No pixel is decoded.

    Whatever comes back was in a file that anybody may have written: it is JSON, and nothing more is
    known of it.

    Raises:
        InputError: It is no PNG, WebP or JPEG picture.
        NoRecord: It is one, and has no record.
    """
    info = _info(content)
    text = info.get(KEYWORD)
    if not isinstance(text, str):
        packet = info.get("xmp")
        text = xmp.read(packet) if isinstance(packet, bytes) else None
    if text is None or len(text) > MAX_RECORD_CHARACTERS:
        raise NoRecord("picture", _size(content), "it has no settings of Nonette in it")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("picture", _size(content), "the settings in it are damaged") from error
    if not isinstance(record, dict):
        raise InputError("picture", _size(content), "the settings in it are damaged")
    return record


def source_type(content: bytes) -> str | None:
    """Where a file says that its picture comes from: IPTC's digital source type, as its address.

    None where it says nothing. Anybody may have written it.

    Raises:
        InputError: It is no PNG, WebP or JPEG picture.
    """
    packet = _info(content).get("xmp")
    return xmp.source_type(packet) if isinstance(packet, bytes) else None


def recall(record: Mapping[str, Any], **arrays: np.ndarray) -> Request:
    """The request that draws again what the record is of.

    Args:
        record: As `read` gives it.
        **arrays: The source, second source and mask that it was drawn from, where there were any; a
            record has only their fingerprints, which must be those of the arrays.

    Raises:
        InputError: The record does not tell the prompt, holds a value that no request may have, or
            is of other pictures than these.
    """
    if "prompt" not in record:
        raise InputError(
            "picture", "a file without its prompt", "only with it can it be drawn again"
        )
    known = {field.name for field in dataclasses.fields(Request)}
    for field in ARRAYS:
        wanted = record.get(field)
        given = fingerprint(arrays[field]) if field in arrays else None
        if wanted != given:
            limit = f"it was drawn from {wanted or 'none'}"
            raise InputError(field, given, limit)
    values = {name: value for name, value in record.items() if name in known}
    return Request(**(values | arrays))


def _encode(
    pixels: np.ndarray,
    settings: Mapping[str, Any],
    model: str,
    format: Format,
    with_prompt: bool,
    quality: int | None = None,
) -> bytes:
    if quality is not None and (format == "png" or not 0 <= quality <= 100):
        raise InputError("quality", quality, "it is 0 to 100, for webp and jpeg")
    told = {key: value for key, value in settings.items() if with_prompt or key not in SPOKEN}
    record = {KEYWORD: version(), "model": model} | told
    text = json.dumps(record, ensure_ascii=True, allow_nan=False)
    prompt = record.get("prompt")
    packet = xmp.build(
        model=model,
        version=version(),
        prompt=prompt,
        settings=text,
        source_type=xmp.COMPOSITE if settings.get("task") in COMPOSED else xmp.DRAWN,
    )
    image, buffer = Image.fromarray(pixels), io.BytesIO()
    if format == "png":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_text(KEYWORD, text)
        chunks.add_itxt("XML:com.adobe.xmp", packet.decode())
        image.save(buffer, "PNG", pnginfo=chunks, compress_level=PNG_EFFORT)
    elif format == "webp":
        is_exact = quality is None
        image.save(
            buffer, "WEBP", lossless=is_exact, exact=is_exact, quality=quality or 0, xmp=packet
        )
    elif format == "jpeg":
        level = JPEG_QUALITY if quality is None else quality
        image.save(buffer, "JPEG", quality=level, subsampling=0, xmp=packet)
    else:
        raise InputError("format", format, "it must be one of png, webp, jpeg")
    return buffer.getvalue()


def _info(content: bytes) -> dict[str | tuple[int, int], Any]:
    """What a file says beside its pixels, none of which is decoded."""
    header = headers.inspect(content, "picture")
    if math.prod(header.size) > MAX_SHEET_PIXELS:
        limit = f"a sheet of pictures has at most {MAX_SHEET_PIXELS:,} pixels"
        raise InputError("picture", _size(content), limit)
    try:
        with Image.open(io.BytesIO(content), formats=(header.format.upper(),)) as image:
            return dict(image.info)
    except UNREADABLE as error:
        raise InputError(
            "picture", _size(content), "it must be a PNG, WebP or JPEG file"
        ) from error


def _size(content: bytes) -> str:
    return f"a file of {len(content):,} bytes"
