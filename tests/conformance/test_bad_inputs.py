"""Bodies and requests that no client sends: each is answered in the dialect's shape, at once."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import time

import openai
import pytest

from nonette.server.accounts import prefix_of


def send(site, content=b"", kind="application/json", path="/v1/images/generations", method="POST"):
    headers = {"Content-Type": kind} if isinstance(kind, str) else kind
    address = site.url.removeprefix("http://")
    with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        status, told, headers = answer.status, json.loads(answer.read()), answer.headers
    assert set(told) == {"error"} and set(told["error"]) == {"message", "type", "param", "code"}
    assert headers["x-request-id"].startswith("req_")
    return status, told["error"]


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"null", "body"),
        (b"[]", "body"),
        (b'"a fox"', "body"),
        (b"[" * 10_000, "body"),
        (b'{"prompt":' * 10_000, "body"),
        (b'{"prompt": "\xff\xfe"}', "body"),
        (b'{"prompt": ["a fox"]}', "prompt"),
        (b'{"prompt": null}', "prompt"),
        (b'{"prompt": "a \\ud800 fox"}', "prompt"),
        (b'{"prompt": "a fox", "guidance": NaN}', "guidance"),
        (b'{"prompt": "a fox", "guidance": Infinity}', "guidance"),
        (b'{"prompt": "a fox", "guidance": 1e400}', "guidance"),
        (b'{"prompt": "a fox", "seed": 1e3}', "seed"),
        (b'{"prompt": "a fox", "seed": ' + b"9" * 5000 + b"}", None),
        (b'{"prompt": "a fox", "n": true}', "n"),
        (b'{"prompt": "a fox", "model": "../../etc/passwd"}', "model"),
        (b'{"prompt": "a fox", "model": "/etc/passwd\\u0000"}', "model"),
        (b'{"prompt": "a fox", "model": "' + b"x" * 10_000 + b'"}', "model"),
    ],
)
def test_bodies_that_mean_nothing_are_400_and_name_the_field(site, content, param):
    start = time.monotonic()
    status, error = send(site, content)
    assert status == (404 if param == "model" else 400)
    is_unread = param == "body" and error["param"] is None
    assert is_unread or param in (None, error["param"])
    assert len(error["message"]) < 500 and time.monotonic() - start < 5


def test_a_repeated_key_counts_as_json_says(site):
    status, error = send(site, b'{"prompt": "a fox", "n": 1, "n": 99}')
    assert (status, error["param"]) == (400, "n")


def test_very_many_fields_are_refused_quickly(site):
    fields = json.dumps({f"f{i}": i for i in range(60_000)} | {"prompt": "a fox"}).encode()
    status, error = send(site, fields)
    assert (status, error["code"]) == (400, "unknown_parameter")


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"prompt": "a fox"}', "text/plain", 400),
        (b"prompt=a+fox", "application/x-www-form-urlencoded", 400),
        (b"x" * (2 << 20), "application/json", 413),
        (gzip.compress(b" " * 10**6), {"Content-Encoding": "gzip"}, 415),
    ],
)
def test_bodies_of_another_kind_or_size_are_refused(site, content, kind, status):
    assert send(site, content, kind)[0] == status


def test_who_still_sends_when_refused_is_not_cut_off(site):
    host, port = site.url.removeprefix("http://").split(":")
    head = b"POST /v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head += b"Content-Type: application/json\r\nContent-Length: 8388608\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head)
        begun = connection.recv(1)
        time.sleep(0.1)
        connection.sendall(b"x" * (8 << 20))
        with connection.makefile("rb") as rest:
            answer = begun + rest.read()
    assert answer.startswith(b"HTTP/1.1 413 ") and b"connection: close" in answer.lower()


def test_a_huge_prompt_is_refused_before_it_is_read(site):
    for prompt in ("x" * 10**6, "👩" * 100_000, "e" + "\u0301" * 50_000):
        content = json.dumps({"prompt": prompt}, ensure_ascii=False).encode()
        start = time.monotonic()
        status, error = send(site, content)
        assert (status, error["param"]) in ((400, "prompt"), (413, None))
        assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/nothing", "/v1/images", "/v1/chat/completions", "/v1/a/b"]
)
def test_unknown_routes_are_404_in_the_same_shape(site, path):
    for method in ("GET", "POST"):
        status, error = send(site, b"{}", path=path, method=method)
        assert (status, error["code"]) == (404, "unknown_url")


def test_a_wrong_method_is_405(site):
    assert send(site, method="DELETE")[0] == 405


def test_a_half_sent_body_neither_blocks_others_nor_draws(site):
    host, port = site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"POST /v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        slow.sendall(b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
        assert site.client().images.generate(prompt="a fox").data
        before = len(site.jobs())
    time.sleep(0.2)
    assert len(site.jobs()) == before


def test_keys_bad_and_revoked(serve):
    with serve(api_keys="always") as site:
        accounts = site.house.accounts
        key = accounts.new_key(accounts.add("ann"))
        assert site.client(api_key=key).images.generate(prompt="a fox").data
        for wrong in ("none", "sk-nonette-abc", key[:-1]):
            with pytest.raises(openai.AuthenticationError) as unknown:
                site.client(api_key=wrong).images.generate(prompt="a fox")
            assert unknown.value.code == "invalid_api_key"
        case = accounts.revoke_key(prefix_of(key))
        assert accounts.revoke_key(prefix_of(key)) == case
        with pytest.raises(openai.PermissionDeniedError) as revoked:
            site.client(api_key=key).images.generate(prompt="a fox")
        assert revoked.value.code == "key_revoked" and case in revoked.value.message
        other = site.client(api_key=accounts.new_key(accounts.all()[0].id))
        told = other.safety.cases.retrieve(case)
        assert (told.notice.type, told.entity_identifier) == ("deactivation", prefix_of(key))
        stranger = site.client(api_key=accounts.new_key(accounts.add("eve")))
        with pytest.raises(openai.NotFoundError):
            stranger.safety.cases.retrieve(case)
