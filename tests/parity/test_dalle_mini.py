"""DALL·E mini's files, imported, against the plain reading of them in `reference_dalle`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import dalle_files
import reference_dalle
from nonette.checkpoints import importing
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.format import Checkpoint, read
from nonette.core.errors import CheckpointError
from nonette.core.types import Request
from nonette.decoding.cache import static_cache
from nonette.decoding.logits import pick
from nonette.decoding.sample import Controls, sample
from nonette.engine import LocalEngine

TOLERANCE = 1e-4  # of every output, in float32


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))


def imported(*paths: Path) -> tuple[str, Checkpoint]:
    found = Found(paths)
    importer, plan = importing.recognise(found)
    return importer, read(importing.write(plan, found, importer, "tiny"))


def sources(tmp_path: Path, form: str) -> tuple[Path, ...]:
    """The same weights in one of their published forms."""
    if form.startswith("min-dalle"):
        suffix = "_mini" if form == "min-dalle mini" else ""
        return (dalle_files.write_min_dalle(tmp_path / "a", suffix, form != "min-dalle folders"),)
    _, dtype, stacked = form.split()
    return dalle_files.write_flax(tmp_path / "a", dtype, stacked == "stacked")


FORMS = (
    "flax float32 stacked",
    "flax float16 stacked",
    "flax float32 apart",
    "min-dalle",
    "min-dalle mini",
    "min-dalle folders",
)


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    """Text ids with padding, and codes."""
    generator = torch.Generator().manual_seed(3)
    text = torch.randint(3, 260, (3, 12), generator=generator)
    text[:, 0] = 0
    for row, length in enumerate((4, 9, 12)):
        text[row, length - 1] = 2
        text[row, length:] = 1
    return text, torch.randint(0, dalle_files.NUM_CODES, (3, 16), generator=generator)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_reference(tmp_path, form):
    importer, checkpoint = imported(*sources(tmp_path, form))
    assert importer == ("min_dalle" if form.startswith("min") else "dalle_mini")
    state, painted = dalle_files.bart_state(), dalle_files.vqgan_state()
    if "float16" in form:
        painted = {name: tensor.half().float() for name, tensor in painted.items()}
    if "float32" not in form:
        state = {name: tensor.half().float() for name, tensor in state.items()}
    bart, vqgan = checkpoint.network("bart"), checkpoint.network("vqgan")
    has_config = form.startswith("flax") or form == "min-dalle"
    start = dalle_files.START if has_config else dalle_files.ROWS - 1
    assert bart.config.start_id == start
    text, codes = inputs()
    with torch.no_grad():
        want = reference_dalle.dalle_bart(state, text, codes, start)
        got = bart(text, codes[:, :, None])[:, :, 0]
        pixels = reference_dalle.vqgan_decode(painted, codes.view(3, 4, 4)).clamp(0, 1)
        drawn = (vqgan.decode_codes(codes.view(3, 4, 4)) + 1) / 2
    assert want.std() > 0.5 and pixels.std() > 0.1
    assert (got - want).abs().max() < TOLERANCE
    assert (drawn - pixels).abs().max() < TOLERANCE
    assert vqgan.config.has_encoder == form.startswith("flax")


def test_the_vqgan_reads_pictures_as_the_reference(tmp_path):
    _, checkpoint = imported(*sources(tmp_path, "flax float32 stacked"))
    pixels = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        want = reference_dalle.vqgan_encode(dalle_files.vqgan_state(), pixels)
        got = checkpoint.network("vqgan").encode(pixels * 2 - 1)
    assert torch.equal(got, want) and len(want.unique()) > 3


def test_tamings_own_checkpoint(tmp_path):
    """Lightning's file with an optimiser, losses and all; pixels of [-1, 1] then."""
    state = dalle_files.vqgan_state()
    extras = {"loss.discriminator.main.0.weight": torch.ones(3), "loss.logvar": torch.ones(())}
    (tmp_path / "logs").mkdir()
    torch.save(
        {
            "epoch": 12,
            "state_dict": state | extras,
            "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}],
            "callbacks": {},
        },
        tmp_path / "logs" / "last.ckpt",
    )
    (tmp_path / "logs" / "model.yaml").write_text("params:\n  ddconfig:\n    resolution: 8\n")
    importer, checkpoint = imported(tmp_path / "logs")
    vqgan = checkpoint.network("vqgan")
    assert importer == "vqgan" and vqgan.config.pixel_range == (-1.0, 1.0)
    assert (vqgan.config.resolution, vqgan.config.attention_resolutions) == (8, (4,))
    codes = inputs()[1].view(3, 4, 4)
    with torch.no_grad():
        want = reference_dalle.vqgan_decode(state, codes).clamp(-1, 1)
        assert (vqgan.decode_codes(codes) - want).abs().max() < TOLERANCE


def test_sampling_is_the_references_code_for_code(tmp_path):
    """Super conditioning, top-k and a fixed row of random numbers; no cache on their side."""
    _, checkpoint = imported(*sources(tmp_path, "flax float32 stacked"))
    bart, state = checkpoint.network("bart"), dalle_files.bart_state()
    text, _ = inputs()
    empty = torch.tensor([[0, 2] + [1] * 10])
    uniforms = torch.rand(3, 16, 1, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    guidance, temperature, top_k, num_codes = 6.0, 0.9, 20, dalle_files.NUM_CODES

    codes = torch.zeros(3, 16, dtype=torch.int64)
    with torch.no_grad():
        for position in range(16):
            conditional, unconditional = (
                reference_dalle.dalle_bart(state, ids, codes, dalle_files.START)[:, position]
                for ids in (text, empty.expand(3, -1))
            )
            logits = (unconditional + guidance * (conditional - unconditional))[:, :num_codes]
            least = logits.topk(top_k).values[:, -1:]
            chances = (logits / temperature).masked_fill(logits < least, -torch.inf).softmax(-1)
            codes[:, position] = pick(chances, uniforms[:, position, 0])

        ids = torch.cat([text, empty])
        memory = bart.cross_cache(bart.encode(ids), ids).rows(torch.tensor([0, 1, 2, 3, 3, 3]))
        cache = static_cache(num_layers=2, num_rows=6, num_heads=2, length=16, head_width=64)
        got = sample(
            lambda previous, position: bart.step(previous, position, cache, memory),
            bart.code_logits,
            Controls(
                guidance=torch.full((3,), guidance),
                temperature=torch.full((3,), temperature),
                top_k=torch.full((3,), top_k),
                top_p=torch.ones(3),
                uniforms=uniforms,
            ),
            num_codes=num_codes,
        )
    assert torch.equal(got[:, :, 0], codes) and len(codes.unique()) > 10


def test_an_imported_model_draws(tmp_path):
    _, checkpoint = imported(*sources(tmp_path, "flax float16 stacked"))
    engine = LocalEngine(checkpoint)
    drawing = engine.draw([Request(prompt="The cat's on #TheMoon!", num_pictures=2, seed=7)])[0]
    assert [picture.pixels.shape for picture in drawing] == [(8, 8, 3)] * 2
    again = engine.draw([Request(prompt="The cat's on #TheMoon!", num_pictures=2, seed=7)])[0]
    assert np.array_equal(drawing[1].pixels, again[1].pixels)


def test_text_is_spelt_as_in_training(tmp_path):
    _, checkpoint = imported(*sources(tmp_path, "flax float16 stacked"))
    tokenizer = checkpoint.tokenizer()
    ids = tokenizer.encode("The cat's on #TheMoon!", 64)
    assert tokenizer.decode(ids) == "the cat's on the moon"
    assert ids[0] == 0 and ids.count(262) == 1  # the blank before "cat" belongs to its token
    assert tokenizer.encode("", 5) == [0, 2, 1, 1, 1]
    assert tokenizer.encode("cat", 5) == [0, 262, 2, 1, 1]


def test_without_its_vqgan_it_is_half_a_model(tmp_path):
    bart, vqgan = dalle_files.write_flax(tmp_path / "a")
    with pytest.raises(CheckpointError, match="give that folder as well"):
        importing.recognise(Found([bart]))
    assert importing.recognise(Found([vqgan]))[0] == "vqgan"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"ln_positions": "postln"}, "ln_positions is 'postln'"),
        ({"use_bias": True}, "use_bias is True"),
        ({"decoder_start_token_id": 99}, "decoder_start_token_id is 99"),
        ({"d_model": None}, "d_model is None"),
        ({"encoder_layers": 3}, "lacks"),
        ({"image_length": 17}, "embed_positions"),
    ],
)
def test_other_forms_of_the_network_are_refused(tmp_path, change, word):
    paths = dalle_files.write_flax(tmp_path / "a")
    (paths[0] / "config.json").write_text(json.dumps(dalle_files.CONFIG | change))
    found = Found(paths)
    with pytest.raises(CheckpointError, match=word):
        importing.check(importing.recognise(found)[1])
