"""Whole drawings against diffusers' own pipelines, small and with random weights, byte for byte ±1.

Same weights, same words, same seed: the reference gets the states of our words, since its
tokenizer needs files that nobody ships.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers

from nonette.checkpoints.importers import _clip, stable_diffusion
from nonette.models import clip
from nonette.models.clip import ImageEncoder, TextEncoder
from nonette.models.kl_autoencoder import AutoencoderKL
from nonette.models.unet import UNet
from nonette.pipelines import _steps
from nonette.pipelines import stable_diffusion as drawing
from nonette.pipelines._steps import Job
from nonette.pipelines.stable_diffusion import StableDiffusion
from oracles import file_values, randomise, with_weights_of

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning", "ignore::FutureWarning"
)

SIDE, CHANNELS = 16, 4  # of the latents
UNET = {
    "sample_size": SIDE,
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 24,
    "norm_num_groups": 8,
}
SCHEDULER = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
DDIM = SCHEDULER | {"clip_sample": False, "set_alpha_to_one": False}
CASES: dict[str, dict[str, Any]] = {
    "1.x, PNDM": {
        "scheduler": lambda: diffusers.PNDMScheduler(**SCHEDULER, skip_prk_steps=True),
        "sampler": "plms",
    },
    "2.x, DDIM on v": {
        "scheduler": lambda: diffusers.DDIMScheduler(**DDIM, prediction_type="v_prediction"),
        "sampler": "ddim",
        "unet": {"attention_head_dim": (2, 4), "use_linear_projection": True},
    },
    "DPM-Solver++ 2M": {
        "scheduler": lambda: diffusers.DPMSolverMultistepScheduler(**SCHEDULER),
        "sampler": "dpmpp_2m",
    },
    "inpainting, DDIM": {
        "scheduler": lambda: diffusers.DDIMScheduler(**DDIM),
        "sampler": "ddim",
        "unet": {"in_channels": 9},
        "pipeline": "StableDiffusionInpaintPipeline",
    },
    "latent consistency": {
        "scheduler": lambda: diffusers.LCMScheduler(**SCHEDULER),
        "sampler": "lcm",
        "unet": {"time_cond_proj_dim": 16},
        "pipeline": "LatentConsistencyModelPipeline",
    },
}
JOB = Job(prompt="a red cat", seeds=(5, 6), guidance=5.0, steps=5)


class Letters:
    """A tokenizer of letters."""

    def __init__(self, pad: int = 0) -> None:
        self.pad = pad

    def encode(self, text: str, length: int) -> list[int]:
        letters = self.words(text)[: length - 2]
        return [58, *letters, 59] + [self.pad] * (length - 2 - len(letters))

    def words(self, text: str) -> list[int]:
        return [4 + ord(letter) % 36 for letter in text]


def autoencoder() -> diffusers.AutoencoderKL:
    """Random, and sure of its latents: the reference draws them by lot, we take the likeliest."""
    theirs = randomise(
        diffusers.AutoencoderKL(
            block_out_channels=(8, 16),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
        )
    )
    with torch.no_grad():
        theirs.quant_conv.weight[CHANNELS:] = 0
        theirs.quant_conv.bias[CHANNELS:] = -30
    return theirs


@torch.no_grad()
@pytest.mark.parametrize("name", CASES)
def test_a_drawing_is_the_reference_s(name: str) -> None:
    case = CASES[name]
    unet = randomise(diffusers.UNet2DConditionModel(**UNET | case.get("unet", {})))
    vae = autoencoder()
    values = transformers.CLIPTextConfig(
        hidden_size=24,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        vocab_size=60,
        bos_token_id=58,
        eos_token_id=59,
        pad_token_id=0,
        max_position_embeddings=12,
    )
    tower = randomise(transformers.CLIPTextModel(values))
    text = _clip.text_config(
        values.to_diff_dict(), "config.json", has_projection=False, reads="last"
    )
    tower_state = {_clip.text_name(key): one for key, one in tower.state_dict().items()}
    scheduler = case["scheduler"]()
    path = stable_diffusion.read_scheduler(
        {**scheduler.config, "_class_name": type(scheduler).__name__}, name == "latent consistency"
    )
    ours = StableDiffusion(
        denoiser=with_weights_of(
            unet.state_dict(),
            UNet,
            stable_diffusion.unet_config(file_values(unet)),
            stable_diffusion.UNET,
        ),
        autoencoder=with_weights_of(
            vae.state_dict(),
            AutoencoderKL,
            stable_diffusion.autoencoder_config(file_values(vae)),
            stable_diffusion.AUTOENCODER,
        ),
        text_encoder=with_weights_of(tower_state, TextEncoder, text, _clip.TEXT),
        tokenizer=Letters(),
        settings={"diffusion": path, "size": 2 * SIDE, "num_seats": 2, "sampler": case["sampler"]},
    )
    job, told = JOB, {}
    if "Inpaint" in case.get("pipeline", ""):
        source = np.random.default_rng(0).integers(0, 256, (2 * SIDE, 2 * SIDE, 3), dtype=np.uint8)
        mask = np.zeros((2 * SIDE, 2 * SIDE), dtype=bool)
        mask[8:20, 4:30] = True
        job = dataclasses.replace(JOB, task="edit", source=source, mask=mask)
        told["image"] = torch.from_numpy(source).permute(2, 0, 1)[None] / 127.5 - 1
        told["mask_image"] = torch.from_numpy(mask)[None, None].float()
    ids = {words: torch.tensor([Letters().encode(words, 12)] * 2) for words in ("a red cat", "")}
    if "Latent" not in case.get("pipeline", ""):
        told["negative_prompt_embeds"] = tower(ids[""]).last_hidden_state
    pipeline = getattr(diffusers, case.get("pipeline", "StableDiffusionPipeline"))
    theirs = pipeline(
        vae=vae,
        text_encoder=tower,
        tokenizer=None,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    theirs.set_progress_bar_config(disable=True)
    wanted = theirs(
        prompt_embeds=tower(ids["a red cat"]).last_hidden_state,
        height=2 * SIDE,
        width=2 * SIDE,
        num_inference_steps=5,
        guidance_scale=5.0,
        generator=[torch.Generator().manual_seed(seed) for seed in (5, 6)],
        output_type="np",
        **told,
    ).images
    levels = np.round(wanted * 255).astype(int)
    (found,) = ours([job])
    assert levels.std() > 20, "the reference draws next to nothing"
    difference = np.abs(found - levels)
    if job.mask is not None:
        assert (found[:, ~job.mask] == job.source[~job.mask]).all()
        difference = difference[:, job.mask]
    assert difference.max() <= 1


@torch.no_grad()
@pytest.mark.parametrize("negative", ["", "mud"])
def test_xl_draws_as_the_reference(negative: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two towers, the whole sentence, sizes; no negative prompt is zeros; 20 steps within 1e-3."""
    told = {"num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 12}
    ends = {"vocab_size": 60, "bos_token_id": 58, "eos_token_id": 59, "pad_token_id": 0}
    sizes = ({"hidden_size": 24}, {"hidden_size": 16, "hidden_act": "gelu", "projection_dim": 20})
    towers, readers = [], []
    for i, own in enumerate(sizes):
        values = transformers.CLIPTextConfig(
            **told, **ends, **own, intermediate_size=4 * own["hidden_size"]
        )
        kind = transformers.CLIPTextModelWithProjection if i else transformers.CLIPTextModel
        towers.append(randomise(kind(values), seed=i))
        config = _clip.text_config(
            values.to_diff_dict(), "config.json", has_projection=bool(i), reads="penultimate"
        )
        state = {_clip.text_name(key): one for key, one in towers[i].state_dict().items()}
        readers.append(with_weights_of(state, TextEncoder, config, _clip.TEXT))
    values = UNET | {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (2, 4),
        "transformer_layers_per_block": (1, 2),
        "cross_attention_dim": 40,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 6 * 256 + 20,
    }
    unet, vae = randomise(diffusers.UNet2DConditionModel(**values)), autoencoder()
    scheduler = diffusers.EulerDiscreteScheduler(**SCHEDULER)
    ours = StableDiffusion(
        denoiser=with_weights_of(
            unet.state_dict(),
            UNet,
            stable_diffusion.unet_config(file_values(unet)),
            stable_diffusion.UNET,
        ),
        autoencoder=with_weights_of(
            vae.state_dict(),
            AutoencoderKL,
            stable_diffusion.autoencoder_config(file_values(vae)),
            stable_diffusion.AUTOENCODER,
        ),
        text_encoder=readers[0],
        text_encoder_2=readers[1],
        tokenizer=Letters(pad=59),
        settings={
            "diffusion": stable_diffusion.read_scheduler(
                {**scheduler.config, "_class_name": "EulerDiscreteScheduler"}, False
            ),
            "size": 2 * SIDE,
            "num_seats": 2,
            "sampler": "euler",
            "second_padding": 0,
            "empty_is_zero": True,
        },
    )

    def embedded(words: str) -> tuple[torch.Tensor, torch.Tensor]:
        first, second = (
            tower(torch.tensor([Letters(pad=pad).encode(words, 12)] * 2), output_hidden_states=True)
            for tower, pad in zip(towers, (59, 0), strict=True)
        )
        states = [one.hidden_states[-2] for one in (first, second)]
        return torch.cat(states, dim=-1), second.text_embeds

    pipeline = diffusers.StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=towers[0],
        text_encoder_2=towers[1],
        tokenizer=None,
        tokenizer_2=None,
        unet=unet,
        scheduler=scheduler,
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    given = dict(zip(("prompt_embeds", "pooled_prompt_embeds"), embedded("a red cat"), strict=True))
    if negative:
        names = ("negative_prompt_embeds", "negative_pooled_prompt_embeds")
        given |= dict(zip(names, embedded(negative), strict=True))
    wanted = pipeline(
        **given,
        height=2 * SIDE,
        width=2 * SIDE,
        num_inference_steps=20,
        guidance_scale=5.0,
        generator=[torch.Generator().manual_seed(seed) for seed in (5, 6)],
        output_type="pt",
    ).images
    painted: list[torch.Tensor] = []
    monkeypatch.setattr(drawing, "to_uint8", lambda x: painted.append(x) or _steps.to_uint8(x))
    ours([dataclasses.replace(JOB, steps=20, negative_prompt=negative)])
    assert wanted.std() > 0.08, "the reference draws next to nothing"
    torch.testing.assert_close(
        (torch.cat(painted) / 2 + 0.5).clamp(0, 1), wanted, atol=1e-3, rtol=0
    )


@torch.no_grad()
def test_image_variations_are_the_reference_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture as one token, nothing as zeros; 20 steps within 1e-3."""
    unet, vae = randomise(diffusers.UNet2DConditionModel(**UNET)), autoencoder()
    values = transformers.CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=80,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=24,
        image_size=24,
        patch_size=8,
    )
    eye = randomise(transformers.CLIPVisionModelWithProjection(values))
    config = _clip.image_config(values.to_diff_dict(), "config.json", {})
    scheduler = diffusers.PNDMScheduler(**SCHEDULER, skip_prk_steps=True)
    ours = StableDiffusion(
        denoiser=with_weights_of(
            unet.state_dict(),
            UNet,
            stable_diffusion.unet_config(file_values(unet)),
            stable_diffusion.UNET,
        ),
        autoencoder=with_weights_of(
            vae.state_dict(),
            AutoencoderKL,
            stable_diffusion.autoencoder_config(file_values(vae)),
            stable_diffusion.AUTOENCODER,
        ),
        image_encoder=with_weights_of(eye.state_dict(), ImageEncoder, config, _clip.IMAGE),
        tokenizer=None,
        settings={
            "diffusion": stable_diffusion.read_scheduler(
                {**scheduler.config, "_class_name": "PNDMScheduler"}, False
            ),
            "size": 2 * SIDE,
            "num_seats": 2,
            "sampler": "plms",
        },
    )
    source = np.random.default_rng(0).integers(0, 256, (2 * SIDE, 2 * SIDE, 3), dtype=np.uint8)
    pixels = torch.from_numpy(source).permute(2, 0, 1)[None] / 255
    small = torch.nn.functional.interpolate(pixels, (24, 24), mode="bicubic", antialias=True)
    mean, std = (torch.tensor(one).view(3, 1, 1) for one in (clip.OPENAI_MEAN, clip.OPENAI_STD))
    pipeline = diffusers.StableDiffusionImageVariationPipeline(
        vae=vae,
        image_encoder=eye,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=transformers.CLIPImageProcessor(),
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    wanted = pipeline(
        (small.clamp(0, 1) - mean) / std,
        height=2 * SIDE,
        width=2 * SIDE,
        num_inference_steps=20,
        guidance_scale=5.0,
        num_images_per_prompt=2,
        generator=[torch.Generator().manual_seed(seed) for seed in (5, 6)],
        output_type="pt",
    ).images
    painted: list[torch.Tensor] = []
    monkeypatch.setattr(drawing, "to_uint8", lambda x: painted.append(x) or _steps.to_uint8(x))
    ours([dataclasses.replace(JOB, steps=20, task="vary", source=source, strength=1.0)])
    assert wanted.std() > 0.08, "the reference draws next to nothing"
    torch.testing.assert_close(
        (torch.cat(painted) / 2 + 0.5).clamp(0, 1), wanted, atol=1e-3, rtol=0
    )
