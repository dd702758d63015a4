"""Fetching from a hub: a small one on loopback, asked by the hub's own library."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import foreign_files
from nonette.checkpoints import hub
from nonette.core.errors import InputError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.BaseHTTPRequestHandler):
    """The two answers that fetching a snapshot needs: what files there are, and each of them."""

    files: dict[str, bytes]
    asked: list[str]

    def do_GET(self) -> None:
        self.answer(has_body=True)

    def do_HEAD(self) -> None:
        self.answer(has_body=False)

    def answer(self, has_body: bool) -> None:
        path = self.path.split("?")[0]
        self.asked.append(f"{self.command} {path}")
        name = path.rpartition(f"/resolve/{COMMIT}/")[2]
        if path.startswith("/api/models/some/clip/") and COMMIT in path:
            listed = [{"rfilename": name} for name in self.files]
            content = json.dumps({"id": "some/clip", "sha": COMMIT, "siblings": listed}).encode()
            if "/tree/" in path:
                tree = [
                    {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                    for name, data in self.files.items()
                ]
                content = json.dumps(tree).encode()
        elif path.startswith("/some/clip/resolve/") and name in self.files:
            content = self.files[name]
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if has_body:
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(tmp_path):
    """A hub with one tiny CLIP, a program beside it that nobody wants, and what it was asked."""
    folder = foreign_files.write_clip(tmp_path / "published")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    handler = type("Hub", (Hub,), {"files": files | {"setup.py": b"print()"}, "asked": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def nonette(tmp_path: Path, endpoint: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The hub's library reads its endpoint when it is imported, so this is a process of its own."""
    own = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "NONETTE_HOME": str(tmp_path / "home"),
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(Path(hub.__file__).parents[2]),
    }
    command = [sys.executable, "-m", "nonette.cli", "models", *words]
    return subprocess.run(
        command, env=os.environ | own, capture_output=True, text=True, timeout=120
    )


def test_what_was_fetched_can_be_imported(tmp_path, server):
    handler, endpoint = server
    done = nonette(tmp_path, endpoint, "fetch", "some/clip", "--revision", COMMIT)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "home" / "fetched" / f"some--clip@{COMMIT}"
    assert str(folder) in done.stdout
    names = {path.name for path in folder.iterdir() if path.is_file()}
    assert "model.safetensors" in names and "setup.py" not in names
    num_asked = sum("model.safetensors" in line for line in handler.asked if "GET" in line)
    again = nonette(tmp_path, endpoint, "fetch", "some/clip", "--revision", COMMIT)
    assert again.returncode == 0 and num_asked == 1
    assert sum("model.safetensors" in line for line in handler.asked if "GET" in line) == 1
    done = nonette(tmp_path, endpoint, "import", str(folder), "--name", "tiny")
    assert done.returncode == 0, done.stderr


def test_what_is_not_there_is_said_in_one_line(tmp_path, server):
    _, endpoint = server
    done = nonette(tmp_path, endpoint, "fetch", "some/other", "--revision", COMMIT)
    assert done.returncode == 2 and "the hub has none of that name" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow  # the hub's library tries again for a while
def test_a_hub_that_is_not_there_is_said(tmp_path):
    done = nonette(tmp_path, "http://127.0.0.1:9", "fetch", "some/clip", "--revision", COMMIT)
    assert done.returncode == 1 and "could not be fetched" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["clip", "../clip/x", "a/../b", "http://x/y", "a/b/c", ""])
def test_names_that_are_none(name):
    with pytest.raises(InputError, match="owner/name"):
        hub.fetch(name, "main")


@pytest.mark.parametrize("revision", ["", "../x", "-x", "a b"])
def test_revisions_that_are_none(revision):
    with pytest.raises(InputError, match="a commit, a tag or a branch"):
        hub.fetch("some/clip", revision)
