"""`nonette worker`: an engine in a process of its own that draws what waits in a server's queue.

`nonette serve` starts one for each model; start more of them, on this machine or on another that
shares the data folder and a PostgreSQL database, to draw more at once.
"""

from __future__ import annotations

import os
import signal
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nonette.cli import _extras, _habits
from nonette.core import allocator, flat
from nonette.core.errors import SettingIgnored
from nonette.core.types import Engine

if TYPE_CHECKING:
    from nonette.server.worker import WorkerLoop

PREVIEW_EVERY = 8  # steps of drawing


def worker(
    model: Annotated[
        str, typer.Option(help="The model to draw with. [default: the server's first]")
    ] = "",
    data_dir: Annotated[
        Path | None, typer.Option(help="The server's data folder.", show_default=False)
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="The server's database. [default: SQLite in the data folder]"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads to use. [default: all cores]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where to draw, as `nonette draw --device`. [default: auto]")
    ] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="End when standard input does.")
    ] = False,
) -> None:
    """Draw what waits in a server's queue."""
    _extras.need("serve")
    from nonette.server import logs
    from nonette.server.database import Database
    from nonette.server.settings import load
    from nonette.server.worker import WorkerLoop

    allocator.share_heaps()
    settings = load(data_dir=data_dir, database_url=url, threads=threads, device=device)
    logs.set_up(settings.log_format)
    os.nice(max(0, settings.worker_niceness - os.nice(0)))
    database = Database(settings.url)
    database.check()
    warnings.simplefilter("ignore", SettingIgnored)
    engine = build(model or settings.models[0], settings.threads, settings.device)
    loop = WorkerLoop(engine, database, settings)
    _obey_signals(loop)
    if until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=[loop], daemon=True).start()
    loop.run()
    database.close()


def build(model: str, threads: int | None, device: str) -> Engine:
    """The engine for a model of the store; flat colours need no device."""
    if model == flat.MODEL:
        return flat.FlatEngine()
    _habits.adopt()
    from nonette.engine import LocalEngine

    return LocalEngine(model, threads=threads, device=device, preview_every=PREVIEW_EVERY)


def _obey_signals(loop: WorkerLoop) -> None:
    """The first signal lets the batch at hand finish within the limit, the second puts it back."""

    def on_signal(number: int, frame: object) -> None:
        _end(loop, at_once=loop.draining.is_set())

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def _end(loop: WorkerLoop, *, at_once: bool) -> None:
    loop.draining.set()
    if at_once:
        loop.stopping.set()
    else:
        timer = threading.Timer(loop.settings.drain_seconds, loop.stopping.set)
        timer.daemon = True
        timer.start()


def _watch_stdin(loop: WorkerLoop) -> None:
    while os.read(0, 1):  # unbuffered: a buffer cannot be locked while the process ends
        pass
    _end(loop, at_once=False)
