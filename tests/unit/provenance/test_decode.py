"""Pictures that come in: what is odd gets its defined meaning, what is hostile is refused at once.

Each row of hostile files has a test: cut off, empty, misnamed, two files in one, bombs, animations,
other kinds of colours, turned, tiny, endless, and kinds that no parser may see.
"""

import io
import resource
import struct
import time
import zlib
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from nonette.core.errors import InputError
from nonette.core.flat import FlatEngine
from nonette.core.types import Request, fingerprint
from nonette.provenance import encode as files
from nonette.provenance import headers
from nonette.provenance.decode import NoAlpha, decode, decode_mask

GPS, MAKE, ORIENTATION = 0x8825, 0x010F, 0x0112  # of EXIF


def noise(width: int = 24, height: int = 18, channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(width: int = 24, height: int = 18) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 9, rows * 9, 255 - columns * 9], axis=2).astype(np.uint8)


def saved(image: np.ndarray | Image.Image, form: str = "png", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_chunk(content: bytes, name: bytes, data: bytes) -> bytes:
    """The PNG with one more chunk right behind its header."""
    return content[:33] + chunk(name, data) + content[33:]


def png_of(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that claims that size and holds next to nothing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return headers.PNG + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def refusal(content: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        decode(content, "image")
    assert caught.value.field == "image"
    assert len(str(caught.value)) < 300
    return caught.value


@pytest.mark.parametrize(
    ("form", "options"), [("png", {}), ("webp", {"lossless": True}), ("jpeg", {"quality": 95})]
)
def test_the_allowed_kinds_come_in_whatever_they_are_called(form: str, options: dict) -> None:
    intake = decode(saved(smooth(), form, **options))
    assert (intake.format, intake.pixels.shape, intake.pixels.dtype) == (form, (18, 24, 3), "uint8")
    difference = np.abs(intake.pixels.astype(int) - smooth())
    assert difference.max() <= (12 if form == "jpeg" else 0)
    assert intake.alpha is None and intake.erased is None and intake.record is None
    intake.pixels[0, 0] = 1  # nobody else's


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"GIF89a" + bytes(90), "a GIF file"),
        (saved(noise(), "gif"), "a GIF file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "an EPS file"),
        (b"\xc5\xd0\xd3\xc6" + bytes(90), "an EPS file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "an SVG or XML file"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///'>]>", "SVG"),
        (saved(noise(), "tiff"), "a TIFF file"),
        (b"II*\0\x08\0\0\0\x01\0" + bytes(12) + b"\x08\0\0\0", "a TIFF file"),  # its own successor
        (b"8BPS\0\1" + bytes(90), "a PSD file"),
        (saved(noise(), "bmp"), "a BMP file"),
        (saved(noise(), "ico"), "an icon file"),
        (b"\0\0\0\x1cftypavif" + bytes(90), "a HEIC, AVIF or video file"),
        (b"%PDF-1.7", "a PDF file"),
        (b"  <!doctype html><script>", "a web page"),
        (b"PK\3\4" + bytes(90), "a ZIP file"),
        (b"hello", "a file of 5 bytes of another kind"),
        (b"RIFF\0\0\0\0WAVE" + bytes(90), "another kind"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_kinds_are_refused_by_name_and_never_parsed(
    content: bytes, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("a parser saw it"))
    error = refusal(content)
    assert isinstance(error, headers.FormatRefused)
    assert told in str(error) and "it must be a PNG, JPEG or WebP picture" in str(error)


def test_an_empty_and_a_huge_file() -> None:
    assert "an empty file" in str(refusal(b""))
    assert "at most 52,428,800 bytes" in str(refusal(headers.PNG + bytes(headers.MAX_BYTES)))


@pytest.mark.parametrize("form", ["png", "webp", "jpeg"])
def test_what_is_cut_off_is_refused_wherever(form: str) -> None:
    content = saved(noise(), form)
    for length in range(1, len(content) - 2, max(1, len(content) // 40)):
        refusal(content[:length])


@pytest.mark.parametrize("form", ["png", "webp"])
def test_a_page_behind_a_picture_is_refused(form: str) -> None:
    error = refusal(saved(noise(), form) + b"<html><script>alert(1)</script>")
    assert "31 bytes hang on behind its end" in str(error)


def test_a_page_within_a_picture_stays_behind() -> None:
    page = PngImagePlugin.PngInfo()
    page.add_text("Comment", "<html><script>alert(1)</script>")
    assert np.array_equal(decode(saved(noise(), pnginfo=page)).pixels, noise())
    jpeg = saved(noise(), "jpeg")
    behind = decode(jpeg + b"<html><script>alert(1)</script>")
    assert np.array_equal(behind.pixels, decode(jpeg).pixels)


def webp_of(width: int, height: int, flags: int = 0) -> bytes:
    """The frame of an extended WebP file that claims that size."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG that claims that size."""
    content = bytearray(saved(noise(), "jpeg"))
    place = content.index(b"\xff\xc0")
    content[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(content)


@pytest.mark.parametrize("make", [png_of, webp_of, jpeg_of])
@pytest.mark.parametrize(
    ("width", "height", "limit"),
    [
        (1, 1, "16 to 8,192 pixels a side"),
        (15, 400, "16 to 8,192 pixels a side"),
        (30_000, 1, "16 to 8,192 pixels a side"),
        (20_000, 20_000, "a picture has "),
        (8192, 8192, "at most 33,554,432 pixels"),
    ],
)
def test_sizes_are_refused_from_the_header(make, width: int, height: int, limit: str) -> None:
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = refusal(make(width, height))
    assert limit in str(error)
    assert time.process_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes


def test_a_header_that_changes_its_mind_is_refused() -> None:
    second = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    refusal(with_chunk(saved(noise()), b"IHDR", second))


@pytest.mark.parametrize(
    ("name", "start"),
    [(b"zTXt", b"Comment\0\0"), (b"iCCP", b"icc\0\0"), (b"iTXt", b"Comment\0\1\0\0\0")],
)
def test_bombs_in_text_and_profiles_never_unfold(name: bytes, start: bytes) -> None:
    squeeze = zlib.compressobj(9)
    bomb = b"".join(squeeze.compress(bytes(2**20)) for _ in range(256)) + squeeze.flush()
    content = with_chunk(saved(noise()), name, start + bomb)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusal(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kilobytes


def test_a_jpeg_of_thousands_of_scans_is_refused() -> None:
    content = saved(noise(), "jpeg", progressive=True)
    assert decode(content).format == "jpeg"
    scan = content.rindex(b"\xff\xda")
    many = content[:-2] + content[scan:-2] * 1000 + b"\xff\xd9"
    assert "at most 200 scans" in str(refusal(many))


def test_a_png_of_endless_chunks_is_refused() -> None:
    content = saved(noise())
    many = content[:33] + chunk(b"tEXt", b"") * (headers.MAX_CHUNKS + 1) + content[33:]
    assert "at most 100,000 chunks" in str(refusal(many))


@pytest.mark.parametrize("form", ["png", "webp"])
def test_animations_are_refused(form: str) -> None:
    frames = [Image.fromarray(noise(seed=i)) for i in range(3)]
    content = saved(frames[0], form, save_all=True, append_images=frames[1:])
    assert "an animation, but it must be a single picture" in str(refusal(content)).replace("'", "")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["png", "webp", "jpeg"])
def test_pictures_are_turned_as_exif_says(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = saved(smooth(), form, exif=exif)
    with Image.open(io.BytesIO(content)) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image))
    pixels = decode(content).pixels
    assert np.array_equal(pixels, wanted)
    assert pixels.shape == ((24, 18, 3) if orientation > 4 else (18, 24, 3))


def test_alpha_is_turned_with_its_picture() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    intake = decode(saved(noise(channels=4), exif=exif))
    assert intake.alpha is not None and intake.alpha.shape == intake.pixels.shape[:2] == (24, 18)


@pytest.mark.parametrize(
    "orientation", [0, 9, 65535, b"Exif\0\0garbage", b"Exif\0\0MM\0*\xff\xff\xff\xff"]
)
def test_an_orientation_that_is_none_turns_nothing(orientation: object) -> None:
    exif: object = orientation
    if isinstance(orientation, int):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
    assert np.array_equal(decode(saved(noise(), exif=exif)).pixels, noise())


def test_where_a_picture_was_taken_stays_behind() -> None:
    exif = Image.Exif()
    exif[MAKE] = "a secret camera"
    exif.get_ifd(GPS)[1] = "N"
    intake = decode(saved(smooth(), "jpeg", exif=exif))
    assert set(vars(intake)) == {"pixels", "alpha", "format", "record"}
    assert intake.record is None


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (Image.fromarray(noise(channels=1)), noise(channels=1)[..., None].repeat(3, axis=2)),
        (Image.fromarray(noise(channels=1) > 99), None),
        (Image.fromarray(noise()).quantize(16), None),
        (Image.fromarray(noise(channels=1).astype(np.uint16) * 257), "grey"),
        (Image.fromarray(noise(channels=1).astype(np.uint16) * 256 + 255), "grey"),
    ],
    ids=["grey", "black and white", "palette", "16 bits", "16 bits, not rounded up"],
)
def test_every_png_becomes_rgb(image: Image.Image, wanted: object) -> None:
    intake = decode(saved(image))
    if wanted is None:
        wanted = np.asarray(image.convert("RGB"))
    elif isinstance(wanted, str):
        wanted = noise(channels=1)[..., None].repeat(3, axis=2)
    assert np.array_equal(intake.pixels, wanted) and intake.alpha is None


@pytest.mark.parametrize("colour", [2, 6])
def test_colours_of_16_bits_are_cut_to_8(colour: int) -> None:
    channels = {2: 3, 6: 4}[colour]
    levels = noise(channels=channels).astype(np.uint16) * 256 + 77
    levels[..., 3:] = 65535
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 18, 16, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    intake = decode(headers.PNG + header + body)
    assert np.array_equal(intake.pixels, noise(channels=channels)[..., :3])


def test_a_jpeg_with_a_second_picture_behind_it_is_its_first() -> None:
    second = [Image.fromarray(noise())]
    content = saved(Image.fromarray(smooth()), "MPO", save_all=True, append_images=second)
    intake = decode(content)
    assert intake.format == "jpeg" and np.abs(intake.pixels.astype(int) - smooth()).max() <= 60


def test_cmyk_becomes_the_colours_that_were_printed() -> None:
    intake = decode(saved(Image.fromarray(smooth()).convert("CMYK"), "jpeg", quality=100))
    assert np.abs(intake.pixels.astype(int) - smooth()).max() <= 12


def test_transparent_pixels_lie_on_white_and_are_told() -> None:
    pixels = noise(channels=4)
    pixels[:6, :, 3], pixels[6:12, :, 3], pixels[12:, :, 3] = 0, 128, 255
    intake = decode(saved(pixels))
    assert intake.alpha is not None and intake.erased is not None
    assert np.array_equal(intake.alpha, pixels[..., 3])
    assert (intake.pixels[:6] == 255).all()
    assert np.array_equal(intake.pixels[12:], pixels[12:, :, :3])
    half = (pixels[6:12, :, :3].astype(int) * 128 + 255 * 127) / 255
    assert np.abs(intake.pixels[6:12] - half).max() <= 1
    assert np.array_equal(intake.erased, pixels[..., 3] < 255)


def test_transparency_of_palettes_grey_and_one_colour_counts() -> None:
    clear = Image.fromarray(np.repeat(np.arange(24, dtype=np.uint8)[None], 18, 0)).convert("P")
    for content in (
        saved(clear, transparency=bytes([0] * 12 + [255] * 12)),
        saved(
            Image.fromarray(
                np.stack(
                    [noise(channels=1), np.tile(np.arange(24) > 11, (18, 1)) * np.uint8(255)], 2
                ),
                "LA",
            )
        ),
    ):
        intake = decode(content)
        assert intake.erased is not None
        assert np.array_equal(intake.erased, np.tile(np.arange(24) < 12, (18, 1)))
    grey = np.repeat(np.arange(24, dtype=np.uint8)[None], 18, 0)
    one = decode(saved(Image.fromarray(grey), transparency=7)).erased
    assert one is not None and np.array_equal(one, grey == 7)


@cache  # as a profile tells when it was made
def profile_of(name: str) -> bytes:
    """A profile of other colours than sRGB, or sRGB's own."""
    if name == "sRGB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = bytearray(profile_of("sRGB"))
    red, blue = swapped.index(b"rXYZ"), swapped.index(b"bXYZ")
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(swapped).replace("sRGB".encode("utf-16-be"), "BRGs".encode("utf-16-be"))


def test_profiles_are_followed_and_srgb_keeps_every_byte() -> None:
    assert np.array_equal(decode(saved(noise(), icc_profile=profile_of("sRGB"))).pixels, noise())
    swapped = decode(saved(smooth(), icc_profile=profile_of("red and blue swapped"))).pixels
    assert np.abs(swapped.astype(int) - smooth()[..., ::-1]).max() <= 3
    assert np.array_equal(decode(saved(noise(), icc_profile=b"no profile")).pixels, noise())
    for image in (noise(channels=1), np.asarray(Image.fromarray(noise()).convert("L"))):
        assert decode(saved(image, icc_profile=profile_of("sRGB"))).pixels.shape == (18, 24, 3)


@pytest.mark.parametrize("form", ["png", "webp", "jpeg"])
def test_a_picture_of_ours_recalls_what_made_it(form: files.Format) -> None:
    engine = FlatEngine(native_size=(24, 24))
    (drawing,) = engine.draw([Request(prompt="a red cat", seed=7)])
    intake = decode(files.encode(drawing[2], form, with_prompt=True))
    assert intake.record is not None
    (again,) = engine.draw([files.recall(intake.record)])
    assert np.array_equal(again[0].pixels, drawing[2].pixels)
    if form != "jpeg":
        assert np.array_equal(intake.pixels, drawing[2].pixels)


def test_what_was_made_from_a_picture_is_recalled_with_that_picture_alone() -> None:
    request = Request(prompt="", task="vary", source=noise(), strength=0.5)
    record = {"prompt": "", "task": "vary", "strength": 0.5, "nonette": "1"}
    record["source"] = fingerprint(noise())
    recalled = files.recall(record, source=noise())
    assert recalled == request
    with pytest.raises(InputError, match="source is None, but it was drawn from sha256:"):
        files.recall(record)
    with pytest.raises(InputError, match=r"source is 'sha256:.* but it was drawn from sha256:"):
        files.recall(record, source=noise(seed=1))
    with pytest.raises(InputError, match=r"mask is 'sha256:.* but it was drawn from none"):
        files.recall(record, source=noise(), mask=np.ones((18, 24), bool))


def mask_of(level: int = 0) -> np.ndarray:
    """Marks the left third in its alpha: uint8 (18, 24, 4)."""
    mask = np.full((18, 24, 4), 255, np.uint8)
    mask[:, :8, 3] = level
    return mask


LEFT = np.tile(np.arange(24) < 8, (18, 1))


@pytest.mark.parametrize("needs_alpha", [True, False])
@pytest.mark.parametrize("form", ["png", "webp"])
def test_a_mask_repaints_where_it_is_transparent(form: str, needs_alpha: bool) -> None:
    content = saved(mask_of(), form, **({"lossless": True} if form == "webp" else {}))
    assert np.array_equal(decode_mask(content, (24, 18), needs_alpha=needs_alpha), LEFT)
    colourful = noise(channels=4)
    colourful[..., 3] = mask_of()[..., 3]
    assert np.array_equal(decode_mask(saved(colourful), (24, 18), needs_alpha=needs_alpha), LEFT)
    assert np.array_equal(decode_mask(saved(mask_of(127)), (24, 18)), LEFT)


@pytest.mark.parametrize("form", ["png", "webp", "jpeg"])
def test_a_mask_without_transparency_repaints_where_it_is_white(form: str) -> None:
    white = LEFT.astype(np.uint8) * 255
    assert np.array_equal(decode_mask(saved(Image.fromarray(white), form), (24, 18)), LEFT)
    opaque = np.dstack([white, white, white, np.full_like(white, 255)])
    assert np.array_equal(decode_mask(saved(opaque), (24, 18)), LEFT)
    with pytest.raises(NoAlpha, match="mask is 'a picture without an alpha channel', but"):
        decode_mask(saved(Image.fromarray(white), form), (24, 18), needs_alpha=True)


def flat_mask(*levels: int) -> bytes:
    return saved(np.tile(np.uint8(levels), (18, 24, 1)))


@pytest.mark.parametrize("needs_alpha", [True, False])
def test_a_mask_of_all_or_nothing(needs_alpha: bool) -> None:
    everything = decode_mask(flat_mask(0, 0, 0, 0), (24, 18), needs_alpha=needs_alpha)
    assert everything.all()
    with pytest.raises(InputError, match="mask is 'empty', but it must be transparent"):
        decode_mask(flat_mask(0, 0, 0, 255), (24, 18), needs_alpha=needs_alpha)
    assert decode_mask(flat_mask(255, 255, 255), (24, 18)).all()
    with pytest.raises(InputError, match="mask is 'empty', but it must be transparent or white"):
        decode_mask(flat_mask(0, 0, 0), (24, 18))


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"mask is '24x18', but it must be as large as the .*18x24"
    ):
        decode_mask(saved(mask_of()), (18, 24))


@given(st.data())
def test_damaged_files_are_pictures_or_refused(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["png", "webp", "jpeg"]))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    options = {"exif": exif, "icc_profile": profile_of("red and blue swapped")}
    content = bytearray(saved(noise(channels=3 if form == "jpeg" else 4), form, **options))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        intake = decode(bytes(content))
    except InputError as error:
        assert error.field == "image"
    else:
        assert intake.pixels.ndim == 3
