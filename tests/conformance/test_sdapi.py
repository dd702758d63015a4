"""The `/sdapi/v1` dialect over HTTP, as its clients speak it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from nonette.server import tables


def ask(site, path, body=None):
    """A GET, or a POST where there is a body: its status and JSON."""
    address = site.url.removeprefix("http://")
    content = None if body is None else json.dumps(body)
    method, kind = "GET" if body is None else "POST", {"Content-Type": "application/json"}
    with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        connection.request(method, f"/sdapi/v1/{path}", content, kind)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def encoded(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def decoded(text: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(text))))


NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
HABITS = {"restore_faces": False, "tiling": False, "subseed": -1, "enable_hr": False}


def test_pictures_of_a_sentence(site):
    body = {"prompt": "a fox", "width": 64, "height": 64, "batch_size": 2, "n_iter": 2, **HABITS}
    body |= {"steps": 20, "cfg_scale": 7, "sampler_name": "Euler a", "seed": 11}
    status, answer = ask(site, "txt2img", body)
    assert status == 200
    assert [decoded(image).shape for image in answer["images"]] == [(64, 64, 3)] * 4
    info = json.loads(answer["info"])
    assert info["ignored"] == sorted(HABITS, key=list(HABITS).index)
    assert (info["steps"], info["cfg_scale"], info["sampler_name"]) == (20, 7, "euler_ancestral")
    assert len(set(info["all_seeds"])) == 4
    again = ask(site, "txt2img", body)[1]
    assert again["images"] == answer["images"]


def test_minus_one_is_a_seed_by_lot(site):
    seeds = set()
    for _ in range(2):
        info = json.loads(ask(site, "txt2img", {"prompt": "a fox", "seed": -1})[1]["info"])
        seeds.add(info["seed"])
    assert len(seeds) == 2 and all(seed >= 0 for seed in seeds)


def test_a_white_mask_is_repainted(site):
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :32] = 255
    body = {"prompt": "a fox", "init_images": [encoded(NOISE)], "mask": encoded(mask)}
    body |= {"denoising_strength": 1.0, "seed": 3}
    drawn = decoded(ask(site, "img2img", body)[1]["images"][0])
    assert np.array_equal(drawn[:, 32:], NOISE[:, 32:])
    assert len(np.unique(drawn[:, :32].reshape(-1, 3), axis=0)) == 1
    inverted = decoded(ask(site, "img2img", body | {"inpainting_mask_invert": 1})[1]["images"][0])
    assert np.array_equal(inverted[:, :32], NOISE[:, :32])
    cropped = ask(site, "img2img", body | {"width": 96, "height": 48, "resize_mode": 1})[1]
    assert decoded(cropped["images"][0]).shape == (48, 96, 3)
    url = f"data:image/png;base64,{encoded(NOISE)}"
    assert ask(site, "img2img", {"init_images": [url]})[0] == 200  # no words: a variation


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("txt2img", {"prompt": ""}, "prompt"),
        ("txt2img", {"prompt": "a fox", "seed": -2}, "seed"),
        ("txt2img", {"prompt": "a fox", "steps": 0}, "steps"),
        ("txt2img", {"prompt": "a fox", "cfg_scale": 1e9}, "cfg_scale"),
        ("txt2img", {"prompt": "a fox", "batch_size": 8, "n_iter": 8}, "batch_size"),
        ("txt2img", {"prompt": "a fox", "width": 7}, "width"),
        ("txt2img", {"prompt": "a fox", "sampler_name": "Euler z"}, "sampler_name"),
        ("img2img", {"prompt": "a fox"}, "init_images"),
        ("img2img", {"prompt": "a fox", "init_images": []}, "init_images"),
        ("img2img", {"prompt": "a fox", "init_images": ["http://127.0.0.1/"]}, "init_images"),
        ("img2img", {"prompt": "a fox", "init_images": [encoded(NOISE)], "mask": "?"}, "mask"),
        ("img2img", {"init_images": [""], "denoising_strength": 2}, "denoising_strength"),
        ("options", {"sd_model_checkpoint": "nothing"}, "model"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_by_name(site, path, body, param):
    status, answer = ask(site, path, body)
    assert status in (400, 404) and answer["error"]["param"] == param


def test_the_policy_holds_at_this_door_too(site):
    status, answer = ask(site, "txt2img", {"prompt": "a naked child"})
    assert (status, answer["error"]["code"]) == (400, "content_policy_violation")


def test_progress_and_interruption_are_of_ones_own_work_here(serve):
    with serve() as site:
        assert ask(site, "progress")[1]["progress"] == 0
        engine = site.engines[0]
        engine.seconds = 0.3
        with ThreadPoolExecutor(2) as pool:
            mine = pool.submit(ask, site, "txt2img", {"prompt": "a fox"})
            other = pool.submit(site.client().images.generate, prompt="a cat")
            site.until(lambda: ask(site, "progress")[1]["progress"] > 0)
            told = ask(site, "progress")[1]
            assert told["state"]["sampling_steps"] == engine.num_steps
            assert ask(site, "interrupt", {}) == (200, {})
            status, answer = mine.result()
            assert (status, answer["error"]["code"]) == (409, "cancelled")
            assert other.result().data
        states = {job.kind: job.state for job in site.jobs()}
        assert states == {"sdapi.txt2img": tables.CANCELLED, "images.generations": tables.DONE}


def test_lists_and_options(site):
    assert ask(site, "sd-models")[1][0]["model_name"] == "flat"
    assert "Euler a" in [sampler["name"] for sampler in ask(site, "samplers")[1]]
    assert ask(site, "options", {"sd_model_checkpoint": "dall-e-2", "CLIP_stop": 1})[0] == 200
    assert ask(site, "options")[1]["sd_model_checkpoint"] == "flat"
