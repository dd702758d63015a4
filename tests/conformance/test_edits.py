"""`images.edit` and `images.create_variation` with the real client, and the files they refuse."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import struct
import zlib

import numpy as np
import openai
import pytest
from PIL import Image

from nonette.server.uploads import Uploads

SIDE = 64

# The client marks `create_variation` so, as its own service no longer answers it.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


def png(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **options)
    return file.getvalue()


def noise(side: int = SIDE, channels: int = 3, width: int | None = None) -> np.ndarray:
    shape = (side, width or side, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def with_hole(side: int = SIDE) -> np.ndarray:
    """RGBA noise whose left half is transparent."""
    pixels = noise(side, 4)
    pixels[..., 3] = 255
    pixels[:, : side // 2, 3] = 0
    return pixels


def pixels_of(image) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(image.b64_json))))


def refused(act, error=openai.BadRequestError):
    with pytest.raises(error) as caught:
        act()
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    return caught.value


OPAQUE = png(noise())


def test_where_the_mask_is_transparent_is_repainted_and_nothing_else(client):
    mask = with_hole()
    answer = client.images.edit(
        model="dall-e-2", image=("fox.png", OPAQUE), mask=png(mask), prompt="a red fox", n=3,
        response_format="b64_json", extra_body={"seed": "4"},
    )  # fmt: skip
    assert len(answer.data) == 3
    for image in answer.data:
        drawn, half = pixels_of(image), SIDE // 2
        assert np.array_equal(drawn[:, half:], noise()[:, half:])
        assert len(np.unique(drawn[:, :half].reshape(-1, 3), axis=0)) == 1
    assert answer.usage.input_tokens_details.image_tokens == 16


def test_without_a_mask_the_pictures_own_transparency_is_it(client):
    own = client.images.edit(image=png(with_hole()), prompt="a red fox", extra_body={"seed": "4"})
    half = SIDE // 2
    assert np.array_equal(pixels_of(own.data[0])[:, half:], with_hole()[:, half:, :3])
    whole = client.images.edit(image=OPAQUE, prompt="a red fox", extra_body={"seed": "4"})
    assert len(np.unique(pixels_of(whole.data[0]).reshape(-1, 3), axis=0)) == 1


def test_a_list_of_two_images_is_blended(client, site):
    second = png(255 - noise())
    answer = client.images.edit(image=[OPAQUE, second], prompt="both")
    job = site.house.queue.look(answer.job)
    assert job.request["task"] == "blend"
    one = client.images.edit(image=[OPAQUE], prompt="one")
    assert site.house.queue.look(one.job).request["task"] == "edit"
    assert refused(lambda: client.images.edit(image=[OPAQUE] * 3, prompt="x")).param == "image"
    both = {"image": [OPAQUE, second], "mask": png(with_hole())}
    assert refused(lambda: client.images.edit(**both, prompt="x")).param == "mask"


def test_a_size_of_the_same_shape_is_honoured_and_another_refused(client):
    answer = client.images.edit(image=OPAQUE, prompt="a fox", size="128x128")
    assert pixels_of(answer.data[0]).shape == (128, 128, 3)
    edited = client.images.edit(
        image=png(with_hole()), mask=png(with_hole()), prompt="a fox", size="256x256"
    )
    assert (edited.size, pixels_of(edited.data[0]).shape) == ("256x256", (256, 256, 3))
    error = refused(lambda: client.images.edit(image=OPAQUE, prompt="a fox", size="1536x1024"))
    assert error.param == "size" and "64x64" in error.message


def test_edits_stream(client):
    events = list(client.images.edit(image=OPAQUE, prompt="a fox", stream=True, partial_images=1))
    assert events[-1].type == "image_edit.completed"
    assert events[-1].usage.input_tokens == 2 + 16
    assert {event.type for event in events[:-1]} <= {"image_edit.partial_image"}


def test_variations_are_drawn_of_square_pictures_only(client, site):
    answer = client.images.create_variation(image=OPAQUE, n=9, response_format="b64_json")
    assert len(answer.data) == 9
    assert site.house.queue.look(answer.job).request["task"] == "vary"
    large = client.images.create_variation(image=OPAQUE, size="256x256", model="dall-e-2")
    assert large.size == "256x256" and large.data[0].url.startswith(site.url)
    wide = png(noise(width=80))
    assert refused(lambda: client.images.create_variation(image=wide)).param == "image"


def test_strength_is_honoured(client):
    same = client.images.create_variation(image=OPAQUE, extra_body={"strength": "0"})
    drawn = pixels_of(same.data[0])
    assert np.ptp(drawn.reshape(-1, 3), axis=0).max() == 0  # flat variations keep the mean colour
    assert np.allclose(drawn.mean(axis=(0, 1)), noise().mean(axis=(0, 1)), atol=1)
    error = refused(
        lambda: client.images.create_variation(image=OPAQUE, extra_body={"strength": "2"})
    )
    assert error.param == "strength"


def test_feather_is_honoured(client):
    def edit(**more):
        answer = client.images.edit(
            image=OPAQUE, mask=png(with_hole()), prompt="a fox", extra_body={"seed": 1, **more}
        )
        return pixels_of(answer.data[0]).astype(int)

    hard, same, soft = edit(), edit(feather="0"), edit(feather="8")
    hole = with_hole()[..., 3] == 0
    assert (hard == same).all() and (hard[~hole] == soft[~hole]).all()
    assert 0 < (hard != soft).any(axis=2)[hole].mean() <= 1
    error = refused(lambda: edit(feather="65"))
    assert error.param == "feather"


def test_masks_that_mean_nothing_are_refused_by_name(client):
    def edit(mask: bytes):
        return refused(lambda: client.images.edit(image=OPAQUE, mask=mask, prompt="a fox"))

    opaque = edit(png(noise()))
    assert (opaque.code, opaque.param) == ("invalid_mask_image_format", "mask")
    assert opaque.type == "image_generation_user_error"
    other = edit(png(with_hole(32)))
    assert other.param == "mask" and "64x64" in other.message
    full = with_hole()
    full[..., 3] = 255
    assert edit(png(full)).param == "mask"
    assert edit(b"").param == "mask"


def test_a_wholly_transparent_mask_repaints_everything(client):
    empty = np.zeros((SIDE, SIDE, 4), np.uint8)
    answer = client.images.edit(image=OPAQUE, mask=png(empty), prompt="a fox")
    assert len(np.unique(pixels_of(answer.data[0]).reshape(-1, 3), axis=0)) == 1


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is this large."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return OPAQUE[:8] + header + OPAQUE[33:]


def animation() -> bytes:
    file = io.BytesIO()
    frames = [Image.fromarray(noise(16) // (i + 1)) for i in range(3)]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (OPAQUE[:200], 400),
        (OPAQUE + b"<html><script>alert(1)</script>", 400),
        (bomb(20_000, 20_000), 400),
        (bomb(2**31 - 1, 1), 400),
        (animation(), 400),
        (png(noise(8)), 400),
        (b"GIF89a" + b"\0" * 40, 415),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", 415),
        (b'<?xml version="1.0"?><svg onload="alert(1)"/>', 415),
        (b"II*\0\x08\0\0\0", 415),
        (b"8BPS\0\1", 415),
        (b"\x80\x04\x95 pickled", 415),
        (b"not a picture", 415),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_files_that_are_no_sane_picture_are_refused(client, content, status):
    for act in (
        lambda: client.images.edit(image=("fox.png", content, "image/png"), prompt="a fox"),
        lambda: client.images.create_variation(image=("../../etc/passwd", content, "image/png")),
    ):
        error = refused(act, openai.APIStatusError)
        assert (error.status_code, error.param) == (status, "image")


def test_what_a_photo_tells_of_its_place_is_forgotten(client, site):
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010E] = "home, sweet home"
    file = io.BytesIO()
    Image.fromarray(noise()).save(file, "JPEG", exif=exif)
    answer = client.images.edit(image=file.getvalue(), prompt="a fox")
    kept = b"".join(path.read_bytes() for path in site.settings.data_dir.rglob("*.png"))
    assert b"sweet home" not in kept + base64.b64decode(answer.data[0].b64_json)


def test_an_upload_beyond_the_limit_is_refused_unread(serve):
    with serve(max_upload_bytes=200_000) as site:
        large = os.urandom(200_001)
        error = refused(
            lambda: site.client().images.edit(image=large, prompt="a fox"), openai.APIStatusError
        )
        assert (error.status_code, error.code) == (413, "body_too_large")


# --- bodies without the client --------------------------------------------------------------------


def send(site, path, content, kind):
    address = site.url.removeprefix("http://")
    with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        connection.request("POST", path, content, {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def data_url(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def test_json_brings_pictures_as_data_urls(site):
    body = {
        "images": [{"image_url": data_url(OPAQUE)}],
        "mask": {"image_url": data_url(png(with_hole()))},
        "prompt": "a fox",
    }
    status, answer = send(site, "/v1/images/edits", json.dumps(body), "application/json")
    assert status == 200 and answer["data"][0]["b64_json"]
    flat = {"image": data_url(OPAQUE), "prompt": "a fox"}
    assert send(site, "/v1/images/edits", json.dumps(flat), "application/json")[0] == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/", "http://169.254.169.254/latest/meta-data", "https://example.org/a",
        "file:///etc/passwd", "data:image/png;base64,***", "data:,x", "", 7, {"file_id": "file-1"},
    ],
)  # fmt: skip
def test_nothing_is_fetched_for_anybody(site, url):
    body = json.dumps({"images": [{"image_url": url}], "prompt": "a fox"})
    status, answer = send(site, "/v1/images/edits", body, "application/json")
    assert (status, answer["error"]["param"]) == (400, "image")


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "text/plain", 415),
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"[" * 20_000, "application/json", 400),
        (b"{}", "application/json", 400),
        (b"", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary=y", 400),
        (b"--y\r\n\r\n", "multipart/form-data; boundary=y", 400),
    ],
)
def test_bodies_that_are_no_form_are_refused(site, content, kind, status):
    for path in ("/v1/images/edits", "/v1/images/variations"):
        got, body = send(site, path, content, kind)
        assert got == status and set(body["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": "0"}, "n"), ({"n": "two"}, "n"), ({"markup": "x"}, "markup"),
        ({"svg[model]": "x"}, "svg"), ({"sead": "1"}, "sead"), ({"mask": "text"}, "mask"),
        ({"prompt": ""}, "prompt"), ({"size": "16x16x16"}, "size"),
    ],
)  # fmt: skip
def test_fields_of_a_form_are_refused_by_name(client, fields, param):
    given = {"prompt": "a fox"} | fields
    prompt = given.pop("prompt")
    error = refused(lambda: client.images.edit(image=OPAQUE, prompt=prompt, extra_body=given))
    assert error.param == param


def test_the_same_upload_is_kept_once_and_swept_by_its_age(serve):
    with serve() as site:
        for prompt in ("a fox", "a cat"):
            site.client().images.edit(image=OPAQUE, prompt=prompt)
        uploads = Uploads(site.settings.data_dir)
        (path,) = uploads.folder.rglob("*.png")
        assert uploads.sweep(site.house.database) == 0
        assert uploads.sweep(site.house.database, path.stat().st_mtime + 25 * 3600) == 1
        assert not path.exists()
