"""`nonette worker`: the engine that a server's settings ask for."""

from __future__ import annotations

import pytest

from nonette.cli import _habits
from nonette.cli.worker import build
from nonette.core import flat
from nonette.core.errors import InputError
from nonette.server.settings import load


def test_a_worker_draws_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_habits, "adopt", lambda: None)  # of processes that draw
    given = load(device="cpu", threads=1)
    engine = build("scenes-ar", given.threads, given.device)
    assert (engine.device.type, engine.threads) == ("cpu", 1)
    with pytest.raises(InputError, match="device is 'cuda:63'"):
        build("scenes-ar", None, "cuda:63")
    assert isinstance(build(flat.MODEL, None, "cuda:63"), flat.FlatEngine)


def test_a_device_is_a_name_with_or_without_a_number() -> None:
    with pytest.raises(InputError, match=r"device.* is 'the cloud'"):
        load(device="the cloud")
    assert load(device="cuda:1").environment()["NONETTE_SERVER_DEVICE"] == "cuda:1"
