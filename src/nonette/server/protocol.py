"""HTTP/1.1 by uvicorn and h11, but nobody may take for ever to say what they want.

uvicorn waits without end for a first request, and for headers that come byte by byte. Here a
connection has `HEADER_SECONDS` to complete the headers of a request once it is open, or once it
began them. Where there are more connections than the process may hold, the one that has said
nothing for longest is closed, so that idle ones never keep others out.
"""

from __future__ import annotations

import asyncio
import resource
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 20.0
OTHER_FILES = 200  # that a process keeps open beside its connections: database, pictures, logs
MOST_CONNECTIONS = 50_000  # where the system allows any number of files


class HurriedProtocol(H11Protocol):
    """Closes connections whose headers do not come to an end in time."""

    most_connections: ClassVar[int] = MOST_CONNECTIONS
    _idle: ClassVar[dict[HurriedProtocol, None]] = {}  # the one that is idle for longest first
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers; where there are too many connections, put one out."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections and self._idle:
            next(iter(self._idle))._close()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Go on waiting, unless the headers are complete."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """The connection is idle again, and kept alive for a while."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            self._idle[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        super().connection_lost(exc)
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        self._idle.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._idle.setdefault(self)
        if self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self._close)

    def _close(self) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.close()


def raise_limit() -> int:
    """Let this process open as many files as the system allows it, and say how many connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY or most > MOST_CONNECTIONS + OTHER_FILES:
        most = MOST_CONNECTIONS + OTHER_FILES
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    return max(1, most - OTHER_FILES)
