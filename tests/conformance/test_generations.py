"""`images.generate` with the real client: what is honoured, what is refused, and how."""

from __future__ import annotations

import base64
import contextlib
import io
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from PIL import Image

from nonette.provenance.encode import read


def pixels(image) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(image.b64_json)))


def fetched(url: str) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers["content-type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["content-type"], error.read()


def refused(act, error=openai.BadRequestError):
    """The error's body that the client raises."""
    with pytest.raises(error) as caught:
        act()
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    return caught.value


@pytest.mark.parametrize("n", [1, 4, 9, 10])
def test_as_many_pictures_as_asked_for(client, n):
    answer = client.images.generate(
        prompt="a fox", model="dall-e-2", n=n, response_format="b64_json"
    )
    assert len(answer.data) == n
    assert len({image.seed for image in answer.data}) == n
    assert [image.score for image in answer.data] == sorted(
        (image.score for image in answer.data), reverse=True
    )
    assert all(pixels(image).size == (32, 32) for image in answer.data)
    assert answer.size == "32x32"
    usage = answer.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert (usage.input_tokens_details.text_tokens, usage.output_tokens) == (2, 4 * n)


@pytest.mark.parametrize("n", [0, 11, -1, 10**9])
def test_numbers_beyond_the_limits_are_refused_by_name(client, n):
    error = refused(lambda: client.images.generate(prompt="a fox", n=n))
    assert (error.param, error.status_code) == ("n", 400)


@pytest.mark.parametrize(
    "prompt", ["", "   ", "\u200b\u200b", "\ufeff", "x" * 32_001, "a\0b", "🦊"]
)
def test_prompts_that_cannot_be_drawn_are_refused_by_name(client, prompt):
    error = refused(lambda: client.images.generate(prompt=prompt))
    assert error.param == "prompt"


@pytest.mark.parametrize(
    "size",
    ["7", "0x0", "99999x99999", "1000x1000", "16x512", "4096x4096", "big", "auto ", "32x-32"],
)
def test_sizes_that_cannot_be_drawn_are_refused_by_name(client, size):
    assert refused(lambda: client.images.generate(prompt="a fox", size=size)).param == "size"


@pytest.mark.parametrize("size", ["256x256", "1024x1024", "auto"])
def test_sizes_of_stock_clients_are_drawn(client, size):
    answer = client.images.generate(prompt="a fox", size=size, n=1)
    wanted = (32, 32) if size == "auto" else tuple(map(int, size.split("x")))
    assert pixels(answer.data[0]).size == wanted


def test_an_unknown_model_is_not_found(client):
    error = refused(
        lambda: client.images.generate(prompt="a fox", model="dall-e-9"), openai.NotFoundError
    )
    assert (error.code, error.param) == ("model_not_found", "model")


def test_a_link_is_valid_for_its_time_and_not_for_another_picture(client, site, monkeypatch):
    answer = client.images.generate(prompt="a fox", model="dall-e-2", n=2)
    first, second = (image.url for image in answer.data)
    assert first.startswith(site.url) and answer.data[0].b64_json is None
    status, kind, content = fetched(first)
    assert (status, kind) == (200, "image/png")
    assert Image.open(io.BytesIO(content)).size == (32, 32)
    swapped = second.partition("?")[0] + "?" + first.partition("?")[2]
    assert fetched(swapped)[0] == 404
    assert fetched(first.replace("until=1", "until=2"))[0] == 404
    now = time.time()
    monkeypatch.setattr("nonette.server.links.time.time", lambda: now + 59 * 60)
    assert fetched(first)[0] == 200
    monkeypatch.setattr("nonette.server.links.time.time", lambda: now + 61 * 60)
    assert fetched(first)[0] == 410


@pytest.mark.parametrize(
    ("format", "kind"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP"), (None, "PNG")]
)
def test_files_are_of_the_format_asked_for_and_say_who_made_them(client, format, kind):
    options = {} if format is None else {"output_format": format}
    answer = client.images.generate(prompt="a secret fox", **options)
    content = base64.b64decode(answer.data[0].b64_json)
    assert Image.open(io.BytesIO(content)).format == kind
    assert answer.output_format == (format or "png")
    record = read(content)
    assert record["seed"] == answer.data[0].seed
    assert b"trainedAlgorithmicMedia" in content and b"secret" not in content


def test_compression_is_honoured(client):
    def drawn(**options) -> bytes:
        seeded = {"extra_body": {"seed": 1}, "size": "512x512"}
        answer = client.images.generate(prompt="a fox", **seeded, **options)
        return base64.b64decode(answer.data[0].b64_json)

    low, high = (drawn(output_format="jpeg", output_compression=level) for level in (5, 100))
    assert len(low) < len(high)
    lossy, exact = (drawn(output_format="webp", **o) for o in ({"output_compression": 80}, {}))
    assert b"VP8 " in lossy and b"VP8L" in exact


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"output_format": "png", "output_compression": 50}, "output_compression"),
        ({"output_format": "jpeg", "output_compression": 101}, "output_compression"),
        ({"output_format": "gif"}, "output_format"),
        ({"background": "transparent"}, "background"),
        ({"background": "transparent", "output_format": "jpeg"}, "background"),
        ({"quality": "great"}, "quality"),
        ({"style": "dull"}, "style"),
        ({"response_format": "gif"}, "response_format"),
        ({"moderation": "none"}, "moderation"),
        ({"extra_body": {"frame_count": 2}}, "frame_count"),
        ({"extra_body": {"svg": {"model": "x"}}}, "svg"),
        ({"extra_body": {"complexity": "high"}}, "complexity"),
        ({"extra_body": {"seed": -1}}, "seed"),
        ({"extra_body": {"seed": 2**64}}, "seed"),
        ({"extra_body": {"seed": 1.5}}, "seed"),
        ({"extra_body": {"seed": "1"}}, "seed"),
        ({"extra_body": {"steps": 0}}, "steps"),
        ({"extra_body": {"num_inference_steps": 10**6}}, "num_inference_steps"),
        ({"extra_body": {"guidance": 1e308}}, "guidance"),
        ({"extra_body": {"guidance": 2, "guidance_scale": 2}}, "guidance_scale"),
        ({"extra_body": {"candidates": 2}, "n": 4}, "candidates"),
        ({"extra_body": {"sead": 1}}, "sead"),
        ({"extra_body": {"partial_images": 4, "stream": False}}, "partial_images"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(client, options, param):
    error = refused(lambda: client.images.generate(prompt="a fox", **options))
    assert (error.param, error.type) == (param, "invalid_request_error")
    assert param in error.message


def test_what_changes_nothing_is_accepted_and_said(client):
    answer = client.images.generate(
        prompt="a fox", style="vivid", moderation="low", user="ann", background="auto",
        quality="hd", extra_body={"safety_identifier": "user-7"},
    )  # fmt: skip
    assert answer.ignored == ["moderation", "style", "user"]
    assert answer.safety_identifier == "user-7"
    assert (answer.quality, answer.background) == ("hd", "opaque")


def test_settings_of_ones_own_are_honoured(client, site):
    extra = {"seed": 7, "candidates": 12, "steps": 3, "guidance": 2.5, "negative_prompt": "rain"}
    answer = client.images.generate(prompt="a fox", n=2, extra_body=extra)
    job = site.house.queue.look(answer.job)
    assert {name: job.request[name] for name in extra} == extra
    assert all(7 <= image.seed < 19 for image in answer.data)
    names = {"guidance_scale": 3.0, "num_inference_steps": 4}
    other = client.images.generate(prompt="a fox", extra_body=names)
    job = site.house.queue.look(other.job)
    assert (job.request["guidance"], job.request["steps"]) == (3.0, 4)


@pytest.mark.parametrize(("quality", "candidates"), [("low", 2), ("high", 20), ("max", 40)])
def test_quality_is_how_many_candidates_are_drawn(client, site, quality, candidates):
    answer = client.images.generate(prompt="a fox", n=2, quality=quality)
    assert site.house.queue.look(answer.job).request["candidates"] == candidates


def test_the_prompt_that_was_read_is_told_where_it_was_disguised(client):
    plain = client.images.generate(prompt="a cat", extra_body={"seed": 1})
    disguised = client.images.generate(prompt="a c\u200b\u0430t", extra_body={"seed": 1})
    assert plain.data[0].revised_prompt is None
    assert disguised.data[0].revised_prompt == "a cat"
    assert disguised.data[0].b64_json == plain.data[0].b64_json


@pytest.mark.parametrize("prompt", ["<b>x</b><script>", "=1+1", "a\r\nX-Evil: 1", "\x1b[31mred"])
def test_hostile_text_is_drawn_and_comes_back_as_it_was(client, site, prompt):
    answer = client.images.generate(prompt=prompt)
    assert site.house.queue.look(answer.job).request["prompt"] == prompt
    assert "X-Evil" not in site.log.getvalue()


def test_a_policy_hit_is_refused_once_and_named(site):
    site.seen.clear()
    client = site.client(max_retries=2)
    error = refused(lambda: client.images.generate(prompt="a n\u0430k3d child"))
    assert (error.code, error.param) == ("content_policy_violation", "prompt")
    assert "rule sexual-minors" in error.message and '"naked"' in error.message
    assert site.seen == [("POST", "/v1/images/generations")]


def test_a_negative_prompt_is_judged_where_it_is_drawn(client):
    extra = {"negative_prompt": "naked"}
    assert client.images.generate(prompt="a fox", extra_body=extra).data
    error = refused(
        lambda: client.images.generate(prompt="a fox", extra_body=extra | {"guidance": 0})
    )
    assert error.code == "content_policy_violation"


def test_every_answer_has_its_request_id_and_it_is_in_the_log(client, site):
    answer = client.images.generate(prompt="a fox")
    error = refused(lambda: client.images.generate(prompt=""))
    for number in (answer._request_id, error.request_id):
        assert number.startswith("req_") and number in site.log.getvalue()


def test_rate_headers_count_down(serve):
    with serve(num_workers=0, max_waiting_per_owner=5) as site:
        asked = {"prompt": "a fox", "stream": True}
        with contextlib.ExitStack() as open_streams:
            for left in (4, 3, 2):
                images = site.client().images.with_streaming_response
                answer = open_streams.enter_context(images.generate(**asked))
                assert answer.headers["x-ratelimit-limit-requests"] == "5"
                assert answer.headers["x-ratelimit-remaining-requests"] == str(left)
                assert answer.headers["x-ratelimit-reset-requests"].endswith("s")
                assert int(answer.headers["openai-processing-ms"]) >= 0


def seeded(client, seed: int, **options):
    """Pictures by their seeds."""
    extra = {"seed": seed, "candidates": options.get("n", 1)}
    answer = client.images.generate(prompt=f"a fox, {seed % 9}", extra_body=extra, **options)
    return {image.seed: image.b64_json for image in answer.data}


@pytest.mark.parametrize("num_workers", [1, 2])
def test_the_same_seed_is_the_same_picture_in_any_company(serve, num_workers):
    with serve(num_workers=num_workers) as site:
        alone = {seed: seeded(site.client(), seed)[seed] for seed in (36, 45, 54)}
        assert len(set(alone.values())) == 3
        assert seeded(site.client(), 36, n=9)[36] == alone[36]
        for engine in site.engines:
            engine.seconds = 0.1
        with ThreadPoolExecutor(9) as pool:  # strangers wait together and are drawn together
            drawn = list(pool.map(lambda seed: seeded(site.client(), seed), [36, 45, 54] * 3))
        assert all(alone[seed] == image for one in drawn for seed, image in one.items())
        assert max(size for engine in site.engines for size in engine.batches) > 1
