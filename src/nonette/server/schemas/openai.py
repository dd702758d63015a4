"""The OpenAI dialect's requests and answers, as of its specification 2.3.0.

Every parameter of the specification is here or in `UNSUPPORTED`, with our own beside (`seed` to
`top_p`), which its clients send as `extra_body`. What is neither is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nonette.core import types
from nonette.server.errors import ApiError

MAX_PICTURES = 10
SIDE_STEP = 16  # pixels; sides are multiples of it
MAX_RATIO = 3
MAX_WIDTH, MAX_HEIGHT = 3840, 2160  # or turned by a quarter
MAX_INPUTS = 100  # texts of one moderation request
MAX_INPUT_CHARACTERS = 100_000  # of all of them

UNSUPPORTED: Mapping[str, str] = {
    "complexity": "pictures are drawn by their model's own steps; `steps` sets them",
    "frame_count": "only still pictures are drawn",
    "frame_duration_ms": "only still pictures are drawn",
    "svg": "only png, webp and jpeg pictures are drawn",
    "markup": "a picture is edited by a mask and a sentence",
}
"""Parameters of the specification that are refused, and why."""

WITHOUT_EFFECT = ("input_fidelity", "moderation", "style", "user")
"""Parameters that are accepted and change nothing; the answer's `ignored` names those given."""

STRENGTH = "How far from the picture to go, 0 to 1; null leaves it to the model."

Quality = Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]
OutputFormat = Literal["png", "webp", "jpeg"]
ResponseFormat = Literal["url", "b64_json"]

EFFORT: Mapping[str, float] = {"high": 2.0, "hd": 2.0, "xhigh": 3.0, "max": 4.0}
"""How many times the model's candidates a quality draws; `low` draws no more than are kept."""


class Wish(BaseModel):
    """What all ways to ask for pictures share."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str | None = Field(default=None, description="A model or an alias of one.")
    n: int | None = Field(default=None, ge=1, le=MAX_PICTURES, description="How many; 1 if null.")
    size: str | None = Field(
        default=None,
        examples=["auto", "256x256", "1024x1024"],
        description="`auto` is the model's own size; larger ones are drawn and then enlarged.",
    )
    response_format: ResponseFormat | None = Field(
        default=None, description="By default b64_json; url where the model is called dall-e-…"
    )
    user: str | None = Field(default=None, max_length=256)

    @model_validator(mode="before")
    @classmethod
    def _refuse_by_name(cls, data: Any) -> Any:
        for name in UNSUPPORTED.keys() & (data.keys() if isinstance(data, dict) else set()):
            if data[name] is not None:
                message = f"{name} is not supported: {UNSUPPORTED[name]}."
                raise ApiError(400, message, code="unsupported_parameter", param=name)
        return data

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if self.size not in (None, "auto"):
            _check_size(self.size or "")
        return self

    @property
    def num_pictures(self) -> int:
        """How many pictures are wanted."""
        return self.n or 1

    @property
    def ignored(self) -> list[str]:
        """The names of what was given and changes nothing."""
        return [name for name in WITHOUT_EFFECT if getattr(self, name, None) is not None]

    @property
    def wants_url(self) -> bool:
        """Whether pictures are answered as links."""
        is_old = (self.model or "").startswith("dall-e")
        return (self.response_format or ("url" if is_old else "b64_json")) == "url"


class Variation(Wish):
    """A wish for other pictures like one; its image travels beside it."""

    seed: int | None = Field(default=None, ge=0, le=types.MAX_SEED)
    candidates: int | None = Field(default=None, ge=1, le=types.MAX_CANDIDATES)
    strength: float | None = Field(default=None, ge=0, le=1, description=STRENGTH)


class Generation(Wish):
    """A wish for pictures of a sentence."""

    prompt: str = Field(
        max_length=types.MAX_PROMPT_CHARACTERS,
        examples=["a kangaroo made of cheese on the moon"],
    )
    quality: Quality | None = Field(
        default=None, description="How many candidates the best are chosen from."
    )
    background: Literal["transparent", "opaque", "auto"] | None = None
    output_format: OutputFormat | None = Field(default=None, description="png if null.")
    output_compression: int | None = Field(
        default=None, ge=0, le=100, description="Quality of a webp or jpeg file."
    )
    moderation: Literal["low", "auto"] | None = None
    stream: bool | None = None
    partial_images: int | None = Field(default=None, ge=0, le=3)
    safety_identifier: str | None = Field(default=None, max_length=256)
    style: Literal["vivid", "natural"] | None = None

    seed: int | None = Field(
        default=None, ge=0, le=types.MAX_SEED, description="Of the first candidate; by lot if null."
    )
    negative_prompt: str | None = Field(default=None, max_length=types.MAX_PROMPT_CHARACTERS)
    candidates: int | None = Field(default=None, ge=1, le=types.MAX_CANDIDATES)
    guidance: float | None = None
    guidance_scale: float | None = Field(default=None, description="Another name of guidance.")
    steps: int | None = None
    num_inference_steps: int | None = Field(default=None, description="Another name of steps.")
    sampler: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.background == "transparent":
            raise ApiError(
                400,
                "background is transparent, but models here draw every pixel; it must be opaque.",
                code="unsupported_value",
                param="background",
            )
        if self.output_compression is not None and self.output_format not in ("webp", "jpeg"):
            raise ApiError(
                400,
                "output_compression is for webp and jpeg; png keeps every pixel.",
                code="invalid_value",
                param="output_compression",
            )
        for name, other in (("guidance", "guidance_scale"), ("steps", "num_inference_steps")):
            if getattr(self, name) is not None and getattr(self, other) is not None:
                message = f"{name} and {other} are one setting; give one of them."
                raise ApiError(400, message, code="invalid_value", param=other)
        return self

    def effort(self, default_candidates: int) -> int | None:
        """How many candidates to draw; None leaves it to the model."""
        if self.candidates is not None:
            return self.candidates
        if self.quality == "low":
            return self.num_pictures
        effort = EFFORT.get(self.quality or "auto")
        if effort is not None:
            many = int(effort * max(default_candidates, self.num_pictures))
            return min(types.MAX_CANDIDATES, many)
        return None


class Edit(Generation):
    """A wish to draw anew what a mask leaves open; its images and mask travel beside it."""

    input_fidelity: Literal["high", "low"] | None = None
    strength: float | None = Field(default=None, ge=0, le=1, description=STRENGTH)
    feather: int | None = Field(
        default=None,
        ge=0,
        le=types.MAX_FEATHER,
        description="Pixels over which what is new fades in, inside the mask; 0 if null.",
    )


class Usage(BaseModel):
    """What a request took. A text token is a word, an image token a square of 16×16 pixels."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: dict[str, int]
    output_tokens_details: dict[str, int]


class Image(BaseModel):
    """One picture of an answer, the best match first."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = Field(
        default=None, description="What was drawn, where characters of the prompt were disguised."
    )
    id: str
    seed: int
    score: float | None


class Images(BaseModel):
    """The answer to a wish for pictures."""

    created: int
    data: list[Image]
    background: Literal["opaque"] = "opaque"
    output_format: OutputFormat
    quality: str
    size: str
    usage: Usage
    safety_identifier: str | None = None
    model: str
    job: str = Field(description="The job that drew them, as /api/jobs knows it.")
    unknown_words: list[str] = Field(description="Words that the model never saw in training.")
    ignored: list[str] = Field(description="Parameters that were given and change nothing.")


class ModelAnswer(BaseModel):
    """A model that can be asked for."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(default=0, description="Not known here, so always 0.")
    owned_by: str = "nonette"
    root: str = Field(description="The model that an alias stands for.")
    capabilities: dict[str, Any] | None = Field(description="Once a worker has told them.")


class ModelList(BaseModel):
    """All models that can be asked for, the default first."""

    object: Literal["list"] = "list"
    data: list[ModelAnswer]


class TextPart(BaseModel):
    """A text to judge."""

    type: Literal["text"]
    text: str


class ImagePart(BaseModel):
    """A picture to judge, which is refused: no picture is judged here."""

    type: Literal["image_url"]
    image_url: dict[str, Any]


class ModerationWish(BaseModel):
    """What to judge by the prompt policy."""

    model_config = ConfigDict(extra="forbid")

    input: str | list[str] | list[TextPart | ImagePart] = Field(examples=["a kangaroo"])
    model: str | None = None


class ModerationResult(BaseModel):
    """What the policy says of one text."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]
    rules: list[dict[str, Any]] = Field(description="The rules it breaks, and by which words.")


class Moderation(BaseModel):
    """The answer to a wish to judge."""

    id: str
    model: str
    results: list[ModerationResult]


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(BaseModel):
    """Every answer other than success."""

    error: ErrorBody


def _check_size(size: str) -> None:
    sides = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", size)
    if sides is None:
        raise _bad_size(size, "it must be auto or WIDTHxHEIGHT, such as 1024x1024")
    width, height = int(sides[1]), int(sides[2])
    if width % SIDE_STEP or height % SIDE_STEP or not width or not height:
        raise _bad_size(size, f"its sides must be multiples of {SIDE_STEP} pixels")
    longer, shorter = max(width, height), min(width, height)
    if longer > MAX_RATIO * shorter:
        raise _bad_size(size, f"one side may be at most {MAX_RATIO} times the other")
    if longer > MAX_WIDTH or shorter > MAX_HEIGHT:
        raise _bad_size(size, f"it may be at most {MAX_WIDTH}x{MAX_HEIGHT}")


def _bad_size(size: str, limit: str) -> ApiError:
    message = f"size is {size[:40]!r}, but {limit}."
    return ApiError(400, message, code="invalid_value", param="size")
