"""Stable Diffusion's networks against diffusers and transformers, small and with random weights."""

from __future__ import annotations

import json

import diffusers
import numpy as np
import pytest
import torch
import transformers

import foreign_files
from nonette.checkpoints import importing
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.format import read
from nonette.checkpoints.importers import _clip, stable_diffusion, taesd
from nonette.core.errors import InputError
from nonette.core.types import Request
from nonette.engine import LocalEngine
from nonette.models.clip import ImageEncoder, TextEncoder
from nonette.models.kl_autoencoder import AutoencoderKL
from nonette.models.taesd import TAESD
from nonette.models.unet import UNet
from oracles import (
    assert_same,
    draws_the_same_without_readers,
    file_values,
    normal,
    randomise,
    with_weights_of,
)

SMALL = {
    "sample_size": 16,
    "block_out_channels": (32, 64, 64),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 24,
    "norm_num_groups": 8,
}
VERSION_2 = {"attention_head_dim": (2, 4, 4), "use_linear_projection": True}
XL = {
    "block_out_channels": (32, 64),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": (2, 4),
    "use_linear_projection": True,
    "transformer_layers_per_block": (1, 3),
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 6 * 256 + 20,
}
UPSCALER = {
    "in_channels": 7,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "only_cross_attention": (True, True, False),
    "num_class_embeds": 50,
    **VERSION_2,
}
UNETS = {
    "1.x": {},
    "2.x": VERSION_2,
    "inpainting": {"in_channels": 9},
    "upscaler": UPSCALER,
    "latent consistency": {"time_cond_proj_dim": 16},
    "XL": XL,
}


@torch.no_grad()
@pytest.mark.parametrize("kind", UNETS)
@pytest.mark.parametrize("size", [(16, 8), (9, 13)])
def test_unet(kind, size):
    theirs = randomise(diffusers.UNet2DConditionModel(**{**SMALL, **UNETS[kind]}))
    config = stable_diffusion.unet_config(file_values(theirs))
    ours = with_weights_of(theirs.state_dict(), UNet, config, stable_diffusion.UNET)
    x, context = normal(2, config.in_channels, *size), normal(2, 5, 24)
    timesteps = torch.tensor([7, 981])
    told, they_are_told = {}, {}
    if kind == "upscaler":
        told["classes"] = they_are_told["class_labels"] = torch.tensor([3, 49])
    if kind == "latent consistency":
        told["guidance"] = torch.tensor([0.0, 7.5])
        embed = diffusers.LatentConsistencyModelPipeline.get_guidance_scale_embedding
        they_are_told["timestep_cond"] = embed(None, told["guidance"], embedding_dim=16)
    if kind == "XL":
        told["pooled"], told["sizes"] = normal(2, 20), torch.arange(12).view(2, 6) * 50
        conditions = {"text_embeds": told["pooled"], "time_ids": told["sizes"]}
        they_are_told["added_cond_kwargs"] = conditions
    wanted = theirs(x, timesteps, context, **they_are_told).sample
    assert_same(ours(x, timesteps, context, **told), wanted)


@pytest.fixture(scope="module")
def autoencoders():
    count = 3
    theirs = diffusers.AutoencoderKL(
        block_out_channels=(16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * count,
        up_block_types=("UpDecoderBlock2D",) * count,
        layers_per_block=2,
        norm_num_groups=8,
        scaling_factor=0.2,
    )
    randomise(theirs)
    config = stable_diffusion.autoencoder_config(file_values(theirs))
    table = stable_diffusion.AUTOENCODER
    return theirs, with_weights_of(theirs.state_dict(), AutoencoderKL, config, table)


@torch.no_grad()
def test_autoencoder(autoencoders):
    theirs, ours = autoencoders
    pixels, noise = normal(2, 3, 24, 16).clamp(-1, 1), normal(2, 4, 6, 4)
    told = theirs.encode(pixels).latent_dist
    assert_same(ours.encode(pixels), told.mean * 0.2)
    assert_same(ours.encode(pixels, noise), (told.mean + told.std * noise) * 0.2)
    assert_same(ours.decode(noise), theirs.decode(noise / 0.2).sample)


@torch.no_grad()
def test_an_old_autoencoder_is_the_same(autoencoders):
    """Files from before 2023 have other names, and 1×1 convolutions for linears."""
    theirs, ours = autoencoders
    state = {}
    for name, tensor in theirs.state_dict().items():
        for old, new in stable_diffusion.OLD_AUTOENCODER_NAMES.items():
            name = name.replace(new, old)
        is_linear = "mid_block.attentions" in name and tensor.ndim == 2
        state[name] = tensor[..., None, None] if is_linear else tensor
    assert state.keys() != theirs.state_dict().keys()
    renamed = {stable_diffusion.autoencoder_name(name): one for name, one in state.items()}
    table = stable_diffusion.AUTOENCODER
    old = with_weights_of(renamed, AutoencoderKL, ours.config, table)
    for name, tensor in old.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name]), name


@torch.no_grad()
def test_tiny_autoencoder():
    theirs = randomise(
        diffusers.AutoencoderTiny(
            encoder_block_out_channels=(8, 8, 8),
            decoder_block_out_channels=(8, 8, 8),
            num_encoder_blocks=(1, 2, 1),
            num_decoder_blocks=(2, 3, 1),
        )
    )
    config = taesd.read_config(file_values(theirs))
    table = taesd.table(config)
    ours = with_weights_of(theirs.state_dict(), TAESD, config, table, is_numbered=False)
    pixels, latents = normal(2, 3, 24, 16).clamp(-1, 1), 3 * normal(2, 4, 6, 4)
    assert_same(ours.encode(pixels), theirs.encode(pixels).latents)
    assert_same(ours.decode(latents), theirs.decode(latents).sample)


@torch.no_grad()
def test_a_folder_as_the_library_saves_it(tmp_path, monkeypatch):
    """From files to files: what comes out of the store draws what went in."""
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "published"
    unet = randomise(diffusers.UNet2DConditionModel(**SMALL))
    text = transformers.CLIPTextConfig(
        hidden_size=24,
        intermediate_size=96,
        vocab_size=515,
        bos_token_id=513,
        eos_token_id=514,
        max_position_embeddings=9,
        **TOWER,
    )
    tower = randomise(transformers.CLIPTextModel(text))
    vae = diffusers.AutoencoderKL(block_out_channels=(8,), norm_num_groups=4)
    scheduler = diffusers.PNDMScheduler(beta_schedule="scaled_linear", steps_offset=1)
    parts = {"unet": unet, "vae": vae, "text_encoder": tower, "scheduler": scheduler}
    for part, network in parts.items():
        network.save_pretrained(folder / part)
    vocabulary, merges = foreign_files.clip_vocabulary()
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "tokenizer" / "merges.txt").write_text("\n".join(map(" ".join, merges)))
    index = {"_class_name": "StableDiffusionPipeline"}
    (folder / "model_index.json").write_text(json.dumps(index))

    found = Found([folder])
    importer, plan = importing.recognise(found)
    assert importer == "stable_diffusion"
    checkpoint = read(importing.write(plan, found, importer, "small"))
    assert checkpoint.settings["size"] == 16  # an autoencoder of one level shrinks nothing
    ids = torch.tensor([checkpoint.tokenizer().encode("a cat", 9)])
    states, _ = checkpoint.network("text_encoder")(ids)
    wanted = tower(ids).last_hidden_state
    assert_same(states, wanted)
    x, timesteps = normal(1, 4, 16, 16), torch.tensor([7])
    told = unet(x, timesteps, wanted).sample
    assert_same(checkpoint.network("denoiser")(x, timesteps, states), told)
    decoded = vae.eval().decode(x / 0.18215).sample
    torch.testing.assert_close(
        checkpoint.network("autoencoder").decode(x), decoded, atol=1e-4, rtol=0
    )
    draws_the_same_without_readers(checkpoint)


@pytest.mark.openvino
def test_a_folder_of_image_variations_varies_a_picture(tmp_path, monkeypatch):
    """From files to a picture: no words, no tokenizer."""
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "published"
    values = transformers.CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=80,
        image_size=24,
        patch_size=8,
        num_hidden_layers=1,
        num_attention_heads=4,
        projection_dim=24,
    )
    parts = {
        "unet": randomise(diffusers.UNet2DConditionModel(**SMALL)),
        "vae": randomise(diffusers.AutoencoderKL(block_out_channels=(8,), norm_num_groups=4)),
        "image_encoder": randomise(transformers.CLIPVisionModelWithProjection(values)),
        "scheduler": diffusers.PNDMScheduler(beta_schedule="scaled_linear", steps_offset=1),
    }
    for part, network in parts.items():
        network.save_pretrained(folder / part)
    (folder / "model_index.json").write_text(
        '{"_class_name": "StableDiffusionImageVariationPipeline"}'
    )
    found = Found([folder])
    importer, plan = importing.recognise(found)
    assert plan.settings["reads"] == "pictures"
    written = importing.write(plan, found, importer, "small")
    artist = LocalEngine(read(written), threads=1)
    source = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    wish = Request(prompt="", task="vary", source=source, num_pictures=2, seed=1, steps=2)
    (drawing,) = artist.draw([wish])
    assert [picture.pixels.shape for picture in drawing.pictures] == [(16, 16, 3)] * 2
    (other,) = LocalEngine(read(written), threads=1, device="openvino").draw([wish])
    for one, same_one in zip(drawing.pictures, other.pictures, strict=True):
        assert np.abs(one.pixels.astype(int) - same_one.pixels).mean() < 4  # both may round
    with pytest.raises(InputError, match="reads no words"):
        artist.draw([Request(prompt="a cat", num_pictures=1, seed=1)])


TOWER = {"num_hidden_layers": 3, "num_attention_heads": 4, "projection_dim": 12}


@torch.no_grad()
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("reads", ["last", "penultimate"])
@pytest.mark.parametrize("has_projection", [True, False])
def test_text_tower(activation, reads, has_projection):
    own = {"hidden_act": activation, "vocab_size": 60, "max_position_embeddings": 9}
    sizes = {"hidden_size": 32, "intermediate_size": 128}
    ends = {"bos_token_id": 58, "eos_token_id": 59, "pad_token_id": 0}
    values = transformers.CLIPTextConfig(**TOWER, **own, **sizes, **ends)
    kinds = transformers.CLIPTextModel, transformers.CLIPTextModelWithProjection
    theirs = randomise(kinds[has_projection](values))
    state = {_clip.text_name(name): one for name, one in theirs.state_dict().items()}
    config = _clip.text_config(
        values.to_diff_dict(), "config.json", has_projection=has_projection, reads=reads
    )
    ours = with_weights_of(state, TextEncoder, config, _clip.TEXT)
    ids = torch.tensor([[58, 3, 4, 59, 0, 0, 0, 0, 0], [58, 3, 9, 9, 9, 59, 59, 59, 59]])
    told = theirs(ids, output_hidden_states=True)
    states, vectors = ours(ids)
    assert_same(states, told.last_hidden_state if reads == "last" else told.hidden_states[-2])
    assert_same(vectors, told.text_embeds if has_projection else told.pooler_output)


@torch.no_grad()
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_image_tower(activation):
    sizes = {"hidden_size": 32, "intermediate_size": 80, "image_size": 24, "patch_size": 8}
    values = transformers.CLIPVisionConfig(**TOWER, **sizes, hidden_act=activation)
    theirs = randomise(transformers.CLIPVisionModelWithProjection(values))
    preprocessing = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}
    config = _clip.image_config(values.to_diff_dict(), "config.json", preprocessing)
    ours = with_weights_of(theirs.state_dict(), ImageEncoder, config, _clip.IMAGE)
    pixels = normal(2, 3, 24, 24).clamp(-1, 1)
    mean, std = (torch.tensor(preprocessing[f"image_{one}"]) for one in ("mean", "std"))
    normalised = ((pixels + 1) / 2 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    assert_same(ours(pixels), theirs(normalised).image_embeds)
