"""Streams, callers who leave, retries and full queues, as the real client lives through them."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import openai
import pytest
from PIL import Image
from sqlalchemy import select

from nonette.server import tables

Slowly = 0.15  # seconds a step, so that progress is told between steps


@pytest.fixture
def site(serve):
    with serve() as site:
        yield site


def post(site, body, headers=None, path="/v1/images/generations"):
    """A POST without the client: its status, headers and JSON."""
    address = site.url.removeprefix("http://")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | (headers or {})
    with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        connection.request("POST", path, content, headers)
        answer = connection.getresponse()
        read = answer.read()
    return answer.status, answer.headers, json.loads(read) if read else None


def is_cancelled(site) -> bool:
    """Whether the one job was cancelled."""
    return [job.state for job in site.jobs()] == [tables.CANCELLED]


@pytest.mark.parametrize("num_partial", [0, 1, 3])
def test_a_stream_tells_previews_in_order_then_the_picture_and_the_usage(site, num_partial):
    site.engines[0].seconds = Slowly
    stream = site.client().images.generate(
        prompt="a red fox", model="dall-e-2", stream=True, partial_images=num_partial,
        extra_body={"seed": 5},
    )  # fmt: skip
    events = list(stream)
    *partials, last = events
    assert [event.type for event in partials] == ["image_generation.partial_image"] * num_partial
    assert [event.partial_image_index for event in partials] == list(range(num_partial))
    for event in partials:
        content = base64.b64decode(event.b64_json)
        assert Image.open(io.BytesIO(content)).format.lower() == event.output_format == "jpeg"
    assert last.type == "image_generation.completed"
    assert last.usage.total_tokens == 3 + 4 and last.usage.input_tokens == 3
    assert (last.size, last.background, last.output_format) == ("32x32", "opaque", "png")
    site.engines[0].seconds = 0.0
    plain = site.client().images.generate(prompt="a red fox", extra_body={"seed": 5})
    assert last.b64_json == plain.data[0].b64_json


def test_a_stream_of_several_pictures_ends_with_each(site):
    events = list(site.client().images.generate(prompt="a fox", n=3, stream=True))
    completed = [event for event in events if event.type == "image_generation.completed"]
    assert len({event.seed for event in completed}) == 3


def test_wrong_input_is_refused_before_a_stream_begins(site):
    with pytest.raises(openai.BadRequestError) as refused:
        site.client().images.generate(prompt="a fox", stream=True, n=99)
    assert refused.value.param == "n"


def test_an_error_in_mid_stream_reaches_the_client(site):
    site.engines[0].seconds = Slowly
    stream = site.client().images.generate(prompt="a fox", stream=True, partial_images=1)
    assert next(iter(stream)).type == "image_generation.partial_image"
    (job,) = site.jobs()
    site.house.queue.cancel(job.id)
    with pytest.raises(openai.APIError, match="cancelled"):
        list(stream)
    stream.close()


def test_a_failing_model_is_told_and_not_retried(site, monkeypatch):
    monkeypatch.setattr(site.engines[0], "_choose", lambda *given: 1 / 0)
    with pytest.raises(openai.InternalServerError) as failed:
        site.client(max_retries=2).images.generate(prompt="a fox")
    assert failed.value.code == "engine_failed"
    assert len(site.jobs()) == 1
    assert "ZeroDivisionError" in failed.value.message and "Traceback" not in failed.value.message


@pytest.mark.parametrize("kind", ["stream", "plain"])
def test_a_caller_who_leaves_frees_the_slot_within_one_step(site, kind):
    engine = site.engines[0]
    engine.seconds = 0.5
    if kind == "stream":
        stream = site.client().images.generate(prompt="a fox", stream=True)
        site.until(lambda: engine.steps_begun > 0)
        stream.close()
    else:
        with pytest.raises(openai.APITimeoutError):
            site.client(timeout=1.5).images.generate(prompt="a fox")
    begun = engine.steps_begun
    site.until(lambda: is_cancelled(site))
    engine.seconds = 0.0
    answer = site.client(timeout=5.0).images.generate(prompt="a cat")
    assert answer.data
    assert engine.steps_begun <= begun + 2 + engine.num_steps


def test_a_caller_who_leaves_while_waiting_is_never_drawn(serve):
    with serve(num_workers=0) as site:
        with pytest.raises(openai.APITimeoutError):
            site.client(timeout=1.0).images.generate(prompt="a fox")
        site.until(lambda: is_cancelled(site))
        with site.house.database.read() as session:
            assert session.scalars(select(tables.Waiter)).all() == []


# --- retries --------------------------------------------------------------------------------------


def test_two_wanted_drawings_of_one_sentence_are_two(site):
    body = {"prompt": "a fox"}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: post(site, body), range(2)))
    assert len({answer["job"] for _, _, answer in answers}) == 2
    retried = post(site, body, {"x-stainless-retry-count": "1"})  # of a third that never arrived
    assert len({answer["job"] for _, _, answer in [*answers, retried]}) == 3


def test_a_retry_takes_over_what_a_killed_server_left(serve):
    body = {"prompt": "a fox", "n": 2}
    with serve(num_workers=0) as site:
        left = threading.Thread(target=lambda: _expect_break(partial(post, site, body)))
        left.start()
        site.until(lambda: len(site.jobs()) == 1)
    left.join()  # the server went down between accepting and answering
    with serve() as site:
        (job,) = site.jobs()
        first = post(site, body)
        again = post(site, body, {"x-stainless-retry-count": "1"})
        other = post(site, {"prompt": "a cat"}, {"x-stainless-retry-count": "1"})
        later = post(site, body, {"x-stainless-retry-count": "2"})
    assert first[2]["job"] != job.id, "a first attempt is a wish of its own"
    assert again[2]["job"] == job.id and len(again[2]["data"]) == 2
    assert other[2]["job"] not in (job.id, first[2]["job"])
    assert later[2]["job"] not in (job.id, first[2]["job"]), "it was answered already"


def _expect_break(act):
    try:
        status, _, _ = act()
        assert status == 503
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        pass


def test_a_key_is_one_job_even_at_once_and_never_two_bodies(site):
    site.engines[0].seconds = 0.05
    body, key = {"prompt": "a fox", "n": 2}, {"Idempotency-Key": "one"}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: post(site, body, key), range(2)))
    answers.append(post(site, body, key))
    assert [status for status, _, _ in answers] == [200] * 3
    assert len({answer["job"] for _, _, answer in answers}) == 1
    assert len({json.dumps(answer["data"]) for _, _, answer in answers}) == 1
    status, _, refused = post(site, body | {"n": 3}, key)
    assert (status, refused["error"]["code"]) == (409, "idempotency_key_reused")
    assert post(site, body, {"Idempotency-Key": "k" * 256})[0] == 400
    assert post(site, body, {"Idempotency-Key": "two"})[2]["job"] != answers[0][2]["job"]


def test_one_of_two_waiting_on_a_key_may_leave(site):
    site.engines[0].seconds = 0.3
    client = site.client(default_headers={"Idempotency-Key": "one"})
    with ThreadPoolExecutor(1) as pool:
        staying = pool.submit(client.images.generate, prompt="a fox")
        site.until(lambda: len(site.jobs()) == 1)
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=1.0).images.generate(prompt="a fox")
        assert staying.result().data


def test_a_cancelled_key_draws_again(site):
    site.engines[0].seconds = 0.3
    client = site.client(default_headers={"Idempotency-Key": "one"})
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=1.0).images.generate(prompt="a fox")
    site.until(lambda: is_cancelled(site))
    site.engines[0].seconds = 0.0
    assert client.images.generate(prompt="a fox").data


# --- full queues ----------------------------------------------------------------------------------


@pytest.fixture
def naps(monkeypatch):
    """The seconds that the client would have slept between its attempts."""
    slept: list[float] = []
    real = time.sleep

    def sleep(seconds: float) -> None:
        if threading.current_thread() is threading.main_thread() and seconds >= 0.5:
            slept.append(seconds)
        else:
            real(seconds)

    monkeypatch.setattr("time.sleep", sleep)
    return slept


def test_a_full_queue_is_429_and_comes_back_twice_when_told(serve, naps):
    with serve(num_workers=0, max_waiting=1) as site:
        client = site.client(max_retries=2)
        holder = client.images.generate(prompt="a fox", stream=True)
        site.seen.clear()
        with pytest.raises(openai.RateLimitError) as full:
            client.images.generate(prompt="a cat")
        assert full.value.code == "server_is_overloaded"
        wait = int(full.value.response.headers["retry-after"])
        assert 1 <= wait <= 120 and naps == [wait, wait]
        assert site.seen == [("POST", "/v1/images/generations")] * 3
        holder.close()


def test_one_caller_cannot_fill_the_queue(serve):
    with serve(num_workers=0, max_waiting_per_owner=2) as site:
        streams = [site.client().images.generate(prompt="a fox", stream=True) for _ in range(2)]
        with pytest.raises(openai.RateLimitError) as full:
            site.client().images.generate(prompt="a cat")
        assert full.value.code == "rate_limit_exceeded"
        assert full.value.response.headers["x-ratelimit-remaining-requests"] == "0"
        for stream in streams:
            stream.close()


def test_a_wait_that_would_be_too_long_is_refused_at_once(serve):
    with serve(longest_wait=0.5) as site:
        site.engines[0].seconds = 0.2
        with pytest.raises(openai.RateLimitError):
            for _ in range(3):  # the first measures the speed
                site.client().images.generate(prompt="a fox")
        assert {job.state for job in site.jobs()} == {tables.DONE}


def test_a_server_that_closes_sends_its_callers_away_for_a_moment(serve):
    with serve(num_workers=0) as site:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(post, site, {"prompt": "a fox"})
            site.until(lambda: len(site.jobs()) == 1)
            site.close()
            status, headers, body = waiting.result(10)
        assert (status, body["error"]["code"]) == (503, "server_is_overloaded")
        assert 1 <= int(headers["retry-after"]) <= 120
        assert site.jobs()[0].state == tables.WAITING
