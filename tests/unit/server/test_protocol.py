"""Slow callers over real sockets: they are put out in time, and others are served meanwhile."""

import contextlib
import json
import socket
import threading
import time

import httpx2
import pytest
import uvicorn

from nonette.server import middleware, protocol
from nonette.server.app import create_app


@pytest.fixture
def address(settings, monkeypatch):
    """A server in a thread that waits a third of a second where it would wait twenty."""
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(middleware, "PIECE_SECONDS", 0.3)
    config = uvicorn.Config(
        create_app(settings), log_config=None, http=protocol.HurriedProtocol, ws="none"
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    limit = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < limit
        time.sleep(0.02)
    yield listener.getsockname()
    server.should_exit = True
    thread.join(10)
    listener.close()
    assert not thread.is_alive()


def until_closed(address, *pieces, pause=0.05):
    """The seconds until the server closes, and what it said."""
    start = time.monotonic()
    with socket.create_connection(address, timeout=10) as connection:
        with contextlib.suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        said = b""
        with contextlib.suppress(OSError):
            while piece := connection.recv(65536):
                said += piece
    return time.monotonic() - start, said


def test_a_connection_that_says_nothing_is_closed(address):
    seconds, said = until_closed(address)
    assert 0.2 < seconds < 5 and said == b""


def test_headers_that_never_end_are_cut_off_and_others_are_served(address):
    drip = [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", *[b"X-A: b\r\n"] * 40]
    answers = []

    def ask():
        answers.append(httpx2.get(f"http://{address[0]}:{address[1]}/healthz").status_code)

    asking = threading.Timer(0.1, ask)
    asking.start()
    seconds, said = until_closed(address, *drip)
    asking.join(10)
    assert seconds < 5 and said == b"" and answers == [200]


def test_headers_that_never_end_are_cut_off_on_a_kept_connection_too(address):
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    seconds, said = until_closed(address, whole, b"GET / HTTP/1.1\r\nX-A")
    assert seconds < 5 and said.count(b"HTTP/1.1 200") == 1


def test_a_body_that_drips_is_answered_408(address):
    head = b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    seconds, said = until_closed(address, head + b"Content-Length: 900\r\n\r\n", b"{")
    assert seconds < 5
    assert said.startswith(b"HTTP/1.1 408") and b"body_too_slow" in said


def test_a_job_of_an_ordinary_caller_is_accepted(address):
    url = f"http://{address[0]}:{address[1]}/api/jobs"
    assert httpx2.post(url, json={"prompt": "a fox"}).status_code == 202


def test_a_caller_who_hangs_up_in_the_middle_of_a_body_is_no_failure(address, log_lines):
    head = b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(address) as connection:
        connection.sendall(head + b"Content-Length: 900\r\n\r\n{")
    limit = time.monotonic() + 20
    while '"request"' not in log_lines.getvalue():
        assert time.monotonic() < limit
        time.sleep(0.02)
    (line,) = log_lines.getvalue().splitlines()
    assert json.loads(line)["status"] == 499


def test_idle_connections_make_room_for_others_where_there_are_too_many(address, monkeypatch):
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 20)
    monkeypatch.setattr(protocol.HurriedProtocol, "most_connections", 20)
    url = f"http://{address[0]}:{address[1]}"
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(address)) for _ in range(30)]
        assert httpx2.get(f"{url}/healthz").status_code == 200
        for connection in idle:
            connection.settimeout(5 if connection in idle[:11] else 0.05)
        assert [connection.recv(1) for connection in idle[:11]] == [b""] * 11
        for connection in idle[11:]:  # those who came late are still welcome
            with pytest.raises(TimeoutError):
                connection.recv(1)
        kept = idle[-1]
        kept.settimeout(10)
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
