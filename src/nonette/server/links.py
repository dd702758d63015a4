"""Signed links: whoever has one may fetch one picture for a while, without a key.

The signature is an HMAC over the picture's id and the second it ends at, with a secret that is made
once and kept in the data folder. Knowing one link says nothing about another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from pathlib import Path

from nonette.server import secret
from nonette.server.errors import ApiError, not_found


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
        self._secret = secret.read(folder)

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
