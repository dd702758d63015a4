"""Wrong keys by address, so that guessing is slow. Each API process counts for itself."""

from __future__ import annotations

import time

from nonette.server.errors import try_later

MOST_FAILURES, FAILURE_SECONDS = 20, 60.0  # wrong keys from one address before it has to wait
MOST_ADDRESSES = 10_000


class Failures:
    """The wrong keys that came lately."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = {}

    def check(self, address: str) -> None:
        """Refuse an address that guessed too often lately.

        Raises:
            ApiError: 429.
        """
        recent = self._recent(address)
        if len(recent) >= MOST_FAILURES:
            raise try_later(
                "Too many wrong keys came from this address.",
                seconds=FAILURE_SECONDS - (time.monotonic() - recent[0]),
                code="too_many_wrong_keys",
            )

    def note(self, address: str) -> None:
        """One more wrong key."""
        if len(self._times) >= MOST_ADDRESSES:
            self._times.clear()
        self._times[address] = [*self._recent(address), time.monotonic()][-MOST_FAILURES:]

    def _recent(self, address: str) -> list[float]:
        start = time.monotonic() - FAILURE_SECONDS
        return [moment for moment in self._times.get(address, ()) if moment > start]
