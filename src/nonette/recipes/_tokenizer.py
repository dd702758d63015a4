"""The text tokenizer that a world's recipes share, made once."""

from __future__ import annotations

import os
from pathlib import Path

from nonette.data.scenes import corpus
from nonette.data.scenes.world import TRAINING_SEED, World
from nonette.text import tokenizer

NUM_CAPTIONS = 12_000
VOCABULARY_SIZE = (
    1536  # every word of the smaller world is one id or two; captions take 10 ids on average
)


def tokenizer_of(world: World, runs: Path, vocabulary_size: int = VOCABULARY_SIZE) -> str:
    """The file of the world's tokenizer below `runs`, trained now if it is not there."""
    path = runs / f"tokenizer-{world.name}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        trained = tokenizer.train(
            corpus.captions(world, TRAINING_SEED, NUM_CAPTIONS), vocabulary_size
        )
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_bytes(trained.to_bytes())
        partial.replace(path)
    return str(path)
