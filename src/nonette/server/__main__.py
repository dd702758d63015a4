"""The API process that `nonette serve` starts: `python -m nonette.server`.

It answers on the socket whose file descriptor NONETTE_SERVER_SOCKET names, and ends when its
standard input does, so that it never outlives the supervisor that started it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
from types import FrameType

import uvicorn

from nonette.core import allocator
from nonette.core.errors import NonetteError
from nonette.server import logs
from nonette.server.app import create_app
from nonette.server.hub import Hub
from nonette.server.protocol import HurriedProtocol, raise_limit
from nonette.server.settings import Settings, load
from nonette.server.supervisor import SOCKET

MISUSED, FAILED = 2, 1
KEEP_ALIVE_SECONDS = 75
SWITCH_SECONDS = 0.001  # that a thread which computes may keep the one that answers waiting
BACKLOG = 4096
NEVER = 1 << 30


class Server(uvicorn.Server):
    """Lets streams end as soon as it is told to stop, and stops at once when told twice."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self.hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second ends at once."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell those who watch to come back later, then let every answer end."""
        self.hub.close()
        await super().shutdown(sockets)


def main(settings: Settings, descriptor: int) -> None:
    """Answer on a listening socket until told to stop."""
    sys.setswitchinterval(SWITCH_SECONDS)
    allocator.share_heaps()
    HurriedProtocol.most_connections = raise_limit()
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        http=HurriedProtocol,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        backlog=BACKLOG,
    )
    server = Server(config, app.state.house.hub)

    def end_with_standard_input() -> None:
        while os.read(0, 1):  # unbuffered: a buffer cannot be locked while the process ends
            pass
        server.should_exit = True

    threading.Thread(target=end_with_standard_input, daemon=True).start()
    gc.collect()
    gc.freeze()  # what is there from the start stays
    gc.set_threshold(*gc.get_threshold()[:2], NEVER)  # all of it in the keeper's rounds alone
    asyncio.run(server.serve([socket.socket(fileno=descriptor)]))


if __name__ == "__main__":
    settings = load()
    logs.set_up(settings.log_format)
    try:
        main(settings, int(os.environ[SOCKET]))
    except NonetteError as error:
        sys.stderr.write(f"nonette: {error}\n")
        sys.exit(MISUSED if isinstance(error, ValueError) else FAILED)
