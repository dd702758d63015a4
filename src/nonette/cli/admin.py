"""`nonette admin`: accounts and keys of a server, and its backups, from the machine it runs on.

Every verb works on the data folder (and database) of the server, whether or not it runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nonette.cli import _extras

if TYPE_CHECKING:
    from nonette.server.accounts import Accounts
    from nonette.server.settings import Settings

app = typer.Typer(help="Look after a server's accounts, keys and backups.", no_args_is_help=True)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="The server's data folder.", show_default=False)
]
Who = Annotated[str, typer.Argument(help="The account's id, or its e-mail address.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Who it is.")],
    email: Annotated[str | None, typer.Option(help="Their e-mail address.")] = None,
    tier: Annotated[str, typer.Option(help="What they may have; see docs/settings.md.")] = "free",
    operator: Annotated[bool, typer.Option("--operator", help="May look after others.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Make an account with its first key, and print both."""
    from nonette.core.errors import InputError

    with _opened(data_dir) as (settings, accounts):
        if tier not in settings.tiers:
            choices = ", ".join(settings.tiers)
            raise InputError("--tier", tier, f"there is no such tier; choices: {choices}")
        account_id = accounts.add(name, email=email, tier=tier, is_operator=operator)
        typer.echo(f"account {account_id}\nkey     {accounts.new_key(account_id, 'first')}")


@app.command()
def key(account: Who, name: str = "", data_dir: DataDir = None) -> None:
    """Make another key for an account, and print it; it cannot be asked for again."""
    with _opened(data_dir) as (_, accounts):
        typer.echo(accounts.new_key(accounts.find(account).id, name))


@app.command()
def revoke(
    prefix: Annotated[str, typer.Argument(help="The twelve characters after sk-nonette-.")],
    data_dir: DataDir = None,
) -> None:
    """Refuse a key from now on, and print the id of the case that refusals name."""
    with _opened(data_dir) as (_, accounts):
        typer.echo(accounts.revoke_key(prefix))


@app.command()
def accounts(
    state: Annotated[
        str | None, typer.Option(help="Only those that are waiting, active or suspended.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """List the accounts with the prefixes of their keys."""
    with _opened(data_dir) as (_, found):
        for row in found.all(state):
            about = f"{row.id}  {row.state:<9} {row.tier:<10} {row.name} <{row.email or ''}>"
            typer.echo(about + ("  operator" if row.is_operator else ""))
            for one in found.keys_of(row.id):
                revoked = f"revoked {one.case_id or ''}".rstrip()
                typer.echo(f"  {one.prefix}  {revoked if one.revoked_at else one.name}")


@app.command()
def approve(account: Who, data_dir: DataDir = None) -> None:
    """Let somebody in who waits or was suspended, and print a new key for them."""
    from nonette.server.accounts import ACTIVE

    with _opened(data_dir) as (_, accounts):
        row = accounts.find(account)
        accounts.decide(row.id, ACTIVE)
        typer.echo(accounts.new_key(row.id, "approved"))


@app.command()
def suspend(
    account: Who,
    reason: Annotated[str, typer.Option(help="Why; the person is told.")],
    data_dir: DataDir = None,
) -> None:
    """Refuse all keys of an account, close its sessions and cancel its jobs."""
    from nonette.server.accounts import SUSPENDED

    with _opened(data_dir) as (_, accounts):
        accounts.decide(accounts.find(account).id, SUSPENDED, reason)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The tar file to write.")], data_dir: DataDir = None
) -> None:
    """Write the database, pictures, uploads and the secret into one file; the server may run."""
    with _opened(data_dir) as (settings, _):
        from nonette.server import backup as backups

        typer.echo(f"{file}: {backups.save(settings, file):,} files")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `nonette admin backup` wrote.")],
    data_dir: DataDir = None,
) -> None:
    """Make a new data folder of a backup."""
    _extras.need("serve")
    from nonette.server import backup as backups
    from nonette.server.settings import load

    settings = load(data_dir=None if data_dir is None else data_dir.absolute())
    count = backups.restore(file, settings.data_dir)
    typer.echo(f"{settings.data_dir}: {count:,} files")


@app.command()
def settings() -> None:
    """Print the page of all settings, docs/settings.md."""
    _extras.need("serve")
    from nonette.server.settings_page import render

    typer.echo(render(), nl=False)


@contextlib.contextmanager
def _opened(data_dir: Path | None) -> Iterator[tuple[Settings, Accounts]]:
    """The accounts of a server; its database is made where there is none."""
    _extras.need("serve")
    from nonette.server.accounts import Accounts
    from nonette.server.database import Database
    from nonette.server.settings import load

    settings = load(data_dir=None if data_dir is None else data_dir.absolute())
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.url)
    database.upgrade()
    try:
        yield settings, Accounts(database)
    finally:
        database.close()
