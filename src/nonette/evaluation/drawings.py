"""The pictures of an exam, drawn once and kept, so that an evaluation that was cut short goes on.

All candidates of a prompt are drawn and kept with their seeds and ranks: the first nine are what a
person gets, the nine of the lowest seeds what they would get without ranking. A drawing belongs to
the very weights, prompt, seed and number of candidates that made it; whatever changes, it is drawn
anew. The files are arrays for this file alone, not pictures for people.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nonette.core.types import MAX_PICTURES, Engine, Progress, Request, as_drawn
from nonette.evaluation.prompts import Prompt

TOGETHER = 9  # wishes that are drawn in one call
KEPT = 9  # pictures a person gets for a prompt
FINGERPRINTED = ("*.json", "*.safetensors")


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """All candidates of one prompt, best first.

    Attributes:
        pixels: uint8 (N, H, W, 3).
        seeds: int64 (N,).
        scores: float32 (N,), what ranked them; NaN where nothing did.
    """

    pixels: np.ndarray
    seeds: np.ndarray
    scores: np.ndarray

    @property
    def ranked(self) -> np.ndarray:
        """Places of the pictures that a person gets."""
        return np.arange(min(KEPT, len(self.seeds)))

    @property
    def unranked(self) -> np.ndarray:
        """Places of as many pictures in the order of seeds."""
        return np.argsort(self.seeds, kind="stable")[:KEPT]


class Album:
    """The drawings of one model in one folder.

    Args:
        folder: Where they lie; made when it is needed.
        engine: Draws what is missing.
        fingerprint: Of the weights, see `fingerprint`.
        seed: Of the first prompt's first candidate; every prompt has seeds of its own.
        candidates: Drawn of every prompt, at least `KEPT`; None for as many as the model's default.
        wish: Other fields of the requests.
    """

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        *,
        fingerprint: str,
        seed: int = 0,
        candidates: int | None = None,
        wish: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self.engine = engine
        self.fingerprint = fingerprint
        self.seed = seed
        self.wish = dict(wish or {})
        default = candidates or engine.capabilities().default_candidates
        self.candidates = min(MAX_PICTURES, max(KEPT, default))

    def draw(
        self,
        prompts: Sequence[Prompt],
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        """Draw the prompts that are not there yet; each is kept as soon as it is done."""
        missing = [index for index, prompt in enumerate(prompts) if not self._is_there(prompt)]
        for done, index in enumerate(missing):
            if on_progress is not None:
                on_progress(Progress(done=done, total=len(missing), phase="drawing the exam"))
            (drawing,) = self.engine.draw([self._request(prompts[index])], None, should_stop)
            pictures = drawing.pictures
            self._write(
                self._path(prompts[index]),
                Drawn(
                    pixels=np.stack([picture.pixels for picture in pictures]),
                    seeds=np.array([picture.seed for picture in pictures], np.int64),
                    scores=np.array([picture.score for picture in pictures], np.float32),
                ),
            )

    def __getitem__(self, prompt: Prompt) -> Drawn:
        """The candidates of a prompt that was drawn."""
        drawn = self._load(self._path(prompt))
        assert drawn is not None, f"{prompt.text!r} was not drawn"
        return drawn

    def _request(self, prompt: Prompt) -> Request:
        return Request(
            prompt=prompt.text,
            num_pictures=self.candidates,
            candidates=self.candidates,
            seed=self._first_seed(prompt),
            **self.wish,
        )

    def _first_seed(self, prompt: Prompt) -> int:
        """Every prompt's own, whatever the exam's size; the language does not change it."""
        key = f"{prompt.category}|{prompt.split}|{prompt.place}".encode()
        return self.seed + int.from_bytes(hashlib.sha256(key).digest()[:4], "big")

    def _path(self, prompt: Prompt) -> Path:
        request = self._request(prompt)
        key: list[Any] = [self.fingerprint, request.prompt, request.seed, request.candidates]
        key += [self.wish] if self.wish else []
        return self.folder / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]}.npz"

    def _is_there(self, prompt: Prompt) -> bool:
        return self._load(self._path(prompt)) is not None

    def _load(self, path: Path) -> Drawn | None:
        """The drawing, or None where it is missing or was damaged."""
        arrays = _load(path)
        if arrays is None or set(arrays) != {"pixels", "seeds", "scores"}:
            return None
        drawn = Drawn(**arrays)
        is_whole = drawn.pixels.ndim == 4 and len(drawn.pixels) == len(drawn.seeds)
        return drawn if is_whole and len(drawn.seeds) == self.candidates else None

    def _write(self, path: Path, drawn: Drawn) -> None:
        _save(path, pixels=drawn.pixels, seeds=drawn.seeds, scores=drawn.scores)


class Shelf:
    """Pictures of single wishes in one folder, the first of each wish.

    Args:
        folder: Where they lie; made when it is needed.
        engine: Draws what is missing, several wishes together.
        fingerprint: Of the weights, see `fingerprint`.
    """

    def __init__(self, folder: Path, engine: Engine, *, fingerprint: str) -> None:
        self.folder = folder
        self.engine = engine
        self.fingerprint = fingerprint

    def draw(
        self,
        requests: Sequence[Request],
        on_progress: Callable[[Progress], None] | None = None,
    ) -> list[np.ndarray]:
        """The picture of every wish, uint8 (H, W, 3); kept as soon as it is drawn."""
        paths = [self._path(request) for request in requests]
        missing = [i for i, path in enumerate(paths) if _picture(path) is None]
        for start in range(0, len(missing), TOGETHER):
            if on_progress is not None:
                on_progress(Progress(done=start, total=len(missing), phase="drawing the edits"))
            some = missing[start : start + TOGETHER]
            for i, drawing in zip(some, self.engine.draw([requests[i] for i in some]), strict=True):
                _save(paths[i], pixels=drawing.pictures[0].pixels)
        pictures = [_picture(path) for path in paths]
        assert all(picture is not None for picture in pictures)
        return [picture for picture in pictures if picture is not None]

    def _path(self, request: Request) -> Path:
        key = json.dumps([self.fingerprint, as_drawn(request)], sort_keys=True)
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"


def fingerprint(folders: Sequence[Path]) -> str:
    """SHA-256 over the configs and weights of model folders, in hexadecimal."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(path for pattern in FINGERPRINTED for path in folder.glob(pattern)):
            digest.update(path.name.encode() + b"\0")
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
    return digest.hexdigest()


def _picture(path: Path) -> np.ndarray | None:
    """The one picture in a file, or None where it is missing or was damaged."""
    pixels = (_load(path) or {}).get("pixels")
    return pixels if pixels is not None and pixels.ndim == 3 else None


def _load(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays in a file, or None where it is missing or was damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _save(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    partial.replace(path)
