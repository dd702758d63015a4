"""Signed links: whoever has one may fetch one picture for a while, without a key.

The signature is an HMAC over the picture's id and the second it ends at, with a secret that is made
once and kept in the data folder. Knowing one link says nothing about another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path

from nonette.core.errors import NonetteError
from nonette.server.errors import ApiError, not_found

SECRET = "secret.key"
SECRET_BYTES = 32


class Links:
    """Makes and checks the links of one data folder.

    Args:
        folder: Where the secret is kept.
        minutes: How long a link is valid.

    Raises:
        NonetteError: The secret is there but damaged.
    """

    def __init__(self, folder: Path, minutes: int) -> None:
        self.seconds = minutes * 60
        self._secret = _secret(folder / SECRET)

    def make(self, picture_id: str) -> str:
        """The link's path and query, valid from now on."""
        until = int(time.time()) + self.seconds
        return f"/links/{picture_id}?until={until}&signature={self._sign(picture_id, until)}"

    def check(self, picture_id: str, until: int, signature: str) -> None:
        """Let a valid link pass.

        Raises:
            ApiError: 404 where it was not made here, 410 where its time is over.
        """
        wanted = self._sign(picture_id, until)
        if not hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace")):
            raise not_found("link", picture_id)
        if time.time() > until:
            raise ApiError(410, "This link's time is over; ask for the picture again.", code="gone")

    def _sign(self, picture_id: str, until: int) -> str:
        digest = hmac.digest(self._secret, f"{picture_id}\n{until}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:24]).decode()


def _secret(path: Path) -> bytes:
    """The secret of this path, made if it is not there; two that make it at once get one."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    if not path.exists():
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # fails where another was faster, whose secret counts
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    content = path.read_bytes()
    if len(content) != SECRET_BYTES:
        raise NonetteError(f"{path} is damaged; without it links that were given out end")
    return content
