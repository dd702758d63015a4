"""`nonette edit`, `extend`, `vary` and `enlarge` through the real command line."""

import io
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny_model
from nonette.checkpoints import store
from nonette.core.flat import FlatEngine
from nonette.core.sizes import resized
from nonette.provenance import encode as files

FLAT = ("--model", "flat", "--seed", "7")
MASK = np.zeros((30, 40), dtype=bool)
MASK[5:20, 7:30] = True
VERBS = {
    "edit": ("edit", "fox.png", "a cat", *FLAT),
    "extend": ("extend", "fox.png", "a cat", "--left", "8", *FLAT),
    "vary": ("vary", "fox.png", *FLAT),
    "enlarge": ("enlarge", "fox.png", "--model", "flat"),
}
OUTPUTS = {
    "edit": "edited.png",
    "extend": "extended.png",
    "vary": "varied.png",
    "enlarge": "enlarged.png",
}


def noise(width: int = 40, height: int = 30, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def save(name: str, pixels: np.ndarray, form: str = "png", **options: object) -> None:
    Image.fromarray(pixels).save(name, form, **options)


def pixels_of(name: str | Path) -> np.ndarray:
    with Image.open(name) as image:
        return np.asarray(image)


@pytest.fixture
def run(call: Any) -> Any:
    """Runs `nonette` where a picture and a mask lie."""
    save("fox.png", noise())
    save("mask.png", np.where(MASK, 255, 0).astype(np.uint8))
    return call


def refused(run: Any, *words: str) -> str:
    """The one line that refuses the command; nothing is written and nothing printed."""
    before = sorted(Path().rglob("*"))
    status, out, err = run(*words)
    assert (status, out) == (2, ""), err
    assert err.startswith("nonette: ") and err.count("\n") == 1 and len(err) < 500
    assert sorted(Path().rglob("*")) == before
    return err


def test_an_edit_repaints_the_mask_and_keeps_the_rest_to_the_byte(run: Any) -> None:
    words = ("edit", "fox.png", "a cat", "--mask", "mask.png", "--each", "all", *FLAT)
    status, out, err = run(*words, "--json")
    assert (status, err) == (0, "")
    result = json.loads(out)
    assert (result["grid"], result["prompt"], len(result["pictures"])) == ("edited.png", "a cat", 9)
    for picture in result["pictures"]:
        pixels = pixels_of(picture["path"])
        assert np.array_equal(pixels[~MASK], noise()[~MASK])
        assert (pixels[MASK] == pixels[5, 7]).all()
    scores = [picture["score"] for picture in result["pictures"]]
    assert scores == sorted(scores, reverse=True)
    record = files.read(Path(result["pictures"][0]["path"]).read_bytes())
    assert record["task"] == "edit" and record["source"].startswith("sha256:")
    request = files.recall(record, source=noise(), mask=MASK)
    (again,) = FlatEngine().draw([request])
    assert np.array_equal(again[0].pixels, pixels_of(result["pictures"][0]["path"]))


def test_a_seam_is_soft_where_that_is_asked_for(run: Any) -> None:
    words = ("a cat", "-n", "1", *FLAT)
    assert run("edit", "fox.png", "--mask", "mask.png", "--feather", "4", *words)[0] == 0
    pixels = pixels_of("edited.png")
    assert np.array_equal(pixels[~MASK], noise()[~MASK])
    assert (pixels[9:16, 11:26] == pixels[12, 15]).all()
    assert (pixels[5:9, 7:30] != pixels[12, 15]).any()
    assert files.read(Path("edited.png").read_bytes())["feather"] == 4
    assert run("extend", "fox.png", "--left", "8", "--feather", "2", *words)[0] == 0
    pixels = pixels_of("extended.png")
    assert np.array_equal(pixels[:, 8:], noise())
    assert (pixels[:, 7] != pixels[:, 0]).any() and (pixels[:, :6] == pixels[0, 0]).all()
    told = "--feather is 65, but it must be a whole number from 0 to 64"
    assert told in refused(run, "edit", "fox.png", "--feather", "65", *words)
    assert "--feather is 'x'" in refused(run, "extend", "fox.png", "--feather", "x", *words)


def test_a_mask_may_be_the_pictures_own_transparency(run: Any) -> None:
    save("hole.png", np.dstack([noise(), np.where(MASK, 0, 255).astype(np.uint8)]))
    assert run("edit", "hole.png", "a cat", "-n", "1", *FLAT)[0] == 0
    pixels = pixels_of("edited.png")
    assert np.array_equal(pixels[~MASK], noise()[~MASK])
    assert (pixels[MASK] == pixels[5, 7]).all()


def test_without_a_mask_the_whole_picture_moves_by_the_strength(run: Any) -> None:
    for strength in ("0", "0.5", "1"):
        words = ("edit", "fox.png", "a cat", "--strength", strength, "-o", f"{strength}.png")
        assert run(*words, "-n", "1", *FLAT)[0] == 0
    assert np.array_equal(pixels_of("0.png"), noise())
    middle = pixels_of("0.png").astype(int) / 2 + pixels_of("1.png").astype(int) / 2
    assert np.abs(pixels_of("0.5.png") - middle).max() <= 0.5
    assert (pixels_of("1.png") == pixels_of("1.png")[0, 0]).all()


def test_an_extension_keeps_the_picture_where_it_was(run: Any) -> None:
    sides = ("--left", "8", "--right", "3", "--top", "2", "--bottom", "5")
    status, out, _ = run("extend", "fox.png", "a cat", *sides, "-n", "1", *FLAT)
    assert status == 0 and out.startswith("extended.png: 1 picture by flat, best first, in ")
    pixels = pixels_of("extended.png")
    assert pixels.shape == (30 + 2 + 5, 40 + 8 + 3, 3)
    assert np.array_equal(pixels[2:32, 8:48], noise())


def test_variations_come_with_and_without_a_sentence(run: Any) -> None:
    status, out, _ = run("vary", "fox.png", "--json", *FLAT)
    assert status == 0
    pictures = json.loads(out)["pictures"]
    assert [(picture["seed"], picture["score"]) for picture in pictures] == [
        (seed, None) for seed in range(7, 16)
    ]
    status, out, _ = run("vary", "fox.png", "a cat", "--strength", "0.9", "--json", *FLAT)
    scores = [picture["score"] for picture in json.loads(out)["pictures"]]
    assert scores == sorted(scores, reverse=True) and None not in scores
    assert files.read(Path("varied-2.png").read_bytes())["strength"] == 0.9


@pytest.mark.parametrize(
    ("words", "size"),
    [((), (80, 60)), (("--factor", "1.5"), (60, 45)), (("--size", "120x90"), (120, 90))],
)
def test_an_enlargement_is_resampled_and_says_so(run: Any, words: tuple, size: tuple) -> None:
    status, out, _ = run(*VERBS["enlarge"], *words)
    told = f"enlarged.png: {size[0]}x{size[1]}, enlarged from 40x30 by lanczos, in "
    assert status == 0 and out.startswith(told) and out.count("\n") == 1
    assert np.array_equal(pixels_of("enlarged.png"), resized(noise(), size))
    record = files.read(Path("enlarged.png").read_bytes())
    assert (record["task"], record["enlarged"]) == ("enlarge", "lanczos")
    _, out, _ = run(*VERBS["enlarge"], "--factor", "1")
    assert out.startswith("enlarged-2.png: 40x30, as large as it was, in ")


def test_any_model_enlarges_and_edits_are_refused_with_those_that_can(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_model.write(tmp_path / "home" / "models")
    monkeypatch.setattr(store, "DEFAULT", "tiny-ar")
    status, out, _ = run("enlarge", "fox.png", "--json")
    assert status == 0
    result = json.loads(out)
    assert (result["model"], result["enlarged"], result["drawn_size"]) == (
        "tiny-ar",
        "lanczos",
        "40x30",
    )
    for words in (("edit", "fox.png", "a cat"), ("vary", "fox.png"), VERBS["extend"][:5]):
        told = f"task is '{words[0]}', but tiny-ar can only draw and enlarge; models that can "
        assert f"{told}{words[0]}: flat, scenes\n" in refused(run, *words)


def test_a_drawing_of_another_size_says_that_it_was_enlarged(run: Any) -> None:
    status, out, _ = run("draw", "a cat", "--size", "512x512", "-n", "1", *FLAT)
    assert status == 0
    assert out.splitlines()[1] == "drawn at 128x128, enlarged by lanczos"
    assert pixels_of("grid.png").shape == (512, 512, 3)
    _, out, _ = run("draw", "a cat", "--size", "64x64", "-n", "1", "--json", *FLAT)
    assert json.loads(out)["reduced"] == "lanczos"
    _, out, _ = run("draw", "a cat", "--size", "128x128", "-n", "1", "--json", *FLAT)
    assert "drawn_size" not in json.loads(out)
    line = refused(run, "draw", "a cat", "--size", "512x256", *FLAT)
    assert "--size is '512x256', but flat draws 128x128 and other sizes of that shape" in line
    for size in ("0x0", "7", "99999x99999", "512 x 512", "-1x5"):
        assert "--size is" in refused(run, "draw", "a cat", "--size", size, *FLAT)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_keeps_what_is_there(run: Any, verb: str) -> None:
    name = OUTPUTS[verb]
    assert run(*VERBS[verb])[0] == run(*VERBS[verb])[0] == 0
    assert Path(name).is_file() and Path(name.replace(".", "-2.")).is_file()
    assert Path(name).read_bytes() == Path(name.replace(".", "-2.")).read_bytes()
    assert "already" in refused(run, *VERBS[verb], "-o", "fox.png")
    assert np.array_equal(pixels_of("fox.png"), noise())
    assert run(*VERBS[verb], "-o", "fox.png", "--force")[0] == 0
    assert not np.array_equal(pixels_of("fox.png"), noise())


@pytest.mark.parametrize("verb", VERBS)
def test_every_file_is_marked_and_keeps_the_sentence_where_told(run: Any, verb: str) -> None:
    if verb != "enlarge":
        assert run(*VERBS[verb], "--no-metadata", "-o", "quiet.webp")[0] == 0
        content = Path("quiet.webp").read_bytes()
        assert b"a cat" not in content and "prompt" not in files.read(content)
    assert run(*VERBS[verb], "-o", "told.jpg")[0] == 0
    is_composed = verb in ("edit", "extend")
    kind = b"compositeWithTrained" if is_composed else b"trained"
    assert b"digitalsourcetype/" + kind + b"AlgorithmicMedia" in Path("told.jpg").read_bytes()
    assert files.read(Path("told.jpg").read_bytes())["task"] == verb


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_reports_a_stop_as_130(
    run: Any, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FlatEngine, "draw", interrupt)
    assert run(*VERBS[verb])[0] == 130
    assert not Path(OUTPUTS[verb]).exists()


def encoded(pixels: np.ndarray, form: str = "png", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def bomb(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


FRAMES = [Image.fromarray(noise()), Image.fromarray(noise()[::-1])]
BAD_FILES = {  # rows 11 to 14 of the bad inputs: what is in the file, and what is said of it
    "empty": (b"", "an empty file"),
    "cut off": (encoded(noise())[:-40], "it is cut off"),
    "a page": (b"<html><script>alert(1)</script>", "a web page"),
    "a page behind": (encoded(noise()) + b"<script>", "8 bytes hang on behind its end"),
    "no picture": (b"hello", "it must be a PNG, JPEG or WebP picture"),
    "a bomb": (bomb(20_000, 20_000), "'20000x20000', but a picture has 16 to 8,192 pixels"),
    "a line": (bomb(30_000, 1), "'30000x1', but a picture has 16 to 8,192 pixels a side"),
    "a dot": (encoded(noise(1, 1)), "'1x1', but a picture has 16 to 8,192 pixels a side"),
    "moving": (encoded(noise(), save_all=True, append_images=FRAMES), "must be a single picture"),
    "gif": (encoded(noise(), "gif"), "'a GIF file'"),
    "tiff": (encoded(noise(), "tiff"), "'a TIFF file'"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "'an EPS file'"),
    "svg": (b"<svg onload='alert(1)'/>", "'an SVG or XML file'"),
    "psd": (b"8BPS\0\1" + bytes(40), "'a PSD file'"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_one_line(run: Any, kind: str) -> None:
    content, told = BAD_FILES[kind]
    Path("bad.png").write_bytes(content)
    line = refused(run, "vary", "bad.png", *FLAT)
    assert line.startswith("nonette: IMAGE is ") and told in line
    mask = refused(run, "edit", "fox.png", "a cat", "--mask", "bad.png", *FLAT)
    assert mask.startswith("nonette: --mask is ") and told in mask


@pytest.mark.parametrize("kind", ["cmyk", "16 bits", "palette", "turned"])
def test_an_odd_file_is_taken(run: Any, kind: str) -> None:
    image, options = Image.fromarray(noise()), {}
    if kind == "cmyk":
        image.convert("CMYK").save("odd", "jpeg")
    elif kind == "16 bits":
        Image.fromarray(noise(channels=1)[..., 0].astype(np.uint16) * 257).save("odd", "png")
    elif kind == "palette":
        image.quantize(9).save("odd", "png", transparency=3)
    else:
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save("odd", "jpeg", exif=exif, **options)
    assert run("enlarge", "odd", "--factor", "1", "--model", "flat")[0] == 0
    assert pixels_of("enlarged.png").shape == ((40, 30, 3) if kind == "turned" else (30, 40, 3))


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["vary", "none.png"], ("IMAGE is 'none.png'", "No such file")),
        (["vary", "."], ("IMAGE is '.'", "not a file")),
        (["vary", "/dev/zero"], ("IMAGE is '/dev/zero'", "not a file")),
        (["vary", "x" * 300], ("IMAGE is", "File name too long")),
        (["edit", "fox.png", "a", "--mask", "none.png"], ("--mask is 'none.png'", "No such")),
        (["edit", "fox.png", "a", "--mask", "small.png"], ("--mask is '20x20'", "40x30")),
        (["edit", "fox.png", "a", "--mask", "black.png"], ("--mask is 'empty'", "or white")),
        (["edit", "fox.png", "a", "--mask", "opaque.png"], ("--mask is 'empty'", "or white")),
        (["edit", "fox.png", ""], ("prompt is ''", "letter or digit")),
        (["edit", "fox.png", "a", "--strength", "1.5"], ("--strength is 1.5", "from 0 to 1")),
        (["edit", "fox.png", "a", "--strength", "nan"], ("--strength is nan", "from 0 to 1")),
        (["edit", "fox.png", "a", "--strength", "x"], ("--strength is 'x'", "a number")),
        (["edit", "fox.png", "a", "--steps", "0"], ("--steps is 0", "from 1 to 1,000")),
        (["edit", "fox.png", "a", "--guidance", "inf"], ("--guidance is inf", "from 0 to 100")),
        (["extend", "fox.png", "a"], ("--left is None", "must be above 0")),
        (["extend", "fox.png", "a", "--top", "0"], ("--left is None", "must be above 0")),
        (["extend", "fox.png", "a", "--left", "-1"], ("--left is -1", "from 0 to 8,192")),
        (["extend", "fox.png", "a", "--left", "x"], ("--left is 'x'", "a whole number")),
        (["extend", "fox.png", "a", "--right", "8190"], ("--right is 8190", "8230x30", "8,192")),
        (["enlarge", "fox.png", "--factor", "0.5"], ("--factor is 0.5", "from 1 to 16")),
        (["enlarge", "fox.png", "--factor", "nan"], ("--factor is nan", "from 1 to 16")),
        (["enlarge", "fox.png", "--size", "64x64"], ("--size is '64x64'", "40x30")),
        (["enlarge", "fox.png", "--size", "80x60", "--factor", "2"], ("--factor is 2", "size")),
        (["enlarge", "wide.png", "--factor", "9"], ("--factor is 9", "9000x144", "8,192")),
        (["vary", "fox.png", "--size", "100x50"], ("--size is '100x50'", "128x128")),
    ],
    ids=lambda words: " ".join(words)[:50].encode("ascii", "backslashreplace").decode(),
)
def test_bad_input_is_one_line(run: Any, words: list[str], parts: tuple[str, ...]) -> None:
    save("small.png", noise(20, 20))
    save("wide.png", noise(1000, 16))
    save("black.png", np.zeros((30, 40), np.uint8))
    save("opaque.png", np.full((30, 40, 4), (0, 0, 0, 255), np.uint8))
    line = refused(run, *words, "--model", "flat")
    for part in parts:
        assert part in line


def test_a_pipe_does_not_hang(run: Any) -> None:
    os.mkfifo("pipe.png")
    assert "not a file" in refused(run, "vary", "pipe.png", *FLAT)


def test_bad_pictures_are_refused_before_torch_is_imported(run_python: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"GIF89a")
    code = (
        "import sys; from nonette.cli.main import main; "
        "print(main(['vary', 'bad.png']), main(['edit', 'none.png', 'a']), 'torch' in sys.modules)"
    )
    assert run_python("-c", code).stdout.split() == ["2", "2", "False"]
