"""What a picture file is by its first bytes and its frame, before any decoder sees it.

Only PNG, JPEG and WebP come in; what a file is called does not matter. Everything else is refused
by its own signature, so that no parser of EPS, SVG, TIFF and the like ever runs. The frames are
walked here, so that a picture's size is known before any room is made for it. PNG and WebP know
their own end as well: what is cut off or hangs on behind (a web page after a picture) is refused,
and so are animations. JPEG files carry strangers behind their end all the time (second pictures,
films), which stay unread; each of their scans costs a pass over all pixels, so that thousands of
them are an attack.
"""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

from nonette.core.errors import InputError

Format = Literal["png", "webp", "jpeg"]

MAX_BYTES = 50 * 2**20  # of a file
MAX_CHUNKS = 100_000  # of a PNG; a file of MAX_BYTES has a tenth of them
FRAMES = {0xC0 + i for i in range(16)} - {0xC4, 0xC8, 0xCC}  # JPEG markers that tell the size
MAX_SCANS = 200  # of a JPEG with all that hangs on it; a progressive one has about ten
ALLOWED = "it must be a PNG, JPEG or WebP picture"
PNG = b"\x89PNG\r\n\x1a\n"
KINDS = (  # how files of other kinds begin, and what people call them
    (b"GIF8", "a GIF file"),
    (b"%!PS", "an EPS file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"%PDF", "a PDF file"),
    (b"II*\0", "a TIFF file"),
    (b"MM\0*", "a TIFF file"),
    (b"II+\0", "a TIFF file"),
    (b"MM\0+", "a TIFF file"),
    (b"8BPS", "a PSD file"),
    (b"BM", "a BMP file"),
    (b"\0\0\1\0", "an icon file"),
    (b"\xff\x0a", "a JPEG XL file"),
    (b"PK\3\4", "a ZIP file"),
)


class FormatRefused(InputError):
    """The file is of a kind that is never opened (HTTP 415 where InputError is 422)."""


class Header(NamedTuple):
    """What a file says it is.

    Attributes:
        format: By its content.
        size: Width and height in pixels.
    """

    format: Format
    size: tuple[int, int]


def inspect(content: bytes, field: str) -> Header:
    """What the file is, if it is one whole picture of an allowed kind.

    Args:
        content: The file.
        field: What the person called it, for the error.

    Raises:
        FormatRefused: It is no PNG, JPEG or WebP file.
        InputError: It is empty, too large, cut off, longer than it says, or an animation.
    """
    if not content:
        raise InputError(field, "an empty file", ALLOWED)
    if len(content) > MAX_BYTES:
        limit = f"a file has at most {MAX_BYTES:,} bytes"
        raise InputError(field, f"a file of {len(content):,} bytes", limit)
    if content.startswith(PNG):
        return Header("png", _png(content, field))
    if content.startswith(b"\xff\xd8\xff"):
        if content.count(b"\xff\xda") > MAX_SCANS:
            raise InputError(field, "a JPEG file", f"it must have at most {MAX_SCANS} scans")
        return Header("jpeg", _jpeg(content, field))
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return Header("webp", _webp(content, field))
    raise FormatRefused(field, _kind(content), ALLOWED)


def _png(content: bytes, field: str) -> tuple[int, int]:
    """The size of a PNG whose chunks are all there and end with the file."""
    size, position, name = None, len(PNG), b""
    for _ in range(MAX_CHUNKS):
        if name == b"IEND" or position + 12 > len(content):
            break
        length, name = struct.unpack_from(">I4s", content, position)
        if position == len(PNG) and (name, length) == (b"IHDR", 13) and len(content) >= 33:
            size = struct.unpack_from(">II", content, position + 8)
        if name == b"acTL":
            raise _animation(field)
        position += length + 12
    else:
        raise InputError(field, "a PNG file", f"it must have at most {MAX_CHUNKS:,} chunks")
    if size is None:
        raise InputError(field, "a PNG file without a header", "it must be a whole picture")
    _check_end("PNG", name == b"IEND" and position == len(content), position, content, field)
    return size


def _jpeg(content: bytes, field: str) -> tuple[int, int]:
    """The size that the first frame of a JPEG tells (ITU T.81, B.2.2)."""
    position = 2
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:  # padding
            position += 1
            continue
        if marker in FRAMES:
            height, width = struct.unpack_from(">HH", content, position + 5)
            return width, height
        position += 2 + max(2, int.from_bytes(content[position + 2 : position + 4], "big"))
    raise InputError(field, "a JPEG file without a frame", "it must be a whole picture")


def _webp(content: bytes, field: str) -> tuple[int, int]:
    """The size of a WebP file that ends where it says."""
    if len(content) < 30:
        raise InputError(field, "a WebP file", "it is cut off")
    end = 8 + int.from_bytes(content[4:8], "little")
    _check_end("WebP", end + end % 2 == len(content) or end == len(content), end, content, field)
    kind, start = content[12:16], content[20:30]
    if kind == b"VP8X":
        if start[0] & 2:
            raise _animation(field)
        width, height = (int.from_bytes(start[i : i + 3], "little") + 1 for i in (4, 7))
        return width, height
    if kind == b"VP8L" and start[0] == 0x2F:
        bits = int.from_bytes(start[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and start[3:6] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(start[i : i + 2], "little") & 0x3FFF for i in (6, 8))
        return width, height
    raise InputError(field, "a WebP file without a header", "it must be a whole picture")


def _check_end(kind: str, is_whole: bool, end: int, content: bytes, field: str) -> None:
    if not is_whole:
        far = len(content) - end
        limit = f"{far:,} bytes hang on behind its end" if far > 0 else "it is cut off"
        raise InputError(field, f"a {kind} file", limit)


def _animation(field: str) -> InputError:
    return InputError(field, "an animation", "it must be a single picture")


def _kind(content: bytes) -> str:
    """What people call a file that begins like this."""
    for signature, kind in KINDS:
        if content.startswith(signature):
            return kind
    if content[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    begin = content[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begin.startswith((b"<svg", b"<?xml")):
        return "an SVG or XML file"
    if begin.startswith(b"<"):
        return "a web page"
    return f"a file of {len(content):,} bytes of another kind"
