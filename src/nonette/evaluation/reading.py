"""What was read in a picture, in plain words: things with looks and boxes, setting, time, style.

`reader` fills these in; verdicts, reports and tests need no network and no torch to speak of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from nonette.data.scenes.scene import Render, Thing

SAME_PLACE = 0.3  # overlap from which an instance read stands where a thing was painted


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One thing seen in a picture.

    Attributes:
        name: The thing, or None where it is unclear.
        look: "" for its own colours, a colour, a material, or None where it is unclear.
        box: x0, y0, x1, y1 in pixels; may reach beyond the picture.
        visible: Share of it that nothing hides, 0 to 1.
        confidence: Probability of the centre, 0 to 1.
        name_confidence: Probability of the likeliest name, 0 to 1, also where it is unclear.
        look_confidence: Probability of the likeliest look, 0 to 1.
    """

    name: str | None
    look: str | None
    box: tuple[float, float, float, float]
    visible: float = 1.0
    confidence: float = 1.0
    name_confidence: float = 1.0
    look_confidence: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a picture shows; None wherever the judge is not sure. Most confident instances first."""

    instances: tuple[Instance, ...]
    setting: str | None
    time: str | None
    style: str | None
    setting_confidence: float = 1.0
    time_confidence: float = 1.0
    style_confidence: float = 1.0


def overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1), 0 to 1."""
    shared = _intersection(first, second)
    return shared / (_area(first) + _area(second) - shared) if shared else 0.0


def containment(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Share of the smaller of two boxes (x0, y0, x1, y1) that lies in the other, 0 to 1."""
    shared = _intersection(first, second)
    return shared / min(_area(first), _area(second)) if shared else 0.0


def _intersection(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return width * height if width > 0 and height > 0 else 0.0


def _area(box: tuple[float, ...]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def look_of(thing: Thing) -> str:
    """The look of a thing as the judge words it: its colour, its material, or "" for its own."""
    return thing.colour or thing.material or ""


def matches(render: Render, reading: Reading) -> list[tuple[int, Instance | None]]:
    """For each painted box its thing's index and the instance read there, each once, or None."""
    left = list(reading.instances)
    found: list[tuple[int, Instance | None]] = []
    for box in render.boxes:
        here = (box.x0, box.y0, box.x1, box.y1)
        best = max(left, key=lambda instance: overlap(here, instance.box), default=None)
        if best is None or overlap(here, best.box) < SAME_PLACE:
            found.append((box.thing, None))
        else:
            left.remove(best)
            found.append((box.thing, best))
    return found
