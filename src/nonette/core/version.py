"""Which Nonette this is: the one place that knows where to look it up."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """The version of the installed package; "unknown" where the source runs uninstalled."""
    try:
        return metadata.version("nonette")
    except metadata.PackageNotFoundError:
        return "unknown"
