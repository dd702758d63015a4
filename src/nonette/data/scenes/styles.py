"""In which manner scenes are painted: filters over a finished picture, uint8 (S, S, 3) in and out.

A style is the same at every call but for what it is given: paper grain and pencil strokes are fixed
patterns. Strokes and grains scale with the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter


@dataclass(frozen=True, kw_only=True)
class Style:
    """A style and what it leaves of a scene.

    Attributes:
        apply: The filter, or None for the plain style.
        mute: Towards which grey, 0 to 255, and by what share the backdrop goes before things are
            painted on it, so that they stand out; None for not at all.
        keeps_colours: Whether colours (so materials, and coloured backgrounds) can be told.
        plain_settings: The plain backgrounds that are still true in it; None for all.
        colours: The colours of things that are still true in it; None for all, if it keeps colours.
    """

    apply: Callable[[np.ndarray], np.ndarray] | None
    mute: tuple[int, float] | None = None
    keeps_colours: bool = True
    plain_settings: tuple[str, ...] | None = None
    colours: tuple[str, ...] | None = None


def _grey(pixels: np.ndarray) -> np.ndarray:
    """Lightness, uint8 (S, S)."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def _blur(pixels: np.ndarray, radius: float) -> np.ndarray:
    """Box-blurred by `radius` pixels, the same shape."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.BoxBlur(radius)))


@lru_cache(maxsize=32)
def noise(size: int, cells: int, seed: int) -> np.ndarray:
    """Smooth noise of `cells` bumps a side, float32 (size, size), -1 to 1."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.random((cells + 3, cells + 3), dtype=np.float32) * 2 - 1)
    return np.asarray(small.resize((size, size), Image.Resampling.BICUBIC))


@lru_cache(maxsize=16)
def _wobble(size: int, cells: int, reach: float, seed: int) -> np.ndarray:
    """Flat indices that move every pixel by up to `reach` shares of the side, int64 (size * size,)."""
    rows, columns = np.mgrid[:size, :size]
    rows = rows + noise(size, cells, seed) * reach * size
    columns = columns + noise(size, cells, seed + 1) * reach * size
    rows, columns = (np.clip(axis.round().astype(int), 0, size - 1) for axis in (rows, columns))
    return (rows * size + columns).ravel()


def _moved(pixels: np.ndarray, indices: np.ndarray) -> np.ndarray:
    return pixels.reshape(-1, 3)[indices].reshape(pixels.shape)


def _edges(pixels: np.ndarray) -> np.ndarray:
    """Strength of edges in lightness and colour, int16 (S, S), 0 to 255."""
    wide = np.pad(pixels.astype(np.int16), ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = np.abs(wide[1:-1, 2:] - wide[1:-1, :-2])
    down = np.abs(wide[2:, 1:-1] - wide[:-2, 1:-1])
    return np.maximum(across, down).max(axis=2)


def _watercolour(pixels: np.ndarray) -> np.ndarray:
    """Soft washes with wandering borders, darker rims, white paper showing through."""
    size = pixels.shape[0]
    washed = _blur(_moved(pixels, _wobble(size, 20, 0.011, 1)), size / 200)
    rims = np.abs(washed.astype(np.int16) - _blur(washed, size / 64)).max(axis=2)
    bloom = 0.74 + 0.16 * noise(size, 7, 5) + 0.05 * noise(size, 60, 6) + 0.005 * rims
    return np.clip(255 - (255 - washed.astype(np.float32)) * bloom[..., None], 0, 255).astype(
        np.uint8
    )


@lru_cache(maxsize=8)
def _hatching(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Two layers of pencil strokes, slanting either way, float32 (size, size), 0 to 1."""
    rows, columns = np.mgrid[:size, :size] / size
    shake = 0.012 * noise(size, 14, 21)
    first = 0.5 + 0.5 * np.sin(2 * np.pi * 26 * (columns + rows + shake))
    second = 0.5 + 0.5 * np.sin(2 * np.pi * 26 * (columns - rows + shake))
    return first.astype(np.float32), second.astype(np.float32)


def _pencil(pixels: np.ndarray) -> np.ndarray:
    """Grey lines and hatching on white paper."""
    size = pixels.shape[0]
    grey = _grey(pixels).astype(np.float32)
    first, second = _hatching(size)
    dark = 1 - grey / 255
    strokes = (
        np.clip(dark * 1.5 - 0.1, 0, 1) * first * 0.42
        + np.clip(dark * 1.6 - 0.75, 0, 1) * second * 0.45
    )
    lines = np.clip(_edges(pixels) / 90.0 - 0.15, 0, 1)
    ink = np.clip(np.maximum(strokes + dark * 0.12, lines * 0.85), 0, 1)
    shade = (250 - 205 * ink).astype(np.uint8)
    return np.repeat(shade[..., None], 3, axis=2)


PIXELS_A_SIDE = 32  # of the pixel-art grid


def _pixel_art(pixels: np.ndarray) -> np.ndarray:
    """Coarse squares of few colours."""
    size = pixels.shape[0]
    small = np.asarray(
        Image.fromarray(pixels).resize((PIXELS_A_SIDE, PIXELS_A_SIDE), Image.Resampling.BOX)
    )
    few = ((small.astype(np.uint16) * 6 + 128) // 256 * 255 // 6).clip(0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(few).resize((size, size), Image.Resampling.NEAREST))


def _neon(pixels: np.ndarray) -> np.ndarray:
    """Glowing outlines in saturated colours on black."""
    size = pixels.shape[0]
    edges = np.clip(_edges(pixels).astype(np.float32) / 110 - 0.12, 0, 1)
    local = np.asarray(Image.fromarray(pixels).filter(ImageFilter.MaxFilter(3))).astype(np.float32)
    low, high = local.min(axis=2, keepdims=True), local.max(axis=2, keepdims=True)
    vivid = (local - low * 0.85) / np.maximum(high - low * 0.85, 24) * 255
    tubes = (vivid * edges[..., None]).clip(0, 255).astype(np.uint8)
    glow = _blur(_blur(tubes, size / 60), size / 60).astype(np.float32)
    body = vivid * 0.10 * (high / 255)
    return np.clip(body + tubes * 0.9 + glow * 0.9 + 60 * (edges[..., None] > 0.8), 0, 255).astype(
        np.uint8
    )


@lru_cache(maxsize=8)
def _squared_paper(size: int) -> np.ndarray:
    """Lines of a drawing grid, float32 (size, size, 1), 0 to 1."""
    step = size / 8
    line = np.abs((np.arange(size) + 0.5) % step - step / 2) > step / 2 - size / 200
    return np.maximum(line[:, None], line[None, :]).astype(np.float32)[..., None]


def _blueprint(pixels: np.ndarray) -> np.ndarray:
    """White lines on blue squared paper."""
    size = pixels.shape[0]
    lines = np.clip(_edges(pixels) / 100.0 - 0.1, 0, 1)[..., None]
    tint = _grey(pixels)[..., None] / 255.0
    paper = np.array([18, 58, 142], np.float32) + np.array([34, 52, 62], np.float32) * tint
    paper = paper + _squared_paper(size) * 22
    return np.clip(paper * (1 - lines) + 240 * lines, 0, 255).astype(np.uint8)


VIVID = ("red", "orange", "yellow", "green", "blue", "purple", "pink")

STYLES: Mapping[str, Style] = {
    "plain": Style(apply=None),
    "watercolour": Style(apply=_watercolour),
    "pencil": Style(apply=_pencil, mute=(255, 0.55), keeps_colours=False, plain_settings=("white",)),
    "pixel_art": Style(apply=_pixel_art),
    "neon": Style(apply=_neon, mute=(0, 0.6), plain_settings=("black",), colours=VIVID),
    "blueprint": Style(apply=_blueprint, mute=(90, 0.5), keeps_colours=False, plain_settings=("blue",)),
}


def apply(style: str, pixels: np.ndarray) -> np.ndarray:
    """The picture in another style; the plain style gives it back as it is."""
    filter_ = STYLES[style].apply
    return pixels if filter_ is None else filter_(pixels)


@lru_cache(maxsize=16)
def _muting(grey: int, share: float) -> np.ndarray:
    """What each channel value becomes, uint8 (256,)."""
    return np.round(np.arange(256) * (1 - share) + grey * share).astype(np.uint8)


def prepared(style: str, backdrop: np.ndarray) -> np.ndarray:
    """The backdrop as the style wants it before things are painted on it."""
    mute = STYLES[style].mute
    return backdrop if mute is None else _muting(*mute)[backdrop]
