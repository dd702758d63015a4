"""The words every room shares: what is asked for, what comes back, and what an engine is. Never torch.

A `Request` is validated once, here, when it is made; afterwards every room may trust it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from nonette.core.errors import InputError

MAX_PROMPT_CHARACTERS = 2_000
MAX_PICTURES = 64
MAX_CANDIDATES = 512
MAX_SEED = 2**53 - 1  # the largest integer that JSON readers in browsers keep exactly
MAX_GUIDANCE = 100.0

Task = Literal["draw", "edit", "extend", "vary", "blend", "enlarge"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One wish for pictures. `None` means: as the model's own settings say.

    Attributes:
        prompt: The sentence, in the words of the person; 1 to 2,000 characters.
        task: What to do; every task but `draw` needs a source picture.
        model: The name of a model; "" is the default one.
        negative_prompt: What should not be there; "" for nothing.
        num_pictures: How many pictures to give back, 1 to 64.
        candidates: How many to draw before ranking, `num_pictures` to 512.
        size: "auto" (the model's native size) or "WIDTHxHEIGHT" in pixels.
        seed: The seed of the first candidate; candidate i has seed + i. 0 to 2^53 - 1 - candidates.
        guidance: How strongly the prompt pulls, 0 to 100; 1 is no guidance.
        steps: Sampling steps of a diffusion model.
        sampler: The name of a diffusion sampler.
        temperature: Of autoregressive sampling, above 0, at most 10.
        top_k: Keep only the k likeliest codes; at least 1.
        top_p: Keep the likeliest codes up to this probability, above 0, at most 1.
        ranks: Whether candidates are ranked; without, the first `num_pictures` come in the order of seeds.
    """

    prompt: str
    task: Task = "draw"
    model: str = ""
    negative_prompt: str = ""
    num_pictures: int = 9
    candidates: int | None = None
    size: str = "auto"
    seed: int = 0
    guidance: float | None = None
    steps: int | None = None
    sampler: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    ranks: bool = True

    def __post_init__(self) -> None:
        _check_text("prompt", self.prompt, is_required=self.task in ("draw", "edit", "extend"))
        _check_text("negative_prompt", self.negative_prompt, is_required=False)
        _check_integer("num_pictures", self.num_pictures, 1, MAX_PICTURES)
        if self.candidates is not None:
            _check_integer("candidates", self.candidates, self.num_pictures, MAX_CANDIDATES)
        _check_integer("seed", self.seed, 0, MAX_SEED - (self.candidates or MAX_CANDIDATES))
        _check_number("guidance", self.guidance, 0.0, MAX_GUIDANCE)
        _check_number("temperature", self.temperature, 1e-3, 10.0)
        _check_number("top_p", self.top_p, 1e-6, 1.0)
        if self.steps is not None:
            _check_integer("steps", self.steps, 1, 1000)
        if self.top_k is not None:
            _check_integer("top_k", self.top_k, 1, 2**20)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture and what draws it again.

    Attributes:
        pixels: uint8, (H, W, 3), sRGB.
        seed: The seed that draws this very picture again.
        score: The ranking's score (cosine of picture and prompt, -1 to 1), or None where nothing ranked.
        model: The name of the model that drew it.
        settings: The request's settings as drawn, JSON values; what a file's metadata records.
    """

    pixels: np.ndarray
    seed: int
    score: float | None
    model: str
    settings: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What one request became: pictures best first, words the model never saw in training, seconds taken."""

    pictures: tuple[Picture, ...]
    unknown_words: tuple[str, ...]
    seconds: float
    model: str
    prompt: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the drawing is: steps done of total, and, when asked for, what is there so far.

    Attributes:
        done: Steps finished.
        total: Steps in all.
        phase: What is being done, as a word for people: "drawing", "ranking".
        previews: uint8 (N, H, W, 3) of the first request's candidates, or None.
    """

    done: int
    total: int
    phase: str
    previews: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What an engine can do: its model, tasks, sizes in pixels, limits and examples."""

    model: str
    system: str
    tasks: tuple[Task, ...]
    native_size: tuple[int, int]
    default_candidates: int
    example_prompts: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("en",)


class Engine(Protocol):
    """Whatever turns requests into pictures: the bundled model, published weights, flat colours."""

    def capabilities(self) -> Capabilities:
        """What this engine can do."""
        ...

    def draw(
        self,
        requests: Sequence[Request],
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[Drawing]:
        """Draw every request; `should_stop` is asked at every step and ends the drawing with `Stopped`."""
        ...

    def score(self, pictures: Sequence[np.ndarray], prompt: str) -> list[float]:
        """How well each picture (uint8, (H, W, 3)) fits the prompt, as a cosine in -1 to 1."""
        ...


def with_changes(request: Request, **changes: Any) -> Request:
    """A copy of the request with some fields changed, validated again."""
    return dataclasses.replace(request, **changes)


def _check_text(field: str, text: object, *, is_required: bool) -> None:
    if not isinstance(text, str):
        raise InputError(field, text, "it must be text")
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise InputError(field, f"{len(text):,} characters", f"at most {MAX_PROMPT_CHARACTERS:,} are allowed")
    if "\0" in text or any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise InputError(field, text, "it must not contain NUL characters or lone surrogates")
    if is_required and not any(character.isalnum() for character in text):
        raise InputError(field, text, "it must contain at least one letter or digit")


def _check_integer(field: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(field, value, f"it must be a whole number from {least:,} to {most:,}")


def _check_number(field: str, value: object, least: float, most: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(field, value, "it must be a finite number")
    if not least <= value <= most:
        raise InputError(field, value, f"it must be between {least:g} and {most:g}")
