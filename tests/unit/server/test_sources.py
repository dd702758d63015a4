"""Jobs drawn from pictures: sent now or before, one's own, published; and whose they are."""

import io

import numpy as np
import pytest
from PIL import Image

from live_server import draw_all

RED, BLUE = (200, 30, 30), (20, 40, 220)


def png(size=(32, 16), colour=RED, mode="RGB"):
    content = io.BytesIO()
    Image.new(mode, size, colour).save(content, "PNG")
    return content.getvalue()


def halves(size=(32, 16)):
    """A mask that repaints the left half, where it is transparent."""
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    content = io.BytesIO()
    mask.save(content, "PNG")
    return content.getvalue()


BLACK = png(colour=(0, 0, 0))


@pytest.fixture
def send(client):
    """Posts a form with these files and values."""

    def send(files, **values):
        given = {name: (f"{name}.png", content) for name, content in files.items()}
        return client.post("/api/jobs", files=given, data=values)

    return send


@pytest.fixture
def drawn(client, loop):
    """Draws: the finished job of an answer, and the pixels of its pictures."""

    def drawn(answer):
        assert answer.status_code == 202, answer.text
        draw_all(loop)
        job = client.get(f"/api/jobs/{answer.json()['id']}").json()
        assert job["state"] == "done", job
        return job, [pixels(client, one["url"]) for one in job["results"]]

    return drawn


def pixels(client, url):
    with Image.open(io.BytesIO(client.get(url).content)) as image:
        return np.array(image)


def test_an_edit_repaints_where_its_mask_is_transparent(client, send, drawn):
    answer = send(
        {"source": png(), "mask": halves()}, task="edit", prompt="a door", num_pictures="3", seed=9
    )
    job, pictures = drawn(answer)
    assert job["request"]["task"] == "edit" and len(pictures) == 3
    for picture in pictures:
        assert (picture[:, 16:] == RED).all() and (picture[:, :16] != RED).any()
    source = pixels(client, f"/api/jobs/{job['id']}/inputs/source")
    assert source.shape == (16, 32, 3) and (source == RED).all()
    mask = pixels(client, f"/api/jobs/{job['id']}/inputs/mask")
    assert mask[:, :16].all() and not mask[:, 16:].any()


def test_what_is_transparent_in_the_source_of_an_edit_is_repainted(send, drawn):
    holed = Image.new("RGBA", (32, 16), (*RED, 255))
    holed.paste((0, 0, 0, 0), (0, 0, 8, 16))
    content = io.BytesIO()
    holed.save(content, "PNG")
    _, pictures = drawn(
        send({"source": content.getvalue()}, task="edit", prompt="a door", num_pictures=1)
    )
    assert all((picture[:, 8:] == RED).all() for picture in pictures)
    _, pictures = drawn(send({"source": content.getvalue()}, task="vary", num_pictures=2))
    assert len(pictures) == 2


def test_an_extension_keeps_the_picture_in_its_place(send, drawn):
    answer = send({"source": png()}, task="extend", prompt="sky", left=8, bottom=16, num_pictures=1)
    job, pictures = drawn(answer)
    assert (job["results"][0]["width"], job["results"][0]["height"]) == (40, 32)
    assert (pictures[0][:16, 8:] == RED).all() and (pictures[0][16:] != RED).any()


def test_a_soft_seam_reaches_the_drawing(send, drawn):
    wish = {"task": "extend", "prompt": "sky", "left": 8, "num_pictures": 1, "seed": 5}
    _, (hard,) = drawn(send({"source": png()}, feather=0, **wish))
    job, (soft,) = drawn(send({"source": png()}, feather=3, **wish))
    assert job["request"]["feather"] == 3
    assert (soft[:, 8:] == RED).all() and (soft[:, :5] == hard[:, :5]).all()
    assert (soft[:, 7] != hard[:, 7]).any()


def test_variations_blends_and_enlargements(send, drawn):
    job, pictures = drawn(send({"source": png()}, task="vary", strength="0"))
    assert len(job["results"]) == 9 and (pictures[0] == RED).all()
    both = {"source": png(), "second_source": png(colour=BLUE)}
    _, pictures = drawn(send(both, task="blend", mix="0.5", num_pictures="2"))
    assert len(pictures) == 2
    job, (picture,) = drawn(send({"source": png()}, task="enlarge", factor="3"))
    assert picture.shape == (48, 96, 3) and job["request"]["num_pictures"] == 1


def test_own_pictures_and_earlier_uploads_are_named(client, send, drawn):
    first, pictures = drawn(client.post("/api/jobs", json={"prompt": "a fox", "num_pictures": 1}))
    named = {
        "task": "vary",
        "source": first["results"][0]["id"],
        "strength": 0.0,
        "num_pictures": 1,
    }
    second, varied = drawn(client.post("/api/jobs", json=named))
    assert (varied[0] == pictures[0]).all()
    third, _ = drawn(client.post("/api/jobs", json=named | {"source": second["inputs"]["source"]}))
    assert third["inputs"] == second["inputs"]
    client.delete(f"/api/jobs/{first['id']}")
    again, varied = drawn(client.post("/api/jobs", json=named | third["inputs"]))
    assert (varied[0] == pictures[0]).all() and again["inputs"] == second["inputs"]
    mixed, _ = drawn(
        send(
            {"mask": halves((16, 16))},
            source=third["inputs"]["source"],
            task="edit",
            prompt="a",
            num_pictures=1,
        )
    )
    masked = {"task": "edit", "prompt": "a", "num_pictures": 1, **mixed["inputs"]}
    again, _ = drawn(client.post("/api/jobs", json=masked))
    assert again["inputs"] == mixed["inputs"]


@pytest.mark.parametrize("name", [f"pic_{'0' * 24}", f"upl_{'0' * 32}"])
@pytest.mark.parametrize("field", ["source", "mask", "second_source"])
def test_what_is_not_there_is_404_by_the_fields_name(client, field, name):
    task = {"source": "vary", "mask": "edit", "second_source": "blend"}[field]
    answer = client.post("/api/jobs", json={"task": task, "prompt": "a", field: name})
    error = answer.json()["error"]
    kind = "upload" if name.startswith("upl") else "picture"
    assert (answer.status_code, error["code"]) == (404, f"{kind}_not_found")
    assert error["param"] == field


def test_others_pictures_are_not_there_until_they_are_published(client, loop, queue, wish):
    """Two owners on one server: the caller on loopback, and Bea."""
    bea = queue.submit(wish(owner="bea", prompt="a secret", num_pictures=1))
    draw_all(loop)
    (picture,) = queue.look(bea.id).results
    named = {"task": "vary", "source": picture.id}
    assert client.post("/api/jobs", json=named).status_code == 404
    client.app.state.house.album.change("bea", picture.id, is_published=True)
    answer = client.post("/api/jobs", json=named)
    assert answer.status_code == 202 and "secret" not in answer.text
    upload = answer.json()["inputs"]["source"]
    other = queue.submit(wish(owner="bea", prompt="hers"))
    assert client.get(f"/api/jobs/{other.id}/inputs/source").status_code == 404
    client.delete(f"/api/jobs/{answer.json()['id']}")
    gone = client.post("/api/jobs", json=named | {"source": upload})
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "upload_not_found")


@pytest.mark.parametrize(
    ("files", "values", "status", "param"),
    [
        ({}, {"task": "edit", "prompt": "a"}, 422, "source"),
        ({}, {"task": "paint", "prompt": "a"}, 422, "task"),
        ({}, {"task": "vary", "source": "../../etc/passwd"}, 422, "source"),
        ({"source": png()}, {"prompt": "a"}, 422, "source"),
        ({"source": png()}, {"task": "edit"}, 422, "prompt"),
        ({"source": png()}, {"task": "extend", "prompt": "a"}, 422, "left"),
        ({"source": png()}, {"task": "extend", "prompt": "a", "left": "-1"}, 422, "left"),
        ({"source": png()}, {"task": "extend", "prompt": "a", "left": "wide"}, 422, "left"),
        ({"source": png()}, {"task": "vary", "strength": "1.5"}, 422, "strength"),
        ({"source": png()}, {"task": "vary", "factor": "2"}, 422, "factor"),
        ({"source": png()}, {"task": "vary", "feather": "2"}, 422, "feather"),
        ({"source": png()}, {"task": "edit", "prompt": "a", "feather": "65"}, 422, "feather"),
        ({"source": png()}, {"task": "enlarge", "factor": "17"}, 422, "factor"),
        ({"source": png()}, {"task": "enlarge", "num_pictures": "2"}, 422, "num_pictures"),
        ({"source": png()}, {"task": "blend"}, 422, "second_source"),
        ({"source": png((8, 8))}, {"task": "vary"}, 422, "source"),
        ({"source": b"GIF89a..."}, {"task": "vary"}, 415, "source"),
        ({"source": png()[:60]}, {"task": "vary"}, 422, "source"),
        ({"source": png(), "mask": png((16, 16))}, {"task": "edit", "prompt": "a"}, 422, "mask"),
        ({"source": png(), "mask": BLACK}, {"task": "edit", "prompt": "a"}, 422, "mask"),
        ({"mask": halves()}, {"task": "edit", "prompt": "a"}, 400, "source"),
        ({"source": png()}, {"source": f"pic_{'0' * 24}", "task": "vary"}, 400, "source"),
        ({"picture": png()}, {"task": "vary"}, 400, "picture"),
        ({"source": png()}, {"task": "vary", "prompt": "x", "promt": "a"}, 422, "promt"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(client, send, files, values, status, param):
    answer = send(files, **values) if files else client.post("/api/jobs", json=values)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param), error
    assert client.get("/api/jobs").json()["data"] == []


def test_another_kind_of_body_is_415(client):
    answer = client.post("/api/jobs", content=b"prompt=a", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


def test_one_key_with_other_pictures_is_another_wish(client):
    def post(colour):
        files = {"source": ("a.png", png(colour=colour))}
        headers = {"Idempotency-Key": "one"}
        return client.post("/api/jobs", files=files, data={"task": "vary"}, headers=headers)

    first = post(RED)
    assert first.status_code == 202 and post(RED).json()["id"] == first.json()["id"]
    assert post(BLUE).status_code == 409


def test_the_history_tells_what_was_done(client, send, drawn):
    drawn(send({"source": png()}, task="enlarge"))
    assert client.get("/api/pictures").json()["data"][0]["task"] == "enlarge"
