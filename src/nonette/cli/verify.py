"""`nonette verify`: what a picture file says of itself, and how far to believe it.

Files are not signed yet, so all of it is what somebody wrote into the file; anybody could have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import typer

from nonette.cli import _options as options
from nonette.cli import _pictures
from nonette.core.errors import InputError
from nonette.provenance import encode as files

SOURCES = {  # what IPTC's digital source types mean, those that a machine may claim
    "trainedAlgorithmicMedia": "drawn by a trained model",
    "compositeWithTrainedAlgorithmicMedia": "partly drawn by a trained model",
}
TRUST = "Nothing in the file is signed: anybody could have written this, or taken it out."


def verify(image: options.Image, as_json: options.AsJson = False) -> None:
    """Say what a picture file tells of its origin."""
    with options.named():
        content = _pictures.content(image, "source")
        try:
            source_type = files.source_type(content)
        except InputError as error:
            raise InputError("source", error.value, error.limit) from error
    try:
        record: Mapping[str, Any] | None = files.read(content)
    except InputError:
        record = None
    if as_json:
        told = {"source_type": source_type, "signed": False, "record": record}
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    kind = (source_type or "").rsplit("/", 1)[-1]
    meaning = SOURCES.get(kind, "not said to be drawn by a machine")
    typer.echo(f"origin: {meaning}{f' ({_plain(kind)})' if kind else ''}")
    if record is None:
        typer.echo("It holds no settings of Nonette.")
    else:
        typer.echo(f"made by Nonette {_plain(record.get('nonette', 'of unknown version'))}:")
        for name, value in record.items():
            if name != "nonette":
                typer.echo(f"  {_plain(name)}: {_plain(value)}")
    typer.echo(TRUST)


def _plain(value: object) -> str:
    """A value of a stranger's file on one line that does nothing to a terminal."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
