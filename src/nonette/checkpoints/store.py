"""Where models lie, and how a name becomes a folder.

A model is looked for among the bundled ones, then in `$NONETTE_HOME/models`
(`~/.local/share/nonette/models` where the variable is not set). Where paths are allowed, as on the
command line, anything else is taken as the path of a model folder. A name never leaves these
places: it has no separators and does not begin with a dot.

Nothing is downloaded here.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from nonette.core.errors import InputError

DEFAULT = "scenes"
BUNDLED = Path(__file__).parents[1] / "bundled"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def places() -> tuple[Path, ...]:
    """The folders that model folders lie in, first come first found."""
    home = os.environ.get("NONETTE_HOME") or Path.home() / ".local" / "share" / "nonette"
    return BUNDLED, Path(home) / "models"


def names() -> tuple[str, ...]:
    """The names of all models in the store, sorted."""
    return tuple(
        sorted(
            {
                folder.name
                for place in places()
                if place.is_dir()
                for folder in place.iterdir()
                if NAME.fullmatch(folder.name) and (folder / "config.json").is_file()
            }
        )
    )


def find(name_or_path: str = "", *, field: str = "model", allows_paths: bool = True) -> Path:
    """The folder of a model.

    Args:
        name_or_path: A name of `names()`, "" for the default, or the path of a model folder.
        field: What the person called it, for the error.
        allows_paths: Whether paths are looked at; never where the name comes over a network.

    Raises:
        InputError: There is no such model.
    """
    name = name_or_path or DEFAULT
    if NAME.fullmatch(name):
        for place in places():
            if (place / name / "config.json").is_file():
                return place / name
    if (
        allows_paths and name.isprintable() and os.path.isdir(name)
    ):  # Path.is_dir raises on long names
        return Path(name)
    raise InputError(field, name, _advice(name, allows_paths))


def _advice(name: str, allows_paths: bool) -> str:
    known = names()
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"there is no such model; did you mean {near[0]!r}?"
    kinds = "name or folder" if allows_paths else "name"
    return f"there is no model of that {kinds}; choices: {', '.join(known) or 'none are installed'}"
