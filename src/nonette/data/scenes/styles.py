"""In which manner scenes are painted: filters over a finished picture, uint8 (S, S, 3) in and out.

A style is the same at every call but for what it is given: paper grain and pencil strokes are fixed
patterns. Strokes and grains scale with the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


@dataclass(frozen=True, kw_only=True)
class Style:
    """A style and what it leaves of a scene.

    Attributes:
        apply: The filter, or None for the plain style.
        mute: Towards which grey, 0 to 255, and by what share the backdrop goes before things are
            painted on it, so that they stand out; None for not at all.
        keeps_colours: Whether colours (so materials, and coloured backgrounds) can be told.
        keeps_materials: Whether materials can be told.
        plain_settings: The plain backgrounds that are still true in it; None for all.
        colours: The colours of things that are still true in it; None for all, if it keeps colours.
    """

    apply: Callable[[np.ndarray], np.ndarray] | None
    mute: tuple[int, float] | None = None
    keeps_colours: bool = True
    keeps_materials: bool = True
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
    """Flat indices that move pixels by up to `reach` shares of the side, int64 (size * size,)."""
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


def _lightest(pixels: np.ndarray) -> np.ndarray:
    """Each channel's largest value among a pixel and its eight neighbours, uint8 (S, S, 3)."""
    wide = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = np.maximum(np.maximum(wide[:-2], wide[1:-1]), wide[2:])
    return np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def _neon(pixels: np.ndarray) -> np.ndarray:
    """Glowing outlines in saturated colours on black."""
    size = pixels.shape[0]
    edges = np.clip(_edges(pixels).astype(np.float32) / 110 - 0.12, 0, 1)
    local = _lightest(pixels).astype(np.float32)
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


@lru_cache(maxsize=8)
def _dabs(size: int) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel the flat index of the one that colours its brush dab, and the dab's light.

    int64 (size * size,), and int16 (size, size, 1) of -16 to 16.
    """
    rng = np.random.default_rng(31)
    num_dabs = 4200
    centres = rng.random((num_dabs, 2)) * size
    angles = 2.2 * noise(size, 5, 33)[centres[:, 1].astype(int), centres[:, 0].astype(int)]
    label = Image.new("I", (size, size), 0)
    light = Image.new("I", (size, size), 0)
    pens = ImageDraw.Draw(label), ImageDraw.Draw(light)
    long, wide = size * 0.034, size * 0.013
    for i, ((x, y), angle) in enumerate(zip(centres.tolist(), angles.tolist(), strict=True)):
        along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
        corners = [
            (
                x + a * long * along[0] + b * wide * across[0],
                y + a * long * along[1] + b * wide * across[1],
            )
            for a, b in ((-1, 0), (-0.7, -1), (0.7, -1), (1, 0), (0.7, 1), (-0.7, 1))
        ]
        pens[0].polygon(corners, fill=i)
        pens[1].polygon(corners, fill=int(rng.integers(0, 26)))
        pens[1].line(corners[3:] + corners[:1], fill=40)
    rows, columns = centres[:, 1].astype(int), centres[:, 0].astype(int)
    source = (rows * size + columns)[np.asarray(label)]
    return source.ravel(), (np.asarray(light).astype(np.int16) - 18)[..., None]


def _oil_painting(pixels: np.ndarray) -> np.ndarray:
    """Short brush dabs of one colour each, with light on their ridges."""
    source, light = _dabs(pixels.shape[0])
    dabbed = _moved(pixels, source)
    # Half of the drawing stays, so that eyes and edges do.
    mixed = (dabbed.astype(np.int16) * 5 + pixels.astype(np.int16) * 3) >> 3
    return np.clip(mixed + light, 0, 255).astype(np.uint8)


@lru_cache(maxsize=8)
def _wax(size: int) -> np.ndarray:
    """Where crayon leaves paper bare, float32 (size, size, 1), 0 to 1: slanting, broken streaks."""
    rows, columns = np.mgrid[:size, :size] / size
    streaks = np.sin(2 * np.pi * 30 * (columns * 0.8 + rows + 0.02 * noise(size, 9, 42)))
    grain = noise(size, min(size, 100), 43)
    return np.clip(0.8 * grain + 0.3 * streaks - 0.3, 0, 0.8).astype(np.float32)[..., None] * 0.85


def _crayon(pixels: np.ndarray) -> np.ndarray:
    """Waxy colours over rough paper, with shaky dark outlines."""
    size = pixels.shape[0]
    shaken = _moved(pixels, _wobble(size, 34, 0.008, 45))
    bare = _wax(size)
    lines = np.clip(_edges(shaken) / 150.0 - 0.25, 0, 0.55)[..., None]
    drawn = shaken * (1 - lines)
    return (drawn * (1 - bare) + 250 * bare).astype(np.uint8)


@lru_cache(maxsize=8)
def _tiles(size: int, num_columns: int, jitter: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of irregular tiles, int64 (size * size,), and their joints, bool (size, size)."""
    rng = np.random.default_rng(seed)
    steps = np.stack(np.meshgrid(np.arange(num_columns), np.arange(num_columns)), axis=-1).reshape(
        -1, 2
    )
    points = (steps + 0.5 + jitter * (rng.random(steps.shape) - 0.5)) * size / num_columns
    rows, columns = np.mgrid[: 2 * size, : 2 * size] / 2 + 0.25
    nearest = np.zeros(rows.shape, int)
    least = np.full(rows.shape, np.inf)
    for i, (x, y) in enumerate(points.tolist()):
        reach = 2 * size // num_columns
        top, left = max(0, int(2 * (y - reach))), max(0, int(2 * (x - reach)))
        window = np.s_[top : int(2 * (y + reach)), left : int(2 * (x + reach))]
        distance = (rows[window] - y) ** 2 + (columns[window] - x) ** 2
        is_nearer = distance < least[window]
        least[window] = np.where(is_nearer, distance, least[window])
        nearest[window] = np.where(is_nearer, i, nearest[window])
    label = nearest[::2, ::2]
    joint = (nearest[::2, ::2] != nearest[1::2, ::2]) | (nearest[::2, ::2] != nearest[::2, 1::2])
    return label.ravel(), joint


def _tile_means(pixels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Every pixel in the mean colour of its tile, float64 (S, S, 3)."""
    flat = pixels.reshape(-1, 3)
    counts = np.maximum(np.bincount(labels), 1)
    means = np.stack([np.bincount(labels, weights=flat[:, i]) / counts for i in range(3)], axis=1)
    return means.take(labels, axis=0).reshape(pixels.shape)


def _mosaic(pixels: np.ndarray) -> np.ndarray:
    """Small irregular tiles in pale joints."""
    labels, joint = _tiles(pixels.shape[0], 25, 0.5, 51)
    shade = 1 + 0.08 * np.sin(np.arange(labels.max() + 1) * 2.4)
    tiled = _tile_means(pixels, labels) * shade[labels].reshape(joint.shape)[..., None]
    tiled[joint] = tiled[joint] * 0.35 + 0.65 * np.array([206, 200, 188])
    return np.clip(tiled, 0, 255).astype(np.uint8)


def _stained_glass(pixels: np.ndarray) -> np.ndarray:
    """Glowing panes in black lead; the lead also follows what is drawn."""
    size = pixels.shape[0]
    labels, joint = _tiles(size, 10, 0.9, 61)
    soft = np.asarray(Image.fromarray(pixels).filter(ImageFilter.MedianFilter(3))).astype(
        np.float32
    )
    grey = soft.mean(axis=2, keepdims=True)
    vivid = grey + (soft - grey) * 1.5
    glow = 1.04 + 0.2 * np.sin(np.arange(labels.max() + 1) * 2.4)
    lit = vivid * glow[labels].reshape(size, size, 1) + 12
    lead = (_edges(_blur(pixels, size / 150)) > 70) | joint
    wide = np.asarray(Image.fromarray(lead).convert("L").filter(ImageFilter.BoxBlur(size / 256)))
    dark = np.clip(wide / 150.0, 0, 1)[..., None]
    return np.clip(lit * (1 - dark) + 14 * dark, 0, 255).astype(np.uint8)


@lru_cache(maxsize=8)
def _dots(size: int) -> np.ndarray:
    """A comic's raster: the tone up to which each pixel gets ink, float32 (size, size)."""
    rows, columns = np.mgrid[:size, :size]
    pitch = size / 32
    u, v = (columns + rows) / pitch / math.sqrt(2), (columns - rows) / pitch / math.sqrt(2)
    return (0.5 + 0.25 * (np.cos(2 * np.pi * u) + np.cos(2 * np.pi * v))).astype(np.float32)


def _comic(pixels: np.ndarray) -> np.ndarray:
    """Flat inks, dots in the shades, thick black outlines."""
    size = pixels.shape[0]
    ink = pixels.astype(np.float32)
    level = ink.max(axis=2) / 255
    is_dotted = _dots(size) > level * 1.25
    grey = ink.mean(axis=2, keepdims=True)
    vivid = (grey + (ink - grey) * 1.3) * 1.08
    inked = np.where(is_dotted[..., None], vivid * 0.5, vivid)
    lines = np.clip((_edges(_blur(pixels, size / 170)) - 42) / 36.0, 0, 1)[..., None]
    return np.clip(inked * (1 - lines) + 10 * lines, 0, 255).astype(np.uint8)


def _black_and_white(pixels: np.ndarray) -> np.ndarray:
    """A photograph without colours, of strong contrast."""
    table = np.clip((np.arange(256) - 128) * 1.2 + 128, 0, 255).astype(np.uint8)
    return np.repeat(table[_grey(pixels)][..., None], 3, axis=2)


VIVID = ("red", "orange", "yellow", "green", "blue", "purple", "pink")

STYLES: Mapping[str, Style] = {
    "plain": Style(apply=None),
    "watercolour": Style(apply=_watercolour),
    "oil_painting": Style(apply=_oil_painting),
    "pencil": Style(
        apply=_pencil,
        mute=(255, 0.55),
        keeps_colours=False,
        keeps_materials=False,
        plain_settings=("white",),
    ),
    "crayon": Style(apply=_crayon),
    "pixel_art": Style(apply=_pixel_art),
    "mosaic": Style(apply=_mosaic, keeps_materials=False),
    "stained_glass": Style(apply=_stained_glass, keeps_materials=False),
    "neon": Style(
        apply=_neon,
        mute=(0, 0.6),
        keeps_materials=False,
        plain_settings=("black",),
        colours=VIVID,
    ),
    "comic": Style(apply=_comic),
    "blueprint": Style(
        apply=_blueprint,
        mute=(90, 0.5),
        keeps_colours=False,
        keeps_materials=False,
        plain_settings=("blue",),
    ),
    "black_and_white": Style(
        apply=_black_and_white,
        keeps_colours=False,
        keeps_materials=False,
        plain_settings=("white", "black", "grey"),
    ),
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
