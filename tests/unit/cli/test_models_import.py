"""`nonette models import`: what is whole comes in, what is not leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import foreign_files
import hostile_files
from nonette.checkpoints import format as checkpoints
from nonette.checkpoints import importing, store
from nonette.checkpoints.foreign import folder as foreign_folder
from nonette.checkpoints.foreign.folder import Found
from nonette.cli.main import main
from nonette.core.errors import CheckpointError, NonetteError


@pytest.fixture
def models(tmp_path, monkeypatch):
    """The folder that models are imported into."""
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "BUNDLED", tmp_path / "nothing")
    return tmp_path / "home" / "models"


@pytest.fixture
def source(tmp_path):
    return foreign_files.write_clip(tmp_path / "source")


def left_behind(models: Path) -> list[str]:
    """Everything in the folder of models."""
    return sorted(path.name for path in models.rglob("*")) if models.exists() else []


def test_an_imported_model_is_a_model(models, source, capsys):
    assert main(["models", "import", str(source), "--name", "tiny", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["importer"], facts["system"], facts["licence"]) == ("clip", "clip", "mit")
    checkpoint = checkpoints.read(store.find("tiny"))
    network = checkpoint.network("clip")
    state = foreign_files.clip_state()
    assert torch.equal(
        network.text_tower.tokens.weight,
        next(tensor for name, tensor in state.items() if "token_embedding" in name),
    )
    assert checkpoint.tokenizer().encode("AT", 5) == [513, 512, 514, 514, 514]
    for name, digest in facts["files"].items():
        assert f"`{digest}`" in checkpoint.card and name in checkpoint.card
    journal = json.loads((models / "tiny" / "import.json").read_text())
    assert {name: one["sha256"] for name, one in journal["files"].items()} == facts["files"]


def test_hashes_are_shown_first(models, source, capsys):
    assert main(["models", "import", str(source)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("sha256 ") and "this is CLIP" in " ".join(lines)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_floating_types_stay(models, tmp_path, dtype):
    folder = foreign_files.write_clip(tmp_path / "half")
    save_file(foreign_files.clip_state(dtype), folder / "model.safetensors")
    assert main(["models", "import", str(folder), "--name", "half"]) == 0
    written = load_file(models / "half" / "clip.safetensors")
    assert {tensor.dtype for tensor in written.values()} == {dtype}


@pytest.mark.parametrize(("name", "suffix"), list(hostile_files.every_file()))
def test_hostile_files_are_refused_in_one_line(models, tmp_path, capsys, monkeypatch, name, suffix):
    """Each lies in an else sound folder, under a suffix that means nothing."""
    monkeypatch.chdir(tmp_path)
    make, word = hostile_files.FILES[name]
    folder = foreign_files.write_clip(tmp_path / "source", make(), f"model.{suffix}")
    before = sorted(tmp_path.rglob("*"))
    status = main(["models", "import", str(folder)])
    lines = capsys.readouterr().err.splitlines()
    refusals = [line for line in lines if not line.startswith(("sha256 ", "this is "))]
    assert status == 2 and len(refusals) == 1, lines
    assert word in refusals[0] and refusals[0].isprintable(), refusals
    assert left_behind(models) == []
    assert [path for path in sorted(tmp_path.rglob("*")) if "home" not in path.parts] == before


def test_more_than_forty_files_are_hostile():
    assert len(hostile_files.FILES) >= 40


def test_links_and_indexes_that_lead_out_are_refused(models, source, tmp_path, capsys):
    (tmp_path / "secret.safetensors").write_bytes(b"secret")
    (source / "model.safetensors").rename(source / "model-00001-of-00001.safetensors")
    index = source / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": "../secret.safetensors"}}))
    (source / "model.safetensors").symlink_to(tmp_path / "secret.safetensors")
    assert main(["models", "import", str(source)]) == 2
    assert "leads out of the folder" in capsys.readouterr().err
    (source / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="not a file beside it"):
        Found([source]).shards("model.safetensors.index.json")
    assert left_behind(models) == []


@pytest.mark.parametrize("name", ["../escape", "/abs", "a/b", ".hidden", "", "a" * 200, "con\0"])
def test_names_that_lead_elsewhere_are_refused(models, source, name, capsys):
    status = main(["models", "import", str(source), "--name", name or "/"])
    assert status == 2 and "name is" in capsys.readouterr().err
    assert left_behind(models) == []


def test_a_model_is_only_replaced_by_force(models, source, capsys):
    assert main(["models", "import", str(source), "--name", "tiny"]) == 0
    assert main(["models", "import", str(source), "--name", "tiny"]) == 2
    assert "there is such a model already" in capsys.readouterr().err
    assert main(["models", "import", str(source), "--name", "tiny", "--force"]) == 0
    assert [path.name for path in models.iterdir()] == ["tiny"]


def plan_of(source: Path) -> tuple[Found, importing.Plan]:
    found = Found([source])
    return found, importing.recognise(found)[1]


def test_a_file_that_changes_meanwhile_is_noticed(models, source):
    found, plan = plan_of(source)
    with (source / "config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(CheckpointError, match="changed while it was read"):
        importing.write(plan, found, "clip", "tiny")
    assert left_behind(models) == []


def test_an_import_goes_on_after_the_last_whole_file(models, source, monkeypatch):
    """A full disk at the fourth file; the next try writes only what was not there."""
    found, plan = plan_of(source)
    written = []
    save = importing.save_file

    def save_until_full(shard, path, metadata):
        if len(written) == 3:
            raise OSError(28, "No space left on device", str(path))
        written.append(path.name)
        save(shard, path, metadata=metadata)

    monkeypatch.setattr(importing, "save_file", save_until_full)
    with pytest.raises(OSError, match="No space"):
        importing.write(plan, found, "clip", "tiny", max_shard_bytes=8000)
    assert store.names() == ()
    first, written[:] = list(written), []
    monkeypatch.setattr(
        importing, "save_file", lambda *a, **k: (written.append(a[1].name), save(*a, **k))
    )
    folder = importing.write(plan, found, "clip", "tiny", max_shard_bytes=8000)
    assert not set(first) & set(written) and len(first) == 3 and written
    checkpoints.read(folder).network("clip")
    assert [path.name for path in models.iterdir()] == ["tiny"]


def test_other_sources_do_not_go_on_where_these_stopped(models, source, monkeypatch):
    found, plan = plan_of(source)
    monkeypatch.setattr(found, "check_unchanged", lambda: (_ for _ in ()).throw(OSError("cut off")))
    with pytest.raises(OSError, match="cut off"):
        importing.write(plan, found, "clip", "tiny")
    other = {name: tensor + 1 for name, tensor in foreign_files.clip_state().items()}
    save_file(other, source / "model.safetensors")
    found, plan = plan_of(source)
    folder = importing.write(plan, found, "clip", "tiny")
    assert torch.equal(load_file(folder / "clip.safetensors")["logit_scale"], other["logit_scale"])


def test_two_imports_of_one_name_do_not_meet(models, source):
    found, plan = plan_of(source)
    models.mkdir(parents=True)
    with importing._workplace(models / ".tiny.partial-import", {}):
        with pytest.raises(NonetteError, match="another import of this name is running"):
            importing.write(plan, found, "clip", "tiny")


KILLED = """
import os, signal, sys
from nonette.checkpoints import importing
from nonette.checkpoints.foreign.folder import Found
from pathlib import Path
found = Found([Path(sys.argv[1])])
importer, plan = importing.recognise(found)
count = 0
def die(done, total):
    global count
    count += 1
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
importing.write(plan, found, importer, "tiny", on_progress=die, max_shard_bytes=8000)
"""


def test_kill_9_at_any_file_leaves_nothing_torn(models, source):
    for moment in (1, 4, 99):
        environment = os.environ | {"PYTHONPATH": str(Path(importing.__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(source), str(moment)], env=environment, check=False
        )
        is_last = moment == 99
        assert done.returncode == (0 if is_last else -signal.SIGKILL)
        assert store.names() == (("tiny",) if is_last else ())
    network = checkpoints.read(models / "tiny").network("clip")
    assert torch.equal(network.logit_scale, foreign_files.clip_state()["logit_scale"])
    assert [path.name for path in models.iterdir()] == ["tiny"]


def test_what_is_no_model_says_what_is_known(models, tmp_path, capsys):
    (tmp_path / "nothing").mkdir()
    assert main(["models", "import", str(tmp_path / "nothing")]) == 2
    assert "holds no weights that can be read" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    save_file({"w": torch.ones(1)}, tmp_path / "other" / "model.safetensors")
    assert main(["models", "import", str(tmp_path / "other")]) == 2
    assert "of no model that is known; known are: " in capsys.readouterr().err
    assert main(["models", "import", str(tmp_path / "missing")]) == 2
    assert "there is no such file or folder" in capsys.readouterr().err


def test_too_many_files_are_refused(models, source, monkeypatch, capsys):
    monkeypatch.setattr(foreign_folder, "MAX_FILES", 3)
    assert main(["models", "import", str(source)]) == 2
    assert "more than 3 files" in capsys.readouterr().err
