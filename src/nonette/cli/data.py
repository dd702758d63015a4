"""`nonette data`: the captioned pictures that models learn from, made to be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nonette.cli import _files
from nonette.core.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

WORLDS = ("cpu", "full", "tiny")
SIZES = (64, 128, 256)
MAX_SCENES = 1024
NUM_COLUMNS = 8
GAP = 8  # pixels between pictures of a sheet
LINE_HEIGHT = 12  # pixels a line of caption
NUM_LINES = 4

app = typer.Typer(help="Look at the captioned pictures that models learn from.")


@app.callback()
def _data() -> None:
    """Look at the captioned pictures that models learn from."""


@app.command("scenes")
def scenes(
    count: Annotated[int, typer.Option("-n", help="How many, 1 to 1,024.")] = 64,
    preview: Annotated[Path, typer.Option(help="The sheet's file, a PNG.")] = Path("sheet.png"),
    world: Annotated[str, typer.Option(help=f"One of {', '.join(WORLDS)}.")] = "cpu",
    size: Annotated[int, typer.Option(help="Pixels a side: 64, 128 or 256.")] = 128,
    seed: Annotated[
        int | None, typer.Option(help="Which series of scenes. [default: that of previews]")
    ] = None,
    split: Annotated[str, typer.Option(help="train, held_out or all.")] = "train",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Paint scenes of a world onto one sheet, each with its caption below."""
    if not 1 <= count <= MAX_SCENES:
        raise InputError("-n", count, f"it must be a whole number from 1 to {MAX_SCENES:,}")
    if world not in WORLDS:
        raise InputError("--world", world, f"it must be one of {', '.join(WORLDS)}")
    if size not in SIZES:
        raise InputError("--size", size, f"it must be one of {', '.join(map(str, SIZES))}")
    if seed is not None and not 0 <= seed < 2**53:
        raise InputError("--seed", seed, "it must be a whole number from 0 to 2^53 - 1")
    if preview.suffix.lower() != ".png":
        raise InputError("--preview", str(preview), "its name must end in .png")
    _files.check(preview, "--preview", force)
    from nonette.data.scenes import world as worlds
    from nonette.data.scenes.dataset import SceneDataset

    chosen = getattr(worlds, f"{world.upper()}_WORLD")
    dataset = SceneDataset(
        world=chosen,
        seed=worlds.PREVIEW_SEED if seed is None else seed,
        size=size,
        split=split,  # type: ignore[arg-type]  # draw_scene refuses any other word
        languages=chosen.languages,
    )
    sheet = _sheet([dataset[index] for index in range(count)], size)
    _files.write_all({preview: _png(sheet)}, "--preview", force)
    typer.echo(f"{preview}: {count} scenes of the world {chosen.name}")


def _sheet(samples: list[dict[str, Any]], size: int) -> Image.Image:
    """Pictures in rows, captions wrapped below them."""
    import textwrap

    from PIL import Image, ImageDraw, ImageFont

    columns = min(NUM_COLUMNS, len(samples))
    rows = -(-len(samples) // columns)
    cell_width, cell_height = size + GAP, size + GAP + NUM_LINES * LINE_HEIGHT
    sheet = Image.new("RGB", (columns * cell_width + GAP, rows * cell_height + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=LINE_HEIGHT - 2)
    for index, sample in enumerate(samples):
        x, y = GAP + index % columns * cell_width, GAP + index // columns * cell_height
        sheet.paste(Image.fromarray(sample["pixels"]), (x, y))
        lines = textwrap.wrap(_plain_letters(sample["caption"]), width=max(8, size // 5))[
            :NUM_LINES
        ]
        pen.text((x, y + size + 1), "\n".join(lines), fill="black", font=font, spacing=1)
    return sheet


def _plain_letters(text: str) -> str:
    """Without accents, which Pillow's own font has not."""
    import unicodedata

    letters = unicodedata.normalize("NFD", text.replace("œ", "oe"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _png(sheet: Image.Image) -> bytes:
    import io

    buffer = io.BytesIO()
    sheet.save(buffer, "png")
    return buffer.getvalue()
