"""`nonette models`: which models this machine has, what each is, and bringing in others.

To list and to show, only `config.json` and the card are read, never weights. A folder that cannot
be read is listed with the reason, so that one damaged model does not hide the others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nonette.checkpoints import format as checkpoints
from nonette.checkpoints import store
from nonette.cli._progress import ProgressBar
from nonette.core.config import to_dict
from nonette.core.errors import CheckpointError
from nonette.core.types import Progress

app = typer.Typer(
    help="List the models on this machine, show what they are, import published ones.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List all models by name, the default one marked."""
    rows = [_row(name) for name in store.names()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif not rows:
        typer.echo(f"no models; put model folders into {store.places()[-1]}")
    for row in [] if as_json else rows:
        mark = "*" if row["is_default"] else " "
        about = row["error"] or f"{row['system']:<12} {_mebibytes(row['bytes']):>10}"
        typer.echo(f"{mark} {row['name']:<20} {about}")


@app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(help="A model's name, or the path of its folder.")],
    as_json: AsJson = False,
) -> None:
    """Show one model: its networks, settings, example sentences and card."""
    checkpoint = checkpoints.read(store.find(name))
    facts = {
        "name": checkpoint.name,
        "system": checkpoint.system,
        "folder": str(checkpoint.folder),
        "bytes": _num_bytes(checkpoint.folder),
        "networks": to_dict(checkpoint.manifest)["networks"],
        "settings": checkpoint.settings,
        "examples": list(checkpoint.examples),
        "card": checkpoint.card,
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    typer.echo(f"{facts['name']}: {facts['system']}, {_mebibytes(facts['bytes'])}")
    typer.echo(f"in {facts['folder']}")
    for title in ("networks", "settings"):
        typer.echo(f"\n{title}: {json.dumps(facts[title], indent=2, ensure_ascii=False)}")
    if checkpoint.examples:
        typer.echo("\nexamples:")
    for example in checkpoint.examples:
        typer.echo(f"  {example}")
    if checkpoint.card:
        typer.echo(f"\n{checkpoint.card.rstrip()}")


@app.command("fetch")
def fetch_model(
    repository: Annotated[str, typer.Argument(help="A repository on the hub, as owner/name.")],
    revision: Annotated[str, typer.Option(help="Which commit, tag or branch of it.")],
) -> None:
    """Fetch published weights from a hub into a folder; importing them is another command."""
    from nonette.checkpoints import hub

    folder = hub.fetch(repository, revision)
    typer.echo(f"fetched into {folder}")
    typer.echo(f"import it with: nonette models import {folder}", err=True)


@app.command("import")
def import_model(
    sources: Annotated[
        list[Path],
        typer.Argument(help="Folder or file of published weights; several make one model."),
    ],
    name: Annotated[str, typer.Option(help="What to call the model.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a model of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring in published weights: recognised by content, read safely, written as a model."""
    from nonette.checkpoints import importing
    from nonette.checkpoints.foreign.folder import Digest, Found

    def tell(file: str, digest: Digest) -> None:
        if not as_json:
            typer.echo(f"sha256 {digest.sha256}  {file}", err=True)

    found = Found(sources, on_digest=tell)
    importer, plan = importing.recognise(found)
    if not as_json:
        typer.echo(f"this is {plan.title}", err=True)
    with ProgressBar("importing") as show:
        folder = importing.write(
            plan,
            found,
            importer,
            name,
            on_progress=lambda done, total: show(Progress(done=done, total=total, phase="writing")),
            is_replacing=force,
        )
    facts = {
        "name": folder.name,
        "importer": importer,
        "system": plan.system,
        "folder": str(folder),
        "licence": plan.licence,
        "files": {file: digest.sha256 for file, digest in found.digests.items()},
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        typer.echo(f"imported {folder.name} into {folder}")


def _row(name: str) -> dict[str, Any]:
    """What `list` says of one model."""
    folder = store.find(name, allows_paths=False)
    row = {
        "name": name,
        "system": None,
        "folder": str(folder),
        "bytes": _num_bytes(folder),
        "is_default": name == store.DEFAULT,
        "error": None,
    }
    try:
        row["system"] = checkpoints.read(folder).system
    except CheckpointError as error:
        row["error"] = str(error)
    return row


def _num_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _mebibytes(num_bytes: int) -> str:
    return f"{num_bytes / 2**20:.1f} MiB"
