"""Bring a finished run into the package: its model folder under its shipped name, with its card.

    python scripts/bundle.py runs/seq2seq_cpu/model scenes-ar card.md --without-encoder

Replaces the bundled model of that name; what is in the card is yours to write and measure.
`--without-encoder` leaves out the half of a VQGAN that reads pictures, which drawing never does;
what is left keeps its bytes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BUNDLED = Path(__file__).parents[1] / "src" / "nonette" / "bundled"


def main(arguments: Sequence[str]) -> int:
    """Copy the folder, name it, and check that it can be read."""
    from nonette.checkpoints.format import read

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="the model folder of a run")
    parser.add_argument("name", help="what the model is called from now on")
    parser.add_argument("card", type=Path, help="the text of its card")
    parser.add_argument("--without-encoder", action="store_true", help="of the part vqgan")
    options = parser.parse_args(arguments)
    _check(read(options.source))
    target = BUNDLED / options.name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in sorted(options.source.iterdir()):
        shutil.copyfile(path, target / path.name)
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    config["name"] = options.name
    if options.without_encoder:
        strip(target / "vqgan.safetensors")
        config["networks"]["vqgan"]["config"]["has_encoder"] = False
    text = json.dumps(config, indent=2, ensure_ascii=False)
    (target / "config.json").write_text(text + "\n", encoding="utf-8")
    shutil.copyfile(options.card, target / "card.md")
    _check(read(target))
    return 0


def strip(path: Path) -> None:
    """Take out of a VQGAN's file the tensors that read pictures."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    kept = {
        name: tensor
        for name, tensor in tensors.items()
        if not name.startswith(("encoder.", "quant_conv."))
    }
    save_file(kept, path, metadata={"format": "pt"})
    path.chmod(0o644)  # it writes for the owner alone


def _check(checkpoint: Any) -> None:
    for part in checkpoint.manifest.networks:
        checkpoint.network(part)  # raises where a weight is damaged


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
