"""Files to keep, archives, captioned sheets, recall, judgements."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from live_server import draw_all
from nonette.core.flat import FlatEngine
from nonette.provenance import decode, encode
from nonette.server.app import create_app
from nonette.server.settings import load
from nonette.server.worker import WorkerLoop

ACROSS = 3 * 128 + 2 * 4  # pixels of nine flat pictures in their grid


@pytest.fixture
def client(tmp_path):
    settings = load(data_dir=tmp_path, models=("flat",))
    app = create_app(settings)
    with TestClient(app, base_url="http://localhost") as client:
        loop = WorkerLoop(FlatEngine(), app.state.house.database, settings)
        loop.leases.register(loop.capabilities)
        client.loop = loop
        yield client


@pytest.fixture
def job(client):
    wish = {"prompt": "Ça, c'est été!", "seed": 7, "negative_prompt": "rain"}
    job_id = client.post("/api/jobs", json=wish).json()["id"]
    draw_all(client.loop)
    return client.get(f"/api/jobs/{job_id}").json()


def strip(width, height=40):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(buffer, "PNG")
    return {"caption": ("caption.png", buffer.getvalue(), "image/png")}


def test_a_file_to_keep_has_the_same_pixels_and_draws_them_again(client, job):
    best = job["results"][0]
    answer = client.get(f"/api/jobs/{job['id']}/files/{best['id']}")
    assert (
        "filename*=UTF-8''%C3%A7a-c-est-%C3%A9t%C3%A9-1-" in answer.headers["content-disposition"]
    )
    kept = client.get(best["url"]).content
    pixels = decode.decode(answer.content).pixels
    assert np.array_equal(pixels, decode.decode(kept).pixels)
    request = encode.recall(encode.read(answer.content))
    assert (request.prompt, request.negative_prompt) == ("Ça, c'est été!", "rain")
    assert np.array_equal(FlatEngine().draw([request])[0][0].pixels, pixels)
    silent = client.get(f"/api/jobs/{job['id']}/files/{best['id']}?with_prompt=false")
    assert silent.content == kept and "prompt" not in encode.read(kept)


def test_an_archive_has_them_all_best_first(client, job):
    answer = client.get(f"/api/jobs/{job['id']}/files")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        seeds = [encode.read(archive.read(name))["seed"] for name in archive.namelist()]
    assert seeds == [one["seed"] for one in job["results"]]


def test_a_sheet_is_the_pictures_enlarged_above_the_caption(client, job):
    answer = client.post(f"/api/jobs/{job['id']}/sheet", files=strip(2 * ACROSS, 50))
    pixels = decode.decode(answer.content).pixels
    assert pixels.shape == (2 * ACROSS + 50, 2 * ACROSS, 3)
    first = decode.decode(client.get(job["results"][0]["url"]).content).pixels
    assert np.array_equal(pixels[100, 100], first[50, 50])
    assert (pixels[-50:] == 255).all()
    request = encode.recall(encode.read(answer.content))
    drawn = FlatEngine().draw([request])[0]
    assert [one.seed for one in drawn] == [one["seed"] for one in job["results"]]


@pytest.mark.parametrize("size", [(ACROSS + 1, 40), (ACROSS, ACROSS + 1), (128, 40)])
def test_a_caption_that_does_not_fit_is_refused(client, job, size):
    answer = client.post(f"/api/jobs/{job['id']}/sheet", files=strip(*size))
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == "caption"


def test_a_job_without_pictures_has_no_sheet(client):
    job_id = client.post("/api/jobs", json={"prompt": "not yet"}).json()["id"]
    assert client.post(f"/api/jobs/{job_id}/sheet", files=strip(ACROSS)).status_code == 409
    assert client.get(f"/api/jobs/{job_id}/files").status_code == 409
    assert client.get(f"/api/jobs/{job_id}/files/pic_of_nobody").status_code == 404


def test_recall_reads_what_is_in_a_file_and_refuses_what_is_not_ours(client, job):
    content = client.get(f"/api/jobs/{job['id']}/files/{job['results'][2]['id']}").content
    record = client.post("/api/recall", files={"picture": ("p.png", content)}).json()
    assert record["seed"] == job["results"][2]["seed"]
    plain = strip(64)["caption"][1]
    for wrong, status in ((plain, 422), (b"nothing", 415), (b"GIF89a", 415)):
        answer = client.post("/api/recall", files={"picture": ("p.png", wrong)})
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]["param"] == "picture"


def test_a_judgement_names_rules_and_words_in_two_languages(client):
    assert client.post("/api/judgement", json={"prompt": "a red fox"}).json() == {"rules": []}
    found = client.post("/api/judgement", json={"prompt": "a swastika"}).json()["rules"]
    assert found and "swastika" in found[0]["words"]
    assert found[0]["title"] and found[0]["title_fr"] != found[0]["title"]
