"""Karlo's networks against diffusers, small and with random weights."""

from __future__ import annotations

import diffusers
import pytest
import torch
from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel

from nonette.checkpoints.importers import _diffusers, karlo
from nonette.models.pixel_unet import PixelUNet
from nonette.models.unclip import Prior, TextProjection
from oracles import assert_same, file_values, normal, randomise, with_weights_of

MASK = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])


@torch.no_grad()
def test_prior():
    theirs = randomise(
        diffusers.PriorTransformer(
            num_attention_heads=4,
            attention_head_dim=8,
            num_layers=2,
            embedding_dim=12,
            num_embeddings=5,
        )
    )
    config = karlo.prior_config(file_values(theirs))
    ours = with_weights_of(theirs.state_dict(), Prior, config, karlo.PRIOR)
    x, sentence, states = normal(2, 12), normal(2, 12, seed=2), normal(2, 5, 12)
    timesteps = torch.tensor([3, 990])
    for mask in (MASK, torch.ones_like(MASK)):
        told = theirs(x, timesteps, sentence, states, mask).predicted_image_embedding
        assert_same(ours(x, timesteps, sentence, states, mask), told)
    assert_same(ours.denormalise(x), theirs.post_process_latents(x))


@torch.no_grad()
def test_text_projection():
    theirs = randomise(
        UnCLIPTextProjModel(clip_embeddings_dim=12, time_embed_dim=20, cross_attention_dim=16)
    )
    config = karlo.text_projection_config(file_values(theirs))
    ours = with_weights_of(theirs.state_dict(), TextProjection, config, karlo.TEXT_PROJECTION)
    picture, sentence, states = normal(2, 12), normal(4, 12, seed=2), normal(4, 5, 12)
    wanted = theirs(
        image_embeddings=picture,
        prompt_embeds=sentence,
        text_encoder_hidden_states=states,
        do_classifier_free_guidance=True,
    )
    without = ours(None, sentence[:2], states[:2])
    with_picture = ours(picture, sentence[2:], states[2:])
    for one, other, want in zip(without, with_picture, wanted, strict=True):
        assert_same(torch.cat([one, other]), want)


@torch.no_grad()
def test_decoder():
    theirs = randomise(
        diffusers.UNet2DConditionModel(
            in_channels=3,
            out_channels=6,
            block_out_channels=(16, 32, 32),
            layers_per_block=2,
            down_block_types=("ResnetDownsampleBlock2D",) + ("SimpleCrossAttnDownBlock2D",) * 2,
            up_block_types=("SimpleCrossAttnUpBlock2D",) * 2 + ("ResnetUpsampleBlock2D",),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            attention_head_dim=8,
            norm_num_groups=8,
            cross_attention_dim=12,
            class_embed_type="identity",
            resnet_time_scale_shift="scale_shift",
        )
    )
    config = _diffusers.pixel_unet_config(file_values(theirs), "config.json")
    ours = with_weights_of(theirs.state_dict(), PixelUNet, config, _diffusers.PIXEL_UNET)
    x, timesteps = normal(2, 3, 16, 8), torch.tensor([3, 990])
    context, vector = normal(2, 5, 12), normal(2, 64)
    for mask in (MASK, None):
        wanted = theirs(x, timesteps, context, class_labels=vector, attention_mask=mask).sample
        assert_same(ours(x, timesteps, context, mask=mask, vector=vector), wanted)


@torch.no_grad()
@pytest.mark.parametrize("shift", ["default", "scale_shift"])
def test_upsampler(shift):
    theirs = randomise(
        diffusers.UNet2DModel(
            in_channels=6,
            out_channels=3,
            block_out_channels=(16, 32),
            layers_per_block=2,
            down_block_types=("ResnetDownsampleBlock2D",) * 2,
            up_block_types=("ResnetUpsampleBlock2D",) * 2,
            add_attention=False,
            norm_num_groups=8,
            resnet_time_scale_shift=shift,
        )
    )
    config = karlo.upsampler_config(file_values(theirs), "config.json")
    ours = with_weights_of(theirs.state_dict(), PixelUNet, config, _diffusers.PIXEL_UNET)
    x, timesteps = normal(2, 6, 16, 8), torch.tensor([3, 990])
    assert_same(ours(x, timesteps), theirs(x, timesteps).sample)
