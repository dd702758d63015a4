"""Builds the glyph atlas of the scene world from the colour emoji font.

    apt-get install fonts-noto-color-emoji && pip install fonttools
    PYTHONPATH=src python scripts/build_atlas.py

Run it after a change to objects.tsv or people.tsv that adds or removes a glyph. It reads the
bitmaps straight from the font's CBDT table (136×128 px, one PNG a glyph; sequences through the GSUB
ligatures) and writes WebP sheets and `atlas.txt`, one line a cell. It asks nothing about what the
glyphs are called.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import Image

from nonette.data.scenes import atlas, catalogue

DEBIAN_FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
ASSETS = Path(__file__).parents[1] / "src/nonette/data/scenes/assets"
VARIATION_SELECTOR = 0xFE0F
COLOUR_QUALITY, ALPHA_QUALITY = 85, 90  # percent, of lossy WebP


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the font, writes sheets and index, and says how large they are."""
    parser = argparse.ArgumentParser(description="Build the glyph atlas of the scene world.")
    parser.add_argument("--font", type=Path, default=DEBIAN_FONT)
    parser.add_argument("--out", type=Path, default=ASSETS)
    options = parser.parse_args(arguments)

    bitmaps = read_bitmaps(TTFont(options.font))
    sequences = wanted_sequences()
    missing = [sequence for sequence in sequences if sequence not in bitmaps]
    if missing:
        raise SystemExit(f"the font lacks {len(missing)} glyphs: {', '.join(missing)}")

    for stale in options.out.glob("atlas-*.webp"):
        stale.unlink()
    total = 0
    for index, start in enumerate(range(0, len(sequences), atlas.CELLS_PER_SHEET)):
        sheet = pack([bitmaps[key] for key in sequences[start : start + atlas.CELLS_PER_SHEET]])
        path = options.out / f"atlas-{index}.webp"
        sheet.save(path, quality=COLOUR_QUALITY, alpha_quality=ALPHA_QUALITY, method=6)
        total += path.stat().st_size
    index_text = "".join(f"{key}\n" for key in sequences)
    (options.out / "atlas.txt").write_text(index_text, encoding="ascii")
    print(f"{len(sequences)} glyphs in {index + 1} sheets, {total / 1e6:.2f} MB")


def wanted_sequences() -> list[str]:
    """Every glyph of the catalogue once, the CPU world's first so that they share a sheet."""
    entries = catalogue.load()
    first = [entries[name] for name in catalogue.CPU_OBJECTS]
    looks = (sequence for entry in (*first, *entries.values()) for sequence in entry.sequences())
    return list(dict.fromkeys(looks))


def read_bitmaps(font: TTFont) -> dict[str, bytes]:
    """PNG bytes of each glyph by its code points, "1f408_200d_2b1b" without variation selectors."""
    bitmaps = font["CBDT"].strikeData[0]
    characters = font.getBestCmap()
    glyphs = {(point,): name for point, name in characters.items()}
    points = {name: point for point, name in characters.items()}
    for components, name in ligatures(font):
        if all(component in points for component in components):
            sequence = (points[component] for component in components)
            key = tuple(point for point in sequence if point != VARIATION_SELECTOR)
            glyphs.setdefault(key, name)
    return {
        "_".join(f"{point:x}" for point in key): bytes(bitmaps[name].imageData)
        for key, name in glyphs.items()
        if name in bitmaps
    }


def ligatures(font: TTFont) -> Iterator[tuple[list[str], str]]:
    """The glyph names that a sequence is made of, and the name of the glyph that shows it."""
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            for first, candidates in getattr(table, "ligatures", {}).items():
                for ligature in candidates:
                    yield [first, *ligature.Component], ligature.LigGlyph


def pack(pngs: Sequence[bytes]) -> Image.Image:
    """One sheet, its cells filled row by row; rows without a glyph are cut off."""
    num_rows = -(-len(pngs) // atlas.SHEET_COLUMNS)
    size = (atlas.SHEET_COLUMNS * atlas.CELL_WIDTH, num_rows * atlas.CELL_HEIGHT)
    sheet = Image.new("RGBA", size)
    for cell, png in enumerate(pngs):
        row, column = divmod(cell, atlas.SHEET_COLUMNS)
        picture = Image.open(io.BytesIO(png)).convert("RGBA")
        sheet.paste(picture, (column * atlas.CELL_WIDTH, row * atlas.CELL_HEIGHT))
    return sheet


if __name__ == "__main__":
    main()
