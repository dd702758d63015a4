"""An engine without weights: every candidate is one flat colour, from its seed and prompt.

It keeps the whole contract of `Engine` (every task, seeds, progress, stopping, ranking, sizes) and
paints in milliseconds, so that everything around an engine can be tested and tried without a model.
It never imports torch and knows nothing of what a prompt means. What a candidate's colour becomes:

- `draw` fills a picture of the native size with it;
- `edit` paints it where the mask is (or everywhere), over the source as the strength says;
- `extend` paints it around the source (both fade it in where a soft seam is asked for);
- `vary` goes from the source's mean colour towards it, as the strength says;
- `blend` goes from what the first would become to what the second would, as the mix says;
- `enlarge` has no candidates: the source itself, resampled.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
import typing
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nonette.core import seams, sizes
from nonette.core.errors import InputError, Stopped
from nonette.core.types import (
    MIX,
    STRENGTHS,
    Capabilities,
    Drawing,
    Picture,
    Progress,
    Request,
    Task,
    as_drawn,
)

MODEL = "flat"
GREY = 128
MAX_PREVIEWS = 9
PREVIEW_SIDE = 512  # pixels; larger pictures are shown smaller


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
        """It does every task there is."""
        return Capabilities(
            model=MODEL,
            system=MODEL,
            tasks=typing.get_args(Task),
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
        wishes = [self._decide(request) for request in requests]
        phase = "enlarging" if all(wish.task == "enlarge" for wish in wishes) else "drawing"
        for step in range(self.num_steps):
            if should_stop is not None and should_stop():
                raise Stopped(f"stopped after step {step} of {self.num_steps}")
            if on_progress is not None:
                share = (step + 1) / self.num_steps
                previews = self._previews(wishes[0], share) if wishes else None
                on_progress(
                    Progress(done=step + 1, total=self.num_steps, phase=phase, previews=previews)
                )
        chosen = [self._choose(wish) for wish in wishes]
        seconds = time.perf_counter() - start
        return [
            Drawing(
                pictures=pictures,
                unknown_words=(),
                seconds=seconds,
                model=MODEL,
                prompt=wish.prompt,
            )
            for wish, pictures in zip(wishes, chosen, strict=True)
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

    def _decide(self, request: Request) -> Request:
        """The request with everything decided that it left open, if this engine can do it."""
        if request.model not in ("", MODEL):
            raise InputError("model", request.model, f"this engine is {MODEL}")
        sizes.outcome(request, self.native_size, MODEL)
        candidates = request.candidates or max(self.candidates, request.num_pictures)
        if not request.can_be_ranked:
            candidates = request.num_pictures  # nothing chooses among more
        decided: dict[str, Any] = {"model": MODEL, "candidates": candidates}
        if request.task in STRENGTHS and request.strength is None:
            decided["strength"] = STRENGTHS[request.task]
        if request.task == "blend" and request.mix is None:
            decided["mix"] = MIX
        return dataclasses.replace(request, **decided)

    def _choose(self, wish: Request) -> tuple[Picture, ...]:
        """The best pictures of a wish; its first ones where nothing can or shall rank them."""
        is_ranked = wish.can_be_ranked
        assert wish.candidates is not None
        order = list(range(wish.candidates))
        scores: list[float | None] = [None] * len(order)
        if is_ranked:
            found = [self.score([self._paint(wish, i)], wish.prompt)[0] for i in order]
            scores = list(found)
            order.sort(key=lambda i: -found[i])  # stable: equals stay in the order of seeds
        settings = as_drawn(wish)
        pictures = []
        for i in order[: wish.num_pictures]:
            painted = self._paint(wish, i)
            size = sizes.outcome(wish, self.native_size, MODEL)
            pictures.append(
                Picture(
                    pixels=sizes.resized(painted, size),
                    seed=wish.seed + i,
                    score=scores[i],
                    model=MODEL,
                    settings=settings | sizes.notes((painted.shape[1], painted.shape[0]), size),
                )
            )
        return tuple(pictures)

    def _previews(self, wish: Request, share: float) -> np.ndarray:
        """The first candidates `share` of the way: uint8 (at most 9, H, W, 3)."""
        assert wish.candidates is not None
        painted = [self._paint(wish, i, share) for i in range(min(wish.candidates, MAX_PREVIEWS))]
        height, width = painted[0].shape[:2]
        scale = min(1.0, PREVIEW_SIDE / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return np.stack([sizes.resized(picture, size) for picture in painted])

    def _paint(self, wish: Request, i: int, share: float = 1.0) -> np.ndarray:
        """Candidate `i` before any resampling, its colour `share` of the way: uint8 (H, W, 3)."""
        if wish.task == "enlarge":
            assert wish.source is not None
            return wish.source
        colour = _mix(np.full(3, GREY, np.uint8), self._colour(wish, wish.seed + i), share)
        if wish.kept_size is None:
            return _fill(colour, *self.native_size)
        assert wish.source is not None
        picture, where = wish.source, wish.mask
        if wish.task == "extend":
            left, top, right, bottom = wish.sides
            around = ((top, bottom), (left, right))
            where = np.pad(np.zeros(picture.shape[:2], bool), around, constant_values=True)
            picture = np.pad(picture, (*around, (0, 0)), mode="edge")
        if where is None:
            where = np.ones(picture.shape[:2], bool)
        painted = _mix(picture, colour, 1.0 if wish.strength is None else wish.strength)
        return seams.blended(picture, painted, seams.ramp(where, wish.seam))

    def _colour(self, wish: Request, seed: int) -> np.ndarray:
        """The colour of the wish's candidate of that seed: uint8 (3,)."""
        own = _colour(f"{seed}\0{wish.prompt}")
        if wish.task == "vary":
            return _mix(_mean(wish.source), own, wish.strength)
        if wish.task == "blend":
            assert wish.mix is not None
            if wish.source is None:
                return _mix(own, _colour(f"{seed}\0{wish.second_prompt}"), wish.mix)
            between = _mix(_mean(wish.source), _mean(wish.second_source), wish.mix)
            return _mix(between, own, STRENGTHS["vary"])
        return own


def _colour(text: str) -> np.ndarray:
    """uint8 (3,): a colour that any other text is unlikely to share."""
    return np.frombuffer(hashlib.sha256(text.encode()).digest()[:3], dtype=np.uint8)


def _mean(picture: np.ndarray | None) -> np.ndarray:
    """The mean colour of a picture: uint8 (3,)."""
    assert picture is not None
    mean: np.ndarray = np.rint(picture.reshape(-1, 3).mean(axis=0)).astype(np.uint8)
    return mean


def _mix(one: np.ndarray, other: np.ndarray, share: float | None) -> np.ndarray:
    """Colours `share` of the way from one to the other, 0 to 1: uint8 (..., 3)."""
    assert share is not None
    mixed: np.ndarray = np.rint(one + (other - one.astype(np.float32)) * share).astype(np.uint8)
    return mixed


def _fill(colour: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture of one colour: uint8 (H, W, 3)."""
    return np.broadcast_to(colour, (height, width, 3)).copy()
