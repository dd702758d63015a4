"""CLIP against `transformers`: imported from its own files, the same vectors and the same ids."""

from __future__ import annotations

import json
import warnings

import pytest
import torch

import foreign_files
from nonette.checkpoints import importing
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.format import read
from nonette.checkpoints.importers import open_clip
from nonette.core.errors import CheckpointError
from nonette.text.published import clip_tokenizer
from nonette.text.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-4  # in float32, at weights of the size that training gives


def theirs_and_ours(folder, activation):
    """Their network with random weights, and ours imported from the folder it was saved to."""
    foreign_files.write_clip(folder)
    (folder / "model.safetensors").unlink()
    values = json.loads((folder / "config.json").read_text())
    for tower in ("text_config", "vision_config"):
        values[tower] |= {"hidden_act": activation, "num_hidden_layers": 2}
    torch.manual_seed(0)
    config = transformers.CLIPConfig(**values)
    theirs = transformers.CLIPModel(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    theirs.save_pretrained(folder)
    found = Found([folder])
    importer, plan = importing.recognise(found)
    folder = importing.write(plan, found, importer, "clip")
    return theirs, read(folder).network("clip")


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_towers(tmp_path, monkeypatch, activation):
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = theirs_and_ours(tmp_path / "clip", activation)
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(3, 3, 16, 16, generator=generator) * 2 - 1
    config = ours.config.image
    mean, std = (torch.tensor(one).view(3, 1, 1) for one in (config.mean, config.std))
    ids = torch.randint(0, 512, (4, 12), generator=generator)
    for row, length in enumerate((3, 5, 12, 8)):
        ids[row, length - 1 :] = 514  # the end, and padding with it
    with torch.no_grad():
        seen = theirs(
            input_ids=ids, pixel_values=((pixels + 1) / 2 - mean) / std, attention_mask=None
        )
        image, text = ours.encode_image(pixels), ours.encode_text(ids)
        logits = ours(pixels, ids)
    assert (image - seen.image_embeds).abs().max() < TOLERANCE
    assert (text - seen.text_embeds).abs().max() < TOLERANCE
    assert (logits - seen.logits_per_image).abs().max() < TOLERANCE * ours.logit_scale.exp()


PROMPTS = (
    "a kangaroo made of cheese",
    "  An  ÉLÉPHANT's    7th birthday!!! \n 1,234.5 (cats)",
    "naïve façade — “quotes” … ½ ﬁsh",
    "日本語 😀👩‍👩‍👧 🇫🇷",
    "it's they're we've I'm you'll he'd",
    "",
    "a" * 500,
    "a b " * 60,
)


@pytest.mark.parametrize("pad", ["<|endoftext|>", "!"])
def test_ids(pad):
    """With a vocabulary of bytes and a merge; the real one has the same form."""
    vocabulary, merges = foreign_files.clip_vocabulary()
    theirs = transformers.CLIPTokenizer(
        vocab=vocabulary, merges=merges, pad_token=pad, model_max_length=77
    )
    ours = Tokenizer.from_bytes(clip_tokenizer(vocabulary, merges, pad))
    for prompt in PROMPTS:
        # As the filler, transformers takes a typed "!" for padding too; OpenCLIP, which trained
        # with such ids, does not.
        prompt = prompt.replace("!", "?") if pad == "!" else prompt
        want = theirs(prompt, padding="max_length", truncation=True, max_length=77)["input_ids"]
        assert ours.encode(prompt, 77) == want, prompt


def openai_names(state):
    """A state dict of transformers in the names of OpenAI's own code."""
    block = {
        "layer_norm1": "ln_1",
        "layer_norm2": "ln_2",
        "self_attn.out_proj": "attn.out_proj",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }
    outside = {
        "vision_model.pre_layrnorm": "visual.ln_pre",
        "vision_model.post_layernorm": "visual.ln_post",
        "text_model.final_layer_norm": "ln_final",
    }
    named = {
        "logit_scale": state["logit_scale"],
        "visual.class_embedding": state["vision_model.embeddings.class_embedding"],
        "visual.conv1.weight": state["vision_model.embeddings.patch_embedding.weight"],
        "visual.positional_embedding": state["vision_model.embeddings.position_embedding.weight"],
        "visual.proj": state["visual_projection.weight"].T,
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "text_projection": state["text_projection.weight"].T,
    }
    for kind in ("weight", "bias"):
        for theirs, ours in outside.items():
            named[f"{ours}.{kind}"] = state[f"{theirs}.{kind}"]
        for tower, ours in (("vision_model", "visual.transformer"), ("text_model", "transformer")):
            for i in range(2):
                layer, blocks = f"{tower}.encoder.layers.{i}", f"{ours}.resblocks.{i}"
                named[f"{blocks}.attn.in_proj_{kind}"] = torch.cat(
                    [state[f"{layer}.self_attn.{one}_proj.{kind}"] for one in "qkv"]
                )
                for theirs, our_name in block.items():
                    named[f"{blocks}.{our_name}.{kind}"] = state[f"{layer}.{theirs}.{kind}"]
    return named


@pytest.mark.parametrize("form", ["openai", "open_clip"])
def test_openais_own_names(tmp_path, monkeypatch, form):
    """The very same tensors as from transformers' names; heads and activation from the config."""
    monkeypatch.setattr(open_clip, "HEAD_WIDTH", 8)
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = theirs_and_ours(tmp_path / "clip", "quick_gelu")
    folder = tmp_path / "again"
    folder.mkdir()
    foreign_files.write_vocabulary(folder)
    state = openai_names(theirs.state_dict())
    if form == "openai":
        state |= {name: torch.tensor(1) for name in open_clip.ARCHIVE_MARKS}
        torch.save({name: tensor.half() for name, tensor in state.items()}, folder / "ViT.pt")
    else:
        model = {
            "quick_gelu": True,
            "vision_cfg": {"mlp_ratio": 1.5},
            "text_cfg": {"heads": 2},
        }
        (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model}))
        torch.save({f"module.{name}": tensor for name, tensor in state.items()}, folder / "a.bin")
    found = Found([folder])
    importer, plan = importing.recognise(found)
    assert importer == "open_clip"
    again = read(importing.write(plan, found, importer, "again"))
    assert again.tokenizer().encode("at", 4) == [513, 512, 514, 0]
    if form == "openai":
        assert plan.networks["clip"].config.activation == "quick_gelu"
        want = {name: tensor.half().float() for name, tensor in ours.state_dict().items()}
    else:
        assert plan.networks["clip"].config == ours.config
        want = ours.state_dict()
    got = again.network("clip").state_dict()
    assert got.keys() == want.keys()
    assert all(torch.equal(got[name], want[name]) for name in want)


def test_without_its_config_openclip_is_refused(tmp_path):
    state = openai_names(
        transformers.CLIPModel(
            transformers.CLIPConfig(
                **{
                    key: value | {"num_hidden_layers": 2} if isinstance(value, dict) else value
                    for key, value in foreign_files.CONFIG.items()
                }
            )
        ).state_dict()
    )
    torch.save(state, tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(CheckpointError, match="heads and activation are unknown"):
        importing.recognise(Found([tmp_path]))
