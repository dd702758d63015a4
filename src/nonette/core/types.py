"""The words every room shares: what is asked for, what comes back, what an engine is. Never torch.

A `Request` is validated once, here, when it is made; afterwards every room may trust it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from nonette.core import checks
from nonette.core.checks import MAX_SIDE
from nonette.core.errors import InputError

MAX_PROMPT_CHARACTERS = checks.MAX_CHARACTERS
MAX_PICTURES = 64
MAX_CANDIDATES = 512
MAX_SEED = 2**53 - 1  # the largest integer that JSON readers in browsers keep exactly
MAX_RANDOM_SEED = 2**32  # of seeds drawn by lot: short enough to type again
MAX_GUIDANCE = 100.0
MAX_FEATHER = 64
EXTENSION_FEATHER = 6  # where nothing says: steps across borders are then as in real scenes
FACTOR, MAX_FACTOR = 2.0, 16.0  # of an enlargement: what it is where nothing says how large

Task = Literal["draw", "edit", "extend", "vary", "blend", "enlarge"]

SIDES = ("left", "top", "right", "bottom")
TAKES: Mapping[Task, tuple[str, ...]] = {
    "draw": (),
    "edit": ("source", "mask", "strength", "feather"),
    "extend": ("source", *SIDES, "feather"),
    "vary": ("source", "strength"),
    "blend": ("source", "second_source", "second_prompt", "mix"),
    "enlarge": ("source", "factor"),
}
"""The fields that belong to some tasks only, by task; a task refuses those of the others."""

STRENGTHS: Mapping[str, float] = {"edit": 1.0, "vary": 0.5}
MIX = 0.5
"""What a strength and a mix are where neither the request nor a model's settings say."""

ARRAYS = ("source", "mask", "second_source")
NEEDS_WORDS = ("draw", "edit", "extend")


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """One wish for pictures. `None` means: as the model's own settings say.

    What a task needs beyond the prompt: `edit` a source, and a mask where only a part is to be
    repainted; `extend` a source and at least one side; `vary` and `enlarge` a source; `blend` two
    sources or two prompts. Requests are equal where all their fields are, pictures by their pixels.

    Attributes:
        prompt: The sentence, in the words of the person; 1 to 2,000 characters. May be blank where
            a source says what to draw: `vary`, `enlarge`, `blend` of two sources.
        task: What to do.
        model: The name of a model; "" is the default one.
        negative_prompt: What should not be there; "" for nothing.
        num_pictures: How many pictures to give back, 1 to 64; `enlarge` gives 1.
        candidates: How many to draw before ranking, `num_pictures` to 512.
        size: "auto" or "WIDTHxHEIGHT", 16 to 8,192 pixels a side. "auto" is the model's native size
            for what is drawn anew; `edit` and `extend` keep the source's pixels, so that only
            "auto" or the size that comes out is allowed.
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
        source: The picture to start from: uint8, (H, W, 3), sRGB, 16 to 8,192 pixels a side and at
            most 2^25 in all. Kept as an array that nobody can write to.
        mask: Of `edit`, where to repaint: bool, (H, W), true for pixels that may change; none for
            the whole picture. Pixels outside it come back exactly.
        strength: Of `edit` and `vary`, how far from the source to go: 0 is the source itself, 1
            keeps nothing of it.
        feather: Of `edit` and `extend`, pixels over which what is repainted fades in, inside the
            mask or what is added, 0 to 64: at its border the source shows through (of an extension
            its repeated edge). 0 is a hard border; None is 6 for an extension, 0 for an edit.
        left: Of `extend`, pixels to add on that side, 0 to 8,192; likewise `top`, `right` and
            `bottom`.
        top: See `left`.
        right: See `left`.
        bottom: See `left`.
        second_source: Of `blend`, the picture to go towards, as `source`.
        second_prompt: Of `blend`, the sentence to go towards.
        mix: Of `blend`, how far to go: 0 is the first, 1 the second.
        factor: Of `enlarge`, how many times as wide and high, 1 to 16; or `size` says how large,
            or it is 2.
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
    source: np.ndarray | None = None
    mask: np.ndarray | None = None
    strength: float | None = None
    feather: int | None = None
    left: int | None = None
    top: int | None = None
    right: int | None = None
    bottom: int | None = None
    second_source: np.ndarray | None = None
    second_prompt: str | None = None
    mix: float | None = None
    factor: float | None = None

    def __post_init__(self) -> None:
        """Check every field by itself, then what the task needs, and lock the arrays.

        Raises:
            InputError: A field is of another type or beyond its limits, or not of this task.
        """
        checks.choice("task", self.task, typing.get_args(Task))
        checks.text("prompt", self.prompt, needs_words=self.task in NEEDS_WORDS)
        checks.text("model", self.model)
        checks.text("negative_prompt", self.negative_prompt)
        checks.integer("num_pictures", self.num_pictures, 1, MAX_PICTURES)
        checks.size("size", self.size)
        for field, limits in WHOLE_LIMITS.items():
            if getattr(self, field) is not None:
                checks.integer(field, getattr(self, field), *limits)
        for field, bounds in REAL_LIMITS.items():
            if getattr(self, field) is not None:
                checks.number(field, getattr(self, field), *bounds)
        for field in ("sampler", "second_prompt"):
            if getattr(self, field) is not None:
                checks.text(field, getattr(self, field))
        if self.candidates is not None:
            checks.integer("candidates", self.candidates, self.num_pictures, MAX_CANDIDATES)
        checks.integer("seed", self.seed, 0, MAX_SEED - (self.candidates or MAX_CANDIDATES))
        checks.choice("ranks", self.ranks, (True, False))
        self._check_task()
        for field in ARRAYS:
            if getattr(self, field) is not None:
                object.__setattr__(self, field, _locked(getattr(self, field)))

    @property
    def seam(self) -> int:
        """Pixels over which an edit or extension fades in."""
        usual = EXTENSION_FEATHER if self.task == "extend" else 0
        return usual if self.feather is None else self.feather

    @property
    def can_be_ranked(self) -> bool:
        """Whether ranking is wanted, and there are words to rank several candidates by."""
        return self.ranks and self.task != "enlarge" and checks.has_words(self.prompt)

    @property
    def sides(self) -> tuple[int, int, int, int]:
        """Pixels to add at the left, top, right and bottom."""
        return self.left or 0, self.top or 0, self.right or 0, self.bottom or 0

    @property
    def kept_size(self) -> tuple[int, int] | None:
        """Width and height that the task fixes, as it keeps the source's pixels; else None."""
        if self.task not in ("edit", "extend") or self.source is None:
            return None
        left, top, right, bottom = self.sides
        height, width = self.source.shape[:2]
        return left + width + right, top + height + bottom

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request) and as_drawn(self) == as_drawn(other)

    def __hash__(self) -> int:
        return hash(tuple(as_drawn(self).items()))

    def _check_task(self) -> None:
        for field in sorted({field for fields in TAKES.values() for field in fields}):
            if getattr(self, field) is not None and field not in TAKES[self.task]:
                takers = [task for task, fields in TAKES.items() if field in fields]
                value = getattr(self, field)
                if isinstance(value, np.ndarray):
                    value = "given"
                raise InputError(
                    field, value, f"the task is {self.task}; {field} belongs to {_either(takers)}"
                )
        if self.task == "blend":
            self._check_blend()
        elif self.task != "draw":
            if self.source is None:
                raise InputError("source", None, f"{self.task} needs a picture")
            checks.picture("source", self.source)
        if self.mask is not None:
            assert self.source is not None
            checks.mask("mask", self.mask, of=self.source)
        if self.task == "enlarge":
            self._check_enlargement()
        self._check_size()

    def _check_blend(self) -> None:
        if self.source is not None or self.second_source is not None:
            checks.picture("source", self.source)
            checks.picture("second_source", self.second_source)
            if self.second_prompt is not None:
                limit = "blend takes two pictures or two prompts, not some of each"
                raise InputError("second_prompt", self.second_prompt, limit)
        else:
            if self.second_prompt is None:
                limit = "blend needs it beside prompt, or else source and second_source"
                raise InputError("second_prompt", None, limit)
            checks.text("prompt", self.prompt, needs_words=True)
            checks.text("second_prompt", self.second_prompt, needs_words=True)

    def _check_enlargement(self) -> None:
        assert self.source is not None
        if self.num_pictures != 1:
            raise InputError("num_pictures", self.num_pictures, "enlarge gives 1 picture")
        height, width = self.source.shape[:2]
        if self.size != "auto" and self.factor is not None:
            raise InputError("factor", self.factor, "size says already how large it will be")
        factor = self.factor or FACTOR
        if self.size == "auto":
            _check_outcome("factor", factor, (round(width * factor), round(height * factor)))

    def _check_size(self) -> None:
        """All pictures together must fit; those that keep the source's pixels have their size."""
        kept = self.kept_size
        if kept is not None:
            if self.task == "extend" and not any(self.sides):
                raise InputError("left", self.left, f"one of {', '.join(SIDES)} must be above 0")
            field = max(SIDES, key=lambda side: getattr(self, side) or 0)
            if self.task == "extend":
                _check_outcome(field, getattr(self, field), kept)
            checks.pixels("num_pictures", *kept, self.num_pictures)
            if self.size not in ("auto", f"{kept[0]}x{kept[1]}"):
                limit = f"{self.task} keeps the source's pixels and makes {kept[0]}x{kept[1]}"
                raise InputError("size", self.size, limit)
        elif self.size != "auto":
            width, height = (int(side) for side in self.size.split("x"))
            checks.pixels("size", width, height, self.num_pictures)


WHOLE_LIMITS = {
    "steps": (1, 1000),
    "top_k": (1, 2**20),
    "feather": (0, MAX_FEATHER),
} | dict.fromkeys(SIDES, (0, MAX_SIDE))
REAL_LIMITS = {
    "guidance": (0.0, MAX_GUIDANCE),
    "temperature": (1e-3, 10.0),
    "top_p": (1e-6, 1.0),
    "strength": (0.0, 1.0),
    "mix": (0.0, 1.0),
    "factor": (1.0, MAX_FACTOR),
}


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

    A request made of these values draws the same pictures, once the sources and the mask are in the
    place of their fingerprints; values that are still open are left out.
    """
    values = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    return {
        name: fingerprint(value) if isinstance(value, np.ndarray) else value
        for name, value in (values | decided).items()
        if value is not None
    }


def fingerprint(array: np.ndarray) -> str:
    """A name for a picture or mask that no other has: `sha256:` and the hash of size and bytes."""
    height, width = array.shape[:2]
    digest = hashlib.sha256(f"{width}x{height} {array.dtype}\n".encode())
    digest.update(np.ascontiguousarray(array).data)
    return f"sha256:{digest.hexdigest()}"


def with_changes(request: Request, **changes: Any) -> Request:
    """A copy of the request with some fields changed, validated again."""
    return dataclasses.replace(request, **changes)


def _check_outcome(field: str, value: object, size: tuple[int, int]) -> None:
    """The picture that the field's value leads to must be one within the limits."""
    try:
        checks.pixels(field, *size)
    except InputError as error:
        raise InputError(field, value, f"it leads to {error.value}, and {error.limit}") from error


def _locked(array: np.ndarray) -> np.ndarray:
    """The array, or a copy of it, that nobody can write to."""
    if array.flags.writeable or array.base is not None or not array.flags.c_contiguous:
        array = array.copy()
        array.flags.writeable = False
    return array


def _either(names: Sequence[str]) -> str:
    return " or ".join(names)
