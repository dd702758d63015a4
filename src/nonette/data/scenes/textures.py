"""Procedural textures, one a material: uint8 (size, size, 3) for pictures of `size` pixels.

Features are sized for objects of 40 to 100 pixels in a picture of 128, and scale with the picture.
Every texture is the same at every call: what nothing in a caption tells should not vary much.
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
    """Distances to the nearest and second nearest point, and the nearest's index, all (n, n)."""
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


def around(x: Field, px: float, py: float, reach: float) -> tuple[slice, slice]:
    """The rows and columns within `reach` of a point: painting there alone is quick."""
    n = x.shape[0]
    rows, columns = (
        slice(max(0, int((p - reach) * n)), max(0, int((p + reach) * n) + 2)) for p in (py, px)
    )
    return rows, columns


def cheese(size: int) -> np.ndarray:
    """Bright yellow with round, shaded holes."""
    x, y = grid(size)
    colours = np.full((*x.shape, 3), (255.0, 208.0, 52.0))
    points = scattered(7, seed=3, jitter=0.45)
    radii = 0.022 + 0.032 * np.random.default_rng(4).random(len(points))
    for (px, py), radius in zip(points, radii, strict=True):
        here = around(x, px, py, radius * 1.4)
        u, v = x[here], y[here]
        rim = (radius * 1.22 - np.hypot(u - px - radius * 0.12, v - py - radius * 0.12)) / (
            radius * 0.1
        )
        hole = (radius - np.hypot(u - px, v - py)) / (radius * 0.15)
        depth = np.clip(0.5 - (u - px + v - py) / (2.4 * radius), 0, 1)
        rimmed = mix(colours[here], (255, 236, 140), rim)
        colours[here] = mix(rimmed, mix((232, 158, 16), (166, 96, 0), depth), hole)
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


def glass(size: int) -> np.ndarray:
    """Clear, faintly green, with slanting reflections."""
    x, y = grid(size)
    slant = (x + y * 0.7) * 5.2 % 1
    colours = np.broadcast_to(np.array([176.0, 224.0, 214.0]), (*x.shape, 3))
    broad = 1 - np.abs(slant - 0.35) / 0.14
    narrow = 1 - np.abs(slant - 0.62) / 0.05
    return finish(mix(colours, (255, 255, 255), np.maximum(broad, narrow) * 2))


def chocolate(size: int) -> np.ndarray:
    """Dark brown squares of a bar, lit from above left."""
    x, y = grid(size)
    across, down = x * 9 % 1, y * 9 % 1
    colours = np.broadcast_to(np.array([98.0, 54.0, 30.0]), (*x.shape, 3))
    lit = np.minimum(across, down)
    dark = np.minimum(1 - across, 1 - down)
    colours = mix(colours, (146, 92, 58), (0.2 - lit) / 0.05)
    colours = mix(colours, (58, 28, 12), (0.2 - dark) / 0.05)
    return finish(mix(colours, (40, 18, 8), (0.06 - np.minimum(lit, dark)) / 0.03))


def marble(size: int) -> np.ndarray:
    """White with grey veins."""
    x, y = grid(size)
    bent = (
        x + 0.5 * y + 0.06 * np.sin(2 * np.pi * (y * 2.3 + 0.2)) + 0.03 * np.sin(2 * np.pi * x * 5)
    )
    vein = 1 - np.abs(bent * 5.5 % 1 - 0.5) / 0.055
    crossing = x * 0.6 - y + 0.07 * np.sin(2 * np.pi * (x * 3 + 0.4))
    fine = 1 - np.abs(crossing * 4.2 % 1 - 0.5) / 0.03
    colours = mix((246, 245, 243), (222, 222, 226), 0.5 + 0.5 * np.sin(2 * np.pi * bent * 2.7))
    colours = mix(colours, (168, 168, 176), fine)
    return finish(mix(colours, (112, 114, 124), vein))


def wool(size: int) -> np.ndarray:
    """Knitted stitches of red and cream, in bands."""
    x, y = grid(size)
    across = x * 18
    side = np.abs(across % 1 - 0.5) * 2  # 0 at a stitch's middle, 1 between two
    stitch = (y * 14 + side * 0.5) % 1
    band = np.floor((y * 14 + side * 0.5) / 3) % 2
    colours = np.where(
        band[..., None] == 0, np.array([196.0, 52.0, 62.0]), np.array([246, 232, 208])
    )
    shade = np.maximum(1 - stitch / 0.22, (side - 0.8) / 0.2)
    return finish(colours * (1 - 0.5 * np.clip(shade, 0, 1))[..., None])


def candy(size: int) -> np.ndarray:
    """Slanting stripes of pink, white and mint."""
    x, y = grid(size)
    stripe = (x + y) * 7 % 1
    stripes = (
        (0.0, (255, 84, 150)),
        (0.34, (255, 250, 250)),
        (0.5, (98, 226, 190)),
        (0.84, (255, 250, 250)),
    )
    colours = np.broadcast_to(np.array([255.0, 250, 250]), (*x.shape, 3))
    for start, colour in stripes:
        colours = mix(colours, colour, (stripe - start) / 0.03)
    return finish(colours)


def denim(size: int) -> np.ndarray:
    """Blue twill with rows of orange stitches."""
    x, y = grid(size)
    twill = 0.5 + 0.5 * np.sin(2 * np.pi * (x * 32 - y * 32))
    colours = mix((44, 74, 130), (92, 126, 180), twill)
    seam = np.minimum(np.abs(y * 4 % 1 - 0.46), np.abs(y * 4 % 1 - 0.58))
    thread = (0.026 - seam) / 0.012 * (x * 26 % 1 < 0.6)
    return finish(mix(colours, (240, 170, 70), thread))


def water(size: int) -> np.ndarray:
    """Blue waves with white crests."""
    x, y = grid(size)
    wave = y * 9 + 0.28 * np.sin(2 * np.pi * x * 8)
    colours = mix((18, 92, 196), (74, 190, 240), wave % 1)
    crest = 1 - np.abs(wave % 1 - 0.9) / 0.09
    return finish(mix(colours, (236, 250, 255), crest * 1.6))


def silver(size: int) -> np.ndarray:
    """Polished grey metal with upright bands."""
    x, y = grid(size)
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * ((x + y * 0.12) * 5.5))
    colours = mix((96, 104, 116), (208, 214, 222), wave)
    return finish(mix(colours, (255, 255, 255), (wave - 0.88) / 0.08))


def paper(size: int) -> np.ndarray:
    """Newsprint: columns of dark lines on cream."""
    x, y = grid(size)
    columns, rows = 4.5, 26
    column = np.floor(x * columns)
    row = np.floor(y * rows)
    length = np.random.default_rng(71).random(997)[(row * 13 + column * 5).astype(int) % 997] * 0.3
    is_line = (y * rows % 1 < 0.5) & (x * columns % 1 > 0.1) & (x * columns % 1 < 0.94 - length)
    is_headline = row % 9 == 0
    colours = np.where(is_line[..., None], np.array([96.0, 94, 92]), np.array([244.0, 239, 224]))
    heavy = is_headline & (y * rows % 1 < 0.85) & (x * columns % 1 > 0.1) & (x * columns % 1 < 0.9)
    return finish(np.where(heavy[..., None], np.array([40.0, 40, 42]), colours))


def flowers(size: int) -> np.ndarray:
    """Blossoms of many colours among leaves."""
    x, y = grid(size)
    colours = np.full((*x.shape, 3), (52.0, 138.0, 62.0))
    petals = ((244, 84, 130), (255, 255, 255), (255, 206, 50), (176, 96, 220), (250, 120, 60))
    for i, (px, py) in enumerate(scattered(10, seed=81, jitter=0.4)):
        here = around(x, px, py, 0.05)
        u, v = x[here] - px, y[here] - py
        radius = 0.047 * (0.72 + 0.28 * np.cos(5 * np.arctan2(v, u) + i))
        distance = np.hypot(u, v)
        centre = (255, 216, 60) if i % 5 != 2 else (196, 110, 20)
        blossom = mix(colours[here], petals[i % 5], (radius - distance) / 0.005)
        colours[here] = mix(blossom, centre, (0.014 - distance) / 0.004)
    return finish(colours)


def jelly(size: int) -> np.ndarray:
    """Clear raspberry red with bubbles and soft glints."""
    x, y = grid(size)
    colours = mix((206, 16, 74), (250, 92, 140), 0.5 + 0.5 * np.sin(2 * np.pi * (x * 2 + y * 3)))
    points = scattered(9, seed=91, jitter=0.9)
    radii = 0.008 + 0.016 * np.random.default_rng(92).random(len(points))
    for (px, py), radius in zip(points, radii, strict=True):
        here = around(x, px, py, radius * 1.5)
        u, v = x[here] - px, y[here] - py
        ring = 1 - np.abs(np.hypot(u, v) - radius) / (radius * 0.35)
        glint = 1 - np.hypot(u + radius * 0.35, v + radius * 0.35) / (radius * 0.4)
        bubble = mix(colours[here], (255, 196, 216), ring)
        colours[here] = mix(bubble, (255, 255, 255), glint * 2)
    return finish(colours)


def fur(size: int) -> np.ndarray:
    """Leopard fur: dark rosettes on tan."""
    x, y = grid(size)
    strands = 0.5 + 0.5 * np.sin(2 * np.pi * (y * 40 + 0.8 * np.sin(2 * np.pi * x * 17)))
    colours = mix((226, 168, 92), (206, 142, 68), strands)
    for i, (px, py) in enumerate(scattered(10, seed=95, jitter=0.6)):
        here = around(x, px, py, 0.045)
        u, v = x[here] - px, y[here] - py
        distance = np.hypot(u, v * 1.15)
        has_ring = np.cos(np.arctan2(v, u) - i * 2.4) < 0.8
        spot = mix(colours[here], (172, 102, 40), (0.024 - distance) / 0.004)
        ring = (1 - np.abs(distance - 0.027) / 0.01) * 2 * has_ring
        colours[here] = mix(spot, (52, 30, 16), ring)
    return finish(colours)
