"""Bring a finished run into the package: its model folder under its shipped name, with its card.

    python scripts/bundle.py runs/seq2seq_cpu/model scenes-ar card.md

Replaces the bundled model of that name; what is in the card is yours to write and measure.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

BUNDLED = Path(__file__).parents[1] / "src" / "nonette" / "bundled"


def main(arguments: Sequence[str]) -> int:
    """Copy the folder, name it, and check that it can be read."""
    from nonette.checkpoints.format import read

    source, name, card = Path(arguments[0]), arguments[1], Path(arguments[2])
    checkpoint = read(source)
    for part in checkpoint.manifest.networks:
        checkpoint.network(part)  # raises where a weight is damaged
    target = BUNDLED / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        shutil.copyfile(path, target / path.name)
    config = json.loads((target / "config.json").read_text(encoding="utf-8")) | {"name": name}
    text = json.dumps(config, indent=2, ensure_ascii=False)
    (target / "config.json").write_text(text + "\n", encoding="utf-8")
    shutil.copyfile(card, target / "card.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
