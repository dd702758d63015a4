"""The command `nonette`: finds the verb, imports its file alone, turns errors into exit statuses.

Every verb is one line of `VERBS` and one file beside this one, in one of two shapes:

- a verb is a plain function with typed parameters (`Annotated[..., typer.Option(...)]`); its
  docstring is its help, and the docstring's first line is the line of help in `VERBS`;
- a verb with verbs of its own is `app = typer.Typer(help=...)` with the same first line.

Verbs raise `InputError` for what a person did and another `NonetteError` for what the machine could
not do; they never end the process themselves. Exit statuses: 0 done, 1 failed, 2 not understood,
130 interrupted.

It does not know what any verb does, and importing it imports nothing heavy: `nonette --help`
answers at once.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from nonette.core.errors import NonetteError, Stopped
from nonette.core.version import version

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


class Verb(NamedTuple):
    """Where a verb lives, as `"module:name"`, and the line that `nonette --help` prints for it."""

    target: str
    help: str


VERBS: Mapping[str, Verb] = {
    "draw": Verb("nonette.cli.draw:draw", "Draw pictures of a sentence, the best match first."),
    "edit": Verb("nonette.cli.edit:edit", "Repaint a part of a picture as a sentence says."),
    "extend": Verb("nonette.cli.extend:extend", "Go on with a picture beyond its borders."),
    "vary": Verb("nonette.cli.vary:vary", "Draw variations of a picture."),
    "enlarge": Verb("nonette.cli.enlarge:enlarge", "Enlarge a picture."),
    "verify": Verb("nonette.cli.verify:verify", "Say what a picture file tells of its origin."),
    "models": Verb(
        "nonette.cli.models:app",
        "List the models on this machine, show what they are, import published ones.",
    ),
    "data": Verb("nonette.cli.data:app", "Look at the captioned pictures that models learn from."),
    "train": Verb(
        "nonette.cli.train:train", "Train a network by a recipe, or go on where it stopped."
    ),
    "serve": Verb(
        "nonette.cli.serve:serve",
        "Draw for browsers and programs, over a queue that loses nothing.",
    ),
    "worker": Verb("nonette.cli.worker:worker", "Draw what waits in a server's queue."),
    "admin": Verb("nonette.cli.admin:app", "Look after a server's accounts, keys and backups."),
    "evaluate": Verb(
        "nonette.cli.evaluate:app", "Measure how well a model draws what it is asked."
    ),
}


class VerbGroup(TyperGroup):
    """Knows each verb by its line of help, and imports a verb only when it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, verb in VERBS.items():
            self.add_command(TyperCommand(name, help=verb.help))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Swap the called verb's line of help for the verb itself."""
        if args and args[0] in VERBS:
            self.add_command(load(args[0]), args[0])
        return super().resolve_command(ctx, args)


def load(name: str) -> TyperCommand | TyperGroup | Any:
    """Import the verb's file and make its command."""
    module, attribute = VERBS[name].target.split(":")
    target = getattr(importlib.import_module(module), attribute)
    if isinstance(target, typer.Typer):
        target.rich_markup_mode = None
        return get_group(target)
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name)(target)
    return get_command(single)


# Help and usage errors are plain text: half the time to print, and an error stays one line.
app = typer.Typer(
    cls=VerbGroup, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"nonette {version()}")
        raise typer.Exit


@app.callback()
def _nonette(
    is_version_asked: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Nine pictures for every sentence."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit status.

    Args:
        argv: The words after `nonette`; `None` takes them from the process.

    Returns:
        The exit status. What went wrong is one line on stderr; `NONETTE_DEBUG=1` raises it instead.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal of few letters prints "?"
    try:
        try:
            app(args=argv, prog_name="nonette")
        except SystemExit as end:
            sys.stdout.flush()
            return end.code if isinstance(end.code, int) else FAILED
        raise AssertionError("typer ends every command with SystemExit")
    except BrokenPipeError:  # the reader left, as `head` does: nobody is there to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (NonetteError, OSError) as error:
        if os.environ.get("NONETTE_DEBUG"):
            raise
        typer.echo(f"nonette: {_sentence(error)}", err=True)
        return _status(error)


def _status(error: Exception) -> int:
    if isinstance(error, Stopped):
        return INTERRUPTED
    return MISUSED if isinstance(error, ValueError) else FAILED


def _sentence(error: Exception) -> str:
    """The error on one line; an OSError with its file first and without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__
