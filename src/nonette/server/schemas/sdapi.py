"""The requests and answers of the `/sdapi/v1` dialect, as far as its clients need them.

Its clients send dozens of settings by habit, so what is not known here is accepted, changes
nothing, and is named in the answer's `info`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from nonette.core import checks, types

MOST_PICTURES = 16

SAMPLERS: Mapping[str, str] = {
    "DDIM": "ddim",
    "DPM++ 2M": "dpmpp_2m",
    "DPM++ 2M SDE": "dpmpp_2m_sde",
    "Euler": "euler",
    "Euler a": "euler_ancestral",
    "Heun": "heun",
    "LCM": "lcm",
    "PLMS": "plms",
    "UniPC": "unipc",
}
"""Samplers as this dialect calls them, and as we do."""


class Txt2Img(BaseModel):
    """A wish for pictures of a sentence."""

    model_config = ConfigDict(extra="allow")

    prompt: str = Field(default="", examples=["a kangaroo made of cheese on the moon"])
    negative_prompt: str = ""
    seed: int = Field(default=-1, ge=-1, le=types.MAX_SEED, description="-1 is by lot.")
    steps: int | None = Field(default=None, ge=1, le=1000)
    cfg_scale: float | None = Field(default=None, ge=0, le=types.MAX_GUIDANCE)
    width: int | None = Field(default=None, ge=16, le=checks.MAX_SIDE)
    height: int | None = Field(default=None, ge=16, le=checks.MAX_SIDE)
    batch_size: int = Field(default=1, ge=1, le=MOST_PICTURES)
    n_iter: int = Field(default=1, ge=1, le=MOST_PICTURES)
    sampler_name: str | None = Field(default=None, examples=["Euler a"])
    sampler_index: str | None = Field(default=None, description="Another name of sampler_name.")
    override_settings: dict[str, Any] | None = Field(
        default=None, description="`sd_model_checkpoint` is the model; nothing else counts."
    )
    send_images: bool = True


class Img2Img(Txt2Img):
    """A wish to draw a picture anew, wholly or where a mask is white."""

    init_images: list[str] = Field(description="One picture, in base64 or as a data URL.")
    mask: str | None = Field(default=None, description="White where it is drawn anew.")
    inpainting_mask_invert: Literal[0, 1] = 0
    denoising_strength: float = Field(default=0.75, ge=0, le=1)
    resize_mode: Literal[0, 1] = Field(default=0, description="0 stretches, 1 crops.")


class Pictures(BaseModel):
    """Pictures as PNG files in base64, the best match first, and what is known of them."""

    images: list[str]
    parameters: dict[str, Any]
    info: str = Field(description="JSON as text, as this dialect has it.")


class State(BaseModel):
    """How far the caller's work is."""

    skipped: bool = False
    interrupted: bool = False
    job: str = ""
    job_count: int = 0
    job_no: int = 0
    sampling_step: int = 0
    sampling_steps: int = 0


class Progress(BaseModel):
    """How far the caller's work is, 0 to 1; previews are the jobs API's."""

    progress: float
    eta_relative: float
    state: State
    current_image: None = None
    textinfo: str | None = None


class Options(BaseModel):
    """The settings of the caller that count here."""

    model_config = ConfigDict(extra="allow")

    sd_model_checkpoint: str | None = None


class SamplerItem(BaseModel):
    """A sampler of models that have any."""

    name: str
    aliases: list[str]
    options: dict[str, str] = Field(default_factory=dict)


class ModelItem(BaseModel):
    """A model that can be asked for."""

    title: str
    model_name: str
    hash: str | None = None
    sha256: str | None = None
    filename: str = ""
    config: str | None = None


class Nothing(BaseModel):
    """An answer that says no more than that it was done."""
