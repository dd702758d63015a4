"""The jobs API over HTTP, with jobs drawn in this process."""

import json
import threading

import pytest

from live_server import draw_all


@pytest.fixture
def submit(client):
    def submit(prompt="a fox", **wish):
        answer = client.post("/api/jobs", json={"prompt": prompt} | wish)
        assert answer.status_code == 202, answer.text
        return answer.json()

    return submit


def events(answer):
    """The events of a stream: (event, id, data) each."""
    found = []
    for block in answer.text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], lines["id"], json.loads(lines["data"])))
    return found


def test_a_job_from_its_submission_to_its_pictures(client, submit, loop):
    job = submit(seed=4, num_pictures=2, format="webp")
    assert (job["state"], job["position"], job["estimated_seconds"]) == ("waiting", 1, None)
    draw_all(loop)
    done = client.get(f"/api/jobs/{job['id']}").json()
    assert (done["state"], len(done["results"])) == ("done", 2)
    picture = client.get(done["results"][0]["url"])
    assert picture.headers["content-type"] == "image/webp"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert picture.content[8:12] == b"WEBP"
    assert client.get("/api/jobs").json()["data"][0]["id"] == job["id"]


def test_the_events_tell_each_change_until_the_end(client, submit, loop):
    job = submit()
    threading.Timer(0.5, draw_all, [loop]).start()
    told = events(client.get(f"/api/jobs/{job['id']}/events"))
    assert (told[0][0], told[-1][0]) == ("waiting", "done")
    versions = [int(number) for _, number, _ in told]
    assert versions == sorted(versions)
    assert all(data["version"] == int(number) for _, number, data in told)


def test_a_reader_who_comes_back_is_told_what_is_new(client, submit, loop):
    job = submit()
    url = f"/api/jobs/{job['id']}/events"
    draw_all(loop)
    ((event, last, _),) = events(client.get(url, headers={"Last-Event-ID": str(job["version"])}))
    assert event == "done"
    over = client.get(url, headers={"Last-Event-ID": last})
    assert (over.status_code, over.content) == (204, b"")


def test_cancelling_twice_is_cancelled_once(client, submit):
    job = submit()
    answers = [client.post(f"/api/jobs/{job['id']}/cancel").json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["state"] == "cancelled"


def test_the_same_key_is_the_same_job(client):
    wish, headers = {"prompt": "a fox"}, {"Idempotency-Key": "one"}
    answers = [client.post("/api/jobs", json=wish, headers=headers).json() for _ in range(2)]
    assert answers[0]["id"] == answers[1]["id"]  # and its seed by lot was drawn once
    other = client.post("/api/jobs", json={"prompt": "a cat"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \u200b\n"}, "prompt"),
        ({"prompt": "a" * 2001}, "prompt"),
        ({"prompt": "a\0b"}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"num_pictures": 0}, "num_pictures"),
        ({"num_pictures": -1}, "num_pictures"),
        ({"num_pictures": 10**9}, "num_pictures"),
        ({"size": "0x0"}, "size"),
        ({"size": "99999x16"}, "size"),
        ({"steps": 0}, "steps"),
        ({"steps": 10**6}, "steps"),
        ({"guidance": 1e308}, "guidance"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": "7"}, "seed"),
        ({"ranks": 1}, "ranks"),
        ({"format": "svg"}, "format"),
        ({"promt": "a"}, "promt"),
    ],
)
def test_bad_values_are_refused_with_field_and_reason(client, change, param):
    answer = client.post("/api/jobs", json={"prompt": "a fox"} | change)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (422, param)
    assert set(error) == {"message", "type", "param", "code"}
    assert client.get("/api/jobs").json()["data"] == []


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        (b"{", {422}),
        (b"", {422}),
        (b"\xff\xfe", {422}),
        (b"[" * 10_000 + b"]" * 10_000, {422}),
        (b'{"prompt": "a", "guidance": NaN}', {422}),
        (b'{"prompt": "a", "guidance": Infinity}', {422}),
        (b'{"prompt": "a\xed\xa0\x80"}', {422}),
        (b'{"prompt": "\\ud800"}', {422}),
        (b'{"prompt": "a", ' + b", ".join(b'"f%d": 1' % i for i in range(50_000)) + b"}", {422}),
        (b'{"prompt": "' + b"a" * (2 << 20) + b'"}', {413}),
    ],
    ids=["half", "none", "utf16", "deep", "nan", "inf", "surrogate", "escape", "fields", "large"],
)
def test_bodies_that_are_no_wish_are_refused(client, body, statuses):
    answer = client.post("/api/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in statuses, answer.text
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_body_in_pieces_is_bounded_too(client):
    pieces = (b"a" * 65536 for _ in range(64))
    headers = {"Content-Type": "application/json"}
    answer = client.post("/api/jobs", content=pieces, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


def test_a_compressed_body_is_not_unpacked(client):
    answer = client.post("/api/jobs", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


def test_every_answer_has_a_request_id_that_the_log_knows(client, log_lines):
    for answer in (client.get("/healthz"), client.get("/nothing"), client.post("/api/jobs")):
        assert answer.headers["x-request-id"].startswith("req_")
    logged = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    ids = [line["request_id"] for line in logged if line["event"] == "request"]
    assert answer.headers["x-request-id"] in ids


def test_what_people_write_forges_no_line_of_the_log(client, log_lines):
    client.post("/api/jobs", json={"prompt": 'fox\r\n{"event": "forged"}\x1b[31m'})
    client.get("/api/jobs/a%0d%0a%7b%22event%22:%22forged%22%7d")
    for line in log_lines.getvalue().splitlines():
        assert json.loads(line)["event"] != "forged"
    assert "\x1b" not in log_lines.getvalue()


def test_unknown_places_and_methods_answer_in_the_same_shape(client):
    for answer, status in ((client.get("/nothing"), 404), (client.put("/healthz"), 405)):
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_failure_nobody_foresaw_says_only_its_request_id(client, log_lines):
    client.app.state.house.queue.submit = lambda wish: 1 / 0
    answer = client.post("/api/jobs", json={"prompt": "a fox"})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] in answer.json()["error"]["message"]
    assert "division" not in answer.text
    assert "ZeroDivisionError" in log_lines.getvalue()


def test_ready_means_that_somebody_draws(client, loop):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["workers"] == {"flat": 1}
    loop.leases.leave()
    assert client.get("/readyz").status_code == 503
