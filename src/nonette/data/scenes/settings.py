"""Where scenes play: painted backdrops, a few variants of each, shifted and mirrored a little.

A backdrop is painted once, somewhat larger than the picture, and a window of it is cut for every scene, so
that a picture costs a copy. What varies is little and told by no caption: the height of the horizon, the
place of a dune or a cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from nonette.data.scenes.lots import Lot

SCALE = 3  # supersampling of a backdrop
PADDING = 1 / 16  # share of the picture by which a backdrop is larger, for shifting
NUM_VARIANTS = 4
SETTING_STREAM = 7

Colour = tuple[int, int, int]

# Plain backdrops are a little softer than the colours of things, but go by the same names.
PLAIN: Mapping[str, Colour] = {
    "red": (214, 62, 58),
    "orange": (255, 160, 64),
    "yellow": (255, 232, 96),
    "green": (104, 196, 98),
    "blue": (92, 152, 246),
    "purple": (160, 98, 214),
    "pink": (255, 176, 214),
    "brown": (150, 104, 66),
    "black": (22, 22, 26),
    "grey": (166, 166, 170),
    "white": (255, 255, 255),
}


class Canvas:
    """A backdrop in the making; coordinates and lengths are shares of its side, y grows downwards."""

    def __init__(self, size: int, lot: Lot) -> None:
        self.side = size * SCALE
        self.lot = lot
        self.image = Image.new("RGB", (self.side, self.side))
        self.pen = ImageDraw.Draw(self.image)

    def sky(self, top: Colour, bottom: Colour, y0: float = 0.0, y1: float = 1.0) -> None:
        """A band from y0 to y1 that goes from one colour to the other."""
        rows = np.arange(round(y0 * self.side), round(y1 * self.side))
        share = (rows - rows[0]) / max(1, len(rows) - 1)
        band = np.array(top) * (1 - share)[:, None] + np.array(bottom) * share[:, None]
        pixels = np.repeat(band[:, None, :].round().astype(np.uint8), self.side, axis=1)
        self.image.paste(Image.fromarray(pixels), (0, int(rows[0])))

    def disc(self, x: float, y: float, radius: float, colour: Colour, squash: float = 1.0) -> None:
        """A filled circle, or an ellipse `squash` times as high as wide."""
        n = self.side
        high = radius * squash
        self.pen.ellipse(
            ((x - radius) * n, (y - high) * n, (x + radius) * n, (y + high) * n), fill=colour
        )

    def shape(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        """A filled polygon."""
        self.pen.polygon([(x * self.side, y * self.side) for x, y in points], fill=colour)

    def block(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled rectangle."""
        n = self.side
        self.pen.rectangle((x0 * n, y0 * n, x1 * n, y1 * n), fill=colour)

    def line(self, points: Sequence[tuple[float, float]], width: float, colour: Colour) -> None:
        """A line through the points."""
        self.pen.line(
            [(x * self.side, y * self.side) for x, y in points],
            fill=colour,
            width=max(1, round(width * self.side)),
            joint="curve",
        )

    def hills(self, y: float, height: float, waves: float, phase: float, colour: Colour) -> None:
        """Everything below a wavy line is filled."""
        xs = np.linspace(0, 1, 49)
        ys = y + height * np.sin(2 * np.pi * (xs * waves + phase))
        self.shape([*zip(xs.tolist(), ys.tolist(), strict=True), (1, 1), (0, 1)], colour)

    def pixels(self) -> np.ndarray:
        """The finished backdrop, uint8 (size, size, 3)."""
        return np.asarray(self.image.reduce(SCALE))


def _moon(canvas: Canvas) -> None:
    lot, horizon = canvas.lot, 0.36 + canvas.lot.between(-0.03, 0.03)
    canvas.sky((4, 5, 18), (22, 24, 52))
    for i in range(22):
        canvas.disc(i * 0.7549 % 1, i * 0.5698 % 1 * horizon, 0.006, (255, 255, 240))
    earth = lot.between(0.16, 0.22)
    canvas.disc(earth, 0.16, 0.085, (58, 128, 226))
    canvas.disc(earth - 0.025, 0.14, 0.034, (72, 178, 92))
    canvas.disc(earth + 0.035, 0.19, 0.026, (72, 178, 92))
    canvas.hills(horizon, 0.018, 1.3, lot.number(), (188, 188, 196))
    craters = (
        (0.12, 0.50, 0.07),
        (0.86, 0.46, 0.06),
        (0.78, 0.74, 0.11),
        (0.2, 0.82, 0.1),
        (0.5, 0.94, 0.08),
        (0.5, 0.55, 0.06),
    )
    for x, y, radius in craters:
        x += lot.between(-0.03, 0.03)
        canvas.disc(x, y, radius, (142, 142, 152), 0.45)
        canvas.disc(x, y + radius * 0.1, radius * 0.82, (162, 162, 172), 0.42)


def _space(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.sky((10, 6, 38), (44, 16, 78))
    for i in range(46):
        radius = 0.009 if i % 5 == 0 else 0.005
        canvas.disc(i * 0.7549 % 1, i * 0.5698 % 1, radius, (255, 255, 230))
    x = lot.between(0.80, 0.84)
    canvas.disc(x, 0.18, 0.17, (206, 150, 70), 0.25)
    canvas.disc(x, 0.18, 0.13, (44, 20, 72), 0.22)
    canvas.disc(x, 0.18, 0.095, (238, 170, 96))
    canvas.disc(x, 0.205, 0.09, (214, 128, 66), 0.35)
    canvas.disc(0.14, lot.between(0.82, 0.86), 0.08, (206, 70, 60))
    canvas.disc(0.125, 0.825, 0.03, (236, 116, 96))


def _beach(canvas: Canvas) -> None:
    lot, horizon = canvas.lot, 0.38 + canvas.lot.between(-0.02, 0.02)
    canvas.sky((92, 184, 250), (190, 230, 255), 0, horizon)
    canvas.disc(lot.between(0.14, 0.2), 0.14, 0.075, (255, 236, 120))
    canvas.sky((24, 116, 198), (60, 190, 220), horizon, 0.62)
    canvas.hills(0.60, 0.02, 1.2, lot.number(), (240, 250, 252))
    canvas.hills(0.63, 0.02, 1.2, lot.number() * 0.1, (242, 214, 150))
    for x, y, radius in ((0.1, 0.78, 0.03), (0.9, 0.86, 0.025)):
        canvas.disc(x, y, radius, (250, 240, 222))
        canvas.disc(x, y, radius * 0.5, (236, 170, 140))
    for x in (0.62, 0.74, 0.84):
        canvas.disc(x, 0.12 + 0.02 * (x > 0.7) * (x < 0.8), 0.06, (255, 255, 255), 0.6)


def _desert(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.sky((252, 190, 104), (255, 228, 168), 0, 0.6)
    canvas.disc(lot.between(0.76, 0.84), 0.15, 0.08, (255, 250, 214))
    for x, top, wide in ((0.12, 0.3, 0.11), (0.5, 0.4, 0.07)):
        x += lot.between(-0.03, 0.03)
        canvas.shape(
            [(x - wide, 0.55), (x - wide * 0.7, top), (x + wide * 0.6, top), (x + wide, 0.55)],
            (196, 104, 60),
        )
        canvas.block(x - wide * 0.72, top + 0.04, x + wide * 0.66, top + 0.065, (222, 134, 82))
    canvas.hills(0.52, 0.05, 1.0, lot.number(), (226, 150, 74))
    canvas.hills(0.66, 0.04, 0.8, lot.number(), (238, 172, 88))
    canvas.hills(0.84, 0.03, 0.9, lot.number(), (246, 190, 106))


def _fir(
    canvas: Canvas, x: float, foot: float, height: float, colour: Colour, snow: bool = False
) -> None:
    """A fir tree of three tiers."""
    canvas.block(x - height * 0.04, foot - height * 0.2, x + height * 0.04, foot, (92, 58, 30))
    for tier in range(3):
        top = foot - height * (1 - tier * 0.24)
        low = top + height * 0.40
        wide = height * (0.17 + 0.065 * tier)
        canvas.shape([(x, top), (x - wide, low), (x + wide, low)], colour)
        if snow:
            canvas.shape(
                [
                    (x, top),
                    (x - wide * 0.5, top + height * 0.2),
                    (x + wide * 0.5, top + height * 0.2),
                ],
                (255, 255, 255),
            )


def _forest(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.sky((150, 200, 150), (206, 226, 170), 0, 0.7)
    for i in range(7):
        _fir(canvas, i / 6 + lot.between(-0.02, 0.02), 0.68, 0.52, (54, 116, 74))
    canvas.hills(0.66, 0.01, 1, lot.number(), (84, 120, 48))
    for x in (0.02, 0.2, 0.8, 0.98):
        _fir(canvas, x + lot.between(-0.02, 0.02), 0.84, 0.78, (22, 82, 46))
    canvas.hills(0.82, 0.012, 1.3, lot.number(), (104, 86, 44))


def _snow(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.sky((138, 168, 204), (204, 220, 238), 0, 0.6)
    for x, height in ((0.06, 0.34), (0.24, 0.26), (0.76, 0.28), (0.94, 0.36)):
        _fir(canvas, x + lot.between(-0.02, 0.02), 0.6, height, (46, 98, 92), snow=True)
    canvas.hills(0.58, 0.02, 0.8, lot.number(), (226, 236, 248))
    canvas.hills(0.76, 0.025, 1.0, lot.number(), (246, 250, 255))
    for i in range(30):
        canvas.disc(i * 0.7549 % 1, i * 0.5698 % 1 * 0.95, 0.011, (255, 255, 255))


def _underwater(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.sky((64, 196, 226), (8, 62, 138))
    for x in (0.18, 0.5, 0.82):
        x += lot.between(-0.04, 0.04)
        canvas.shape(
            [(x - 0.04, 0), (x + 0.04, 0), (x + 0.0, 0.5), (x - 0.14, 0.5)], (86, 204, 230)
        )
    canvas.hills(0.86, 0.02, 1.1, lot.number(), (206, 184, 120))
    for x, height in ((0.07, 0.4), (0.15, 0.28), (0.88, 0.34), (0.95, 0.46)):
        ys = np.linspace(0, 1, 9)
        points = [(x + 0.018 * float(np.sin(6 * s)), 0.93 - height * float(s)) for s in ys]
        canvas.line(points, 0.03, (26, 138, 84))
    for x, y, radius in (
        (0.2, 0.36, 0.024),
        (0.24, 0.24, 0.017),
        (0.78, 0.3, 0.022),
        (0.82, 0.46, 0.015),
        (0.18, 0.5, 0.014),
    ):
        canvas.disc(x, y, radius, (214, 244, 252))
        canvas.disc(x, y, radius * 0.7, (96, 190, 222))
    for x, colour in ((0.3, (240, 104, 96)), (0.72, (250, 140, 60))):
        for dx in (-0.03, 0, 0.03):
            canvas.line([(x, 0.93), (x + dx, 0.83)], 0.018, colour)


def _city(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.sky((150, 196, 236), (226, 232, 238), 0, 0.85)
    towers = (
        (-0.02, 0.13, 0.16),
        (0.13, 0.28, 0.34),
        (0.28, 0.40, 0.22),
        (0.40, 0.58, 0.40),
        (0.58, 0.72, 0.26),
        (0.72, 0.86, 0.36),
        (0.86, 1.02, 0.14),
    )
    shades = ((104, 118, 142), (142, 124, 118), (86, 102, 132), (128, 138, 156))
    for i, (x0, x1, top) in enumerate(towers):
        top += lot.between(-0.03, 0.03)
        canvas.block(x0, top, x1, 0.8, shades[i % 4])
        for row in range(8):
            y = top + 0.03 + row * 0.06
            for column in range(3):
                x = x0 + (x1 - x0) * (0.16 + column * 0.28)
                if y < 0.74:
                    canvas.block(x, y, x + (x1 - x0) * 0.15, y + 0.03, (252, 232, 150))
    canvas.block(0, 0.78, 1, 0.82, (184, 184, 184))
    canvas.block(0, 0.82, 1, 1, (78, 80, 88))
    for i in range(5):
        canvas.block(0.04 + i * 0.22, 0.9, 0.14 + i * 0.22, 0.92, (240, 226, 120))


SCENES: Mapping[str, Callable[[Canvas], None]] = {
    "moon": _moon,
    "space": _space,
    "beach": _beach,
    "desert": _desert,
    "forest": _forest,
    "snow": _snow,
    "underwater": _underwater,
    "city": _city,
}

# What a backdrop itself shows: such things would be miscounted or mistaken beside others of their kind.
SHOWS: Mapping[str, frozenset[str]] = {
    "forest": frozenset({"tree", "pine_tree", "christmas_tree"}),
    "snow": frozenset({"tree", "pine_tree", "christmas_tree"}),
}


@lru_cache(maxsize=384)
def _backdrop(setting: str, time: str, size: int, variant: int, is_mirrored: bool) -> np.ndarray:
    """The whole backdrop, a little larger than the picture, uint8, read-only."""
    canvas = Canvas(size + 2 * round(size * PADDING / 2), Lot(0, variant, SETTING_STREAM))
    SCENES[setting](canvas)
    pixels = np.ascontiguousarray(canvas.pixels()[:, :: -1 if is_mirrored else 1])
    pixels.setflags(write=False)
    return pixels


@lru_cache(maxsize=64)
def _plain(setting: str, size: int) -> np.ndarray:
    return np.full((size, size, 3), PLAIN[setting], np.uint8)


def backdrop(setting: str, time: str, size: int, lot: Lot) -> np.ndarray:
    """A fresh background, uint8 (size, size, 3), that may be painted on.

    Args:
        setting: A key of `PLAIN` or of `SCENES`.
        time: "day", "sunset", "night" or "rain"; plain settings know only "day".
        size: Side of the picture in pixels.
        lot: Decides the variant, the shift and the mirroring.
    """
    if setting in PLAIN:
        return _plain(setting, size).copy()
    variant, is_mirrored = int(lot.number() * NUM_VARIANTS), lot.chance(0.5)
    whole = _backdrop(setting, time, size, variant, is_mirrored)
    room = whole.shape[0] - size + 1
    top, left = int(lot.number() * room), int(lot.number() * room)
    return whole[top : top + size, left : left + size].copy()


def times(setting: str) -> tuple[str, ...]:
    """The times of day and weathers that a setting knows, "day" first."""
    return ("day",)
