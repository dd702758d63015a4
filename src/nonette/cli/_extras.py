"""Verbs that need more than the core packages say so before they begin."""

from __future__ import annotations

import importlib.util

from nonette.core.errors import NonetteError

SIGNS = {"serve": ("fastapi", "sqlalchemy", "alembic", "uvicorn", "structlog")}


def need(extra: str) -> None:
    """Make sure that the packages of an extra are there.

    Raises:
        NonetteError: They are not; the message says how to get them.
    """
    missing = [name for name in SIGNS[extra] if importlib.util.find_spec(name) is None]
    if missing:
        raise NonetteError(
            f"this needs {', '.join(missing)}; install them with: pip install 'nonette[{extra}]'"
        )
