"""DeepFloyd IF's UNets and T5's encoder against diffusers and transformers, small, random."""

from __future__ import annotations

import diffusers
import pytest
import torch
import transformers

import foreign_files
from nonette.checkpoints import importing
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.format import read
from nonette.checkpoints.importers import _diffusers, deepfloyd
from nonette.models.pixel_unet import PixelUNet
from nonette.models.t5 import T5Encoder
from oracles import (
    assert_same,
    draws_the_same_without_readers,
    file_values,
    normal,
    randomise,
    with_weights_of,
)

STAGE_1 = {
    "in_channels": 3,
    "out_channels": 6,
    "block_out_channels": (32, 64, 64),
    "layers_per_block": 1,
    "down_block_types": ("ResnetDownsampleBlock2D",) + ("SimpleCrossAttnDownBlock2D",) * 2,
    "up_block_types": ("SimpleCrossAttnUpBlock2D",) * 2 + ("ResnetUpsampleBlock2D",),
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "act_fn": "gelu",
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 4,
    "attention_head_dim": 16,
    "cross_attention_dim": 64,
    "cross_attention_norm": "group_norm",
    "encoder_hid_dim": 24,
    "mid_block_scale_factor": 1.414,
    "resnet_out_scale_factor": 1.414,
    "resnet_skip_time_act": True,
    "resnet_time_scale_shift": "scale_shift",
    "time_embedding_act_fn": "gelu",
}
STAGE_2 = {
    **STAGE_1,
    "in_channels": 6,
    "layers_per_block": (1, 2, 1),
    "class_embed_type": "timestep",
    "only_cross_attention": True,
}


@torch.no_grad()
@pytest.mark.parametrize("stage", [STAGE_1, STAGE_2], ids=["first", "second"])
def test_unet(stage):
    theirs = randomise(diffusers.UNet2DConditionModel(**stage))
    config = _diffusers.pixel_unet_config(file_values(theirs), "config.json")
    ours = with_weights_of(theirs.state_dict(), PixelUNet, config, _diffusers.PIXEL_UNET)
    x, timesteps = normal(2, config.in_channels, 16, 8), torch.tensor([3, 990])
    context = normal(2, 7, 24)
    told, they_are_told = {}, {}
    if config.told == "noise_level":
        told["noise_level"] = they_are_told["class_labels"] = torch.tensor([20, 250])
    wanted = theirs(x, timesteps, context, **they_are_told).sample
    assert_same(ours(x, timesteps, context, **told), wanted)


def t5() -> transformers.T5EncoderModel:
    """A small encoder, as wide as `STAGE_1` reads."""
    values = transformers.T5Config(
        vocab_size=500,
        d_model=24,
        d_kv=8,
        d_ff=40,
        num_layers=3,
        num_heads=4,
        feed_forward_proj="gated-gelu",
    )
    return randomise(transformers.T5EncoderModel(values))


@torch.no_grad()
def test_t5():
    theirs = t5()
    config = deepfloyd.t5_config(theirs.config.to_diff_dict())
    state = {
        name: tensor
        for name, tensor in theirs.state_dict().items()
        if not name.startswith(deepfloyd.T5_DROPPED)
    }
    ours = with_weights_of(state, T5Encoder, config, deepfloyd.T5)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 50, (2, 150), generator=generator)  # farther apart than any bucket
    mask = torch.ones_like(ids, dtype=torch.bool)
    mask[1, 9:] = False
    told = theirs(ids, attention_mask=mask.long()).last_hidden_state
    assert_same(ours(ids, mask)[mask], told[mask])
    assert_same(ours(ids), theirs(ids).last_hidden_state)


@torch.no_grad()
def test_a_folder_as_the_library_saves_it(tmp_path, monkeypatch):
    """From files to files: what comes out of the store draws what went in."""
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "published"
    unet, encoder = randomise(diffusers.UNet2DConditionModel(**STAGE_1)), t5()
    unet.save_pretrained(folder / "unet")
    encoder.save_pretrained(folder / "text_encoder")
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "spiece.model").write_bytes(foreign_files.unigram_model())
    (folder / "model_index.json").write_text('{"_class_name": "IFPipeline"}')
    found = Found([folder])
    importer, plan = importing.recognise(found)
    assert importer == "deepfloyd"
    checkpoint = read(importing.write(plan, found, importer, "small"))
    ids = torch.tensor([[3, 4, 5, 1]])
    states = checkpoint.network("text_encoder")(ids)
    assert_same(states, encoder(ids).last_hidden_state)
    x, timesteps = normal(1, 3, 16, 16), torch.tensor([7])
    wanted = unet(x, timesteps, states).sample
    assert_same(checkpoint.network("denoiser")(x, timesteps, states), wanted)
    tokenizer = checkpoint.tokenizer()
    assert tokenizer.encode("A red CAT", 9) == tokenizer.encode("a red cat", 9)  # as IF reads it
    draws_the_same_without_readers(checkpoint)
