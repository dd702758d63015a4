"""The words every room shares: what is asked for, what comes back, what an engine is. Never torch.

A `Request` is validated once, here, when it is made; afterwards every room may trust it.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from nonette.core.errors import InputError

MAX_PROMPT_CHARACTERS = 2_000
MAX_PICTURES = 64
MAX_CANDIDATES = 512
MAX_SEED = 2**53 - 1  # the largest integer that JSON readers in browsers keep exactly
MAX_RANDOM_SEED = 2**32  # of seeds drawn by lot: short enough to type again
MAX_GUIDANCE = 100.0
MIN_SIDE, MAX_SIDE = 16, 8192  # pixels; what a model can draw of this, its engine says

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
        size: "auto" (the model's native size) or "WIDTHxHEIGHT", 16 to 8,192 pixels a side.
        seed: The seed of the first candidate; candidate i has seed + i. 0 to 2^53 - 1 - candidates
            (512 where those are left to the model).
        guidance: How strongly the prompt pulls, 0 to 100; 1 is no guidance.
        steps: Sampling steps of a diffusion model, 1 to 1,000.
        sampler: The name of a diffusion sampler.
        temperature: Of autoregressive sampling, 0.001 to 10.
        top_k: Keep only the k likeliest codes; 1 to 2^20.
        top_p: Keep the likeliest codes up to this probability, 0.000001 to 1.
        ranks: Whether candidates are ranked; without, the first `num_pictures` come in the order of
            seeds.
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
        """Check every field by itself.

        Raises:
            InputError: A field is of another type or beyond its limits.
        """
        _check_choice("task", self.task, typing.get_args(Task))
        _check_text("prompt", self.prompt, needs_words=self.task in ("draw", "edit", "extend"))
        _check_text("model", self.model)
        _check_text("negative_prompt", self.negative_prompt)
        _check_integer("num_pictures", self.num_pictures, 1, MAX_PICTURES)
        _check_integer(
            "candidates", self.candidates, self.num_pictures, MAX_CANDIDATES, is_optional=True
        )
        _check_size(self.size)
        _check_integer("seed", self.seed, 0, MAX_SEED - (self.candidates or MAX_CANDIDATES))
        _check_number("guidance", self.guidance, 0.0, MAX_GUIDANCE, is_optional=True)
        _check_integer("steps", self.steps, 1, 1000, is_optional=True)
        _check_text("sampler", self.sampler, is_optional=True)
        _check_number("temperature", self.temperature, 1e-3, 10.0, is_optional=True)
        _check_integer("top_k", self.top_k, 1, 2**20, is_optional=True)
        _check_number("top_p", self.top_p, 1e-6, 1.0, is_optional=True)
        _check_choice("ranks", self.ranks, (True, False))


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """One picture and what draws it again; equal only to itself, as arrays have no one answer.

    Attributes:
        pixels: uint8, (H, W, 3), sRGB.
        seed: The seed that draws this very picture again.
        score: The ranking's score (cosine of picture and prompt, -1 to 1), or None where nothing
            ranked.
        model: The name of the model that drew it.
        settings: The request's settings as drawn, JSON values, as `as_drawn` gives them; what a
            file's metadata records.
    """

    pixels: np.ndarray
    seed: int
    score: float | None
    model: str
    settings: dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """What one request became; to go through it is to go through its pictures.

    Attributes:
        pictures: Best first, or in the order of seeds where nothing ranked them.
        unknown_words: The prompt's words that the model never saw in training.
        seconds: Wall-clock time taken.
        model: The name of the model that drew.
        prompt: The prompt as the person wrote it.
    """

    pictures: tuple[Picture, ...]
    unknown_words: tuple[str, ...]
    seconds: float
    model: str
    prompt: str

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.pictures)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Picture:
        return self.pictures[index]


@dataclass(frozen=True, kw_only=True, eq=False)
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
        """Draw every request, one `Drawing` each, in their order.

        Args:
            requests: What to draw; may be of different prompts and settings.
            on_progress: Told after every step.
            should_stop: Asked at every step; true ends the drawing.

        Raises:
            InputError: The engine cannot do what a request asks, such as a task or a size.
            Stopped: `should_stop` said so; nothing of the drawing is kept.
        """
        ...

    def score(self, pictures: Sequence[np.ndarray], prompt: str) -> list[float]:
        """How well each picture (uint8, (H, W, 3)) fits the prompt, as a cosine in -1 to 1."""
        ...


def as_drawn(request: Request, **decided: Any) -> dict[str, Any]:
    """The request as JSON values, with what the engine decided in place of what it left open.

    A request made of these values draws the same pictures; values that are still open are left out.
    """
    values = dataclasses.asdict(request) | decided
    return {name: value for name, value in values.items() if value is not None}


def with_changes(request: Request, **changes: Any) -> Request:
    """A copy of the request with some fields changed, validated again."""
    return dataclasses.replace(request, **changes)


def _check_choice(field: str, value: object, choices: Sequence[object]) -> None:
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise InputError(field, value, f"it must be one of {', '.join(map(repr, choices))}")


def _check_text(
    field: str, text: object, *, needs_words: bool = False, is_optional: bool = False
) -> None:
    if is_optional and text is None:
        return
    if not isinstance(text, str):
        raise InputError(field, text, "it must be text")
    if len(text) > MAX_PROMPT_CHARACTERS:
        most = f"{MAX_PROMPT_CHARACTERS:,}"
        raise InputError(
            field, text, f"its {len(text):,} characters are more than the {most} allowed"
        )
    if "\0" in text or any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise InputError(field, text, "it must not contain NUL characters or lone surrogates")
    if needs_words and not any(character.isalnum() for character in text):
        raise InputError(field, text, "it must contain at least one letter or digit")


def _check_size(size: object) -> None:
    sides = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", size) if isinstance(size, str) else None
    is_possible = sides and all(MIN_SIDE <= int(side) <= MAX_SIDE for side in sides.groups())
    if size != "auto" and not is_possible:
        sides_limit = f"{MIN_SIDE:,} to {MAX_SIDE:,} pixels a side"
        raise InputError("size", size, f"it must be auto or WIDTHxHEIGHT, {sides_limit}")


def _check_integer(
    field: str, value: object, least: int, most: int, *, is_optional: bool = False
) -> None:
    if is_optional and value is None:
        return
    if type(value) is not int or not least <= value <= most:
        raise InputError(field, value, f"it must be a whole number from {least:,} to {most:,}")


def _check_number(
    field: str, value: object, least: float, most: float, *, is_optional: bool = False
) -> None:
    if is_optional and value is None:
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= typing.cast(float, value) <= most:  # NaN is never within
        raise InputError(field, value, f"it must be a number from {least:g} to {most:g}")
