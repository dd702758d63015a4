"""`nonette serve`: the API and a worker for each model, kept alive on this machine.

The address, the data folder and the models are options; everything else is a setting read from the
environment, listed in docs/settings.md.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nonette.checkpoints import format as checkpoints
from nonette.checkpoints import store
from nonette.cli import _extras
from nonette.core import flat


def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to listen on. [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Its port; 0 takes a free one. [default: 8000]")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where everything is kept.", show_default=False)
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model to offer; may be given again. [default: scenes and scenes-ar]"),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Worker processes for each model.")] = 1,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads of each worker. [default: all cores]")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="Where workers draw, as `nonette draw --device`. [default: auto]"),
    ] = None,
) -> None:
    """Draw for browsers and programs, over a queue that loses nothing."""
    _extras.need("serve")
    from nonette.server import logs
    from nonette.server.accounts import Accounts
    from nonette.server.database import Database
    from nonette.server.settings import load
    from nonette.server.supervisor import Supervisor

    settings = load(
        host=host,
        port=port,
        data_dir=None if data_dir is None else data_dir.absolute(),
        models=tuple(model) if model else None,
        threads=threads,
        device=device,
    )
    for name in settings.models:
        if name != flat.MODEL:
            checkpoints.read(store.find(name, allows_paths=False))
    logs.set_up(settings.log_format)
    commands = {
        f"worker {name} {number}": (
            sys.executable,
            *("-m", "nonette.cli", "worker", "--until-stdin-closes", "--model", name),
        )
        for name in settings.models
        for number in range(1, workers + 1)
    }
    supervisor = Supervisor(settings, commands)
    database = Database(settings.url)
    database.upgrade()
    has_accounts = bool(Accounts(database).all())
    database.close()
    typer.echo(f"Nonette answers at {supervisor.address}")
    if settings.needs_keys and not has_accounts:
        typer.echo("Callers need a key; make one with: nonette admin add NAME", err=True)
    supervisor.run()
