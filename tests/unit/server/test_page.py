"""The studio's page and files: found, packed, kept by browsers, and allowed nothing foreign."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from nonette.server.app import create_app
from nonette.server.settings import load


@pytest.fixture
def client(tmp_path):
    app = create_app(load(data_dir=tmp_path, models=("flat",)))
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def test_the_page_may_load_nothing_but_our_files(client):
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "style=" not in answer.text and "onclick" not in answer.text


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_there_is_no_page_that_needs_another_host(client, path):
    assert client.get(path).status_code == 404
    assert client.get("/openapi.json").status_code == 200


def test_every_file_of_the_page_is_there_packed_and_kept(client):
    page = client.get("/")
    named = re.findall(r'(?:src|href)="(studio/[^"]+)"', page.text)
    assert len(named) >= 5
    for path in named:
        answer = client.get(f"/{path}", headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200, path
        assert answer.headers["content-encoding"] == "gzip"
        assert "immutable" in answer.headers["cache-control"]
        plain = client.get(f"/{path}", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers and plain.content == answer.content


def test_the_page_is_asked_for_again_and_sent_only_if_it_changed(client):
    page = client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    again = client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304 and not again.content


def test_files_of_another_version_or_outside_are_not_there(client):
    home = re.search(r'"(studio/[0-9a-f]+)/app.js"', client.get("/").text)[1]
    for path in (
        "studio/0123456789abcdef/app.js",
        f"{home}/jsconfig.json",
        f"{home}/index.html",
        f"{home}/../server/app.py",
        f"{home}/%2e%2e/server/app.py",
        f"{home}/nothing.js",
    ):
        assert client.get(f"/{path}").status_code == 404, path
