"""A backdrop in the making: shapes in shares of its side, and the light of the hour on all of them.

Whatever is drawn takes the light of the time of day, but for the sky, which has colours of its own
at each time, and for lamps. Daylight leaves every colour as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from nonette.data.scenes.lots import Lot

SCALE = 3  # supersampling

Colour = tuple[int, int, int]

# The light of the hour: factors on red, green and blue, and how far colours go to grey before.
LIGHT: Mapping[str, tuple[tuple[float, float, float], float]] = {
    "day": ((1.0, 1.0, 1.0), 0.0),
    "sunset": ((0.96, 0.72, 0.66), 0.1),
    "night": ((0.26, 0.33, 0.56), 0.25),
    "rain": ((0.70, 0.74, 0.80), 0.45),
}
# The sky at each time but by day: from the top, over two thirds of the way, to the horizon.
SKIES: Mapping[str, tuple[Colour, Colour, Colour]] = {
    "sunset": ((98, 62, 136), (240, 112, 92), (255, 204, 112)),
    "night": ((6, 10, 38), (16, 26, 70), (40, 54, 104)),
    "rain": ((96, 104, 118), (126, 134, 146), (164, 170, 176)),
}


class Canvas:
    """A square of `size` pixels at one hour; lengths are shares of its side, y grows downwards."""

    def __init__(self, size: int, lot: Lot, time: str = "day") -> None:
        self.time = time
        self.side = size * SCALE
        self.lot = lot
        self.image = Image.new("RGB", (self.side, self.side))
        self.pen = ImageDraw.Draw(self.image)

    def lit(self, colour: Colour) -> Colour:
        """The colour in the light of the hour."""
        factors, greying = LIGHT[self.time]
        grey = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
        red, green, blue = (
            round((value * (1 - greying) + grey * greying) * factor)
            for value, factor in zip(colour, factors, strict=True)
        )
        return red, green, blue

    def heaven(self, top: Colour, bottom: Colour, horizon: float) -> None:
        """The sky down to the horizon: by day between two colours, else as the hour has it."""
        if self.time == "day":
            self._band(top, bottom, 0, horizon)
            return
        high, middle, low = SKIES[self.time]
        self._band(high, middle, 0, horizon * 0.62)
        self._band(middle, low, horizon * 0.6, horizon)
        if self.time == "night":
            for i in range(24):
                self._disc(
                    i * 0.7549 % 1, i * 0.5698 % 1 * horizon * 0.9, 0.006, (255, 255, 235), 1
                )
            x = 0.24 + self.lot.between(-0.03, 0.03)
            self._disc(x, 0.15, 0.075, (250, 240, 200), 1)
            self._disc(x + 0.04, 0.13, 0.066, (10, 16, 50), 1)
        elif self.time == "sunset":
            x = 0.3 + self.lot.between(-0.04, 0.04)
            self._disc(x, horizon - 0.03, 0.14, (255, 226, 140), 1)
        else:
            for i in range(6):
                self._disc(i * 0.2, 0.03 + 0.05 * (i % 2), 0.16, (88, 94, 106), 0.5)

    def sun(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """The sun, which only the day shows here."""
        if self.time == "day":
            self._disc(x, y, radius, colour, 1)

    def band(self, top: Colour, bottom: Colour, y0: float = 0.0, y1: float = 1.0) -> None:
        """A band from y0 to y1 that goes from one colour to the other."""
        self._band(self.lit(top), self.lit(bottom), y0, y1)

    def _band(self, top: Colour, bottom: Colour, y0: float, y1: float) -> None:
        rows = np.arange(round(y0 * self.side), round(y1 * self.side))
        share = (rows - rows[0]) / max(1, len(rows) - 1)
        band = np.array(top) * (1 - share)[:, None] + np.array(bottom) * share[:, None]
        pixels = np.repeat(band[:, None, :].round().astype(np.uint8), self.side, axis=1)
        self.image.paste(Image.fromarray(pixels), (0, int(rows[0])))

    def disc(self, x: float, y: float, radius: float, colour: Colour, squash: float = 1.0) -> None:
        """A filled circle, or an ellipse `squash` times as high as wide."""
        self._disc(x, y, radius, self.lit(colour), squash)

    def _disc(self, x: float, y: float, radius: float, colour: Colour, squash: float) -> None:
        n = self.side
        high = radius * squash
        self.pen.ellipse(
            ((x - radius) * n, (y - high) * n, (x + radius) * n, (y + high) * n), fill=colour
        )

    def shape(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        """A filled polygon."""
        self.pen.polygon([(x * self.side, y * self.side) for x, y in points], fill=self.lit(colour))

    def lamp(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled rectangle that shines by itself."""
        n = self.side
        self.pen.rectangle((x0 * n, y0 * n, x1 * n, y1 * n), fill=colour)

    def block(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled rectangle."""
        n = self.side
        self.pen.rectangle((x0 * n, y0 * n, x1 * n, y1 * n), fill=self.lit(colour))

    def line(self, points: Sequence[tuple[float, float]], width: float, colour: Colour) -> None:
        """A line through the points."""
        self.pen.line(
            [(x * self.side, y * self.side) for x, y in points],
            fill=self.lit(colour),
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
