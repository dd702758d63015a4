"""A whole drawing of Karlo's pipeline in diffusers, small and with random weights.

Same weights, same words, same noise. The reference draws new noise on every step by a schedule of
its own; here it is given one without, so that both walk the same straight line.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers
from diffusers.pipelines.deprecated.unclip.pipeline_unclip import UnCLIPPipeline
from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel
from torch import Tensor

from nonette.checkpoints.importers import _clip, _diffusers, karlo
from nonette.diffusion import schedules
from nonette.models.clip import TextEncoder
from nonette.models.pixel_unet import PixelUNet
from nonette.models.unclip import Prior, TextProjection
from nonette.pipelines._steps import Job, generator
from nonette.pipelines.dalle2 import PRIOR_STREAM, Dalle2
from oracles import file_values, randomise, with_weights_of

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning", "ignore::FutureWarning"
)

LENGTH, SIZE, LARGE, STEPS = 8, 16, 32, 4  # of steps the table's ends are whole parts
TABLE = schedules.sigma_table(schedules.cosine_betas())
UNET = {
    "sample_size": SIZE,
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
    "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "attention_head_dim": 8,
    "norm_num_groups": 8,
    "cross_attention_dim": 12,
    "class_embed_type": "identity",
    "resnet_time_scale_shift": "scale_shift",
    "in_channels": 3,
    "out_channels": 6,
}
UPSAMPLER = {
    "sample_size": LARGE,
    "in_channels": 6,
    "out_channels": 3,
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "down_block_types": ("ResnetDownsampleBlock2D",) * 2,
    "up_block_types": ("ResnetUpsampleBlock2D",) * 2,
    "add_attention": False,
    "norm_num_groups": 8,
}
TOWER = transformers.CLIPTextConfig(
    hidden_size=16,
    intermediate_size=64,
    num_hidden_layers=1,
    num_attention_heads=2,
    vocab_size=60,
    bos_token_id=58,
    eos_token_id=59,
    pad_token_id=0,
    max_position_embeddings=LENGTH,
    projection_dim=16,
)


class Letters:
    """A tokenizer of letters, as ours and, called, as the reference's."""

    model_max_length = LENGTH

    def encode(self, text: str, length: int) -> list[int]:
        letters = [4 + ord(letter) % 36 for letter in text][: length - 2]
        return [58, *letters, 59] + [0] * (length - 2 - len(letters))

    def __call__(self, texts: Any, **others: Any) -> SimpleNamespace:
        texts = [texts] if isinstance(texts, str) else texts
        ids = torch.tensor([self.encode(text, LENGTH) for text in texts])
        lengths = torch.tensor([min(len(text) + 2, LENGTH) for text in texts])
        mask = torch.arange(LENGTH) < lengths[:, None]
        return SimpleNamespace(input_ids=ids, attention_mask=mask.int())


class StraightScheduler:
    """DDIM without noise on Karlo's timesteps."""

    init_noise_sigma = 1.0

    def __init__(self, prediction: str, most: float) -> None:
        self.prediction, self.most = prediction, most
        self.config = SimpleNamespace()

    def set_timesteps(self, count: int, device: Any = None) -> None:
        self.timesteps = torch.from_numpy(np.linspace(0, 999, count).round()[::-1].copy()).long()

    def step(self, said: Tensor, timestep: Tensor, sample: Tensor, **others: Any) -> Any:
        said = said[:, : sample.shape[1]]
        here, after = TABLE[int(timestep)], others["prev_timestep"]
        there = 0.0 if after is None else TABLE[int(after)]
        x = sample * (1 + here**2) ** 0.5
        x0 = said if self.prediction == "sample" else x - here * said
        x0 = x0.clamp(-self.most, self.most)
        x = x0 + there / here * (x - x0)
        return SimpleNamespace(prev_sample=x / (1 + there**2) ** 0.5)


@torch.no_grad()
def test_a_drawing_is_the_reference_s() -> None:
    prior = randomise(
        diffusers.PriorTransformer(
            num_attention_heads=4,
            attention_head_dim=8,
            num_layers=1,
            embedding_dim=16,
            num_embeddings=LENGTH,
        )
    )
    decoder = randomise(diffusers.UNet2DConditionModel(**UNET), seed=1)
    projection = randomise(
        UnCLIPTextProjModel(clip_embeddings_dim=16, time_embed_dim=64, cross_attention_dim=12)
    )
    tower = randomise(transformers.CLIPTextModelWithProjection(TOWER))
    upsamplers = [randomise(diffusers.UNet2DModel(**UPSAMPLER), seed) for seed in (2, 3)]
    reference = UnCLIPPipeline(
        prior=prior,
        decoder=decoder,
        text_encoder=tower,
        tokenizer=Letters(),
        text_proj=projection,
        super_res_first=upsamplers[0],
        super_res_last=upsamplers[1],
        prior_scheduler=StraightScheduler("sample", 5.0),
        decoder_scheduler=StraightScheduler("epsilon", 1.0),
        super_res_scheduler=StraightScheduler("epsilon", 1.0),
    )
    reference.set_progress_bar_config(disable=True)

    ours = Dalle2(
        prior=_ours(prior, Prior, karlo.prior_config(file_values(prior)), karlo.PRIOR),
        decoder=_unet(decoder, _diffusers.pixel_unet_config),
        text_projection=_ours(
            projection,
            TextProjection,
            karlo.text_projection_config(file_values(projection)),
            karlo.TEXT_PROJECTION,
        ),
        text_encoder=_text_encoder(tower),
        tokenizer=Letters(),
        upsampler=_unet(upsamplers[0], karlo.upsampler_config),
        last_upsampler=_unet(upsamplers[1], karlo.upsampler_config),
        settings={
            "size": SIZE,
            "num_seats": 1,
            "sampler": "ddim",
            "prior": {"steps": STEPS},
            "upsampler": {"size": LARGE, "steps": STEPS, "sampler": "ddim"},
        },
    )
    job = Job(prompt="a red", seeds=(5,), guidance=3.0, steps=STEPS)
    (drawn,) = ours([job])

    pixels = generator(5)
    wanted = reference(
        job.prompt,
        prior_num_inference_steps=STEPS,
        decoder_num_inference_steps=STEPS,
        super_res_num_inference_steps=STEPS,
        prior_latents=torch.randn(16, 1, 1, generator=generator(5 + PRIOR_STREAM))[None, :, 0, 0],
        decoder_latents=torch.randn(3, SIZE, SIZE, generator=pixels)[None],
        super_res_latents=torch.randn(3, LARGE, LARGE, generator=pixels)[None],
        prior_guidance_scale=4.0,
        decoder_guidance_scale=job.guidance,
        output_type="np",
    ).images
    wanted = np.round(wanted * 255)
    assert wanted.std() > 20, "the oracle says next to nothing"
    apart = np.abs(drawn.astype(float) - wanted)  # x0 of epsilon is coarse where sigma is 20,000
    assert apart.mean() < 0.1 and apart.max() <= 8


def _ours(theirs: Any, network: Any, config: Any, table: Any) -> Any:
    return with_weights_of(theirs.state_dict(), network, config, table)


def _unet(theirs: Any, config_of: Any) -> Any:
    config = config_of(file_values(theirs), "config.json")
    return _ours(theirs, PixelUNet, config, _diffusers.PIXEL_UNET)


def _text_encoder(tower: Any) -> Any:
    values = TOWER.to_diff_dict()
    config = _clip.text_config(values, "config.json", has_projection=True, reads="last")
    state = {_clip.text_name(key): one for key, one in tower.state_dict().items()}
    return with_weights_of(state, TextEncoder, config, _clip.TEXT)
