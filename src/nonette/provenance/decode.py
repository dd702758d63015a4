"""Pictures that come in: bytes become upright sRGB pixels of a sane size, and nothing else.

What a file holds beside its pixels stays behind: where and when it was taken, thumbnails, comments.
Only what Nonette itself wrote into a file is kept, as its record. Sizes are checked before any
pixel is decoded.

What is done with what is unusual: pixels are turned as EXIF says, colours brought from the file's
profile to sRGB, 16 bits cut to 8, CMYK, grey and palettes made RGB; transparent pixels are laid on
white, and their alpha is given beside them. Animations are refused.

It touches no disk and knows no tasks.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from nonette.core import checks
from nonette.core.errors import InputError
from nonette.provenance import encode as files
from nonette.provenance import headers
from nonette.provenance.headers import Format

ORIENTATION = 0x0112  # of EXIF
TURNS = {  # how to lay out what EXIF says lies otherwise
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
PROFILED = ("L", "RGB", "CMYK")  # modes whose colours a profile may describe
MAX_PROFILE_BYTES = 1 << 22
DAMAGES = (  # what decoders raise at damaged and hostile files
    *files.UNREADABLE,
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    TypeError,
    struct.error,
)


class NoAlpha(InputError):
    """A mask has no alpha channel where only that may say what to repaint."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Intake:
    """A picture that came in.

    Attributes:
        pixels: uint8, (H, W, 3), sRGB, upright; over white where transparent.
        alpha: uint8, (H, W), 255 where opaque; None where the file has no transparency.
        format: What the file was.
        record: What Nonette wrote into it, as `encode.read` gives it; None where it did not. Anyone
            may have written it.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    format: Format
    record: Mapping[str, Any] | None

    @property
    def erased(self) -> np.ndarray | None:
        """Where pixels are not wholly opaque, bool (H, W): what an edit repaints without a mask.

        None where the picture is opaque everywhere.
        """
        if self.alpha is None or self.alpha.min() == 255:
            return None
        return self.alpha < 255


def decode(content: bytes, field: str = "image") -> Intake:
    """The picture in a PNG, JPEG or WebP file.

    Args:
        content: The file, at most 50 MiB.
        field: What the person called it, for errors.

    Raises:
        headers.FormatRefused: It is a file of another kind; nothing of it was parsed.
        InputError: It is no whole single picture, or not of 16 to 8,192 pixels a side and 2^25 in
            all.
    """
    header = headers.inspect(content, field)
    checks.pixels(field, *header.size)
    try:
        with Image.open(io.BytesIO(content), formats=(header.format.upper(),)) as image:
            checks.pixels(field, *image.size)  # a file may say it twice, and Pillow heeds the last
            image.load()
            pixels, alpha = _parts(image)
    except InputError:
        raise
    except DAMAGES as error:
        given = f"a {header.format.upper()} file of {len(content):,} bytes"
        raise InputError(field, given, f"it is damaged: {_reason(error)}") from error
    return Intake(pixels=pixels, alpha=alpha, format=header.format, record=_record(content))


def decode_mask(
    content: bytes, size: tuple[int, int], *, field: str = "mask", needs_alpha: bool = False
) -> np.ndarray:
    """Which pixels of a picture to repaint: bool, (H, W), at least one of them.

    A mask that is transparent somewhere repaints where it is transparent (alpha below 128). One
    that is opaque everywhere is read as black and white, unless `needs_alpha`: it repaints where it
    is white. So a wholly transparent or white mask repaints everything, and a mask that repaints
    nothing is refused.

    Args:
        content: The file.
        size: Width and height of the picture.
        field: What the person called the mask, for errors.
        needs_alpha: Whether only transparency may say what to repaint, as OpenAI's clients expect.

    Raises:
        NoAlpha: It has no alpha channel, and `needs_alpha`.
        InputError: It is no picture, of another size, or repaints nothing.
    """
    intake = decode(content, field)
    height, width = intake.pixels.shape[:2]
    if (width, height) != size:
        limit = f"it must be as large as the picture, {size[0]}x{size[1]}"
        raise InputError(field, f"{width}x{height}", limit)
    if needs_alpha and intake.alpha is None:
        limit = "its transparent pixels must say what to repaint"
        raise NoAlpha(field, "a picture without an alpha channel", limit)
    if intake.alpha is not None and (needs_alpha or intake.alpha.min() < 255):
        marked = intake.alpha < 128
    else:
        marked = intake.pixels.mean(axis=2, dtype=np.float32) >= 128
    if not marked.any():
        colour = "transparent" if needs_alpha else "transparent or white"
        raise InputError(field, "empty", f"it must be {colour} where the picture is repainted")
    return marked


def _parts(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """The picture's pixels, uint8 (H, W, 3), and its alpha, uint8 (H, W)."""
    profile, turn = image.info.get("icc_profile"), TURNS.get(_orientation(image))
    if image.mode in ("I;16", "I;16B", "I"):
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    alpha = None
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")  # drops the alpha alone
    elif image.mode not in PROFILED:
        image = image.convert("RGB")
    image = _to_srgb(image, profile)
    if alpha is not None:
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=alpha)
        image = white
    if turn is not None:
        image = image.transpose(turn)
        alpha = alpha and alpha.transpose(turn)
    return np.array(image), None if alpha is None else np.array(alpha)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB in sRGB; a profile that cannot be used is as good as none."""
    if profile and len(profile) <= MAX_PROFILE_BYTES:
        try:
            theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if image.mode != "RGB" or not _is_srgb(theirs):
                ours = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(image, theirs, ours, outputMode="RGB")
                if converted is not None:
                    return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # such as a profile of another kind of colours than the file's
    return image.convert("RGB")


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether the profile calls itself sRGB: then every byte can stay as it is."""
    return "sRGB" in ImageCms.getProfileDescription(profile)


def _orientation(image: Image.Image) -> int:
    """How EXIF says the picture lies, 1 to 8; 1 where it says nothing that can be read."""
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except DAMAGES:  # hostile EXIF fails in many ways, and none of them matters
        return 1
    return found if isinstance(found, int) else 1


def _record(content: bytes) -> Mapping[str, Any] | None:
    try:
        return files.read(content)
    except InputError:
        return None


def _reason(error: BaseException) -> str:
    """What the decoder says, on one short line."""
    return " ".join(str(error).split())[:80] or type(error).__name__
