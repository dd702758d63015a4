"""LoRA files and textual inversions against the reference's networks, merged by hand."""

from __future__ import annotations

import json
from collections.abc import Callable

import diffusers
import pytest
import torch
import transformers
from diffusers.loaders import lora_conversion_utils
from safetensors.torch import save_file
from torch import Tensor, nn

import foreign_files
import hostile_files
from nonette.checkpoints import adapting, importing, store
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.foreign.source import Entry, Source
from nonette.checkpoints.format import Checkpoint, read
from nonette.checkpoints.importers import _clip, _lora
from nonette.checkpoints.importers import _latent_diffusion as original
from nonette.checkpoints.tables import numbered
from nonette.checkpoints.tensors import skeleton
from nonette.cli.main import main
from nonette.core.errors import CheckpointError, InputError
from nonette.models.clip import TextEncoder
from oracles import assert_same, normal, randomise

UNET = {
    "sample_size": 16,
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 24,
    "norm_num_groups": 8,
}
TEXT = {
    "hidden_size": 24,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 515,
    "bos_token_id": 513,
    "eos_token_id": 514,
    "max_position_embeddings": 12,
}
RANK, ALPHA, STRENGTH = 3, 2.0, 0.7
PARTS = {"denoiser": "unet", "text_encoder": "text_encoder"}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "BUNDLED", tmp_path / "nothing")
    return tmp_path / "home" / "models"


@pytest.fixture
def theirs() -> dict[str, nn.Module]:
    """The reference's networks."""
    return {
        "unet": randomise(diffusers.UNet2DConditionModel(**UNET)),
        "text_encoder": randomise(transformers.CLIPTextModel(transformers.CLIPTextConfig(**TEXT))),
    }


@pytest.fixture
def base(tmp_path, theirs) -> Checkpoint:
    """The same networks, imported."""
    folder = tmp_path / "published"
    for part, network in theirs.items():
        network.save_pretrained(folder / part)
    diffusers.AutoencoderKL(norm_num_groups=4, block_out_channels=(8,)).save_pretrained(
        folder / "vae"
    )
    scheduler = diffusers.PNDMScheduler(beta_schedule="scaled_linear", steps_offset=1)
    scheduler.save_pretrained(folder / "scheduler")
    vocabulary, merges = foreign_files.clip_vocabulary()
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "tokenizer" / "merges.txt").write_text("\n".join(map(" ".join, merges)))
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    found = Found([folder])
    importer, plan = importing.recognise(found)
    return read(importing.write(plan, found, importer, "base"))


def adaptable(network: nn.Module) -> dict[str, nn.Module]:
    """Everything that a LoRA can change, by name, as published files name the text's modules."""
    is_text = isinstance(network, transformers.CLIPTextModel)
    return {
        f"text_model.{name}" if is_text and not name.startswith("text_model.") else name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }


def pair(module: nn.Module, seed: int) -> tuple[Tensor, Tensor]:
    """A random pair of the form that trainers write for such a module."""
    weight = module.weight
    tail = weight.shape[2:]
    down = normal(RANK, *weight.shape[1:], seed=seed) * 0.3
    up = normal(weight.shape[0], RANK, *[1] * len(tail), seed=seed + 1) * 0.3
    return down, up


def merge(module: nn.Module, down: Tensor, up: Tensor, scale: float) -> None:
    """By hand: the weight plus what the two layers in a row would add to its output."""
    if module.weight.ndim == 2:
        module.weight += scale * up @ down
        return
    for i in range(module.weight.shape[0]):
        for r in range(RANK):
            module.weight[i] += scale * up[i, r, 0, 0] * down[r]


def kohya(part: str, name: str) -> str:
    return f"lora_{'unet' if part == 'unet' else 'te'}_{name.replace('.', '_')}"


DIALECTS: dict[str, Callable[[str, str], tuple[str, str, str]]] = {
    "kohya": lambda part, name: (
        f"{kohya(part, name)}.lora_down.weight",
        f"{kohya(part, name)}.lora_up.weight",
        f"{kohya(part, name)}.alpha",
    ),
    "peft": lambda part, name: (
        f"{part}.{name}.lora_A.weight",
        f"{part}.{name}.lora_B.weight",
        f"{part}.{name}.alpha",
    ),
    "diffusers": lambda part, name: (
        f"{part}.{name}.lora.down.weight",
        f"{part}.{name}.lora.up.weight",
        f"{part}.{name}.alpha",
    ),
    "text encoders in diffusers": lambda part, name: (
        f"{part}.{name}.lora_linear_layer.down.weight",
        f"{part}.{name}.lora_linear_layer.up.weight",
        f"{part}.{name}.alpha",
    ),
}


@torch.no_grad()
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_module_changes_as_by_hand(tmp_path, theirs, base, dialect):
    state: dict[str, Tensor] = {}
    for part, network in theirs.items():
        for i, (name, module) in enumerate(adaptable(network).items()):
            down, up = pair(module, 3 * i)
            keys = DIALECTS[dialect](part, name)
            has_alpha = i % 2 == 0  # without it, alpha is the rank
            state |= {keys[0]: down, keys[1]: up}
            if has_alpha:
                state[keys[2]] = torch.tensor(ALPHA)
            merge(module, down, up, STRENGTH * (ALPHA / RANK if has_alpha else 1))
    save_file(state, tmp_path / "style.safetensors")
    told: list[str] = []
    folder = adapting.adapt(
        base,
        "styled",
        loras=[adapting.Lora(tmp_path / "style.safetensors", STRENGTH)],
        on_unmatched=lambda path, keys: told.extend(keys),
    )
    assert not told
    styled = read(folder)
    ids = torch.tensor([styled.tokenizer().encode("a cat", 12)])
    states = styled.network("text_encoder")(ids)[0]
    assert_same(states, theirs["text_encoder"](ids).last_hidden_state)
    x, timesteps = normal(1, 4, 16, 16), torch.tensor([7])
    wanted = theirs["unet"](x, timesteps, states).sample
    assert_same(styled.network("denoiser")(x, timesteps, states), wanted)
    before = base.network("denoiser")(x, timesteps, states)
    assert (before - wanted).abs().max() > 0.05, "the file changes next to nothing"


@torch.no_grad()
def test_a_convolution_in_three(tmp_path, theirs, base):
    module = theirs["unet"].down_blocks[0].resnets[0].conv1
    down = normal(RANK, 32, 1, 1, seed=1)
    mid, up = normal(RANK, RANK, 3, 3, seed=2), normal(32, RANK, 1, 1, seed=3)
    inner = torch.einsum("rskl,si->rikl", mid, down[:, :, 0, 0])
    merge(module, inner, up, 0.1 / RANK)
    name = kohya("unet", "down_blocks.0.resnets.0.conv1")
    state = {
        f"{name}.lora_{role}.weight": one
        for role, one in zip(("down", "mid", "up"), (down, mid, up), strict=True)
    }
    save_file(state | {f"{name}.alpha": torch.tensor(0.1)}, tmp_path / "conv.safetensors")
    folder = adapting.adapt(base, "new", loras=[adapting.Lora(tmp_path / "conv.safetensors")])
    ours = read(folder).network("denoiser").down[0].blocks[0].residual.conv_1.weight
    torch.testing.assert_close(ours, module.weight, atol=1e-5, rtol=0)
    untouched = "autoencoder.safetensors"
    assert (folder / untouched).read_bytes() == (base.folder / untouched).read_bytes()


def test_names_of_the_original_code_are_the_librarys() -> None:
    """XL's LoRA files name the UNet as the original code does."""
    blocks = [*range(1, 9)], [*range(9)]
    inner = ("in_layers.2", "out_layers.3", "emb_layers.1")
    deep = ("proj_in", "transformer_blocks.0.attn1.to_out.0", "transformer_blocks.1.ff.net.0.proj")
    names = [f"input_blocks.{i}.0.{one}" for i in blocks[0] if i % 3 for one in inner]
    names += [
        f"output_blocks.{i}.0.{one}" for i in blocks[1] for one in (*inner, "skip_connection")
    ]
    names += [f"input_blocks.{i}.1.{one}" for i in (4, 5, 7, 8) for one in deep]
    names += [f"output_blocks.{i}.1.{one}" for i in range(6) for one in deep]
    names += [f"middle_block.{i}.{one}" for i in (0, 2) for one in inner]
    names += [f"middle_block.1.{one}" for one in deep]
    names += ["input_blocks.3.0.op", "output_blocks.2.2.conv", "input_blocks.0.0", "out.2"]
    for name in names:
        wanted = original.unet_name(f"{name}.weight").removesuffix(".weight").replace(".", "_")
        assert _lora._flat(f"lora_unet_{name.replace('.', '_')}") == f"unet_{wanted}"
    keys = {
        f"lora_unet_{name.replace('.', '_')}.lora_down.weight": torch.zeros(1) for name in names
    }
    for key in list(keys):
        keys[key.replace("down", "up")] = torch.zeros(1)
    theirs, _ = lora_conversion_utils._convert_non_diffusers_lora_to_diffusers(
        lora_conversion_utils._maybe_map_sgm_blocks_to_diffusers(
            dict(keys), type("Config", (), {"layers_per_block": 2})
        )
    )
    found = {_lora._flat(key.partition(".lora_down")[0]) for key in keys if "down.weight" in key}
    library = set()
    for key in theirs:
        module = next(match[1] for _, one in _lora._ROLES if (match := one.fullmatch(key)))
        library.add(_lora._flat(module))
    assert {one.removesuffix("_0") for one in found} == {one.removesuffix("_0") for one in library}


def test_xls_two_towers_are_told_apart() -> None:
    """Kohya's te1 and te2, diffusers' text_encoder and text_encoder_2, each with its own width."""
    configs = {
        part: transformers.CLIPTextConfig(
            **TEXT | {"hidden_size": width, "intermediate_size": 4 * width}
        )
        for part, width in (("text_encoder", 24), ("text_encoder_2", 32))
    }
    expected = {
        part: skeleton(
            TextEncoder,
            _clip.text_config(
                config.to_diff_dict(), "config.json", has_projection=False, reads="penultimate"
            ),
        ).state_dict()
        for part, config in configs.items()
    }
    tables = {part: numbered(_clip.TEXT, state) for part, state in expected.items()}
    module = "text_model.encoder.layers.1.self_attn.k_proj"
    flat = module.replace(".", "_")
    for first, second in (
        (f"lora_te1_{flat}.lora_down", f"lora_te2_{flat}.lora_down"),
        (f"text_encoder.{module}.lora_A", f"text_encoder_2.{module}.lora_A"),
        (f"text_encoder.{module[11:]}.lora_A", f"text_encoder_2.{module[11:]}.lora_A"),
    ):
        state = {}
        for key, width in ((first, 24), (second, 32)):
            state[f"{key}.weight"] = normal(RANK, width)
            state[f"{key.replace('lora_A', 'lora_B').replace('down', 'up')}.weight"] = normal(
                width, RANK
            )
        source = Source(
            "xl.safetensors",
            {key: Entry(tuple(one.shape), one.dtype) for key, one in state.items()},
            state.__getitem__,
        )
        changes, unmatched = _lora.read_lora(source, tables, expected, {})
        assert not unmatched
        assert [(one.part, one.place, one.num_shares) for one in changes] == [
            ("text_encoder", 1, 3),
            ("text_encoder_2", 1, 3),
        ]


def test_the_oldest_spelling_leaves_the_number_out() -> None:
    """Attention processors of 2023, with the network's own beginning and without."""
    inner = "mid_block.attentions.0.transformer_blocks.0.attn1.processor"
    wanted = "unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_out"
    for beginning in ("unet.", ""):
        key = f"{beginning}{inner}.to_out_lora.down.weight"
        (match,) = [found for _, one in _lora._ROLES if (found := one.fullmatch(key))]
        assert _lora._flat(match[1]) == wanted


def one_pair(name: str = "mid_block.attentions.0.proj_in", **more: Tensor) -> dict[str, Tensor]:
    """A file that changes one module, and says more of it."""
    key = kohya("unet", name)
    state = {
        f"{key}.lora_down.weight": normal(2, 64, 1, 1),
        f"{key}.lora_up.weight": normal(64, 2, 1, 1),
    }
    return state | {f"{key}.{role}": tensor for role, tensor in more.items()}


def test_what_fits_nothing_is_told(tmp_path, base, capsys):
    odd = one_pair("mid_block.attentions.9.proj_in")
    dora = one_pair("mid_block.attentions.0.proj_out", dora_scale=normal(64))
    save_file(
        one_pair() | odd | dora | {"lora_te_x.hada_w1_a": normal(2, 2)}, tmp_path / "a.safetensors"
    )
    words = [
        "models",
        "adapt",
        "base",
        "--name",
        "new",
        "--lora",
        f"{tmp_path / 'a.safetensors'}:0.5",
    ]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith("made new in")
    assert "left out, since 6 tensors fit nothing here:" in err
    assert {line.strip() for line in err.splitlines()[1:]} == {*odd, *dora, "lora_te_x.hada_w1_a"}
    record = read(store.find("new")).settings["adapters"]
    assert record[0]["strength"] == 0.5 and len(record[0]["sha256"]) == 64
    card = read(store.find("new")).card
    assert card.startswith("# new\n") and "a.safetensors" in card


BAD = {
    "nothing fits": (one_pair("mid_block.attentions.9.proj_in"), "holds nothing that fits base"),
    "another width": (
        one_pair() | {"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": normal(2, 32)},
        "do not fit denoiser's middle.transformer.linear_in.weight",
    ),
    "another rank": (
        one_pair() | {"lora_unet_mid_block_attentions_0_proj_in.lora_up.weight": normal(64, 3)},
        "do not fit",
    ),
    "no rank": (
        one_pair() | {"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": normal(0, 64)},
        "do not fit",
    ),
    "endless": (
        one_pair()
        | {"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": normal(2, 64) / 0},
        "NaN or infinite",
    ),
    "an endless alpha": (one_pair(alpha=torch.tensor(float("nan"))), "no finite number"),
    "twice": (
        one_pair() | {"unet.mid_block.attentions.0.proj_in.lora_A.weight": normal(2, 64)},
        "say the same thing",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_added_leaves_nothing(tmp_path, base, home, name):
    state, message = BAD[name]
    save_file(state, tmp_path / "bad.safetensors")
    with pytest.raises(CheckpointError, match=message):
        adapting.adapt(base, "new", loras=[adapting.Lora(tmp_path / "bad.safetensors")])
    assert [path.name for path in home.iterdir()] == ["base"]


def test_alpha_in_the_file_s_metadata(tmp_path, base):
    def adapted(name: str, values: object) -> Tensor:
        metadata = {"lora_adapter_metadata": json.dumps(values)}
        save_file(one_pair(), tmp_path / "a.safetensors", metadata=metadata)
        folder = adapting.adapt(base, name, loras=[adapting.Lora(tmp_path / "a.safetensors")])
        weight = read(folder).network("denoiser").middle.transformer.linear_in.weight
        return weight - base.network("denoiser").middle.transformer.linear_in.weight

    plain, half = adapted("one", {}), adapted("two", {"unet.lora_alpha": 1.0})
    torch.testing.assert_close(2 * half, plain, atol=1e-5, rtol=1e-4)
    for values in ([], {"unet.use_rslora": True}, {"unet.lora_alpha": "x"}):
        with pytest.raises(CheckpointError, match="lora_adapter_metadata"):
            adapted("three", values)


@pytest.mark.parametrize("dialect", ["web", "diffusers", "bin", "safetensors"])
@torch.no_grad()
def test_a_textual_inversion_is_a_word(tmp_path, theirs, base, dialect):
    vectors = normal(2, 24)
    word = "<toy>" if dialect in ("diffusers", "bin") else "my-toy"
    if dialect == "web":
        path = tmp_path / "my-toy.pt"
        values = {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": {"*": vectors}}
        torch.save(values | {"name": "other", "step": 9}, path)
    elif dialect == "bin":
        path = tmp_path / "learned_embeds.bin"
        vectors = vectors[:1]
        torch.save({word: vectors[0]}, path)
    else:
        path = tmp_path / "my-toy.safetensors"
        save_file({word if dialect == "diffusers" else "emb_params": vectors}, path)
    taught = read(adapting.adapt(base, "new", embeddings=[path]))
    ids = taught.settings["words"][word]
    assert ids == list(range(515, 515 + len(vectors)))
    text = theirs["text_encoder"]
    text.resize_token_embeddings(515 + len(vectors), mean_resizing=False)
    text.get_input_embeddings().weight[515:] = vectors
    row = torch.tensor([[513, 5, *ids, 514, 514]])
    assert_same(taught.network("text_encoder")(row)[0], text(row).last_hidden_state)


def test_a_textual_inversion_of_another_model_is_refused(tmp_path, base, home):
    save_file({"emb_params": normal(2, 32)}, tmp_path / "wide.safetensors")
    with pytest.raises(CheckpointError, match="vectors are 32 wide, but this one's 24"):
        adapting.adapt(base, "new", embeddings=[tmp_path / "wide.safetensors"])
    save_file({"emb_params": normal(76, 24)}, tmp_path / "long.safetensors")
    with pytest.raises(CheckpointError, match="not 1 to 75 vectors"):
        adapting.adapt(base, "new", embeddings=[tmp_path / "long.safetensors"])
    save_file({"emb_params": normal(1, 24)}, tmp_path / "toy.safetensors")
    taught = read(adapting.adapt(base, "taught", embeddings=[tmp_path / "toy.safetensors"]))
    with pytest.raises(InputError, match="of that name already"):
        adapting.adapt(taught, "new", embeddings=[tmp_path / "toy.safetensors"])
    assert sorted(path.name for path in home.iterdir()) == ["base", "taught"]


def test_hostile_files_are_refused(tmp_path, base, home):
    (tmp_path / "bad.pt").write_bytes(
        hostile_files.legacy(hostile_files.called("os", "system", hostile_files.text("true")))
    )
    for given in (
        {"loras": [adapting.Lora(tmp_path / "bad.pt")]},
        {"embeddings": [tmp_path / "bad.pt"]},
    ):
        with pytest.raises(CheckpointError, match=r"refused|system"):
            adapting.adapt(base, "new", **given)
    assert [path.name for path in home.iterdir()] == ["base"]


@pytest.mark.parametrize("strength", ["x", "nan", "11", ""])
def test_a_strength_is_a_number(base, strength, capsys):
    assert (
        main(["models", "adapt", "base", "--name", "new", "--lora", f"a.safetensors:{strength}"])
        == 2
    )
    assert "the strength must be -10 to 10" in capsys.readouterr().err


def test_only_an_imported_stable_diffusion_changes(tmp_path, base, capsys):
    assert main(["models", "adapt", "base", "--name", "new"]) == 2
    assert "one LoRA or textual inversion at least" in capsys.readouterr().err
    foreign_files.write_clip(tmp_path / "clip")
    assert main(["models", "import", str(tmp_path / "clip"), "--name", "judge"]) == 0
    assert main(["models", "adapt", "judge", "--name", "new", "--lora", "a.safetensors"]) == 2
    assert "only an imported Stable Diffusion" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--deep-every", "0", "deep_every is 0, but it must be a whole number from 1 to 10"),
        ("--deep-every", "11", "it must be a whole number from 1 to 10"),
        ("--guidance-interval", "3", "it must be two sigmas and a colon, such as 0.3:5"),
        ("--guidance-interval", "5:0.3", "the first one less than the second"),
        ("--guidance-interval", "-1:2", "it must be two sigmas from 0"),
        ("--guidance-interval", "0:nan", "it must be two sigmas from 0"),
    ],
)
def test_an_impossible_pace_is_refused_in_a_line(base, home, capsys, option, value, told):
    assert main(["models", "adapt", "base", "--name", "new", option, value]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert [path.name for path in home.iterdir()] == ["base"]
