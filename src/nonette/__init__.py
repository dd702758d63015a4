"""Nine pictures for every sentence.

    import nonette

    drawing = nonette.draw("a kangaroo made of cheese on the moon")  # shows itself in a notebook
    drawing.save("grid.png")
    drawing[0].pixels, drawing[0].seed, drawing[0].score             # the best match

This is the whole public surface. Nothing is imported before it is asked for, torch least of all.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nonette.core.types import Drawing, Picture, Request
    from nonette.engine import draw, load

__all__ = ["Drawing", "Picture", "Request", "__version__", "draw", "load"]

_PLACES = {
    "Drawing": "nonette.core.types",
    "Picture": "nonette.core.types",
    "Request": "nonette.core.types",
    "draw": "nonette.engine",
    "load": "nonette.engine",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name == "__version__":
        return importlib.import_module("nonette.core.version").version()
    if name not in _PLACES:
        raise AttributeError(f"module 'nonette' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
