"""The tiny recipes train, ship and draw: the whole way from nothing to nine pictures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import tiny_model
from nonette.checkpoints import store
from nonette.checkpoints.format import read
from nonette.cli.main import main
from nonette.core.errors import SettingIgnored
from nonette.core.types import Request
from nonette.engine import LocalEngine


def trained(recipe: str, runs: Path) -> Path:
    """The model folder of a recipe, trained through the command line."""
    assert main(["train", recipe, "--runs", str(runs)]) == 0
    lines = [
        json.loads(line) for line in (runs / recipe / "metrics.jsonl").read_text().splitlines()
    ]
    assert [line["step"] for line in lines] == list(range(1, 21))
    assert list((runs / recipe).glob("sheet-*.png"))
    return runs / recipe / "model"


def test_from_nothing_to_nine_pictures(tmp_path):
    trained("vqgan_tiny", tmp_path)
    folder = trained("seq2seq_tiny", tmp_path)
    (drawing,) = LocalEngine(str(folder)).draw([Request(prompt="a red cat", ranks=False)])
    assert [picture.pixels.shape for picture in drawing.pictures] == [(32, 32, 3)] * 9
    assert drawing.unknown_words == ()
    assert not list(tmp_path.glob("tokenizer-cpu.json"))  # only the tiny world's was made


def test_diffusion_from_nothing_to_pictures_in_few_steps(tmp_path):
    trained("autoencoder_tiny", tmp_path)
    teacher = LocalEngine(str(trained("diffusion_tiny", tmp_path)))
    request = Request(prompt="a red cat", ranks=False, num_pictures=3)
    (drawing,) = teacher.draw([request])
    assert [picture.pixels.shape for picture in drawing.pictures] == [(32, 32, 3)] * 3
    student = LocalEngine(str(trained("distill_tiny", tmp_path)))
    assert student.checkpoint.settings["steps"] == 8
    assert "edit" in student.capabilities().tasks and "extend" in student.capabilities().tasks
    source = drawing[0].pixels
    mask = np.zeros((32, 32), dtype=bool)
    mask[8:20, 8:20] = True
    wishes = {
        "edit": {"source": source, "mask": mask},
        "extend": {"source": source, "right": 16},
        "vary": {"source": source, "strength": 0.5},
    }
    requests = [dataclasses.replace(request, task=task, **more) for task, more in wishes.items()]
    edited, extended, varied = student.draw(requests)
    assert (edited[0].pixels[~mask] == source[~mask]).all()
    assert extended[0].pixels.shape == (32, 48, 3)
    assert (extended[0].pixels[:, :32] == source).all()
    assert (varied[0].pixels != source).any()
    for alone, together in zip(requests, (edited, extended, varied), strict=True):
        assert (student.draw([alone])[0][0].pixels == together[0].pixels).all()


def test_a_published_unet_from_nothing_to_pictures_and_at_another_pace(tmp_path, monkeypatch):
    trained("autoencoder_tiny", tmp_path)
    folder = trained("sd_unet_tiny", tmp_path)
    artist = LocalEngine(str(folder), device="cpu")
    assert set(artist.checkpoint.manifest.networks) == {"denoiser", "text_encoder", "autoencoder"}
    request = Request(prompt="a (red:1.2) cat, a blue dog", ranks=False, num_pictures=2, steps=7)
    (drawing,) = artist.draw([request])
    assert [picture.pixels.shape for picture in drawing.pictures] == [(32, 32, 3)] * 2
    assert (drawing[0].pixels != drawing[1].pixels).any()

    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))
    pace = ["--deep-every", "3", "--guidance-interval", "0.3:5"]
    assert main(["models", "adapt", str(folder), "--name", "quick", *pace]) == 0
    quick = LocalEngine("quick", device="cpu")
    assert quick.checkpoint.settings["guidance_interval"] == [0.3, 5.0]
    assert "deep_every 3, guidance_interval [0.3, 5.0]" in quick.checkpoint.card
    num_calls = {"whole": 0, "deep": 0}

    def count(kind):
        num_calls[kind] += 1

    unet = quick._pipeline.denoiser.unet
    unet.register_forward_hook(lambda *_: count("whole"))
    unet.middle.register_forward_hook(lambda *_: count("deep"))
    (sooner,) = quick.draw([request])
    assert num_calls["whole"] == 7 and 3 <= num_calls["deep"] <= 4, num_calls
    assert (sooner[0].pixels != drawing[0].pixels).any()
    other = dataclasses.replace(request, prompt="a car", seed=9)
    again = quick.draw([other, dataclasses.replace(request, seed=sooner[0].seed, num_pictures=1)])
    assert (again[1][0].pixels == sooner[0].pixels).all()
    with pytest.warns(SettingIgnored, match="deep_every has no effect on a GPU"):
        quick._pipeline.denoiser.record()


def test_an_upsampler_trains_and_enlarges_what_another_model_draws(tmp_path, monkeypatch):
    upsampler = trained("upsampler_tiny", tmp_path)
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "models").mkdir(parents=True)
    upsampler.rename(tmp_path / "home" / "models" / "scenes-upsampler")
    monkeypatch.setattr(store, "BUNDLED", tmp_path / "none")
    folder = tiny_model.write(tmp_path, settings=tiny_model.SETTINGS | {"world": "tiny"})
    request = Request(prompt="a red cat", ranks=False, num_pictures=2, size="64x64")
    (drawing,) = LocalEngine(str(folder), threads=1).draw([request])
    assert [picture.pixels.shape for picture in drawing] == [(64, 64, 3)] * 2
    assert drawing[0].settings["enlarged"] == "upsampler_tiny"


def test_dalle2_and_imagen_from_nothing_to_pictures(tmp_path):
    trained("clip_tiny", tmp_path)
    source = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    mask = np.zeros((32, 32), dtype=bool)
    mask[8:20, 8:20] = True
    request = Request(prompt="a red cat", ranks=False, num_pictures=2)
    wishes = {
        "draw": request,
        "edit": dataclasses.replace(request, task="edit", source=source, mask=mask),
        "vary": dataclasses.replace(request, task="vary", source=source, strength=0.5),
        "blend": dataclasses.replace(request, task="blend", second_prompt="a car"),
    }
    for recipe in ("dalle2_tiny", "imagen_tiny"):
        engine = LocalEngine(str(trained(recipe, tmp_path)))
        tasks = [task for task in wishes if task in engine.capabilities().tasks]
        assert ("blend" in tasks) == (recipe == "dalle2_tiny")
        together = engine.draw([wishes[task] for task in tasks])
        for task, drawing in zip(tasks, together, strict=True):
            assert [picture.pixels.shape for picture in drawing.pictures] == [(32, 32, 3)] * 2
            (alone,) = engine.draw([wishes[task]])
            assert (alone[0].pixels == drawing[0].pixels).all(), task
        edited = together[1][0].pixels
        assert (edited[~mask] == source[~mask]).all() and (edited[mask] != source[mask]).any()
    assert not list(tmp_path.glob("tokenizer-small.json"))


def test_rankers_and_judges_ship_too(tmp_path):
    assert read(trained("clip_tiny", tmp_path)).network("clip").config.embedding_size == 16
    assert "thresholds" in read(trained("judge_tiny", tmp_path)).settings


def test_mistakes_are_one_line_and_train_nothing(tmp_path, capsys):
    assert main(["train", "vqgan_tinny", "--runs", str(tmp_path / "runs")]) == 2
    assert "did you mean 'vqgan_tiny'" in capsys.readouterr().err
    assert main(["train", "vqgan_tiny", "--set", "batch_sise=2", "--runs", str(tmp_path)]) == 2
    assert "batch_size" in capsys.readouterr().err
    assert main(["train", "vqgan_tiny", "--set", "batch_size", "--runs", str(tmp_path)]) == 2
    assert "NAME=VALUE" in capsys.readouterr().err
    for words in (["--minutes", "nan"], ["--steps", "0"], ["--set", "batch_size=0"]):
        assert main(["train", "vqgan_tiny", "--runs", str(tmp_path), *words]) == 2
        assert "must be" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
