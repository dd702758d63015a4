"""The painted places: one function a setting, from sky to foreground.

Places show few things of their own, and hardly any that the catalogue has: a palm on every beach
would be counted with the palms that stand there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from nonette.data.scenes.canvas import Canvas, Colour


def _moon(canvas: Canvas) -> None:
    lot, horizon = canvas.lot, 0.36 + canvas.lot.between(-0.03, 0.03)
    canvas.band((4, 5, 18), (22, 24, 52))
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
    canvas.band((10, 6, 38), (44, 16, 78))
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
    canvas.heaven((92, 184, 250), (190, 230, 255), horizon)
    canvas.sun(lot.between(0.14, 0.2), 0.14, 0.075, (255, 236, 120))
    canvas.band((24, 116, 198), (60, 190, 220), horizon, 0.62)
    canvas.hills(0.60, 0.02, 1.2, lot.number(), (240, 250, 252))
    canvas.hills(0.63, 0.02, 1.2, lot.number() * 0.1, (242, 214, 150))
    for x, y, radius in ((0.1, 0.78, 0.03), (0.9, 0.86, 0.025)):
        canvas.disc(x, y, radius, (250, 240, 222))
        canvas.disc(x, y, radius * 0.5, (236, 170, 140))
    for x in (0.62, 0.74, 0.84):
        canvas.disc(x, 0.12 + 0.02 * (x > 0.7) * (x < 0.8), 0.06, (255, 255, 255), 0.6)


def _desert(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.heaven((252, 190, 104), (255, 228, 168), 0.6)
    canvas.sun(lot.between(0.76, 0.84), 0.15, 0.08, (255, 250, 214))
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
    canvas.heaven((150, 200, 150), (206, 226, 170), 0.7)
    for i in range(7):
        _fir(canvas, i / 6 + lot.between(-0.02, 0.02), 0.68, 0.52, (54, 116, 74))
    canvas.hills(0.66, 0.01, 1, lot.number(), (84, 120, 48))
    for x in (0.02, 0.2, 0.8, 0.98):
        _fir(canvas, x + lot.between(-0.02, 0.02), 0.84, 0.78, (22, 82, 46))
    canvas.hills(0.82, 0.012, 1.3, lot.number(), (104, 86, 44))


def _snow(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.heaven((138, 168, 204), (204, 220, 238), 0.6)
    for x, height in ((0.06, 0.34), (0.24, 0.26), (0.76, 0.28), (0.94, 0.36)):
        _fir(canvas, x + lot.between(-0.02, 0.02), 0.6, height, (46, 98, 92), snow=True)
    canvas.hills(0.58, 0.02, 0.8, lot.number(), (226, 236, 248))
    canvas.hills(0.76, 0.025, 1.0, lot.number(), (246, 250, 255))
    for i in range(30):
        canvas.disc(i * 0.7549 % 1, i * 0.5698 % 1 * 0.95, 0.011, (255, 255, 255))


def _underwater(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.band((64, 196, 226), (8, 62, 138))
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
    canvas.heaven((150, 196, 236), (226, 232, 238), 0.85)
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
                    canvas.lamp(x, y, x + (x1 - x0) * 0.15, y + 0.03, (252, 232, 150))
    canvas.block(0, 0.78, 1, 0.82, (184, 184, 184))
    canvas.block(0, 0.82, 1, 1, (78, 80, 88))
    for i in range(5):
        canvas.block(0.04 + i * 0.22, 0.9, 0.14 + i * 0.22, 0.92, (240, 226, 120))


def _cloud(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A cloud of four puffs; the night sky is left to moon and stars."""
    if canvas.time == "night":
        return
    for dx, dy, radius in (
        (-0.9, 0.1, 0.6),
        (-0.2, -0.25, 0.85),
        (0.6, -0.05, 0.7),
        (1.2, 0.2, 0.45),
    ):
        canvas.disc(x + dx * size, y + dy * size, radius * size, (255, 255, 255), 0.72)


def _meadow(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.heaven((110, 190, 246), (206, 236, 250), 0.6)
    canvas.sun(lot.between(0.78, 0.84), 0.13, 0.07, (255, 232, 110))
    _cloud(canvas, lot.between(0.2, 0.3), 0.16, 0.07)
    canvas.hills(0.48, 0.05, 0.7, lot.number(), (146, 206, 98))
    canvas.hills(0.62, 0.03, 1.1, lot.number(), (112, 186, 74))
    canvas.hills(0.80, 0.03, 0.9, lot.number(), (92, 166, 60))
    petals = ((250, 250, 250), (250, 210, 70), (236, 92, 110))
    for i in range(26):
        y = 0.66 + i * 0.5698 % 1 * 0.31
        canvas.disc(i * 0.7549 % 1, y, 0.008 + 0.012 * (y - 0.6), petals[i % 3])


def _mountains(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.heaven((120, 176, 230), (220, 234, 246), 0.72)
    peaks = ((0.18, 0.22, 0.34, (128, 138, 164)), (0.82, 0.2, 0.36, (122, 132, 158)))
    for x, top, wide, colour in (*peaks, (0.5, 0.08, 0.42, (104, 114, 142))):
        x += lot.between(-0.03, 0.03)
        canvas.shape([(x, top), (x - wide, 0.8), (x + wide, 0.8)], colour)
        low = top + 0.16
        reach = wide * 0.16 / (0.8 - top)
        canvas.shape(
            [
                (x, top),
                (x - reach, low),
                (x - reach * 0.4, low - 0.035),
                (x, low + 0.02),
                (x + reach * 0.5, low - 0.03),
                (x + reach, low),
            ],
            (250, 252, 255),
        )
    canvas.hills(0.74, 0.025, 1.2, lot.number(), (96, 134, 92))
    canvas.hills(0.86, 0.02, 0.8, lot.number(), (120, 158, 96))


def _room(canvas: Canvas) -> None:
    lot, floor = canvas.lot, 0.72 + canvas.lot.between(-0.02, 0.02)
    canvas.block(0, 0, 1, floor, (240, 222, 190))
    for i in range(12):
        canvas.block(i / 12, 0, i / 12 + 0.04, floor, (232, 208, 170))
    x = 0.16 + lot.between(-0.03, 0.03)
    canvas.block(x - 0.12, 0.08, x + 0.12, 0.40, (250, 250, 248))
    canvas.block(x - 0.10, 0.10, x + 0.10, 0.38, (150, 206, 246))
    canvas.block(x - 0.008, 0.08, x + 0.008, 0.40, (250, 250, 248))
    canvas.block(x - 0.12, 0.23, x + 0.12, 0.246, (250, 250, 248))
    canvas.block(x - 0.15, 0.40, x + 0.15, 0.425, (224, 216, 204))
    canvas.block(0, floor - 0.035, 1, floor, (250, 246, 238))
    canvas.block(0, floor, 1, 1, (178, 124, 78))
    for i, y in enumerate((0.06, 0.13, 0.21, 0.29)):
        canvas.block(0, floor + y, 1, floor + y + 0.006, (140, 92, 54))
        for j in range(4):
            left = (j * 0.3 + i * 0.13) % 1
            canvas.block(left, floor + y - 0.07, left + 0.006, floor + y, (140, 92, 54))
    canvas.disc(0.5, floor + 0.16, 0.36, (176, 72, 84), 0.26)
    canvas.disc(0.5, floor + 0.16, 0.31, (214, 120, 116), 0.25)


def _stage(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.band((44, 14, 34), (92, 26, 48), 0, 0.8)
    for x in (0.3, 0.7):
        x += lot.between(-0.04, 0.04)
        canvas.shape(
            [
                (x - 0.02, 0),
                (x + 0.02, 0),
                (0.5 + (x - 0.5) * 0.2 + 0.2, 0.86),
                (0.5 + (x - 0.5) * 0.2 - 0.2, 0.86),
            ],
            (132, 62, 76),
        )
    canvas.block(0, 0.78, 1, 1, (168, 112, 62))
    for i in range(7):
        canvas.line([(0.5 + (i - 3) * 0.13, 0.78), (0.5 + (i - 3) * 0.26, 1)], 0.008, (124, 78, 40))
    canvas.disc(0.5, 0.88, 0.32, (246, 214, 150), 0.26)
    for side in (0, 1):
        for fold in range(4):
            left = fold * 0.055
            shade = (196, 24, 40) if fold % 2 == 0 else (150, 12, 30)
            xs = (left, left + 0.06) if side == 0 else (1 - left - 0.06, 1 - left)
            canvas.block(xs[0], 0, xs[1], 0.86, shade)
    for i in range(8):
        canvas.disc(i / 7, 0.03, 0.09, (206, 28, 44) if i % 2 == 0 else (166, 16, 34), 0.9)
    canvas.block(0, 0.965, 1, 1, (90, 54, 28))


def _sky(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.heaven((76, 160, 240), (190, 226, 252), 1.0)
    for x, y, size in (
        (0.14, 0.2, 0.1),
        (0.8, 0.12, 0.09),
        (0.88, 0.62, 0.12),
        (0.2, 0.78, 0.13),
        (0.6, 0.92, 0.1),
    ):
        _cloud(canvas, x + lot.between(-0.04, 0.04), y, size)


def _road(canvas: Canvas) -> None:
    lot, horizon = canvas.lot, 0.42 + canvas.lot.between(-0.02, 0.02)
    canvas.heaven((128, 196, 244), (222, 238, 246), horizon)
    _cloud(canvas, lot.between(0.7, 0.8), 0.14, 0.06)
    canvas.block(0, horizon, 1, 1, (196, 190, 92))
    canvas.hills(horizon, 0.02, 1.2, lot.number(), (150, 178, 88))
    canvas.block(0, horizon + 0.07, 1, 1, (206, 190, 104))
    canvas.shape([(0.46, horizon), (0.54, horizon), (0.98, 1), (0.02, 1)], (92, 94, 102))
    for y0, y1 in ((0.04, 0.09), (0.14, 0.22), (0.29, 0.40), (0.48, 0.6)):
        wide0, wide1 = 0.004 + y0 * 0.03, 0.004 + y1 * 0.03
        canvas.shape(
            [
                (0.5 - wide0, horizon + y0),
                (0.5 + wide0, horizon + y0),
                (0.5 + wide1, horizon + y1),
                (0.5 - wide1, horizon + y1),
            ],
            (250, 240, 200),
        )
    for side in (-1, 1):
        canvas.line([(0.5 + side * 0.038, horizon), (0.5 + side * 0.45, 1)], 0.012, (240, 240, 236))


def _volcano(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.band((70, 36, 52), (210, 96, 62), 0, 0.8)
    for dx, y, radius in ((0.0, 0.12, 0.10), (0.09, 0.05, 0.12), (-0.1, 0.03, 0.11)):
        canvas.disc(0.5 + dx + lot.between(-0.02, 0.02), y, radius, (74, 62, 70))
    canvas.shape([(0.38, 0.2), (0.62, 0.2), (1.04, 0.84), (-0.04, 0.84)], (72, 50, 52))
    canvas.shape([(0.38, 0.2), (0.62, 0.2), (0.58, 0.25), (0.42, 0.25)], (255, 170, 40))
    for points in (
        ((0.46, 0.22), (0.40, 0.46), (0.34, 0.6), (0.22, 0.84)),
        ((0.54, 0.22), (0.6, 0.5), (0.7, 0.84)),
        ((0.5, 0.22), (0.5, 0.4)),
    ):
        canvas.line(points, 0.045, (238, 76, 12))
        canvas.line(points, 0.018, (255, 206, 70))
    canvas.hills(0.82, 0.02, 1.3, lot.number(), (52, 36, 40))
    for x in (0.12, 0.5, 0.86):
        canvas.disc(x + lot.between(-0.03, 0.03), 0.93, 0.09, (240, 90, 16), 0.3)
        canvas.disc(x, 0.93, 0.05, (255, 190, 60), 0.28)


def _cave(canvas: Canvas) -> None:
    lot = canvas.lot
    canvas.block(0, 0, 1, 1, (66, 56, 58))
    rock: Colour = (92, 80, 80)
    canvas.disc(0.5, 0.55, 0.46, rock, 1.05)
    canvas.disc(0.5 + lot.between(-0.03, 0.03), 0.5, 0.2, (206, 224, 214), 1.1)
    canvas.disc(0.5, 0.56, 0.15, (240, 246, 226), 1.1)
    canvas.hills(0.78, 0.025, 1.2, lot.number(), (124, 106, 96))
    for i in range(9):
        x, length = i / 8, 0.12 + 0.16 * (i * 0.618 % 1)
        canvas.shape([(x - 0.06, 0), (x + 0.06, 0), (x, length)], (44, 36, 40))
    for x, height in ((0.05, 0.26), (0.17, 0.14), (0.85, 0.16), (0.95, 0.28)):
        canvas.shape([(x - 0.06, 0.94), (x + 0.06, 0.94), (x, 0.94 - height)], (78, 66, 66))
    for x, y in ((0.14, 0.5), (0.88, 0.44), (0.8, 0.7)):
        canvas.shape(
            [(x, y - 0.05), (x + 0.025, y), (x, y + 0.04), (x - 0.025, y)], (120, 216, 232)
        )


SCENES: Mapping[str, Callable[[Canvas], None]] = {
    "moon": _moon,
    "space": _space,
    "beach": _beach,
    "desert": _desert,
    "forest": _forest,
    "snow": _snow,
    "underwater": _underwater,
    "city": _city,
    "meadow": _meadow,
    "mountains": _mountains,
    "room": _room,
    "stage": _stage,
    "sky": _sky,
    "road": _road,
    "volcano": _volcano,
    "cave": _cave,
}
