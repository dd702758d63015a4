"""Files say what made them, keep their pixels, recall the request; foreign ones are not trusted."""

import io
import json
import struct
import xml.dom.minidom
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nonette.core.errors import InputError
from nonette.core.flat import FlatEngine
from nonette.core.types import MAX_PROMPT_CHARACTERS, Drawing, Picture, Request, as_drawn
from nonette.provenance import encode as files
from nonette.provenance import grid, xmp

FORMATS = ("png", "webp", "jpeg")
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def noise(seed: int, height: int = 24, width: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def drawing_of(request: Request, num_pictures: int = 4) -> Drawing:
    settings = as_drawn(request, model="tiny", candidates=8, guidance=2.5)
    pictures = tuple(
        Picture(
            pixels=noise(i),
            seed=request.seed + i,
            score=0.5 - i / 10,
            model="tiny",
            settings=settings,
        )
        for i in range(num_pictures)
    )
    return Drawing(
        pictures=pictures, unknown_words=(), seconds=1.0, model="tiny", prompt=request.prompt
    )


def packet_of(content: bytes) -> str:
    with Image.open(io.BytesIO(content)) as image:
        return image.info["xmp"].decode()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("with_prompt", [True, False])
def test_every_file_is_marked_and_told(form: str, with_prompt: bool) -> None:
    drawing = drawing_of(Request(prompt="a red cat", negative_prompt="dogs", seed=5))
    for content in (
        files.encode(drawing[1], form, with_prompt=with_prompt),
        files.encode_grid(drawing, form, with_prompt=with_prompt),
    ):
        packet = packet_of(content)
        xml.dom.minidom.parseString(packet)
        assert f"<Iptc4xmpExt:DigitalSourceType>{SOURCE}<" in packet
        assert ("a red cat" in packet, b"dogs" in content) == (with_prompt, with_prompt)
        record = files.read(content)
        assert record["model"] == "tiny"
        assert record["guidance"] == 2.5
        assert "nonette" in record
        assert ("prompt" in record, "negative_prompt" in record) == (with_prompt, with_prompt)


@pytest.mark.parametrize("form", ["png", "webp"])
def test_pixels_are_exact(form: str) -> None:
    drawing = drawing_of(Request(prompt="a cat"))
    with Image.open(io.BytesIO(files.encode(drawing[0], form, with_prompt=True))) as image:
        assert (image.format, image.mode) == (form.upper(), "RGB")
        assert np.array_equal(np.asarray(image), drawing[0].pixels)
    with Image.open(io.BytesIO(files.encode_grid(drawing, form, with_prompt=True))) as image:
        expected = grid.compose([picture.pixels for picture in drawing])
        assert np.array_equal(np.asarray(image), expected)


def test_jpeg_is_near() -> None:
    smooth = np.tile(np.linspace(0, 255, 32, dtype=np.uint8)[None, :, None], (24, 1, 3))
    picture = Picture(pixels=smooth, seed=0, score=None, model="tiny", settings={})
    with Image.open(io.BytesIO(files.encode(picture, "jpeg", with_prompt=False))) as image:
        assert np.abs(np.asarray(image).astype(int) - smooth).max() <= 4


def test_the_same_drawing_is_the_same_bytes() -> None:
    drawing = drawing_of(Request(prompt="a cat"))
    for form in FORMATS:
        once, again = (files.encode_grid(drawing, form, with_prompt=True) for _ in range(2))
        assert once == again


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_recalls_what_draws_it_again(form: str) -> None:
    engine = FlatEngine()
    (drawing,) = engine.draw([Request(prompt="a red cat", seed=100, negative_prompt="x")])
    request = files.recall(files.read(files.encode(drawing[3], form, with_prompt=True)))
    (alone,) = engine.draw([request])
    assert len(alone) == 1
    assert np.array_equal(alone[0].pixels, drawing[3].pixels)
    (again,) = engine.draw(
        [files.recall(files.read(files.encode_grid(drawing, form, with_prompt=True)))]
    )
    assert [picture.seed for picture in again] == [picture.seed for picture in drawing]


def test_without_the_prompt_nothing_is_drawn_again() -> None:
    drawing = drawing_of(Request(prompt="a cat"))
    with pytest.raises(InputError, match="without its prompt"):
        files.recall(files.read(files.encode(drawing[0], with_prompt=False)))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200))
def test_any_prompt_comes_back(words: str) -> None:
    prompt = f"a{words}"
    drawing = drawing_of(Request(prompt=prompt), num_pictures=1)
    for form in FORMATS:
        content = files.encode(drawing[0], form, with_prompt=True)
        assert files.read(content)["prompt"] == prompt
        xml.dom.minidom.parseString(packet_of(content))


@pytest.mark.parametrize("character", ["\U0001f600", '"', "\x01", "&", "\\", "<", "é", "\uffff"])
def test_the_longest_prompts_fit_every_format(character: str) -> None:
    longest = "a" + character * (MAX_PROMPT_CHARACTERS - 1)
    drawing = drawing_of(Request(prompt=longest, negative_prompt=longest), num_pictures=64)
    for form in FORMATS:
        assert files.read(files.encode_grid(drawing, form, with_prompt=True))["prompt"] == longest


def test_one_packet_is_not_two() -> None:
    """A prompt cannot end its own element and claim to be a photograph."""
    attack = (
        "a</nonette:settings><Iptc4xmpExt:DigitalSourceType>photo</Iptc4xmpExt:DigitalSourceType>"
    )
    content = files.encode(drawing_of(Request(prompt=attack))[0], "webp", with_prompt=True)
    document = xml.dom.minidom.parseString(packet_of(content))
    assert len(document.getElementsByTagName("Iptc4xmpExt:DigitalSourceType")) == 1
    assert files.read(content)["prompt"] == attack


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (1, 1)) -> bytes:
    """A grey PNG with these chunks before its pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((size[0] + 1) * size[1]) if size == (1, 1) else b"")
    parts = (
        chunk(b"IHDR", header),
        *(chunk(*c) for c in chunks),
        chunk(b"IDAT", rows),
        chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def with_text(text: str) -> bytes:
    return png((b"tEXt", b"nonette\0" + text.encode("latin-1")))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a" + bytes(40),
        b"<svg/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        png(),
        png()[:20],
        with_text("{"),
        with_text("[]"),
        with_text("[" * 100_000),
        with_text("x" * 1_000_000),
        png((b"zTXt", b"nonette\0\0" + zlib.compress(bytes(5_000_000)))),
        png((b"iCCP", b"icc\0\0" + zlib.compress(bytes(5_000_000)))),
        png(size=(20_000, 20_000)),
        png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")),
        png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<a>")),
    ],
    ids=lambda content: repr(content[:12]) + str(len(content)),
)
def test_foreign_and_damaged_files_are_refused(content: bytes) -> None:
    with pytest.raises(InputError) as caught:
        files.read(content)
    assert caught.value.field == "picture"


@given(st.data())
def test_damaged_files_never_crash(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(FORMATS))
    drawing = drawing_of(Request(prompt="a cat"), num_pictures=1)
    content = bytearray(files.encode(drawing[0], form, with_prompt=True))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        record = files.read(bytes(content[: data.draw(st.integers(0, len(content)))]))
        files.recall(record)
    except InputError:
        pass


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": 3},
        {"prompt": "a", "seed": -1},
        {"prompt": "a", "num_pictures": 10**9},
        {"prompt": "a", "guidance": "much"},
        {"prompt": "\x00a"},
        {"prompt": "a", "task": "format the disk"},
    ],
)
def test_a_strange_record_becomes_no_request(record: dict[str, object]) -> None:
    with pytest.raises(InputError):
        files.recall(record)


def test_settings_as_an_attribute_are_found() -> None:
    packet = (
        f'<x xmlns:n="{xmp.OURS}" xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<r:Description n:settings="{&quot;a&quot;: 1}"/></x>'
    )
    assert json.loads(xmp.read(packet.encode()) or "") == {"a": 1}


@pytest.mark.parametrize(
    ("num_pictures", "rows", "columns"),
    [(1, 1, 1), (2, 1, 2), (3, 2, 2), (4, 2, 2), (5, 2, 3), (9, 3, 3), (10, 3, 4)],
)
def test_the_grid_is_square_and_in_reading_order(
    num_pictures: int, rows: int, columns: int
) -> None:
    pictures = [noise(i, 8, 8) for i in range(num_pictures)]
    sheet = grid.compose(pictures, gap=2)
    assert sheet.shape == (rows * 10 - 2, columns * 10 - 2, 3)
    seen = np.zeros(sheet.shape[:2], dtype=bool)
    for i, picture in enumerate(pictures):
        place = np.s_[
            i // columns * 10 : i // columns * 10 + 8, i % columns * 10 : i % columns * 10 + 8
        ]
        assert np.array_equal(sheet[place], picture)
        seen[place] = True
    assert (sheet[~seen] == 255).all()


@pytest.mark.parametrize("form", ["webp", "jpeg"])
def test_a_quality_makes_files_smaller_and_keeps_their_record(form: str) -> None:
    picture = drawing_of(Request(prompt="a red cat"))[0]
    low, high = (files.encode(picture, form, with_prompt=False, quality=q) for q in (5, 100))
    assert len(low) < len(high)
    assert (
        files.read(low) == files.read(high) == files.read(files.encode(picture, with_prompt=False))
    )


@pytest.mark.parametrize(("form", "quality"), [("png", 50), ("webp", 101), ("jpeg", -1)])
def test_a_quality_that_means_nothing_is_refused(form: str, quality: int) -> None:
    picture = drawing_of(Request(prompt="a red cat"))[0]
    with pytest.raises(InputError, match="quality"):
        files.encode(picture, form, with_prompt=False, quality=quality)
