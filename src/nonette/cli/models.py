"""`nonette models`: which models this machine has, what each is, and bringing in others.

To list and to show, only `config.json` and the card are read, never weights. A folder that cannot
be read is listed with the reason, so that one damaged model does not hide the others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nonette.checkpoints import format as checkpoints
from nonette.checkpoints import store
from nonette.cli._progress import ProgressBar
from nonette.core.config import to_dict
from nonette.core.errors import CheckpointError, InputError
from nonette.core.types import Progress

if TYPE_CHECKING:
    from nonette.checkpoints import adapting

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


@app.command("adapt")
def adapt_model(
    model: Annotated[str, typer.Argument(help="A model's name, or the path of its folder.")],
    name: Annotated[str, typer.Option(help="What to call the new model.")],
    lora: Annotated[
        list[str],
        typer.Option(metavar="FILE[:STRENGTH]", help="A LoRA, and how strongly it is added."),
    ] = [],  # noqa: B006  typer wants a list and changes none
    embedding: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="A textual inversion: a word that prompts can use."),
    ] = [],  # noqa: B006
    deep_every: Annotated[
        int | None,
        typer.Option(metavar="N", help="Work the UNet's deeper part out at every Nth call only."),
    ] = None,
    guidance_interval: Annotated[
        str | None,
        typer.Option(metavar="LEAST:MOST", help="Guide between these sigmas only."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a model of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a model of a Stable Diffusion with LoRA files, textual inversions or another pace."""
    from nonette.checkpoints import adapting

    unmatched: dict[str, list[str]] = {}
    folder = adapting.adapt(
        checkpoints.read(store.find(model)),
        name,
        loras=[_lora(one) for one in lora],
        embeddings=embedding,
        pace=adapting.Pace(deep_every=deep_every, guidance_interval=_interval(guidance_interval)),
        on_unmatched=lambda path, keys: unmatched.update({str(path): keys}),
        is_replacing=force,
    )
    words = checkpoints.read(folder).settings.get("words", {})
    for path, keys in unmatched.items():
        count = "1 tensor fits" if len(keys) == 1 else f"{len(keys)} tensors fit"
        typer.echo(f"nonette: {path}: left out, since {count} nothing here:", err=True)
        for key in keys:
            typer.echo(f"  {key}", err=True)
    if as_json:
        facts = {"name": folder.name, "folder": str(folder), "unmatched": unmatched}
        typer.echo(json.dumps(facts | {"words": list(words)}, indent=2, ensure_ascii=False))
        return
    typer.echo(f"made {folder.name} in {folder}")
    if words:
        typer.echo(f"words for prompts: {', '.join(words)}")


def _lora(given: str) -> adapting.Lora:
    """A file, or a file and a strength behind a colon.

    Raises:
        InputError: The strength is no number or too large.
    """
    from nonette.checkpoints import adapting

    path, colon, strength = given.rpartition(":")
    if not colon or Path(given).exists():
        return adapting.Lora(Path(given))
    limit = f"the strength must be -{adapting.MAX_STRENGTH:g} to {adapting.MAX_STRENGTH:g}"
    try:
        number = float(strength)
    except ValueError as error:
        raise InputError("--lora", given, limit) from error
    if not abs(number) <= adapting.MAX_STRENGTH:
        raise InputError("--lora", given, limit)
    return adapting.Lora(Path(path), number)


def _interval(given: str | None) -> tuple[float, float] | None:
    """Two sigmas with a colon between them.

    Raises:
        InputError: It is something else.
    """
    if given is None:
        return None
    try:
        least, most = map(float, given.split(":"))
    except ValueError as error:
        limit = "it must be two sigmas and a colon, such as 0.3:5"
        raise InputError("--guidance-interval", given, limit) from error
    return least, most


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
