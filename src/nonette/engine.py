"""The front door: a request goes in, ranked pictures that know what made them come out.

    check the request → candidates through the model's pipeline → ranking by CLIP → the best at the
    size that was asked for

Several requests become one call of the pipeline, which keeps each candidate the same as if it were
drawn alone. Networks are loaded once, when they are first needed. What a request leaves open is
taken from the checkpoint's `settings`: `candidates`, `guidance`, `temperature`, `top_k`, `top_p`,
and `ranker` and `upsampler`, the names of the checkpoints that rank and enlarge (looked for beside
the model's own folder first); `languages` are those it was trained on, and `reads` is "pictures"
where it knows no words.

A pipeline draws one size and does the tasks it names. Everything else around it happens here: what
an edit or extension repaints is seen through a window of the pipeline's size and pasted back where
the mask is, smaller sizes of a shape are resampled, and larger ones, like `enlarge`, which any
model can, are the upsampler's. Models of the scene world have the bundled one; without one,
pictures are enlarged by resampling. Pictures tell what was done in their settings.

It knows no network, no tokenizer and no file format.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nonette.checkpoints import store
from nonette.checkpoints.format import Checkpoint, read
from nonette.core import flat, registry, sizes
from nonette.core.errors import CheckpointError, InputError, NonetteError, SettingIgnored, Stopped
from nonette.core.types import (
    MAX_RANDOM_SEED,
    MIX,
    STRENGTHS,
    Capabilities,
    Drawing,
    Engine,
    Picture,
    Progress,
    Request,
    Task,
    as_drawn,
)
from nonette.models.upsampler import Upsampler
from nonette.nn import device as hardware
from nonette.nn import openvino
from nonette.pipelines import _frame, _upsample
from nonette.pipelines._steps import Meter
from nonette.pipelines.rerank import rerank
from nonette.provenance.notebook import ShownDrawing, show

CANDIDATES = 18  # drawn before the best are kept, where the checkpoint does not say
UPSAMPLER = "scenes-upsampler"  # of models that draw scenes, where it is installed
READERS = {"text_encoder", "text_encoder_2"}  # parts that read the texts and do nothing else
KNOBS = ("guidance", "temperature", "top_k", "top_p", "steps", "sampler")

OnProgress = Callable[[Progress], None] | None
ShouldStop = Callable[[], bool] | None


class LocalEngine:
    """Draws with one checkpoint, in this process.

    Args:
        model: A checkpoint, or the name or path of one.
        threads: CPU threads to use; `None` takes all cores that this process may use.
        device: Where to draw: "auto" is a GPU where there is one, "openvino" the CPU with OpenVINO
            for an imported Stable Diffusion's UNet; else a name of torch's.
        preview_every: Steps between previews in the progress events; 0 for none.
        frees_parts: Whether text encoders, and then what draws, are loaded for each call and let go
            before what comes next; it takes less memory and, of a second call, more time.

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
        frees_parts: bool = False,
    ) -> None:
        self.names = {"", model} if isinstance(model, str) else {""}
        self.checkpoint = model if isinstance(model, Checkpoint) else read(store.find(model))
        self.names.add(self.checkpoint.name)
        self.threads = hardware.default_threads() if threads is None else threads
        self.is_accelerated = device == openvino.NAME
        if self.is_accelerated:
            openvino.need()
        self.device = hardware.pick_device("cpu" if self.is_accelerated else device)
        self.preview_every = preview_every
        networks = self.checkpoint.manifest.networks
        self.readers = networks.keys() & READERS if frees_parts else set()
        self.defaults = _defaults(self.checkpoint)
        if self.checkpoint.system not in registry.SYSTEMS:
            systems = ", ".join(registry.SYSTEMS)
            raise InputError(
                "model", self.checkpoint.name, f"it does not draw; models that do are of {systems}"
            )
        if self.is_accelerated:
            kinds = {part.network for part in networks.values()}
            if not kinds & set(getattr(self._system, "accelerated", ())):
                raise _not_accelerated(self.checkpoint.name)
        with hardware.threads(self.threads):  # refuses a number of threads that there cannot be
            pass

    def capabilities(self) -> Capabilities:
        """What the model can do; its networks may be loaded for it."""
        return Capabilities(
            model=self.checkpoint.name,
            system=self.checkpoint.system,
            tasks=_tasks(self._system),
            native_size=self._native_size,
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
        with hardware.threads(self.threads):
            wishes = [self._check(request) for request in requests]
            is_ranked = [wish.can_be_ranked and self._ranker is not None for wish in wishes]
            start = time.perf_counter()
            drawn = self._draw(wishes, on_progress, should_stop)
            scores = self._rank(wishes, is_ranked, drawn, on_progress, should_stop)
            meter = Meter(self._num_tiles(wishes, drawn), on_progress, should_stop)
            finished = [
                self._finish(wish, pixels, ranking, meter)
                for wish, pixels, ranking in zip(wishes, drawn, scores, strict=True)
            ]
            seconds = time.perf_counter() - start
        return [
            Drawing(
                pictures=pictures,
                unknown_words=self._unknown_words(wish.prompt),
                seconds=seconds,
                model=self.checkpoint.name,
                prompt=wish.prompt,
            )
            for wish, pictures in zip(wishes, finished, strict=True)
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
    def _system(self) -> Any:
        """The class of the pipeline."""
        return registry.resolve(registry.SYSTEMS, self.checkpoint.system, "system")

    @cached_property
    def _pipeline(self) -> Any:
        """The system with its networks, ready to draw; without those that come and go."""
        stages = getattr(self._system, "stages", {}) if self.readers else {}
        late = self.readers | stages.keys()
        pipeline = self._assembled(self.checkpoint.manifest.networks.keys() - late)
        if stages:
            pipeline.load = self._network
        if self.is_accelerated:
            pipeline.accelerate()
        elif hasattr(pipeline, "hurry"):  # a layout of weights that suits drawing and nothing else
            pipeline.hurry()
        return pipeline

    @cached_property
    def _native_size(self) -> tuple[int, int]:
        """Width and height that the pipeline draws."""
        whole = self._assembled(()) if self.readers else self._pipeline  # sizes need no weights
        width, height = whole.native_size
        return width, height

    def _assembled(self, loaded: Collection[str]) -> Any:
        """The system with these of its networks, and in place of the others what they look like."""
        checkpoint = self.checkpoint
        networks = {
            part: self._network(part) if part in loaded else checkpoint.skeleton(part)
            for part in checkpoint.manifest.networks
        }
        reads_words = checkpoint.settings.get("reads") != "pictures"
        tokenizer = checkpoint.tokenizer() if reads_words else None
        try:
            return self._system(**networks, tokenizer=tokenizer, settings=checkpoint.settings)
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{checkpoint.folder}: its parts do not fit: {error}") from error

    def _network(self, part: str) -> Any:
        """One of the model's networks with its weights, where and in what it draws."""
        dtype = hardware.pick_dtype(self.device, self.checkpoint.num_parameters)
        return self.checkpoint.network(part, dtype).to(self.device)

    @cached_property
    def _ranker(self) -> tuple[Any, Any] | None:
        """The network that ranks and its tokenizer, or None where the model names none."""
        name = self.checkpoint.settings.get("ranker")
        if not name:
            return None
        checkpoint = self._companion("ranker", name)
        return checkpoint.network("clip").to(self.device), checkpoint.tokenizer()

    @cached_property
    def _upsampler(self) -> tuple[str, Upsampler] | None:
        """The name of what enlarges and its network, or None where resampling has to do."""
        settings = self.checkpoint.settings
        name = settings.get("upsampler")
        is_own = isinstance(name, Mapping)  # a cascade's settings of its own last stage
        if is_own or "upsampler" not in settings:
            name = UPSAMPLER if "world" in settings and UPSAMPLER in store.names() else None
        if not name:
            return None
        checkpoint = self._companion("upsampler", name)
        network = checkpoint.network("upsampler", hardware.pick_dtype(self.device))
        if not isinstance(network, Upsampler):
            raise CheckpointError(f"{checkpoint.folder}: it does not enlarge")
        return checkpoint.name, network.to(self.device)

    def _companion(self, field: str, name: object) -> Checkpoint:
        """The checkpoint that the model's settings name, beside its own folder or in the store."""
        beside = self.checkpoint.folder.parent / str(name)
        if store.NAME.fullmatch(str(name)) and (beside / "config.json").is_file():
            return read(beside)
        return read(store.find(str(name), field=field, allows_paths=False))

    @cached_property
    def _vocabulary(self) -> Any:
        has_one = (self.checkpoint.folder / "vocabulary.json").is_file()
        return self.checkpoint.vocabulary() if has_one else None

    def _unknown_words(self, prompt: str) -> tuple[str, ...]:
        return self._vocabulary.unknown(prompt) if self._vocabulary is not None else ()

    def _check(self, request: Request) -> Request:
        """The request with everything decided that it left open, if this model can do it."""
        name = self.checkpoint.name
        if request.task not in _tasks(self._system):
            raise InputError("task", request.task, _who_can(request.task, name, self._system))
        if request.model not in self.names:
            raise InputError("model", request.model, f"this engine draws with {name}")
        if request.task == "enlarge":
            return dataclasses.replace(request, model=name, candidates=1)
        sizes.outcome(request, self._native_size, name)
        for knob in KNOBS:
            if getattr(request, knob) is not None and knob not in self._system.knobs:
                message = f"{knob} has no effect: {name} is a {self.checkpoint.system} model"
                warnings.warn(message, SettingIgnored, stacklevel=3)
        decided = {
            field: value
            for field, value in self.defaults.items()
            if getattr(request, field) is None and field != "candidates"
        }
        if request.task in STRENGTHS and request.strength is None:
            decided["strength"] = STRENGTHS[request.task]
        if request.task == "blend" and request.mix is None:
            decided["mix"] = MIX
        candidates = request.candidates or max(self.defaults["candidates"], request.num_pictures)
        if not request.can_be_ranked:
            candidates = request.num_pictures  # nothing chooses among more
        return dataclasses.replace(request, **decided, model=name, candidates=candidates)

    def _draw(
        self, wishes: Sequence[Request], on_progress: OnProgress, should_stop: ShouldStop
    ) -> list[np.ndarray]:
        """The candidates of every wish, uint8 (N, H, W, 3), in the order of seeds."""
        drawable = [wish for wish in wishes if wish.task != "enlarge"]
        jobs = [_frame.job_of(wish, self._system.knobs, self._native_size) for wish in drawable]
        if jobs:
            more: dict[str, Any] = {"preview_every": self.preview_every}
            if self.readers:
                more["memory"] = self._assembled(self.readers).read(jobs)
            pipeline = self._pipeline
            if self.readers and hasattr(pipeline, "lets_go"):
                pipeline.lets_go = True
                del self._pipeline  # the next call needs what this one lets go
            drawn = iter(pipeline(jobs, on_progress, should_stop, **more))
        elif should_stop is not None and should_stop():
            raise Stopped("stopped before enlarging")
        return [_source(wish)[None] if wish.task == "enlarge" else next(drawn) for wish in wishes]

    def _rank(
        self,
        wishes: Sequence[Request],
        is_ranked: Sequence[bool],
        drawn: Sequence[np.ndarray],
        on_progress: OnProgress,
        should_stop: ShouldStop,
    ) -> list[list[float] | None]:
        """The scores of every wish's candidates; None where nothing ranks them."""
        scores: list[list[float] | None] = []
        for i, wish in enumerate(wishes):
            if should_stop is not None and should_stop():
                raise Stopped(f"stopped while ranking request {i + 1} of {len(wishes)}")
            scores.append(self.score(list(drawn[i]), wish.prompt) if is_ranked[i] else None)
            if on_progress is not None:
                on_progress(Progress(done=i + 1, total=len(wishes), phase="ranking"))
        return scores

    def _num_tiles(self, wishes: Sequence[Request], drawn: Sequence[np.ndarray]) -> int:
        """How many tiles the upsampler will enlarge."""
        count = 0
        for wish, pixels in zip(wishes, drawn, strict=True):
            size, wanted, enlarger = self._way(wish, pixels[0])
            if enlarger is not None:
                factor = enlarger[1].config.factor
                count += wish.num_pictures * _upsample.num_tiles(size, wanted, factor)
        return count

    def _way(
        self, wish: Request, pixels: np.ndarray
    ) -> tuple[tuple[int, int], tuple[int, int], tuple[str, Upsampler] | None]:
        """Width and height of what was drawn, those it gets, and what enlarges it, if anything."""
        size = pixels.shape[1], pixels.shape[0]
        if wish.kept_size is None:
            wanted = sizes.outcome(wish, size, wish.model)
        else:
            view = _frame.window(_frame.canvas(wish)[1], size)
            wanted = view.width, view.height
        return size, wanted, self._upsampler if _upsample.can_enlarge(size, wanted) else None

    def _finish(
        self, wish: Request, drawn: np.ndarray, scores: list[float] | None, meter: Meter
    ) -> tuple[Picture, ...]:
        """The best candidates, best first; without scores the first ones in the order of seeds.

        They come at the size that was asked for, or inside the picture that the task keeps.
        """
        order = list(range(len(drawn)))
        if scores is not None:
            order.sort(key=lambda i: -scores[i])  # stable: equals stay in the order of seeds
        size, wanted, enlarger = self._way(wish, drawn[0])
        name, network = enlarger or (sizes.FILTER, None)

        def resize(pixels: np.ndarray, to: tuple[int, int]) -> np.ndarray:
            if network is None:
                return sizes.resized(pixels, to)
            return _upsample.upsampled(network, pixels, to, meter)

        settings, pictures = as_drawn(wish) | sizes.notes(size, wanted, name), []
        for i in order[: wish.num_pictures]:
            if wish.kept_size is None:
                pixels = resize(drawn[i], wanted)
            else:
                pixels = _frame.finished(wish, drawn[i], resize)
            pictures.append(
                Picture(
                    pixels=pixels,
                    seed=wish.seed + i,
                    score=None if scores is None else scores[i],
                    model=wish.model,
                    settings=dict(settings),
                )
            )
        return tuple(pictures)


def load(model: str = "", *, device: str = "auto", **others: Any) -> Engine:
    """An engine for the model of that name or folder.

    "" is the default model, and "flat" an engine that paints flat colours. `device` and the others
    are arguments of `LocalEngine`.

    Raises:
        InputError: There is no such model or device, or it does not draw.
        CheckpointError: The model is damaged.
    """
    if model != flat.MODEL:
        return LocalEngine(model, device=device, **others)
    if device == openvino.NAME:
        raise _not_accelerated(model)
    hardware.pick_device(device)  # refuses one that is not there
    return flat.FlatEngine()


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


def _not_accelerated(model: str) -> InputError:
    limit = f"it is for imported Stable Diffusion models, and {model} is none"
    return InputError("device", openvino.NAME, limit)


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


def _tasks(system: Any) -> tuple[Task, ...]:
    """What a model of that system can do: its own tasks, and what follows from them."""
    extends: tuple[Task, ...] = ("extend",) if "edit" in system.tasks else ()
    return (*system.tasks, *extends, "enlarge")


def _who_can(task: Task, name: str, system: Any) -> str:
    """What a person is told whose model cannot do the task: what it can, and which models can."""
    able = [flat.MODEL]
    for other in store.names():
        try:
            theirs = read(store.find(other)).system
        except CheckpointError:
            continue  # a damaged model can do nothing
        if theirs in registry.SYSTEMS:
            if task in _tasks(registry.resolve(registry.SYSTEMS, theirs, "system")):
                able.append(other)
    can = " and ".join(_tasks(system))
    return f"{name} can only {can}; models that can {task}: {', '.join(able)}"


def _source(wish: Request) -> np.ndarray:
    assert wish.source is not None
    return wish.source
