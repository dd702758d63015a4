"""Files of every foreign format, written by the libraries themselves, read back to the bit."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import foreign_files
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.foreign.recognise import kind_of, open_weights
from nonette.checkpoints.foreign.source import merged
from nonette.core.errors import CheckpointError, InputError

TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8)


def state() -> OrderedDict[str, torch.Tensor]:
    """Tensors of several types, some of them views, transposed, shared, scalar or empty."""
    base = torch.arange(48, dtype=torch.float32).view(4, 12)
    tensors = OrderedDict((f"type.{i}", base.to(dtype)) for i, dtype in enumerate(TYPES))
    tensors["view"] = base[1:3, 2:5]
    tensors["transposed"] = base.T
    tensors["same"] = tensors["type.0"]
    tensors["scalar"] = torch.tensor(3.5)
    tensors["empty"] = torch.zeros(0, 3)
    tensors["parameter"] = nn.Parameter(torch.ones(2, 2))
    return tensors


def assert_same(source, want):
    assert set(source) == set(want)
    for name, tensor in want.items():
        got = source[name]
        assert got.dtype == tensor.dtype and torch.equal(got, tensor.detach()), name
        assert source.entries[name].shape == tuple(tensor.shape)


@pytest.mark.parametrize("is_zip", [True, False])
def test_state_dicts_of_torch_save(tmp_path, is_zip):
    path = tmp_path / "weights.pt"
    torch.save(state(), path, _use_new_zipfile_serialization=is_zip)
    assert kind_of(path) == ("zip" if is_zip else "pickle")
    assert_same(open_weights(path), state())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_all_protocols(tmp_path, protocol):
    path = tmp_path / "weights.bin"
    torch.save(state(), path, pickle_protocol=protocol)
    assert_same(open_weights(path), state())


def test_a_training_checkpoint_gives_its_tensors_by_dotted_names(tmp_path):
    """Beside the weights: numbers, words, sets, numpy scalars, nested lists."""
    path = tmp_path / "last.ckpt"
    extras = {"epoch": 3, "loss": np.float32(0.5), "seen": {1, 2}, "rates": [0.1, None, True]}
    torch.save({"state_dict": state(), "optimizer_states": [{"m": torch.ones(2)}]} | extras, path)
    source = open_weights(path)
    assert torch.equal(source["optimizer_states.0.m"], torch.ones(2))
    assert_same(source.below("state_dict."), state())


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_module_pickled_whole_gives_its_state_dict(tmp_path, is_zip):
    path = tmp_path / "encoder.pkl"
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Sequential(nn.BatchNorm1d(4)))
    torch.save(module, path, _use_new_zipfile_serialization=is_zip)
    assert_same(open_weights(path), module.state_dict())


def test_torchscript(tmp_path):
    path = tmp_path / "ViT.pt"
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)).eval()
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.script(module), path)
    assert_same(open_weights(path), module.state_dict())


@pytest.mark.parametrize("most_bytes", [2**30, 40])
def test_flax(tmp_path, most_bytes):
    """Whole, and cut into pieces as Flax does with arrays of more than 2^30 bytes."""
    arrays = {
        "kernel": np.arange(30, dtype=np.float32).reshape(5, 6),
        "half": np.arange(7, dtype=np.float16),
        "brain": torch.arange(24.0).to(torch.bfloat16).view(2, 3, 4),
        "scalar": np.array(2.5, dtype=np.float64),
        "empty": np.zeros((0, 3), dtype=np.float32),
    }
    path = tmp_path / "flax_model.msgpack"
    tree = {"model": {"layers": arrays}, "step": 7}
    path.write_bytes(foreign_files.flax_bytes(tree, most_bytes))
    want = {f"model.layers.{name}": torch.as_tensor(array) for name, array in arrays.items()}
    assert kind_of(path) == "flax"
    assert_same(open_weights(path), want)


def test_safetensors(tmp_path):
    want = {name: t.detach().clone().contiguous() for name, t in state().items()}
    save_file(want, tmp_path / "model.safetensors")
    assert_same(open_weights(tmp_path / "model.safetensors"), want)


@pytest.mark.parametrize("suffix", ["safetensors", "bin", "msgpack", "jpg"])
def test_the_suffix_says_nothing(tmp_path, suffix):
    path = tmp_path / f"weights.{suffix}"
    torch.save(state(), path)
    assert_same(open_weights(path), state())
    save_file({"a": torch.ones(2)}, path)
    assert_same(open_weights(path), {"a": torch.ones(2)})


@pytest.mark.parametrize("kind", ["zip", "legacy", "flax", "safetensors"])
def test_flipped_bytes_are_read_or_refused_and_nothing_else(tmp_path, kind):
    """300 damaged files: no crash, no other error, and what is read has the stated shapes."""
    path = tmp_path / "weights"
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.float16)}
    if kind == "flax":
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        path.write_bytes(foreign_files.flax_bytes({"params": arrays}, 8))
    elif kind == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")
    sound = path.read_bytes()
    dice = np.random.default_rng(0)
    num_refused = 0
    for _ in range(300):
        damaged = bytearray(sound)
        for place in dice.integers(0, len(sound), size=dice.integers(1, 4)):
            damaged[place] = dice.integers(0, 256)
        path.write_bytes(
            damaged[: dice.integers(1, len(sound))] if dice.random() < 0.2 else damaged
        )
        try:
            source = open_weights(path)
            for name in source:
                assert tuple(source[name].shape) == source.entries[name].shape
        except CheckpointError as error:
            num_refused += 1
            assert str(error).isprintable()
    assert num_refused > 50


def test_stacked_layers_are_taken_apart(tmp_path):
    path = tmp_path / "a.safetensors"
    stacked = torch.arange(12.0).view(3, 2, 2)
    save_file({"layers.all.w": stacked, "head": torch.ones(1)}, path)
    source = open_weights(path).unstacked({"layers.all.": "layers.{}."})
    assert_same(source, {"head": torch.ones(1)} | {f"layers.{i}.w": stacked[i] for i in range(3)})


def test_two_files_with_one_name_are_refused(tmp_path):
    for name in "ab":
        save_file({"w": torch.ones(1)}, tmp_path / name)
    with pytest.raises(CheckpointError, match="w is both in"):
        merged([open_weights(tmp_path / name) for name in "ab"])


def test_found_files_are_hashed_before_they_are_opened(tmp_path):
    folder = foreign_files.write_clip(tmp_path / "clip")
    told = {}
    found = Found([folder], on_digest=lambda name, digest: told.update({name: digest.sha256}))
    assert told == {}
    found.source("model.safetensors")
    assert told == {
        "model.safetensors": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    }
    assert found.licence() == "mit"


def test_several_folders_keep_their_names_apart(tmp_path):
    folders = [foreign_files.write_clip(tmp_path / name) for name in ("a", "b")]
    assert Found(folders).folders() == ["a", "b"]
    assert Found(folders).weights("b") == ["b/model.safetensors"]


def test_links_of_a_hubs_cache_are_followed_and_others_are_not(tmp_path):
    cache = tmp_path / "models--some--clip"
    foreign_files.write_clip(cache / "blobs")
    snapshot = cache / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).symlink_to(Path("../../blobs") / name)
    assert Found([snapshot]).weights() == ["model.safetensors"]
    (snapshot / "vocab.json").symlink_to("/etc/passwd")
    with pytest.raises(CheckpointError, match="leads out of the folder"):
        Found([snapshot])


def test_pipes_and_devices_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "model.safetensors")
    assert Found([tmp_path]).files == {}
    for path in (tmp_path / "model.safetensors", Path("/dev/zero")):
        with pytest.raises(InputError, match="neither a folder nor a plain file"):
            Found([path])
        with pytest.raises(CheckpointError, match="not a plain file"):
            kind_of(path)
