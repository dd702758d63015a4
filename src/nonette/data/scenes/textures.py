"""Procedural textures, one function a material: uint8 (size, size, 3) for pictures of `size` pixels.

Features are sized for objects of 40 to 100 pixels in a picture of 128, and scale with the picture. Every
texture is the same at every call: what nothing in a caption tells should not vary much.
"""

from __future__ import annotations

import numpy as np

SUPERSAMPLING = 2

Field = np.ndarray  # float (n, n), or (n, n, 3) for colours


def grid(size: int) -> tuple[Field, Field]:
    """Coordinates (x, y) of a supersampled square in [0, 1), each (n, n)."""
    steps = (np.arange(size * SUPERSAMPLING) + 0.5) / (size * SUPERSAMPLING)
    x, y = np.meshgrid(steps, steps)
    return x, y


def mix(first: Field | tuple[int, ...], second: Field | tuple[int, ...], share: Field) -> Field:
    """Colours between `first` (share 0) and `second` (share 1), float (n, n, 3)."""
    amount = np.clip(share, 0, 1)[..., None]
    return np.asarray(first, float) * (1 - amount) + np.asarray(second, float) * amount


def finish(colours: Field) -> np.ndarray:
    """Average the supersampled colours down to uint8 (size, size, 3)."""
    n = colours.shape[0] // SUPERSAMPLING
    blocks = colours.reshape(n, SUPERSAMPLING, n, SUPERSAMPLING, 3).mean(axis=(1, 3))
    return np.clip(blocks.round(), 0, 255).astype(np.uint8)


def scattered(num_columns: int, seed: int, jitter: float = 0.7) -> np.ndarray:
    """Points of a jittered grid over the unit square and a little beyond, (points, 2) as (x, y)."""
    rng = np.random.default_rng(seed)
    cells = np.stack(
        np.meshgrid(np.arange(-1, num_columns + 1), np.arange(-1, num_columns + 1)), axis=-1
    )
    return (
        cells.reshape(-1, 2) + 0.5 + jitter * (rng.random((cells.size // 2, 2)) - 0.5)
    ) / num_columns


def nearest_two(x: Field, y: Field, points: np.ndarray) -> tuple[Field, Field, np.ndarray]:
    """Distances to the nearest and second nearest point, and the index of the nearest, each (n, n)."""
    first = np.full(x.shape, 9.0)
    second = np.full(x.shape, 9.0)
    index = np.zeros(x.shape, int)
    for i, (px, py) in enumerate(points):
        distance = np.hypot(x - px, y - py)
        is_nearer = distance < first
        second = np.where(is_nearer, first, np.minimum(second, distance))
        index = np.where(is_nearer, i, index)
        first = np.where(is_nearer, distance, first)
    return first, second, index


def cheese(size: int) -> np.ndarray:
    """Bright yellow with round, shaded holes."""
    x, y = grid(size)
    colours = np.broadcast_to(np.array([255.0, 208.0, 52.0]), (*x.shape, 3))
    points = scattered(7, seed=3, jitter=0.45)
    radii = 0.022 + 0.032 * np.random.default_rng(4).random(len(points))
    for (px, py), radius in zip(points, radii, strict=True):
        rim = (radius * 1.22 - np.hypot(x - px - radius * 0.12, y - py - radius * 0.12)) / (
            radius * 0.1
        )
        hole = (radius - np.hypot(x - px, y - py)) / (radius * 0.15)
        depth = np.clip(0.5 - (x - px + y - py) / (2.4 * radius), 0, 1)
        colours = mix(colours, (255, 236, 140), rim)
        colours = mix(colours, mix((232, 158, 16), (166, 96, 0), depth), hole)
    return finish(colours)


def wood(size: int) -> np.ndarray:
    """Upright brown planks with wavy grain and dark joints."""
    x, y = grid(size)
    plank = np.floor(x * 6)
    wave = (
        x * 46
        + 0.9 * np.sin(2 * np.pi * (y * 1.7 + plank * 0.37))
        + 0.35 * np.sin(2 * np.pi * (y * 4.3 + plank))
    )
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * wave * 0.55)
    colours = mix((190, 126, 66), (138, 82, 36), 0.75 * grain)
    colours = colours * (0.92 + 0.16 * ((plank * 0.618) % 1))[..., None]
    joint = 1 - np.abs(x * 6 - np.round(x * 6)) / 0.07
    return finish(mix(colours, (74, 40, 14), joint))


def stone(size: int) -> np.ndarray:
    """Rounded grey cobbles between dark joints."""
    x, y = grid(size)
    first, second, index = nearest_two(x, y, scattered(9, seed=11))
    shade = 128 + 52 * np.random.default_rng(12).random(200)[index % 200]
    body = shade - 260 * first
    colours = np.stack([body, body, body + 5], axis=-1)
    joint = 1 - (second - first) / 0.016
    return finish(mix(colours, (62, 62, 68), joint))


def gold(size: int) -> np.ndarray:
    """Polished metal: slanting bands from dark amber to a white glint."""
    x, y = grid(size)
    band = (x * 0.8 + y * 1.2) * 3.4
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * band)
    colours = mix((150, 92, 8), (246, 186, 32), wave**0.8)
    glint = np.clip((wave - 0.86) / 0.1, 0, 1)
    return finish(mix(colours, (255, 248, 196), glint))


def ice(size: int) -> np.ndarray:
    """Pale blue facets with white edges."""
    x, y = grid(size)
    first, second, index = nearest_two(x * 1.0, y * 1.0, scattered(6, seed=21, jitter=0.95))
    facet = np.random.default_rng(22).random(200)[index % 200]
    colours = mix((120, 196, 240), (206, 238, 255), facet)
    edge = 1 - (second - first) / 0.014
    return finish(mix(colours, (255, 255, 255), edge))


def brick(size: int) -> np.ndarray:
    """Courses of red bricks in pale mortar."""
    x, y = grid(size)
    rows, columns = 14, 7
    row = np.floor(y * rows)
    across = x * columns + 0.5 * (row % 2)
    tint = np.random.default_rng(31).random(997)[
        (row * 31 + np.floor(across) * 7).astype(int) % 997
    ]
    colours = mix((172, 62, 44), (206, 92, 66), tint)
    gap = np.maximum(
        1 - np.minimum(y * rows % 1, 1 - y * rows % 1) / 0.13,
        1 - np.minimum(across % 1, 1 - across % 1) / 0.065,
    )
    return finish(mix(colours, (226, 216, 204), gap * 2))


def grass(size: int) -> np.ndarray:
    """Tufts of blades, light tips over dark roots."""
    x, y = grid(size)
    colours = np.broadcast_to(np.array([34.0, 110.0, 26.0]), (*x.shape, 3))
    rng = np.random.default_rng(41)
    rows = 12
    for row in range(-1, rows + 1):
        lean = 0.25 * np.sin(2 * np.pi * (x * 9 + row * 0.4))
        across = (x + lean * 0.02 + rng.random() * 0.05) * 26
        blade = np.abs(across % 1 - 0.5) * 2  # 0 at a blade's middle, 1 between blades
        height = y * rows - row  # 0 at the row's top, 1 at its foot
        tip = 0.45 * np.random.default_rng(row + 60).random(99)[np.floor(across).astype(int) % 99]
        inside = np.clip((height - tip - blade * 0.6) / 0.12, 0, 1) * (height < 1.5)
        colours = mix(colours, mix((150, 214, 70), (40, 124, 30), (height - tip) * 0.95), inside)
    return finish(colours)


def lava(size: int) -> np.ndarray:
    """Black crust over glowing cracks."""
    x, y = grid(size)
    bent = x + 0.02 * np.sin(2 * np.pi * y * 5), y + 0.02 * np.sin(2 * np.pi * x * 4)
    first, second, _ = nearest_two(*bent, scattered(7, seed=51, jitter=0.9))
    glow = 1 - (second - first) / 0.085
    colours = mix((58, 22, 16), (226, 40, 0), glow * 1.5)
    colours = mix(colours, (255, 140, 0), glow * 2.2 - 0.9)
    return finish(mix(colours, (255, 232, 90), glow * 4 - 2.9))
