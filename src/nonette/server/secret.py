"""A data folder's secret: random bytes for what must not be guessed or forged, made once, kept."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from nonette.core.errors import NonetteError

NAME = "secret.key"
NUM_BYTES = 32


def read(folder: Path) -> bytes:
    """The folder's secret, made if it is not there; two that make it at once get one.

    Raises:
        NonetteError: It is there but damaged.
    """
    path = folder / NAME
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    if not path.exists():
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(NUM_BYTES))
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # fails where another was faster, whose secret counts
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    content = path.read_bytes()
    if len(content) != NUM_BYTES:
        raise NonetteError(f"{path} is damaged; without it links that were given out end")
    return content
