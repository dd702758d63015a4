"""Links, names, foreign pages, models and moderations: what needs no worker."""

import json

import pytest
from starlette.testclient import TestClient

from nonette.core.errors import InputError, NonetteError
from nonette.safety.words import MODERATION, PolicyError
from nonette.server.app import create_app
from nonette.server.errors import ApiError
from nonette.server.links import Links
from nonette.server.secret import NAME as SECRET
from nonette.server.settings import Settings


def client_of(tmp_path, base="http://127.0.0.1", **changes):
    settings = Settings(data_dir=tmp_path / "data", models=("flat",), **changes)
    return TestClient(create_app(settings), base, raise_server_exceptions=False)


def error_of(answer):
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    return answer.json()["error"]


# --- links ----------------------------------------------------------------------------------------


def parts(link):
    path, _, query = link.partition("?")
    values = dict(pair.split("=", 1) for pair in query.split("&"))
    return path.removeprefix("/links/"), int(values["until"]), values["signature"]


def test_a_link_is_of_one_picture_one_end_and_one_secret(tmp_path):
    links = Links(tmp_path, 60)
    picture, until, signature = parts(links.make("pic_1"))
    links.check(picture, until, signature)
    Links(tmp_path, 60).check(picture, until, signature)  # after a restart
    other = tmp_path / "other"
    other.mkdir()
    for wrong in (
        lambda: links.check("pic_2", until, signature),
        lambda: links.check(picture, until + 1, signature),
        lambda: links.check(picture, until, signature[:-1]),
        lambda: links.check(picture, until, "é\udc80"),
        lambda: Links(other, 60).check(picture, until, signature),
    ):
        with pytest.raises(ApiError) as refused:
            wrong()
        assert refused.value.status == 404


def test_the_secret_is_the_owners_alone_and_whole(tmp_path):
    Links(tmp_path, 60)
    path = tmp_path / SECRET
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [SECRET]
    path.write_bytes(b"short")
    with pytest.raises(NonetteError, match="damaged"):
        Links(tmp_path, 60)


# --- names and pages ------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_a_server_on_loopback_answers_to_its_own_names(tmp_path, host):
    with client_of(tmp_path, f"http://{host}:8000") as client:
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[", "a@localhost:b"])
def test_a_server_on_loopback_answers_to_no_other_name(tmp_path, host):
    with client_of(tmp_path) as client:
        answer = client.get("/v1/models", headers={"host": host})
    assert (answer.status_code, error_of(answer)["code"]) == (403, "host_not_allowed")


def test_allowed_names_are_a_setting_and_any_name_beyond_loopback(tmp_path):
    with client_of(tmp_path, "http://draw.example", allowed_hosts=("draw.example",)) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/healthz", headers={"host": "localhost"}).status_code == 403
    with client_of(tmp_path, "http://draw.example", host="0.0.0.0") as client:
        assert client.get("/healthz").status_code == 200


FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9000"},
    {"origin": "http://127.0.0.1.evil.example"},
    {"origin": "file://"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_foreign_pages_change_nothing(tmp_path, headers):
    with client_of(tmp_path) as client:
        for path in ("/v1/images/generations", "/api/jobs", "/v1/moderations"):
            answer = client.post(path, headers=headers, json={"prompt": "a fox", "input": "a"})
            assert (answer.status_code, error_of(answer)["code"]) == (403, "origin_not_allowed")
        assert client.get("/api/jobs").json()["data"] == []
        answer = client.get("/v1/models", headers=headers)  # but no page can read it
        assert answer.status_code == 200 and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "http://127.0.0.1"}, {"sec-fetch-site": "same-origin"}]
)
def test_programs_and_our_own_pages_pass(tmp_path, headers):
    with client_of(tmp_path) as client:
        answer = client.post("/v1/moderations", headers=headers, json={"input": "a fox"})
    assert answer.status_code == 200


def test_pages_that_the_operator_lists_may_use_it(tmp_path):
    friend = {"origin": "https://friend.example"}
    with client_of(tmp_path, cors_origins=("https://friend.example",)) as client:
        asked = friend | {"access-control-request-method": "POST"}
        preflight = client.options("/v1/images/generations", headers=asked)
        assert preflight.headers["access-control-allow-origin"] == "https://friend.example"
        answer = client.post("/v1/moderations", headers=friend, json={"input": "a fox"})
        assert answer.headers["access-control-allow-origin"] == "https://friend.example"
        evil = client.post("/v1/moderations", headers={"origin": "https://evil.example"}, json={})
        assert evil.status_code == 403


# --- models ---------------------------------------------------------------------------------------


def test_models_are_listed_with_their_aliases(tmp_path):
    aliases = {"dall-e-2": "flat", "gone": "nothing"}
    with client_of(tmp_path, model_aliases=aliases) as client:
        listed = client.get("/v1/models").json()
        assert [model["id"] for model in listed["data"]] == ["flat", "dall-e-2"]
        shown = client.get("/v1/models/dall-e-2").json()
        assert (shown["object"], shown["root"], shown["owned_by"]) == ("model", "flat", "nonette")
        for name in ("gone", "x", "..%2f..%2fetc%2fpasswd", "%00", "x" * 5000):
            answer = client.get(f"/v1/models/{name}")
            assert (answer.status_code, error_of(answer)["code"]) == (404, "model_not_found")


# --- moderations ----------------------------------------------------------------------------------


@pytest.fixture
def judge(client):
    def judge(given, status=200):
        answer = client.post("/v1/moderations", json={"input": given, "model": "omni"})
        assert answer.status_code == status, answer.text
        return answer.json()

    return judge


def test_every_text_is_judged(judge):
    answer = judge(["a fox", "a naked child", "p0rn"])
    assert [result["flagged"] for result in answer["results"]] == [False, True, True]
    for result in answer["results"]:
        assert tuple(result["categories"]) == tuple(result["category_scores"]) == MODERATION
    assert answer["results"][1]["rules"][0]["name"] == "sexual-minors"
    assert answer["model"].startswith("nonette-words-")


def test_parts_of_one_message_are_judged_together(judge):
    parts = [{"type": "text", "text": "a child"}, {"type": "text", "text": "topless"}]
    (result,) = judge(parts)["results"]
    assert result["categories"]["sexual/minors"]


@pytest.mark.parametrize(
    "given",
    [
        [], ["a"] * 101, "a" * 100_001, [{"type": "image_url", "image_url": {"url": "data:"}}],
        [{"type": "sound"}], 7, None, {"text": "a"}, ["a", 7],
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(judge, given):
    assert judge(given, 400)["error"]["type"] == "invalid_request_error"


def test_the_jobs_api_asks_the_policy_too_and_logs_no_words(client, log_lines):
    answer = client.post("/api/jobs", json={"prompt": "a n4ked child"})
    assert answer.status_code == 400
    assert error_of(answer)["code"] == "content_policy_violation"
    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    (refused,) = [line for line in lines if line["event"] == "refused"]
    assert refused["rules"] == ["sexual-minors", "sexual"] and refused["is_disguised"]
    assert "n4ked" not in log_lines.getvalue()


def test_a_policy_that_cannot_be_read_lets_no_server_start(tmp_path):
    with pytest.raises(PolicyError):
        client_of(tmp_path, policy=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("num_pictures", "size", "is_refused"),
    [
        (10, "3840x2160", False),
        (11, "3840x2160", True),
        (64, "auto", False),
        (3, "5600x5600", True),
    ],
)
def test_pictures_that_would_not_fit_into_memory_are_refused(
    queue, wish, num_pictures, size, is_refused
):
    asked = wish(num_pictures=num_pictures, size=size)
    if not is_refused:
        assert queue.submit(asked).state == "waiting"
    else:
        with pytest.raises(InputError, match="pixels in all"):
            queue.submit(asked)
