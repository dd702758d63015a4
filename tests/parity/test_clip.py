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
