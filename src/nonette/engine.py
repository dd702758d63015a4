"""The front door: a request goes in, ranked pictures that know what made them come out.

    check the request → candidates through the model's pipeline → ranking by CLIP → pictures best
    first

Several requests become one call of the pipeline, which keeps each candidate the same as if it were
drawn alone. Networks are loaded once, when they are first needed. What a request leaves open is
taken from the checkpoint's `settings`: `candidates`, `guidance`, `temperature`, `top_k`, `top_p`,
and `ranker`, the name of the checkpoint that ranks (looked for beside the model's own folder
first); `languages` are those it was trained on.

It knows no network, no tokenizer and no file format, and it does not enlarge: sizes are the model's
own.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nonette.checkpoints import store
from nonette.checkpoints.format import Checkpoint, read
from nonette.core import flat, registry
from nonette.core.errors import CheckpointError, InputError, NonetteError, SettingIgnored, Stopped
from nonette.core.types import (
    MAX_RANDOM_SEED,
    Capabilities,
    Drawing,
    Engine,
    Picture,
    Progress,
    Request,
    as_drawn,
)
from nonette.nn import device as hardware
from nonette.pipelines._steps import Job
from nonette.pipelines.rerank import rerank
from nonette.provenance.notebook import ShownDrawing, show

CANDIDATES = 18  # drawn before the best are kept, where the checkpoint does not say
KNOBS = ("guidance", "temperature", "top_k", "top_p", "steps", "sampler")

OnProgress = Callable[[Progress], None] | None
ShouldStop = Callable[[], bool] | None


class LocalEngine:
    """Draws with one checkpoint, in this process.

    Args:
        model: A checkpoint, or the name or path of one.
        threads: CPU threads to use; `None` takes all cores that this process may use.
        device: Where to draw: "auto" is a GPU where there is one.
        preview_every: Steps between previews in the progress events; 0 for none.

    Raises:
        InputError: There is no such model, device or number of threads.
        CheckpointError: The model is damaged, or does not draw.
    """

    def __init__(
        self,
        model: Checkpoint | str = "",
        *,
        threads: int | None = None,
        device: str = "auto",
        preview_every: int = 0,
    ) -> None:
        self.names = {"", model} if isinstance(model, str) else {""}
        self.checkpoint = model if isinstance(model, Checkpoint) else read(store.find(model))
        self.names.add(self.checkpoint.name)
        self.threads = hardware.default_threads() if threads is None else threads
        self.device = hardware.pick_device(device)
        self.preview_every = preview_every
        self.defaults = _defaults(self.checkpoint)
        if self.checkpoint.system not in registry.SYSTEMS:
            systems = ", ".join(registry.SYSTEMS)
            raise InputError(
                "model", self.checkpoint.name, f"it does not draw; models that do are of {systems}"
            )
        with hardware.threads(self.threads):  # refuses a number of threads that there cannot be
            pass

    def capabilities(self) -> Capabilities:
        """What the model can do; its networks are loaded for it."""
        return Capabilities(
            model=self.checkpoint.name,
            system=self.checkpoint.system,
            tasks=("draw",),
            native_size=self._pipeline.native_size,
            default_candidates=self.defaults["candidates"],
            example_prompts=self.checkpoint.examples,
            languages=tuple(self.checkpoint.settings.get("languages", ("en",))),
        )

    def draw(
        self,
        requests: Sequence[Request],
        on_progress: OnProgress = None,
        should_stop: ShouldStop = None,
    ) -> list[Drawing]:
        """Draw every request; each is the same alone as in any company.

        Raises:
            InputError: A request asks for what this model cannot do.
            CheckpointError: A network or tokenizer of the model is damaged.
            Stopped: `should_stop` said so.
        """
        wishes = [self._check(request) for request in requests]
        with hardware.threads(self.threads):
            pipeline = self._pipeline
            if any(wish.ranks for wish in wishes):
                _ = (
                    self._ranker
                )  # loaded before the clock starts, and before any work could be lost
            start = time.perf_counter()
            jobs = [_job(wish) for wish in wishes]
            drawn = pipeline(jobs, on_progress, should_stop, preview_every=self.preview_every)
            scores = self._rank(wishes, drawn, on_progress, should_stop)
            seconds = time.perf_counter() - start
        return [
            Drawing(
                pictures=_choose(wish, pixels, ranking),
                unknown_words=self._unknown_words(wish.prompt),
                seconds=seconds,
                model=self.checkpoint.name,
                prompt=wish.prompt,
            )
            for wish, pixels, ranking in zip(wishes, drawn, scores, strict=True)
        ]

    def score(self, pictures: Sequence[np.ndarray], prompt: str) -> list[float]:
        """How well each picture, uint8 (H, W, 3), fits the prompt: cosines from -1 to 1.

        Raises:
            NonetteError: The model has no ranking network.
        """
        if self._ranker is None:
            raise NonetteError(
                f"{self.checkpoint.name} names no model that ranks, so nothing can score"
            )
        with hardware.threads(self.threads):
            return [float(score) for score in rerank(*self._ranker, pictures, prompt)]

    @cached_property
    def _pipeline(self) -> Any:
        """The system with its networks."""
        checkpoint, dtype = self.checkpoint, hardware.pick_dtype(self.device)
        system = registry.resolve(registry.SYSTEMS, checkpoint.system, "system")
        networks = {
            part: checkpoint.network(part, dtype).to(self.device)
            for part in checkpoint.manifest.networks
        }
        try:
            return system(
                **networks, tokenizer=checkpoint.tokenizer(), settings=checkpoint.settings
            )
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{checkpoint.folder}: its parts do not fit: {error}") from error

    @cached_property
    def _ranker(self) -> tuple[Any, Any] | None:
        """The network that ranks and its tokenizer, or None where the model names none."""
        name = self.checkpoint.settings.get("ranker")
        if not name:
            return None
        beside = self.checkpoint.folder.parent / str(name)
        is_beside = store.NAME.fullmatch(str(name)) and (beside / "config.json").is_file()
        folder = beside if is_beside else store.find(str(name), field="ranker", allows_paths=False)
        checkpoint = read(folder)
        return checkpoint.network("clip").to(self.device), checkpoint.tokenizer()

    @cached_property
    def _vocabulary(self) -> Any:
        has_one = (self.checkpoint.folder / "vocabulary.json").is_file()
        return self.checkpoint.vocabulary() if has_one else None

    def _unknown_words(self, prompt: str) -> tuple[str, ...]:
        return self._vocabulary.unknown(prompt) if self._vocabulary is not None else ()

    def _check(self, request: Request) -> Request:
        """The request with everything decided that it left open, if this model can do it."""
        name = self.checkpoint.name
        if request.task != "draw":
            raise InputError("task", request.task, f"{name} can only draw")
        if request.model not in self.names:
            raise InputError("model", request.model, f"this engine draws with {name}")
        if request.size != "auto":
            width, height = self._pipeline.native_size
            if request.size != f"{width}x{height}":
                raise InputError("size", request.size, f"{name} draws {width}x{height}")
        for knob in KNOBS:
            if getattr(request, knob) is not None and knob not in JOB_FIELDS:
                message = f"{knob} has no effect: {name} is a {self.checkpoint.system} model"
                warnings.warn(message, SettingIgnored, stacklevel=3)
        decided = {
            field: value
            for field, value in self.defaults.items()
            if getattr(request, field) is None and field != "candidates"
        }
        candidates = request.candidates or max(self.defaults["candidates"], request.num_pictures)
        if not request.ranks:
            candidates = request.num_pictures  # nothing chooses among more
        return dataclasses.replace(request, **decided, model=name, candidates=candidates)

    def _rank(
        self,
        wishes: Sequence[Request],
        drawn: Sequence[np.ndarray],
        on_progress: OnProgress,
        should_stop: ShouldStop,
    ) -> list[list[float] | None]:
        """The scores of every wish's candidates; None where nothing ranks them."""
        scores: list[list[float] | None] = []
        for wish, pixels in zip(wishes, drawn, strict=True):
            if should_stop is not None and should_stop():
                raise Stopped(f"stopped while ranking request {len(scores) + 1} of {len(wishes)}")
            is_ranked = wish.ranks and self._ranker is not None
            scores.append(self.score(list(pixels), wish.prompt) if is_ranked else None)
            if on_progress is not None:
                on_progress(Progress(done=len(scores), total=len(wishes), phase="ranking"))
        return scores


JOB_FIELDS = {field.name for field in dataclasses.fields(Job)}


def load(model: str = "", *, threads: int | None = None) -> Engine:
    """An engine for the model of that name or folder.

    "" is the default model, and "flat" an engine that paints flat colours.

    Raises:
        InputError: There is no such model, or it does not draw.
        CheckpointError: The model is damaged.
    """
    return flat.FlatEngine() if model == flat.MODEL else LocalEngine(model, threads=threads)


def draw(
    prompt: str,
    *,
    num_pictures: int = 9,
    seed: int | None = None,
    model: str = "",
    **settings: Any,
) -> ShownDrawing:
    """Draw pictures of a sentence, the best match first.

    The model stays loaded between calls. In a notebook the result shows itself as a grid.

    Args:
        prompt: What to draw.
        num_pictures: How many pictures to give back, 1 to 64.
        seed: Of the first candidate; `None` draws one by lot, and every picture tells its own.
        model: A model's name, or the path of its folder; "" is the default one.
        **settings: Any other field of `Request`, such as `candidates`, `guidance` or
            `negative_prompt`.

    Raises:
        InputError: A value cannot be used, or there is no such model.
        CheckpointError: The model is damaged.
    """
    request = Request(
        prompt=prompt,
        num_pictures=num_pictures,
        seed=secrets.randbelow(MAX_RANDOM_SEED) if seed is None else seed,
        **settings,
    )
    return show(_kept(model).draw([request])[0])


@lru_cache(maxsize=1)
def _kept(model: str) -> Engine:
    return load(model)


def _defaults(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """What the checkpoint's settings say of fields that a request may leave open."""
    known = {knob: checkpoint.settings[knob] for knob in KNOBS if knob in checkpoint.settings}
    defaults: dict[str, Any] = {
        "candidates": checkpoint.settings.get("candidates") or CANDIDATES
    } | known
    try:
        Request(prompt="a", num_pictures=1, **defaults)
    except (InputError, TypeError) as error:
        path = Path(checkpoint.folder) / "config.json"
        raise CheckpointError(f"{path}: settings.{error}") from error
    return defaults


def _job(wish: Request) -> Job:
    """The wish as the pipeline takes it: every candidate with its seed."""
    knobs = {knob: getattr(wish, knob) for knob in KNOBS if knob in JOB_FIELDS}
    given = {knob: value for knob, value in knobs.items() if value is not None}
    assert wish.candidates is not None
    return Job(
        prompt=wish.prompt,
        negative_prompt=wish.negative_prompt,
        seeds=tuple(range(wish.seed, wish.seed + wish.candidates)),
        **given,
    )


def _choose(wish: Request, pixels: np.ndarray, scores: list[float] | None) -> tuple[Picture, ...]:
    """The best candidates, best first; without scores the first ones in the order of seeds."""
    order = list(range(len(pixels)))
    if scores is not None:
        order.sort(key=lambda i: -scores[i])  # stable: equals stay in the order of seeds
    return tuple(
        Picture(
            pixels=pixels[i],
            seed=wish.seed + i,
            score=None if scores is None else scores[i],
            model=wish.model,
            settings=as_drawn(wish),
        )
        for i in order[: wish.num_pictures]
    )
