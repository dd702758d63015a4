"""The engine enlarges by whatever upsampler a model has, and tells by what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny_model
from nonette import engine as engines
from nonette.checkpoints import format as checkpoints
from nonette.checkpoints import store
from nonette.core.errors import InputError, Stopped
from nonette.core.types import Progress, Request
from nonette.engine import LocalEngine
from nonette.models.upsampler import Upsampler, UpsamplerConfig
from nonette.nn import device as hardware
from nonette.pipelines import _upsample
from nonette.pipelines._steps import Job, Meter


def reconfigured(place: Path, **settings: object) -> Path:
    """The tiny model in that folder with other settings, its ranker beside it."""
    copy = tiny_model.write(place / "models")
    values = json.loads((copy / "config.json").read_text())
    values["settings"] |= settings
    (copy / "config.json").write_text(json.dumps(values))
    return copy


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


class Painter:
    """A system that edits, in miniature: it paints one grey."""

    tasks = ("draw", "edit")
    knobs = ()
    native_size = (16, 16)

    def __init__(self, **parts: object) -> None:
        pass

    def __call__(self, jobs: list[Job], *rest: object, **options: object) -> list[np.ndarray]:
        return [np.full((len(job.seeds), 16, 16, 3), 90, np.uint8) for job in jobs]


def with_upsampler(place: Path, name: str = engines.UPSAMPLER) -> Upsampler:
    """Write an upsampler that changes more than bicubic enlargement does."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Upsampler(UpsamplerConfig(factor=2, width=8, num_blocks=1))
        torch.nn.init.normal_(network.conv_out.weight, std=1.0)
    checkpoints.write(
        place / name,
        name=name,
        system="upsampler",
        networks={"upsampler": network},
        registry_names={"upsampler": "upsampler"},
        settings={},
        files={},
        card="# Untrained\n",
        dtype=torch.float32,
    )
    return network.eval().requires_grad_(False)


def test_a_model_of_scenes_enlarges_by_the_installed_upsampler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path))
    monkeypatch.setattr(store, "BUNDLED", tmp_path / "none")
    place = reconfigured(tmp_path, world="tiny")
    request = Request(prompt="a cat", num_pictures=2, size="40x40")
    enlarge = Request(prompt="", task="enlarge", source=noise(20, 16), num_pictures=1)
    without = LocalEngine(str(place), threads=1).draw([request, enlarge])
    assert {drawing[0].settings["enlarged"] for drawing in without} == {"lanczos"}
    network = with_upsampler(tmp_path / "models").to(hardware.pick_dtype(torch.device("cpu")))
    engine, seen = LocalEngine(str(place), threads=1), list[Progress]()
    native, drawn, enlarged = engine.draw(
        [Request(prompt="a cat", num_pictures=2), request, enlarge], on_progress=seen.append
    )
    assert "enlarged" not in native[0].settings
    for small, large in zip(native, drawn, strict=True):
        wanted = _upsample.upsampled(network, small.pixels, (40, 40), Meter(0, None, None))
        assert np.array_equal(large.pixels, wanted)
        assert large.settings["enlarged"] == "scenes-upsampler"
        assert (small.seed, small.score) == (large.seed, large.score)
    assert enlarged[0].pixels.shape == (32, 40, 3)
    assert not np.array_equal(enlarged[0].pixels, without[1][0].pixels)
    tiles = [event for event in seen if event.phase == "enlarging"]
    assert [event.done for event in tiles] == [1, 2, 3, 4, 5] and tiles[-1].total == 5
    (alone,) = engine.draw([enlarge])
    assert np.array_equal(alone[0].pixels, enlarged[0].pixels)
    with pytest.raises(Stopped):
        engine.draw([enlarge], should_stop=iter([False, False, True]).__next__)
    (smaller,) = engine.draw([Request(prompt="a cat", num_pictures=1, size="16x16")])
    assert "enlarged" not in smaller[0].settings


def test_a_model_may_name_another_upsampler_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "BUNDLED", tmp_path / "none")
    request = Request(prompt="", task="enlarge", source=noise(20, 16), num_pictures=1)
    with_upsampler(tmp_path / "home" / "models")
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "lanczos"),
        ({"world": "tiny", "upsampler": None}, "lanczos"),
        ({"upsampler": "mine"}, "mine"),
        ({"upsampler": {"size": 32}}, "lanczos"),  # a cascade's own stage
        ({"upsampler": {"size": 32}, "world": "tiny"}, "scenes-upsampler"),
    )
    for i, (settings, by) in enumerate(cases):
        place = reconfigured(tmp_path / str(i), **settings)
        with_upsampler(place.parent, "mine")
        (drawing,) = LocalEngine(str(place), threads=1).draw([request])
        assert drawing[0].settings["enlarged"] == by
    for name, error, told in (
        ("nowhere", InputError, "upsampler is 'nowhere'"),
        ("tiny-clip", InputError, "upsampler"),
    ):
        place = reconfigured(tmp_path / name, upsampler=name)
        with pytest.raises(error, match=told):
            LocalEngine(str(place), threads=1).draw([request])


def test_what_is_repainted_of_a_large_picture_is_enlarged_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalEngine, "_system", Painter)
    place = reconfigured(tmp_path, upsampler="mine")
    with_upsampler(place.parent, "mine")
    source, mask = noise(100, 60), np.zeros((60, 100), bool)
    mask[10:50, 20:80] = True
    request = Request(prompt="a cat", task="edit", source=source, mask=mask, num_pictures=1)
    (drawing,) = LocalEngine(str(place), threads=1).draw([request])
    assert np.array_equal(drawing[0].pixels[~mask], source[~mask])
    assert (drawing[0].settings["drawn_size"], drawing[0].settings["enlarged"]) == ("16x16", "mine")
