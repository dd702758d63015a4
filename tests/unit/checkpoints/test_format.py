"""A checkpoint comes back as it was written, and no damage gets past the reader."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from nonette.checkpoints import format as checkpoints
from nonette.checkpoints import tensors
from nonette.core import registry
from nonette.core.errors import CheckpointError, InputError
from nonette.models import vqgan

TINY = vqgan.VQGANConfig(
    resolution=16,
    patch_size=2,
    channels=8,
    channel_multipliers=(1, 2),
    num_res_blocks=1,
    attention_resolutions=(4,),
    num_groups=4,
    z_channels=8,
    code_dim=4,
    codebook_size=16,
)


def write(folder: Path, network: nn.Module | None = None, **changes: object) -> nn.Module:
    """Write a model of one tiny VQGAN, float32 unless told otherwise, and give the network."""
    if network is None:
        torch.manual_seed(0)
        network = vqgan.VQGAN(TINY)
    arguments = {
        "name": "tiny",
        "system": "dalle_mini",
        "networks": {"vqgan": network},
        "registry_names": {"vqgan": "vqgan"},
        "settings": {"candidates": 2},
        "files": {"notes.txt": b"as they are"},
        "card": "# Tiny\n",
        "dtype": torch.float32,
        "examples": ("a cat",),
    }
    checkpoints.write(folder, **(arguments | changes))
    return network


def rewrite(folder: Path, **changes: torch.Tensor | None) -> None:
    """Change tensors of the written VQGAN, or drop them where the change is None."""
    path = folder / "vqgan.safetensors"
    state = load_file(path) | changes
    save_file({name: tensor for name, tensor in state.items() if tensor is not None}, path)


def reconfigure(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "tiny")
    return tmp_path / "tiny"


def assert_same_state(got: nn.Module, want: nn.Module) -> None:
    assert got.state_dict().keys() == want.state_dict().keys()
    for name, tensor in want.state_dict().items():
        assert torch.equal(got.state_dict()[name], tensor), name


def test_a_network_comes_back_bit_for_bit(tmp_path: Path) -> None:
    network = write(tmp_path / "a" / "tiny")
    checkpoint = checkpoints.read(tmp_path / "a" / "tiny")
    again = checkpoint.network("vqgan")
    assert_same_state(again, network)
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    assert checkpoint.config("vqgan") == TINY
    assert checkpoint.num_parameters == sum(one.numel() for one in network.parameters())
    assert (checkpoint.name, checkpoint.system, checkpoint.settings) == (
        "tiny",
        "dalle_mini",
        {"candidates": 2},
    )
    assert (checkpoint.examples, checkpoint.card) == (("a cat",), "# Tiny\n")
    assert (tmp_path / "a" / "tiny" / "notes.txt").read_bytes() == b"as they are"
    codes = torch.arange(16).view(1, 4, 4)
    assert torch.equal(again.decode_codes(codes), network.eval().decode_codes(codes))


def test_bfloat16_on_disk_is_float32_in_memory(tmp_path: Path) -> None:
    network = write(tmp_path / "tiny", dtype=torch.bfloat16)
    again = checkpoints.read(tmp_path / "tiny").network("vqgan")
    assert_same_state(again, network.to(torch.bfloat16).to(torch.float32))
    half = checkpoints.read(tmp_path / "tiny").network("vqgan", torch.bfloat16)
    assert {tensor.dtype for tensor in half.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("count", [1, 100, 10_000])
def test_a_file_is_mapped_a_stretch_at_a_time(
    folder: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = checkpoints.read(folder).network("vqgan")
    opened = []
    monkeypatch.setattr(tensors, "MAX_MAPPED", count)
    monkeypatch.setattr(
        tensors, "opened", lambda path, inner=tensors.opened: opened.append(path) or inner(path)
    )
    assert_same_state(checkpoints.read(folder).network("vqgan"), whole)
    most = max(count, max(one.numel() for one in whole.state_dict().values()))
    assert len(opened) > sum(one.numel() for one in whole.state_dict().values()) / most


def test_large_parts_are_split_within_the_limit(tmp_path: Path) -> None:
    network = write(tmp_path / "tiny", max_shard_bytes=20_000)
    shards = sorted((tmp_path / "tiny").glob("vqgan-*.safetensors"))
    assert len(shards) > 2
    assert all(shard.stat().st_size <= 20_000 for shard in shards)
    index = json.loads((tmp_path / "tiny" / "vqgan.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == set(network.state_dict())
    assert_same_state(checkpoints.read(tmp_path / "tiny").network("vqgan"), network)


class Tied(nn.Module):
    """Two names for one parameter, as input and output embeddings have."""

    def __init__(self, config: vqgan.VQGANConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.codebook_size, config.code_dim)
        self.head = nn.Linear(config.code_dim, config.codebook_size, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("num_seen", torch.tensor(7))


def test_tied_parameters_are_stored_once_and_stay_tied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Tied(TINY)
    monkeypatch.setattr(registry, "resolve", lambda table, name, field: Tied)
    write(tmp_path / "tied", networks={"vqgan": network})
    assert set(load_file(tmp_path / "tied" / "vqgan.safetensors")) == {
        "embedding.weight",
        "num_seen",
    }
    again = checkpoints.read(tmp_path / "tied").network("vqgan")
    assert again.head.weight is again.embedding.weight
    assert torch.equal(again.head.weight, network.head.weight)
    assert again.num_seen == network.num_seen


def test_writing_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    write(tmp_path / "tiny", card="old")
    monkeypatch.setattr(checkpoints, "flush", fail)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "tiny", is_replacing=True)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert checkpoints.read(tmp_path / "tiny").card == "old"


def test_an_old_folder_is_replaced_only_when_told(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="already exists"):
        write(folder, card="new")
    write(folder, card="new", is_replacing=True)
    assert checkpoints.read(folder).card == "new"
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_nan_is_not_written(tmp_path: Path) -> None:
    network = vqgan.VQGAN(TINY)
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] = torch.nan
    with pytest.raises(CheckpointError, match="NaN"):
        write(tmp_path / "tiny", network)
    assert not list(tmp_path.iterdir())


def assert_refused(folder: Path, *words: str) -> None:
    """The model cannot be loaded, and the one line that says so holds these words."""
    with pytest.raises(CheckpointError) as caught:
        checkpoints.read(folder).network("vqgan")
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_no_folder_and_no_config(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere", "nowhere", "not a folder")
    assert_refused(tmp_path, "config.json", "missing")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not JSON"),
        ("[]", "object"),
        ("{" * 100_000, "not JSON"),
        ('{"format": 2}', "format is 2"),
        ('{"format": NaN}', "NaN"),
        ('{"format": 1}', "config.name"),
        ("\xff\xfe", "not JSON"),
    ],
)
def test_damaged_config(folder: Path, text: str, word: str) -> None:
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    assert_refused(folder, "config.json", word)


def test_config_that_fits_no_network(folder: Path) -> None:
    entry = json.loads((folder / "config.json").read_text())["networks"]["vqgan"]
    reconfigure(folder, networks={"vqgan": entry | {"network": "vqgam"}})
    assert_refused(folder, "networks.vqgan.network", "vqgam", "'vqgan'")
    reconfigure(folder, networks={"vqgan": entry | {"config": entry["config"] | {"chanels": 3}}})
    assert_refused(folder, "networks.vqgan.config.chanels", "'channels'")
    reconfigure(folder, networks={"vqgan": entry | {"config": entry["config"] | {"num_groups": 7}}})
    assert_refused(folder, "networks.vqgan.config", "must be divisible by num_groups (7)")
    reconfigure(folder, networks={"vqgan": entry}, colour="red")
    assert_refused(folder, "config.colour")


def test_unknown_part(folder: Path) -> None:
    with pytest.raises(InputError, match=r"part is 'clip', but the networks of tiny are: vqgan"):
        checkpoints.read(folder).network("clip")


def test_missing_weights(folder: Path) -> None:
    (folder / "vqgan.safetensors").unlink()
    assert_refused(folder, "vqgan.safetensors", "missing")


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.5, 0.999])
def test_truncated_weights(folder: Path, share: float) -> None:
    path = folder / "vqgan.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert_refused(folder, "vqgan.safetensors", "damaged")


def test_header_of_two_to_the_63(folder: Path) -> None:
    path = folder / "vqgan.safetensors"
    path.write_bytes((2**63).to_bytes(8, "little") + path.read_bytes()[8:])
    assert_refused(folder, "vqgan.safetensors", "header claims 9,223,372,036,854,775,808 bytes")


def with_header(path: Path, header: dict[str, object]) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4096))


def test_overlapping_offsets(folder: Path) -> None:
    entry = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    with_header(folder / "vqgan.safetensors", {"a": entry, "b": entry | {"data_offsets": [8, 24]}})
    assert_refused(folder, "vqgan.safetensors", "damaged")


def test_offsets_beyond_the_file(folder: Path) -> None:
    entry = {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}
    with_header(folder / "vqgan.safetensors", {"a": entry})
    assert_refused(folder, "vqgan.safetensors", "damaged")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_renamed_pickle(folder: Path, protocol: int) -> None:
    (folder / "vqgan.safetensors").write_bytes(pickle.dumps({"weight": [1.0] * 50}, protocol))
    assert_refused(folder, "vqgan.safetensors", "is a pickle", "only safetensors")


def test_renamed_torch_file(folder: Path) -> None:
    with (folder / "vqgan.safetensors").open("wb") as file:
        torch.save({"weight": torch.zeros(3)}, file)
    assert_refused(folder, "vqgan.safetensors", "torch.save", "only safetensors")


def test_git_lfs_pointer_and_noise(folder: Path) -> None:
    path = folder / "vqgan.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert_refused(folder, "vqgan.safetensors", "Git LFS pointer")
    path.write_bytes(bytes(range(256)))
    assert_refused(folder, "vqgan.safetensors", "not a safetensors file")


def test_wrong_shape_names_key_got_and_want(folder: Path) -> None:
    rewrite(folder, **{"codebook.weight": torch.zeros(16, 5)})
    assert_refused(folder, "codebook.weight", "(16, 5)", "(16, 4)")


def test_wrong_type(folder: Path) -> None:
    rewrite(folder, **{"codebook.weight": torch.zeros(16, 4, dtype=torch.int64)})
    assert_refused(folder, "codebook.weight", "I64", "floating-point")


def test_nan_and_infinity(folder: Path) -> None:
    weights = torch.zeros(16, 4)
    weights[3, 1], weights[5, 0] = torch.nan, -torch.inf
    rewrite(folder, **{"codebook.weight": weights})
    assert_refused(folder, "codebook.weight", "2 values", "NaN")


def test_infinity_after_the_cast_is_refused_too(folder: Path) -> None:
    rewrite(folder, **{"codebook.weight": torch.full((16, 4), 1e30)})
    with pytest.raises(CheckpointError, match=r"codebook.weight holds 64 values"):
        checkpoints.read(folder).network("vqgan", torch.float16)


def test_missing_and_extra_keys(folder: Path) -> None:
    rewrite(folder, **{"codebook.weight": None})
    assert_refused(folder, "lack codebook.weight")
    rewrite(
        folder, **{"codebook.weight": torch.zeros(16, 4), "discriminator.weight": torch.zeros(1)}
    )
    assert_refused(folder, "discriminator.weight", "does not have")


@pytest.mark.parametrize(
    ("index", "word"),
    [
        ({}, "damaged"),
        ({"weight_map": {}}, "names no files"),
        ({"weight_map": {"a": 3}}, "names no files"),
        ({"weight_map": {"a": "../../secret.safetensors"}}, "not a .safetensors file beside it"),
        ({"weight_map": {"a": "/etc/passwd"}}, "not a .safetensors file beside it"),
        ({"weight_map": {"a": "gone.safetensors"}}, "gone.safetensors is missing"),
    ],
)
def test_damaged_index(folder: Path, index: object, word: str) -> None:
    (folder / "vqgan.safetensors").unlink()
    (folder / "vqgan.safetensors.index.json").write_text(json.dumps(index))
    assert_refused(folder, word)


def test_a_shard_that_is_not_what_the_index_says(tmp_path: Path) -> None:
    write(tmp_path / "tiny", max_shard_bytes=20_000)
    first, second, *_ = sorted((tmp_path / "tiny").glob("vqgan-*.safetensors"))
    first.write_bytes(second.read_bytes())
    assert_refused(tmp_path / "tiny", first.name, "not those of the index")


@pytest.mark.parametrize("name", ["tokenizer", "vocabulary"])
def test_missing_and_damaged_texts(folder: Path, name: str) -> None:
    checkpoint = checkpoints.read(folder)
    with pytest.raises(CheckpointError, match=rf"{name}\.json .*No such file"):
        getattr(checkpoint, name)()
    (folder / f"{name}.json").write_text('{"half": ')
    with pytest.raises(CheckpointError, match=rf"{name}\.json is no {name}"):
        getattr(checkpoint, name)()


def test_loading_does_not_wake_the_compiler(folder: Path, run_python) -> None:
    code = (
        "import sys; from nonette.checkpoints.format import read; "
        f"read({str(folder)!r}).network('vqgan'); print('torch._dynamo' in sys.modules)"
    )
    assert run_python("-c", code).stdout.strip() == "False"
