"""An engine without weights: every candidate is one flat colour, from its seed and prompt.

It keeps the whole contract of `Engine` (seeds, progress, stopping, ranking) and draws in
milliseconds, so that everything around an engine can be tested and tried without a model. It never
imports torch and knows nothing of what a prompt means.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from nonette.core.errors import InputError, Stopped
from nonette.core.types import Capabilities, Drawing, Picture, Progress, Request, as_drawn

MODEL = "flat"
GREY = 128
MAX_SIDE = 1024  # pixels


class FlatEngine:
    """Paints flat colours, all candidates together, from grey to their colour in `num_steps` steps.

    Args:
        native_size: Width and height in pixels of size "auto".
        candidates: How many are painted where the request leaves that to the model.
        num_steps: Steps of progress a drawing takes.
    """

    def __init__(
        self,
        native_size: tuple[int, int] = (128, 128),
        candidates: int = 18,
        num_steps: int = 8,
    ) -> None:
        self.native_size = native_size
        self.candidates = candidates
        self.num_steps = num_steps

    def capabilities(self) -> Capabilities:
        """It draws, in any shape up to 1,024 pixels a side."""
        return Capabilities(
            model=MODEL,
            system=MODEL,
            tasks=("draw",),
            native_size=self.native_size,
            default_candidates=self.candidates,
            example_prompts=("a red square", "the colour of a Monday"),
        )

    def draw(
        self,
        requests: Sequence[Request],
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[Drawing]:
        """Paint every request's candidates and keep the best; see `Engine.draw`."""
        start = time.perf_counter()
        sizes = [self._check(request) for request in requests]
        colours = [self._candidates(request) for request in requests]  # (N, 3) each
        for step in range(self.num_steps):
            if should_stop is not None and should_stop():
                raise Stopped(f"stopped after step {step} of {self.num_steps}")
            if on_progress is not None:
                previews = None
                if requests:
                    now = _towards(colours[0], (step + 1) / self.num_steps)
                    previews = _fill(now, *sizes[0])
                on_progress(
                    Progress(
                        done=step + 1, total=self.num_steps, phase="drawing", previews=previews
                    )
                )
        chosen = [
            self._choose(request, candidates, size)
            for request, candidates, size in zip(requests, colours, sizes, strict=True)
        ]
        seconds = time.perf_counter() - start
        return [
            Drawing(
                pictures=pictures,
                unknown_words=(),
                seconds=seconds,
                model=MODEL,
                prompt=request.prompt,
            )
            for request, pictures in zip(requests, chosen, strict=True)
        ]

    def score(self, pictures: Sequence[np.ndarray], prompt: str) -> list[float]:
        """The cosine between each picture's mean colour and the prompt's own, seen from grey."""
        wanted = _colour(prompt).astype(np.float64) - GREY
        scores = []
        for picture in pictures:
            seen = picture.reshape(-1, 3).mean(axis=0) - GREY
            length = math.sqrt(float(seen @ seen) * float(wanted @ wanted))
            scores.append(float(seen @ wanted) / length if length else 0.0)
        return scores

    def _check(self, request: Request) -> tuple[int, int]:
        """The request's width and height, if this engine can do what it asks."""
        if request.task != "draw":
            raise InputError("task", request.task, f"{MODEL} can only draw")
        if request.model not in ("", MODEL):
            raise InputError("model", request.model, f"this engine is {MODEL}")
        if request.size == "auto":
            return self.native_size
        width, height = (int(side) for side in request.size.split("x"))
        if max(width, height) > MAX_SIDE:
            raise InputError("size", request.size, f"{MODEL} paints {MAX_SIDE:,} pixels a side")
        return width, height

    def _candidates(self, request: Request) -> np.ndarray:
        """The colours of all candidates: uint8 (N, 3)."""
        candidates = request.candidates or max(self.candidates, request.num_pictures)
        return np.stack(
            [_colour(f"{request.seed + i}\0{request.prompt}") for i in range(candidates)]
        )

    def _choose(
        self, request: Request, colours: np.ndarray, size: tuple[int, int]
    ) -> tuple[Picture, ...]:
        """The best pictures of a request, or its first ones where it does not want them ranked."""
        scores = self.score(list(colours), request.prompt)
        order = list(range(len(colours)))
        if request.ranks:
            order.sort(key=lambda i: -scores[i])  # stable: equals stay in the order of seeds
        order = order[: request.num_pictures]
        return tuple(
            Picture(
                pixels=pixels,
                seed=request.seed + i,
                score=scores[i] if request.ranks else None,
                model=MODEL,
                settings=as_drawn(request, model=MODEL, candidates=len(colours)),
            )
            for i, pixels in zip(order, _fill(colours[order], *size), strict=True)
        )


def _colour(text: str) -> np.ndarray:
    """uint8 (3,): a colour that any other text is unlikely to share."""
    return np.frombuffer(hashlib.sha256(text.encode()).digest()[:3], dtype=np.uint8)


def _towards(colours: np.ndarray, share: float) -> np.ndarray:
    """The colours `share` of the way from grey, 0 to 1."""
    return np.rint(GREY + (colours - float(GREY)) * share).astype(np.uint8)


def _fill(colours: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 (N, 3) as pictures (N, H, W, 3)."""
    return np.tile(colours[:, None, None, :], (1, height, width, 1))
